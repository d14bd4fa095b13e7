"""The tables that a run keeps: one row an epoch, one row an image."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from segzoo.atomic import write_text


class History:
    """The figures of each epoch, in `history.csv`; what depends on the machine's mood, in `timings.csv`."""

    def __init__(self, folder: Path, epochs: int) -> None:
        self.rows: list[dict[str, float]] = []
        self.images = 0
        """Training images since the last epoch's end."""
        self._timings: list[dict[str, float]] = []
        self._folder, self._epochs, self._since = folder, epochs, perf_counter()

    def add(self, figures: Mapping[str, float]) -> str:
        """Write down the epoch that has just ended; returns it as a line of text."""
        now = perf_counter()
        epoch, seconds = len(self.rows) + 1, now - self._since
        self.rows.append({"epoch": epoch, **figures})
        self._timings.append({"epoch": epoch, "seconds": round(seconds, 3), "images": self.images})
        write_text(self._folder / "history.csv", csv_text(self.rows))
        write_text(self._folder / "timings.csv", csv_text(self._timings))
        self.images, self._since = 0, now
        text = "   ".join(f"{name} {value:.4f}" for name, value in figures.items())
        return f"epoch {epoch:>{len(str(self._epochs))}}/{self._epochs}   {text}   {seconds:.0f} s"


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with a header; floats in full, so that they read back to the same bits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value != value:  # NaN: no such score
        return ""
    return repr(float(value)) if hasattr(value, "dtype") else value
