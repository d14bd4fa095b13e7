"""The progress of a benchmark: a bar over its cells, and a line for each cell that ends."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from time import perf_counter

from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from segzoo.benchmarking.cells import Record
from segzoo.processes.terminal import Bar
from segzoo.runs.folder import RunFolder


class CellsBar(Bar):
    """A bar over the cells of a benchmark, some of which may be done before it starts."""

    def __init__(self, total: int, done: int) -> None:
        columns = [SpinnerColumn(), TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        super().__init__(total, [*columns, TextColumn("{task.description}")], doing="", done=done)
        self._total, self._before, self._done, self._start = total, done, done, perf_counter()

    def ended(self, name: str, folder: Path, record: Record) -> None:
        """A cell is done, or has failed."""
        self._done += 1
        left = self._left()
        self.advance(1, left)
        text = f"{self._done:>{len(str(self._total))}}/{self._total}   {name}   {_result(folder, record)}"
        self.line(f"{text}   {record.seconds:.0f} s{f'   {left}' if left else ''}")

    def _left(self) -> str:
        """The time that the other cells will take, if they are like those of this start."""
        mean = (perf_counter() - self._start) / (self._done - self._before)
        seconds = round(mean * (self._total - self._done))
        return f"about {timedelta(seconds=seconds)} left" if self._done < self._total else ""


def _result(folder: Path, record: Record) -> str:
    if record.status == "failed":
        return f"FAILED: {record.reason}"
    score = RunFolder(folder).read_metrics()["mean_iou"]
    return "mean IoU " + ("absent" if score is None else f"{score:.4f}")
