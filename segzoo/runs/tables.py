"""The figures and times of the epochs of a run, kept while it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter

from segzoo.runs.folder import RunFolder


class History:
    """The figures of each epoch, and the times, which differ from run to run; both written at its end."""

    def __init__(self, folder: RunFolder, epochs: int | None) -> None:
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
        self._folder.write_history(self.rows, self._times)
        self.images, self.times, self._since = 0, {}, now
        text = "   ".join(f"{name} {value:.4f}" for name, value in figures.items())
        place = self.place(len(self.rows)).rjust(len(self.place(self._epochs or 0)))
        return f"epoch {place}   {text}   {measured['seconds']:.0f} s"

    def restore(self, figures: Sequence[Mapping[str, float]], times: Sequence[Mapping[str, float]], images: int) -> str:
        """Take over the epochs of an earlier process, and the images of an epoch it left; returns a line of text."""
        for row, row_times in zip(figures, times, strict=True):
            self._append(row, row_times)
        self._folder.write_history(self.rows, self._times)
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
