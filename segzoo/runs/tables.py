"""The tables of a run: a row for each epoch, for each image, and for each sample with its split."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from segzoo.files.atomic import write_text
from segzoo.plugin import Split


class History:
    """The figures of each epoch, in `history.csv`; the times, which differ from run to run, in `timings.csv`."""

    def __init__(self, folder: Path, epochs: int | None) -> None:
        self.rows: list[dict[str, float]] = []
        self.images = 0
        """Training images since the last epoch's end."""
        self.times: Mapping[str, float] = {}
        """What the trainer has measured of the epoch that ends."""
        self._times: list[dict[str, float]] = []
        self._folder, self._epochs, self._since = folder, epochs, perf_counter()

    def add(self, figures: Mapping[str, float]) -> str:
        """Append the epoch that has just ended; returns it as a line of text."""
        now = perf_counter()
        measured = {"seconds": now - self._since, "images": self.images, **self.times}
        self._append(figures, measured)
        self._write()
        self.images, self.times, self._since = 0, {}, now
        text = "   ".join(f"{name} {value:.4f}" for name, value in figures.items())
        place = self.place(len(self.rows)).rjust(len(self.place(self._epochs or 0)))
        return f"epoch {place}   {text}   {measured['seconds']:.0f} s"

    def restore(self, figures: Sequence[Mapping[str, float]], times: Sequence[Mapping[str, float]], images: int) -> str:
        """Take over the epochs of an earlier process, and the images of an epoch it left; returns a line of text."""
        for row, row_times in zip(figures, times, strict=True):
            self._append(row, row_times)
        self._write()
        self.images, self._since = images, perf_counter()
        if self._epochs and len(self.rows) >= self._epochs:
            return f"all {self._epochs} epochs are trained already"
        done = f", of which {images:,} images are done" if images else ""
        return f"going on with epoch {self.place(len(self.rows) + 1)}{done}"

    def place(self, epoch: int) -> str:
        """`3/12`; without the total where only steps or seconds end the training."""
        return f"{epoch}/{self._epochs}" if self._epochs else f"{epoch}"

    def waiting(self) -> str:
        """A line on the share of the training spent waiting for data; empty if the trainer does not measure it."""
        rows = self._times[1:] or self._times  # the first epoch compiles the training step
        training, waiting = (sum(row.get(key, 0.0) for row in rows) for key in ("training_seconds", "waiting_seconds"))
        return f"waited for data in {waiting / training:.1%} of the training time" if training else ""

    def _append(self, figures: Mapping[str, float], times: Mapping[str, float]) -> None:
        epoch = len(self.rows) + 1
        self.rows.append({"epoch": epoch, **figures})
        self._times.append({"epoch": epoch} | {name: round(value, 3) for name, value in times.items()})

    def _write(self) -> None:
        for name, rows in {"history.csv": self.rows, "timings.csv": self._times}.items():
            if rows:
                write_text(self._folder / name, csv_text(rows))


def read_history(folder: Path) -> list[dict[str, float]]:
    """The rows of `history.csv`, with the exact values that were written; empty if there is no such file."""
    path = folder / "history.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: int(value) if name == "epoch" else float(value or "nan") for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def write_splits(folder: Path, ids: Mapping[Split, Sequence[str]]) -> None:
    """Write the samples of each split into `splits.csv`, unless the run has finished an epoch."""
    if not (folder / "history.csv").exists():
        rows = [{"id": name, "split": split} for split, names in ids.items() for name in names]
        write_text(folder / "splits.csv", csv_text(rows))


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with a header; floats in full, so that they read back to the same bits."""
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value != value:  # NaN: no such score
        return ""
    return repr(float(value)) if hasattr(value, "dtype") else value
