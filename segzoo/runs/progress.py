"""The progress of a run on the terminal: a bar over images, and a line for each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segzoo.plugin import Subscriber
from segzoo.processes.terminal import Bar


class RunProgress(Subscriber):
    """Shows a run on a bar, which ends after the epochs and the images that are scored."""

    def __init__(self, bar: Bar, scored: int) -> None:
        self._bar, self._scored = bar, scored
        self._planned: int | None = None
        self._bounded = False
        self._done = 0
        self._times: list[Mapping[str, float]] = []

    def run_started(self, config: Mapping[str, Any], folder: Path) -> None:
        """Learn how many epochs are planned, if any, and what else may end the training."""
        self._planned, self._bounded = config.get("epochs"), "steps" in config or "seconds" in config

    def training_started(self, images: int) -> None:
        """Set the end of the bar; the number of images in a budget of steps or seconds is not known."""
        if self._planned and not self._bounded:
            self._bar.expect(self._planned * images + self._scored)

    def resumed(
        self, figures: Sequence[Mapping[str, float]], times: Sequence[Mapping[str, float]] = (), images: int = 0
    ) -> None:
        """Print where the training goes on, and begin the bar there."""
        self._done, self._times = len(figures), list(times)
        self._bar.start_at(round(sum(row.get("images", 0) for row in times)) + images)
        if self._planned and self._done >= self._planned:
            return self._bar.line(f"all {self._planned} epochs are trained already")
        done = f", of which {images:,} images are done" if images else ""
        self._bar.line(f"going on with epoch {self._place(self._done + 1)}{done}")

    def images_done(self, count: int) -> None:
        """Advance the bar."""
        self._bar.advance(count, f"epoch {self._place(self._done + 1)}")

    def epoch_ended(self, figures: Mapping[str, float], times: Mapping[str, float] = {}) -> None:
        """Print the figures of the epoch, and its seconds."""
        self._done += 1
        self._times.append(times)
        text = "   ".join(f"{name} {_short(value)}" for name, value in figures.items() if name != "epoch")
        place = self._place(self._done).rjust(len(self._place(self._planned or 0)))
        self._bar.line(f"epoch {place}   {text}   {times['seconds']:.0f} s")

    def message(self, text: str) -> None:
        """Print the line."""
        self._bar.line(text)

    def run_ended(self, metrics: Mapping[str, Any]) -> None:
        """Print the share of the training that went by waiting for data, if the trainer measures it."""
        rows = self._times[1:] or self._times  # the first epoch compiles the training step
        measured = [row for row in rows if "training_seconds" in row and "waiting_seconds" in row]
        training, waiting = (sum(row[key] for row in measured) for key in ("training_seconds", "waiting_seconds"))
        if training:
            self._bar.line(f"waited for data in {waiting / training:.1%} of the training time")

    def _place(self, epoch: int) -> str:
        """`3/12`; without the total where only steps or seconds end the training."""
        return f"{epoch}/{self._planned}" if self._planned else f"{epoch}"


def _short(value: float) -> str:
    """A figure with four decimals; a small one, such as a learning rate, with two digits."""
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.4f}"
