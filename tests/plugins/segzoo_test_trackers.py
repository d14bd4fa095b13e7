"""Trackers that write what they hear into a file of the run's folder, or fail."""

from typing import Literal

from pydantic import Field

from segzoo.errors import ConfigError
from segzoo.plugin import Subscriber, Tracker


class Listener(Subscriber):
    """Writes a line for each event; fails in one of them."""

    def __init__(self, options):
        self.options, self.folder = options, None

    def run_started(self, config, folder):
        self.folder = folder
        self.note(f"run_started {sorted(config)} {self.options.note}")

    def epoch_ended(self, figures, times=None):
        if self.options.fails == "epoch_ended":
            raise ConnectionError("no server")
        self.note(f"epoch_ended {figures['epoch']}")

    def run_ended(self, metrics):
        self.note(f"run_ended {metrics['split']}")

    def note(self, line):
        with (self.folder / f"heard-{self.options.name}.txt").open("a") as file:
            file.write(f"{line}\n")


class Listening(Tracker):
    """Writes down what it hears."""

    note: str = Field("", description="To be written with the beginning.")
    fails: Literal["nowhere", "epoch_ended", "subscriber", "here"] = Field("nowhere", description="Where it fails.")
    name: str = Field("one", description="Part of the file's name.")

    def subscriber(self):
        if self.fails == "here":
            raise ConfigError("tracker 'listening' needs a server; type: serve")
        if self.fails == "subscriber":
            raise ConnectionError("no server")
        return Listener(self)


class Other(Listening):
    """Writes down what it hears in another file."""

    name: str = Field("other", description="Part of the file's name.")
