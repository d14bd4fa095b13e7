"""What has become of the cells of a benchmark, read from their folders; and what its timing phase has measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from segzoo.benchmarking.plan import Cell, Plan
from segzoo.benchmarking.runs import Run, read_run
from segzoo.errors import ConfigError


@dataclass(frozen=True)
class Outcome:
    """What has become of a cell."""

    cell: Cell
    status: Literal["done", "failed", "missing"]
    reason: str
    """Why it is not done."""
    command: str
    """What repeats it, typed in the benchmark's folder; empty if it was not begun."""
    run: Run | None
    """What it has left; None if it is not done."""
    facts: Mapping[str, Any]
    """Its `cell.json`; empty if there is none."""


@dataclass(frozen=True)
class Timing:
    """What the timing phase has measured, `timing.json`; empty if it has not, or failed."""

    table: dict[str, Any]

    def of(self, dataset: str, model: str) -> dict[str, Any]:
        """Parameters, FLOPs, latency and throughput of a model on images of a dataset."""
        return dict(self._dataset(dataset).get("models", {}).get(model, {}))

    def noise_floor(self, dataset: str) -> float | None:
        """By what factor one model differs from itself."""
        floor: float | None = self._dataset(dataset).get("noise_floor")
        return floor

    def left_out(self, dataset: str) -> dict[str, str]:
        """The models that could not be timed, and why."""
        return dict(self._dataset(dataset).get("left_out", {}))

    def _dataset(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.table.get("datasets", {}).get(name, {})
        return found


def read_outcomes(out: Path, plan: Plan) -> list[Outcome]:
    """All cells by dataset, model and seed, whatever has become of them and whenever."""
    definition = plan.definition
    return [
        read_outcome(out, Cell(dataset.label, model.label, seed))
        for dataset in definition.datasets
        for model in definition.models
        for seed in definition.seeds_of(model)
    ]


def read_outcome(out: Path, cell: Cell) -> Outcome:
    """What has become of one cell."""
    folder = out / "cells" / str(cell)
    facts = read_facts(folder)
    command = facts.get("command", "")
    if facts.get("status") == "done":
        try:
            return Outcome(cell, "done", "", command, read_run(folder), facts)
        except ConfigError as error:
            return Outcome(cell, "failed", str(error), command, None, facts)
    if facts.get("status") == "failed":
        return Outcome(cell, "failed", facts.get("reason") or "no reason given", command, None, facts)
    return Outcome(cell, "missing", "not finished" if folder.exists() else "not begun", command, None, facts)


def read_facts(folder: Path) -> dict[str, Any]:
    """The `cell.json` in the folder of a cell; empty if there is none, as in that of a run made by hand."""
    return _json(folder / "cell.json")


def read_timing(out: Path) -> Timing:
    """The results of the timing phase of the benchmark in a folder."""
    return Timing(_json(out / "timing.json"))


def _json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}
