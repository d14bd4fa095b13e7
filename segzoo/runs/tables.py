"""The figures and times of the epochs of a run, written while it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segzoo.plugin import Subscriber
from segzoo.runs.folder import RunFolder


class History(Subscriber):
    """Writes the figures of each epoch at its end; apart from them the times, which differ from run to run."""

    def __init__(self) -> None:
        self._folder = RunFolder(Path())
        self._figures: list[Mapping[str, float]] = []
        self._times: list[Mapping[str, float]] = []

    def run_started(self, config: Mapping[str, Any], folder: Path) -> None:
        """Learn where the tables belong."""
        self._folder = RunFolder(folder)

    def resumed(
        self, figures: Sequence[Mapping[str, float]], times: Sequence[Mapping[str, float]] = (), images: int = 0
    ) -> None:
        """Take over the epochs of an earlier process."""
        for row, row_times in zip(figures, times, strict=True):
            self._append(row, row_times)
        self._folder.write_history(self._figures, self._times)

    def epoch_ended(self, figures: Mapping[str, float], times: Mapping[str, float] = {}) -> None:
        """Append the epoch."""
        self._append(figures, times)
        self._folder.write_history(self._figures, self._times)

    def _append(self, figures: Mapping[str, float], times: Mapping[str, float]) -> None:
        self._figures.append(dict(figures))
        self._times.append({name: round(value, 3) for name, value in times.items()})
