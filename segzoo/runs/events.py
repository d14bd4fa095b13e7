"""The events of a run, on their way from the trainer and the run to the subscribers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import index
from pathlib import Path
from time import perf_counter
from typing import Any

from segzoo.errors import PluginError, SegzooError
from segzoo.plugin import Subscriber, Tracker
from segzoo.plugin_errors import summary, title


class RunEvents(Subscriber):
    """Sends each event to all subscribers, with figures and times completed to rows of the run's tables.

    An exception in a required subscriber ends the run. In another it ends only what this subscriber is sent.
    """

    def __init__(
        self,
        required: Iterable[Subscriber],
        others: Iterable[Subscriber] = (),
        resume: bool = False,
        trackers: Iterable[Tracker] = (),
        lacking: SegzooError | None = None,
    ) -> None:
        """Subscribe all of them; `lacking` is what a training lacks that should go on, but begins anew.

        Raises:
            ConfigError: if a tracker cannot work here.
        """
        self._required = tuple(required)
        self._others = [(type(subscriber).__name__, subscriber) for subscriber in others]
        self._others += [(title(type(tracker)), made) for tracker in trackers for made in self._made(tracker)]
        self._trainer, self._folder = "", Path()
        self._awaits_resumed, self._lacking = resume, lacking
        self._epochs, self._images, self._since = 0, 0, perf_counter()

    def run_started(self, config: Mapping[str, Any], folder: Path) -> None:
        """See `Subscriber.run_started`."""
        self._trainer, self._folder = config["trainer"]["name"], folder
        self._send("run_started", config, folder)

    def training_started(self, images: int) -> None:
        """See `Events.training_started`.

        Raises:
            PluginError: if it is no number of images.
        """
        self._send("training_started", self._count(images))

    def resumed(
        self, figures: Sequence[Mapping[str, float]], times: Sequence[Mapping[str, float]] = (), images: int = 0
    ) -> None:
        """See `Events.resumed`.

        Raises:
            PluginError: if something is trained already, there are not as many rows of times as of figures, or a value
                is no number.
        """
        images = self._count(images)
        times = times or [{}] * len(figures)
        if self._epochs or self._images:
            raise PluginError(f"trainer '{self._trainer}' tells of an earlier training after steps of this one")
        if len(times) != len(figures):
            raise PluginError(
                f"trainer '{self._trainer}' goes on after {len(figures)} epochs, with the times of {len(times)}"
            )
        self._awaits_resumed = False
        self._epochs, self._images, self._since = len(figures), images, perf_counter()
        rows, times_rows = (
            [{"epoch": epoch} | self._numbers(row) for epoch, row in enumerate(table, 1)] for table in (figures, times)
        )
        self._send("resumed", rows, times_rows, images)

    def images_done(self, count: int) -> None:
        """See `Events.images_done`.

        Raises:
            PluginError: if it is no number of images.
        """
        count = self._count(count)
        self._tell_if_anew()
        self._images += count
        self._send("images_done", count)

    def epoch_ended(self, figures: Mapping[str, float], times: Mapping[str, float] = {}) -> None:
        """See `Events.epoch_ended`.

        Raises:
            PluginError: if a value is no number, or is called `epoch`.
        """
        self._tell_if_anew()
        now = perf_counter()
        measured = {"seconds": now - self._since, "images": self._images}
        self._epochs, self._images, self._since = self._epochs + 1, 0, now
        epoch: dict[str, float] = {"epoch": self._epochs}
        self._send("epoch_ended", epoch | self._numbers(figures), epoch | measured | self._numbers(times))

    def message(self, text: str) -> None:
        """See `Events.message`."""
        self._send("message", text)

    def pictures(self, paths: Sequence[Path]) -> None:
        """See `Subscriber.pictures`."""
        self._send("pictures", paths)

    def run_ended(self, metrics: Mapping[str, Any]) -> None:
        """See `Subscriber.run_ended`."""
        self._send("run_ended", metrics)

    def _tell_if_anew(self) -> None:
        if self._awaits_resumed:
            if self._lacking:
                raise self._lacking
            self._awaits_resumed = False
            self.message(f"nothing is saved in {self._folder}: beginning at the beginning")

    def _count(self, images: Any) -> int:
        """A number of images, which may be one of NumPy or TensorFlow."""
        try:
            count = index(images)
        except TypeError:
            count = -1
        if count < 0:
            raise PluginError(f"trainer '{self._trainer}' tells of {images!r} images, which is no number of images")
        return count

    def _numbers(self, row: Mapping[str, Any]) -> dict[str, float]:
        if "epoch" in row:
            raise PluginError(
                f"trainer '{self._trainer}' reports epoch = {row['epoch']!r}: leave it out, the run numbers the epochs"
            )
        return {name: self._number(name, value) for name, value in row.items()}

    def _number(self, name: str, value: Any) -> float:
        """A number of Python, also of a number of NumPy or TensorFlow."""
        try:
            # Not float(value), which would take a text, too.
            return value if type(value) is int else float(value.__float__())
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise PluginError(f"trainer '{self._trainer}' reports {name} = {value!r}, which is no number") from error

    def _send(self, event: str, *facts: Any) -> None:
        for subscriber in self._required:
            getattr(subscriber, event)(*facts)
        for name, subscriber in tuple(self._others):
            try:
                getattr(subscriber, event)(*facts)
            except (Exception, SystemExit) as error:
                self._others.remove((name, subscriber))
                what = f"{name} failed in {event} ({summary(error)})"
                self._warn(f"{what} and gets no more events of this run", subscriber, error)

    def _made(self, tracker: Tracker) -> Iterator[Subscriber]:
        """The subscriber of a tracker; none if it fails to make one."""
        try:
            yield tracker.subscriber()
        except PluginError as error:
            self._warn(f"{error}; the run goes on without it", tracker, error)

    def _warn(self, text: str, culprit: object, error: BaseException) -> None:
        """Say it, and keep the traceback in the log."""
        logging.getLogger(type(culprit).__module__).error("%s", text, exc_info=error)
        for required in self._required:
            required.message(f"warning: {text}")
