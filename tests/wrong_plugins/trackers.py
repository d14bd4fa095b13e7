"""Trackers that are wrong."""

from __future__ import annotations

import random
from typing import ClassVar

from segzoo.plugin import Subscriber, Tracker


class Listens(Subscriber):
    """Hears of a run, and keeps what it wants."""

    def __init__(self):
        self.folder, self.epochs = None, []

    def run_started(self, config, folder):
        self.folder = folder

    def resumed(self, figures, times=(), images=0):
        self.epochs = [row["epoch"] for row in figures]

    def epoch_ended(self, figures, times=None):
        self.epochs.append(figures["epoch"])


class RightTracker(Tracker):
    """Follows a run with a subscriber of a class of its own."""

    listens: ClassVar = Listens

    def subscriber(self):
        return self.listens()


class GivesItself(RightTracker):
    """Takes the plugin for the subscriber."""

    def subscriber(self):
        return self


class RoundsAll(RightTracker):
    """Does not think of figures that are no numbers."""

    class listens(Listens):  # noqa: N801
        def epoch_ended(self, figures, times=None):
            self.epochs.append([round(value) for value in figures.values()])


class EndsBeforeItBegins(RightTracker):
    """Needs an epoch in the process that ends the run."""

    class listens(Listens):  # noqa: N801
        def __init__(self):
            super().__init__()
            self.last = {}

        def epoch_ended(self, figures, times=None):
            self.last = figures

        def run_ended(self, metrics):
            self.last["val_loss"]


class OneForAll(RightTracker):
    """Has one subscriber for all runs."""

    def subscriber(self):
        return EVERY_RUN


EVERY_RUN = Listens()


class TakesTheEpoch(RightTracker):
    """Takes the number of the epoch out of the row."""

    class listens(Listens):  # noqa: N801
        def epoch_ended(self, figures, times=None):
            self.epochs.append(figures.pop("epoch", None))


class TidiesUp(RightTracker):
    """Begins with a folder that is empty."""

    class listens(Listens):  # noqa: N801
        def run_started(self, config, folder):
            for path in folder.glob("*.csv"):
                path.unlink()


class DrawsANumber(RightTracker):
    """Gives each run a name by chance."""

    class listens(Listens):  # noqa: N801
        def run_started(self, config, folder):
            self.name = f"run-{random.randrange(10**6)}"
