"""The tables of models beside each other: their rows, and those of a benchmark read from its folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from segzoo.benchmarking import costs, ranking
from segzoo.benchmarking.cells import CellResult, read_results
from segzoo.benchmarking.costs import Timing, read_timing
from segzoo.benchmarking.plan import FILE, Plan, read_plan
from segzoo.benchmarking.ranking import RankedModel, rank
from segzoo.benchmarking.runs import lacking, require_same_data, require_same_definitions, warned
from segzoo.errors import ConfigError
from segzoo.runs.config import read_table
from segzoo.runs.finished import Run


@dataclass(frozen=True)
class Results(ABC):
    """Models beside each other with the cells they come from, be these of a benchmark or runs made by hand."""

    folder: Path
    """Where the commands that repeat cells are to be typed."""
    baseline: str
    """The label of the model that the others are compared with."""
    cells: tuple[CellResult, ...]
    """By dataset, model and seed, those that failed or are missing among them."""
    timing: Timing

    @property
    @abstractmethod
    def sections(self) -> Mapping[str, Sequence[RankedModel]]:
        """What is compared with each other, by dataset; the model with the best mean IoU first."""

    @abstractmethod
    def facts(self) -> list[str]:
        """Sentences on the comparison that the cells do not tell."""

    @abstractmethod
    def notes(self, dataset: str, model: str) -> list[str]:
        """What is to be known of a model on a dataset."""

    def warnings(self, dataset: str) -> list[str]:
        """What should be known of the scores on a dataset, with the model and the seeds."""
        return [sentence for model in self.sections[dataset] for sentence in warned(model.label, model.runs)]

    @property
    def runs(self) -> list[Run]:
        """Those of the cells that are done."""
        return [cell.run for cell in self.cells if cell.run]

    @cached_property
    def results(self) -> list[dict[str, Any]]:
        """The rows of `results.csv`: a cell each, without times."""
        names = dict.fromkeys(name for run in self.runs for name in run.scores)
        return [{**cell.cell._asdict(), **_result(cell, self.size(*cell.cell[:2]), names)} for cell in self.cells]

    @cached_property
    def timings(self) -> list[dict[str, Any]]:
        """The rows of `timings.csv`: a cell each, with what it took and where."""
        return [{**cell.cell._asdict(), **costs.of_cell(cell, self.timing)} for cell in self.cells]

    def size(self, dataset: str, model: str) -> dict[str, Any]:
        """Parameters and FLOPs of a model on images of a dataset, None where the timing phase has not counted them."""
        measured = self.timing.of(dataset, model)
        return {name: measured.get(name) for name in ("parameters", "flops")}

    def costs(self, dataset: str, model: str) -> dict[str, Any]:
        """The costs of a model on a dataset: medians over its seeds, and of the memory the most."""
        rows = [row for row, cell in zip(self.timings, self.cells, strict=True) if cell.run]
        return costs.together([row for row in rows if (row["dataset"], row["model"]) == (dataset, model)])

    @property
    def definitions(self) -> dict[str, str]:
        """A sentence for each figure."""
        texts = [run.metrics["definitions"] for run in self.runs]
        texts += [ranking.DEFINITIONS, costs.DEFINITIONS, self.timing.table.get("definitions", {})]
        return {name: sentence for text in texts for name, sentence in text.items()}

    @property
    def better(self) -> dict[str, str]:
        """Which way each score is better, `higher` or `lower`."""
        return {name: better for run in self.runs for name, better in run.better.items()}

    def row(self) -> dict[str, Any]:
        """All of it, ready for JSON; what depends on the speed of the machine is below `timings`."""
        rows = [(dataset, model) for dataset, ranked in self.sections.items() for model in ranked]
        phase = {key: value for key, value in self.timing.table.items() if key != "definitions"}
        return {
            "baseline": self.baseline,
            "rows": [{"dataset": dataset, **model.row(), **self.size(dataset, model.label)} for dataset, model in rows],
            "cells": self.results,
            "definitions": self.definitions,
            "better": self.better,
            "timings": {
                "rows": [
                    {"dataset": dataset, "model": model.label, **self.costs(dataset, model.label)}
                    for dataset, model in rows
                ],
                "cells": self.timings,
                "phase": phase,
            },
        }


@dataclass(frozen=True)
class Benchmark(Results):
    """The results of a benchmark."""

    plan: Plan
    ranking: dict[str, tuple[RankedModel, ...]]
    """By dataset; the model with the best mean IoU first."""

    @property
    def sections(self) -> dict[str, tuple[RankedModel, ...]]:
        """The same as `ranking`."""
        return self.ranking

    def facts(self) -> list[str]:
        """How the widths of the networks came to be, and which scores some of the cells do not have."""
        matched = self.plan.definition.match == "parameters"
        widths = "chosen so that the parameters are as many as the baseline has" if matched else "as given"
        return [f"Widths: {widths}.", *lacking(self.runs)]

    def notes(self, dataset: str, model: str) -> list[str]:
        """The width that was chosen for a model, and what is to be known of it."""
        widths = self.plan.widths.get(dataset, {}).get(model, {})
        note = self.plan.notes.get(dataset, {}).get(model, "")
        return [*(f"{option} = {value}" for option, value in widths.items()), *([note] if note else [])]

    def row(self) -> dict[str, Any]:
        """All of it with the definition, ready for JSON; what depends on the machine's speed is below `timings`."""
        return {"definition": read_table(self.folder / FILE), **super().row()}


def read_benchmark(out: Path) -> Benchmark:
    """The benchmark in a folder, with the cells that are done so far.

    Raises:
        ConfigError: if there is no benchmark, or cells of one dataset do not have the same data.
    """
    if not (out / FILE).is_file():
        raise ConfigError(f"{out} holds no benchmark; `segzoo benchmark FILE.toml --out {out}` makes one")
    plan = read_plan(out)
    cells = tuple(read_results(out, plan))
    ranking = {entry.label: tuple(_ranked(entry.label, plan, cells)) for entry in plan.definition.datasets}
    return Benchmark(out, plan.definition.baseline, cells, read_timing(out), plan, ranking)


def _ranked(dataset: str, plan: Plan, cells: Sequence[CellResult]) -> list[RankedModel]:
    runs: dict[str, list[Run]] = {model.label: [] for model in plan.definition.models}
    for cell in cells:
        if cell.run and cell.cell.dataset == dataset:
            runs[cell.cell.model].append(cell.run)
    done = [run for of_model in runs.values() for run in of_model]
    remedy = "Delete the folder of the cell whose data are wrong, and start the benchmark again"
    require_same_data(done, remedy)
    require_same_definitions(done)
    return rank(runs, plan.definition.baseline)


def _result(cell: CellResult, size: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What is in `results.csv` of a cell; with the same columns if it is not done."""
    run = cell.run
    scores: Mapping[str, float | None] = run.scores if run else {}
    return {
        "status": cell.status,
        "reason": cell.reason or None,
        "split": run.metrics["split"] if run else None,
        "images": run.metrics["images"] if run else None,
        **size,
        **{name: scores.get(name) for name in names},
        "warnings": "; ".join(run.warnings) or None if run else None,
        "command": cell.command or None,
        "versions": run.versions if run else None,
    }
