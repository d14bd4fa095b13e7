"""How far a benchmark is: a line for each cell that ends, and on a terminal a bar over all of them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from segzoo.benchmarking.cells import Record


class CellsBar:
    """A bar over the cells of a benchmark; where there is no terminal, only the lines."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._before, self._done, self._start = total, done, done, perf_counter()
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("cells"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=total, completed=done)

    def __enter__(self) -> CellsBar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def ended(self, name: str, folder: Path, record: Record) -> None:
        """A cell is done, or has failed."""
        self._done += 1
        left = self._left()
        self._progress.update(self._task, completed=self._done, description=left)
        text = f"{self._done:>{len(str(self._total))}}/{self._total}   {name}   {_outcome(folder, record)}"
        self.line(f"{text}   {record.seconds:.0f} s{f'   {left}' if left else ''}")

    def line(self, text: str) -> None:
        """A line that stays, above the bar."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _left(self) -> str:
        """The time that the other cells will take, if they are like those of this start."""
        mean = (perf_counter() - self._start) / (self._done - self._before)
        seconds = round(mean * (self._total - self._done))
        return f"about {timedelta(seconds=seconds)} left" if self._done < self._total else ""


def _outcome(folder: Path, record: Record) -> str:
    if record.status == "failed":
        return f"FAILED: {record.reason}"
    score = json.loads((folder / "metrics.json").read_text("utf-8"))["mean_iou"]
    return "mean IoU " + ("absent" if score is None else f"{score:.4f}")
