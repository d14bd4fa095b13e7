"""The costs of cells and of their models: times, rates and memory, all measured on the machine of the cell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from segzoo.benchmarking.cells import CellResult
from segzoo.errors import ConfigError
from segzoo.networks.cost import TrainingCost, training_cost
from segzoo.runs.finished import Run

LATENCY = ("latency_p50_ms", "latency_p95_ms", "throughput_images_per_s", "throughput_batch")
"""What the timing phase measures of a model."""
TIMING = "timing.json"
"""What the timing phase writes into the folder of a benchmark."""
AMOUNTS = ("training_seconds_per_epoch", "training_images_per_s", "waiting_share", "peak_memory_bytes", *LATENCY)
"""Figures of a model over its seeds."""
DEFINITIONS: dict[str, str] = {
    "training_seconds_per_epoch": "Wall time of an epoch with its validation: the median over all epochs but the "
    "first, which compiles the training step. Of a training of one epoch it is the time of that epoch, with start-up.",
    "training_images_per_s": "Training images, or crops of them, by the time of training on them, waiting for them "
    "included and validation not: the median over the same epochs.",
    "waiting_share": "The part of the training time that went by waiting for images, over the same epochs together.",
    "peak_memory_bytes": "The most memory that the cell's process held.",
    "seconds": "Wall time of the cell with start-up, over all attempts.",
    "attempts": "How often the cell was started.",
    "threads": "Threads of the cell.",
    "throughput_batch": "Images in a batch, where throughput was measured.",
}
"""What each cost of a cell means, in a sentence. Those of the timing phase are explained in `timing.json`."""


@dataclass(frozen=True)
class Timing:
    """What the timing phase has measured, `timing.json`; empty if it has not, or failed."""

    table: dict[str, Any]

    def of(self, dataset: str, model: str) -> dict[str, Any]:
        """Parameters, FLOPs, latency and throughput of a model on images of a dataset."""
        return dict(self._dataset(dataset).get("models", {}).get(model, {}))

    def noise_floor(self, dataset: str) -> float | None:
        """The factor between two timings of the same model; None if it was not measured."""
        floor: float | None = self._dataset(dataset).get("noise_floor")
        return floor

    def left_out(self, dataset: str) -> dict[str, str]:
        """The models that could not be timed, and why."""
        return dict(self._dataset(dataset).get("left_out", {}))

    def _dataset(self, name: str) -> dict[str, Any]:
        figures: dict[str, Any] = self.table.get("datasets", {}).get(name, {})
        return figures


def read_timing(out: Path) -> Timing:
    """The results of the timing phase of the benchmark in a folder."""
    try:
        table = json.loads((out / TIMING).read_text("utf-8"))
    except (OSError, ValueError):
        table = {}
    return Timing(table if isinstance(table, dict) else {})


def of_run(run: Run) -> dict[str, float | None]:
    """What the training took, None where it was not measured."""
    try:
        cost = training_cost(run.timings)
    except (ConfigError, KeyError):  # damaged: the scores hold all the same
        cost = training_cost([])
    return _training(cost)


def of_cell(result: CellResult, timing: Timing) -> dict[str, Any]:
    """What a cell took, what its model takes, and where; None where that is not known."""
    measured = timing.of(result.cell.dataset, result.cell.model) if result.run else {}
    return {
        **(of_run(result.run) if result.run else _training(training_cost([]))),
        **{name: getattr(result.record, name, None) for name in ("peak_memory_bytes", "seconds", "attempts")},
        **{name: measured.get(name) for name in LATENCY},
        "threads": result.threads,
        "machine": result.run.machine if result.run else None,
    }


def _training(cost: TrainingCost) -> dict[str, float | None]:
    return {
        "training_seconds_per_epoch": cost.seconds_per_epoch,
        "training_images_per_s": cost.images_per_second,
        "waiting_share": cost.waiting_share,
    }


def together(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of one model from those of its seeds: the median, and of the memory the most."""
    known = {name: [row[name] for row in rows if row[name] is not None] for name in AMOUNTS if rows and name in rows[0]}
    ways = {"peak_memory_bytes": max}
    return {name: ways.get(name, median)(values) if values else None for name, values in known.items()}
