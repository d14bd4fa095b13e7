"""Checks of trackers: they are told of runs, of which only the folder is made for it."""

from __future__ import annotations

import pickle
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import tomli_w
from PIL import Image

from segzoo.errors import ConfigError
from segzoo.plugin import Subscriber, Tracker
from segzoo.runs.folder import RunFolder

CONFIG: dict[str, Any] = {
    "epochs": 3,
    "image_size": [16, 16],
    "seed": 0,
    "model": {"name": "net", "filters": 4, "dropout": 0.5},
    "dataset": {"name": "drawn", "classes": ["thing", "the other"]},
    "augmentation": {"name": "none"},
    "trainer": {"name": "loop", "nesterov": True},
    "loss": {"name": "entropy"},
}
"""Of the run that is told of; no plugin of it is asked for."""
FIGURES = [
    {"epoch": 1, "loss": 1.5, "val_loss": 1.25},
    {"epoch": 2, "loss": 1.0, "val_loss": float("nan")},
    {"epoch": 3, "loss": 0.5, "val_loss": 1.0},
]
TIMES = [{"epoch": epoch, "seconds": 2.5, "images": 8} for epoch in (1, 2, 3)]
METRICS: dict[str, Any] = {
    "split": "test",
    "images": 2,
    "mean_iou": 0.75,
    "iou": {"thing": 0.75, "the other": None},
    "confusion": [[3, 1], [0, 4]],
    "warnings": ["the last epoch was the best"],
}


@dataclass(frozen=True)
class Tables:
    """What a tracker is told of a run, in copies, so that one that changes them spoils no other check."""

    config: dict[str, Any] = field(default_factory=lambda: deepcopy(CONFIG))
    figures: list[dict[str, float]] = field(default_factory=lambda: deepcopy(FIGURES))
    times: list[dict[str, float]] = field(default_factory=lambda: deepcopy(TIMES))
    metrics: dict[str, Any] = field(default_factory=lambda: deepcopy(METRICS))


def check_a_run_is_followed(tracker: Tracker) -> None:
    """All other checks need a tracker that is told of a whole run without an exception, which would end its part."""
    with run_folder() as folder:
        follow(subscriber_of(tracker), folder, Tables())


def check_a_run_that_goes_on_is_followed(tracker: Tracker) -> None:
    """A run may be ended in any epoch, and goes on in another process, in the same folder."""
    with run_folder() as folder:
        first = subscriber_of(tracker)
        first.run_started(Tables().config, folder)
        first.training_started(8)
        first.images_done(8)
        for done in (0, 1, 3):
            again, tables = subscriber_of(tracker), Tables()
            again.run_started(tables.config, folder)
            again.training_started(8)
            again.resumed(tables.figures[:done], tables.times[:done], 0)
            finish(again, folder, tables, done)


def check_two_runs_can_be_followed_at_once(tracker: Tracker) -> None:
    """A subscriber keeps what it knows of its run, so each run needs another one."""
    with run_folder() as one, run_folder() as other:
        subscribers = subscriber_of(tracker), subscriber_of(tracker)
        assert subscribers[0] is not subscribers[1], "`subscriber` returned the same object for two runs"
        for subscriber, folder in zip(subscribers, (one, other), strict=True):
            subscriber.run_started(Tables().config, folder)
        for subscriber, folder in zip(subscribers, (one, other), strict=True):
            finish(subscriber, folder, Tables())


def check_what_it_is_told_stays_as_it_is(tracker: Tracker) -> None:
    """All that listen to a run are given the same tables, the one that writes `history.csv` among them."""
    tables = Tables()
    with run_folder() as folder:
        follow(subscriber_of(tracker), folder, tables)
    changed = repr(tables) != repr(Tables())  # as text, since NaN is not equal to itself
    assert not changed, "it has changed the configuration, figures, times or scores that it was given; copy them"


def check_files_of_the_run_stay_as_they_are(tracker: Tracker) -> None:
    """What is in the folder of a run is its result; a tracker may add to it, best in a folder of its own."""
    with run_folder() as folder:
        before = contents(folder)
        follow(subscriber_of(tracker), folder, Tables())
        after = contents(folder)
    changed = [str(path) for path, content in before.items() if after.get(path) != content]
    assert not changed, f"it has changed or removed {', '.join(changed)} in the folder of the run"


def check_random_numbers_stay_as_they_are(tracker: Tracker) -> None:
    """A run that is followed must give the same bits as one that is not."""
    python, numpy = random.getstate(), pickle.dumps(np.random.get_state())
    with run_folder() as folder:
        follow(subscriber_of(tracker), folder, Tables())
    assert random.getstate() == python, "it leaves Python's random in another state"
    assert pickle.dumps(np.random.get_state()) == numpy, "it leaves NumPy's random in another state"


def subscriber_of(tracker: Tracker) -> Subscriber:
    """A new subscriber; where the tracker says that it cannot work here, there is nothing to check."""
    try:
        return tracker.subscriber()
    except ConfigError as error:
        raise SkipTest(str(error)) from error


@contextmanager
def run_folder() -> Iterator[Path]:
    """The folder of a run, with some of its files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = RunFolder(folder)
        files.config.write_text(tomli_w.dumps(CONFIG), "utf-8")
        files.history.write_text("epoch,loss,val_loss\n1,1.5,1.25\n", "utf-8")
        files.samples.mkdir()
        for number in range(2):
            pixels = np.full((12, 30 + number, 3), 50 * number, np.uint8)
            Image.fromarray(pixels).save(files.samples / f"sample {number}.png")
        yield folder


def follow(subscriber: Subscriber, folder: Path, tables: Tables) -> None:
    """Tell of a whole run."""
    subscriber.run_started(tables.config, folder)
    subscriber.training_started(8)
    finish(subscriber, folder, tables)


def finish(subscriber: Subscriber, folder: Path, tables: Tables, done: int = 0) -> None:
    """Tell of what comes after so many epochs."""
    for figures, times in zip(tables.figures[done:], tables.times[done:], strict=True):
        subscriber.images_done(8)
        subscriber.epoch_ended(figures, times)
    subscriber.message("a line")
    subscriber.pictures(sorted(RunFolder(folder).samples.iterdir()))
    subscriber.run_ended(tables.metrics)


def contents(folder: Path) -> Mapping[Path, bytes]:
    """The files below a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
