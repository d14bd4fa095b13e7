"""Results as files: `results.csv`, `timings.csv`, `results.json`, `images.csv` and `leaderboard.md`.

What depends on how fast the machine was is kept apart, as in a run: `results.csv` and `images.csv` hold no times, and
`results.json` holds them below its key `timings` only. So a benchmark that was stopped and went on has the same results
as one that was not.
"""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

from segzoo.benchmarking import costs, ranking
from segzoo.benchmarking.cells import CellResult
from segzoo.benchmarking.costs import Timing
from segzoo.benchmarking.leaderboard import leaderboard
from segzoo.benchmarking.ranking import RankedModel
from segzoo.benchmarking.runs import Run, image_columns, image_rows
from segzoo.files.atomic import whole, write_text
from segzoo.runs.tables import csv_text


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
        """Sentences on the whole that the cells do not tell."""

    @abstractmethod
    def notes(self, dataset: str, model: str) -> list[str]:
        """What is to be known of a model on a dataset."""

    @property
    def runs(self) -> list[Run]:
        """Those of the cells that are done."""
        return [cell.run for cell in self.cells if cell.run]

    @cached_property
    def results(self) -> list[dict[str, Any]]:
        """The rows of `results.csv`: one a cell, without times."""
        names = dict.fromkeys(name for run in self.runs for name in run.scores)
        return [{**one.cell._asdict(), **_result(one, self.size(*one.cell[:2]), names)} for one in self.cells]

    @cached_property
    def timings(self) -> list[dict[str, Any]]:
        """The rows of `timings.csv`: one a cell, of what it took and where."""
        return [{**one.cell._asdict(), **costs.of_cell(one, self.timing)} for one in self.cells]

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

    def row(self) -> dict[str, Any]:
        """All of it, ready for JSON; what depends on the machine's mood is below `timings`."""
        rows = [(dataset, one) for dataset, ranked in self.sections.items() for one in ranked]
        phase = {key: value for key, value in self.timing.table.items() if key != "definitions"}
        return {
            "baseline": self.baseline,
            "rows": [{"dataset": dataset, **one.row(), **self.size(dataset, one.label)} for dataset, one in rows],
            "cells": self.results,
            "definitions": self.definitions,
            "timings": {
                "rows": [
                    {"dataset": dataset, "model": one.label, **self.costs(dataset, one.label)} for dataset, one in rows
                ],
                "cells": self.timings,
                "phase": phase,
            },
        }

    def write(self, out: Path) -> None:
        """Write the files into a folder, in place of earlier ones; each gets its name when it is whole."""
        texts = {
            "results.csv": csv_text(self.results),
            "timings.csv": csv_text(self.timings),
            "results.json": json.dumps(self.row(), indent=2, allow_nan=False) + "\n",
            "leaderboard.md": leaderboard(self),
        }
        _write_images(out / "images.csv", self.cells)
        for name, text in texts.items():
            write_text(out / name, text)


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
        "command": cell.command or None,
        "versions": run.versions if run else None,
    }


def _write_images(path: Path, cells: Sequence[CellResult]) -> None:
    """The rows of all `images.csv`, one cell after the other, in one table; columns that a dataset lacks are empty."""
    done = [(one.cell, one.run.folder, image_columns(one.run.folder)) for one in cells if one.run]
    columns = list(dict.fromkeys(["id", *(name for _, _, own in done for name in own)]))
    with whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["dataset", "model", "seed", *columns])
        for cell, folder, own in done:
            # Before each row comes the cell's place, and at its end an empty value for the columns that it lacks.
            places = [3 + own.index(name) if name in own else -1 for name in columns]
            pick = itemgetter(0, 1, 2, *places)
            writer.writerows(pick([*cell, *row, ""]) for row in image_rows(folder))
