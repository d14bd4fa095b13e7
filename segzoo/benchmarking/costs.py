"""What cells took and what their models take: times, rates and memory, all of them of one machine."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from segzoo.benchmarking.outcomes import Outcome, Timing
from segzoo.benchmarking.runs import Run
from segzoo.networks.cost import TrainingCost, training_cost

LATENCY = ("latency_p50_ms", "latency_p95_ms", "throughput_images_per_s", "throughput_batch")
"""What the timing phase measures of a model."""
AMOUNTS = ("training_seconds_per_epoch", "training_images_per_s", "waiting_share", "peak_memory_bytes", *LATENCY)
"""Figures that a model has, be it from several seeds."""
DEFINITIONS: dict[str, str] = {
    "training_seconds_per_epoch": "Wall time of an epoch with its validation: the median over all epochs but the "
    "first, which compiles the training step. Of a training of one epoch it is that one's, with start-up.",
    "training_images_per_s": "Training images, or crops of them, by the time of training on them, waiting for them "
    "included and validation not: the median over the same epochs.",
    "waiting_share": "The part of the training time that went by waiting for images, over the same epochs together.",
    "peak_memory_bytes": "The most memory that the cell's process held.",
    "seconds": "Wall time of the cell with start-up, over all attempts.",
    "attempts": "How often the cell was begun.",
    "threads": "Threads of the cell.",
    "throughput_batch": "Images in a batch, where throughput was measured.",
}
"""What each cost of a cell means, in a sentence. Those of the timing phase are explained in `timing.json`."""


def of_run(run: Run) -> dict[str, float | None]:
    """What the training took, None where it was not measured."""
    try:
        with (run.folder / "timings.csv").open(encoding="utf-8", newline="") as file:
            cost = training_cost(list(csv.DictReader(file)))
    except (OSError, ValueError, KeyError, TypeError, csv.Error):  # missing, or damaged: the scores hold all the same
        cost = training_cost([])
    return _training(cost)


def of_cell(outcome: Outcome, timing: Timing) -> dict[str, Any]:
    """What a cell took, what its model takes, and where; None where that is not known."""
    measured = timing.of(outcome.cell.dataset, outcome.cell.model) if outcome.run else {}
    return {
        **(of_run(outcome.run) if outcome.run else _training(training_cost([]))),
        **{name: outcome.facts.get(name) for name in ("peak_memory_bytes", "seconds", "attempts")},
        **{name: measured.get(name) for name in LATENCY},
        "threads": outcome.facts.get("threads"),
        "machine": outcome.run.machine if outcome.run else None,
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
