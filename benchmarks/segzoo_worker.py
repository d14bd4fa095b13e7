"""Trains as `segzoo run` does, with the options of the article, one epoch a turn; see `turns.py`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from turns import BATCH_SIZE, Pace, Training, main

from segzoo.plugin import Job, Samples, Trainer
from segzoo.runs.config import compose
from segzoo.runs.experiment import conduct, resolve

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class PacedTrainer:
    """A trainer that tells of its steps and epochs, and waits for its turn in between."""

    trainer: Trainer
    pace: Pace

    def fit(self, build: Callable[[], keras.Model], train: Samples, val: Samples, job: Job) -> keras.Model:
        """See `Trainer.fit`."""

        measured: dict[str, float] = {}

        def advance(images: int) -> None:
            job.advance(images)
            self.pace.step(images)

        def timed(times: Mapping[str, float]) -> None:
            job.timed(times)
            measured.update(times)

        def report(figures: Mapping[str, float]) -> None:
            job.report(figures)
            self.pace.epoch({**measured, **self.trainer.model_dump(include={"precision"})})

        return self.trainer.fit(build, train, val, replace(job, advance=advance, timed=timed, report=report))


def train(training: Training, pace: Pace) -> None:
    settings = {
        "model.filters": training.filters,
        "model.bn_momentum": 0.99,
        "dataset.root": training.root,
        "dataset.split": "article",
        "dataset.val_size": training.val_size,
        "dataset.allow_missing": True,
        "trainer.optimizer": "rmsprop",
        "trainer.batch_size": BATCH_SIZE,
        "trainer.pixels": "0..255",
        **training.options,
    }
    numbers = {"epochs": training.epochs, "image_size": (training.image_size, training.image_size)}
    experiment = resolve(compose(None, {"model": "unet", "dataset": "oxford_pets"} | numbers, settings))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEGZOO_CACHE"] = f"{folder}/cache"  # the first epoch prepares the images, as in a first run
        conduct(replace(experiment, trainer=PacedTrainer(experiment.trainer, pace)), Path(folder) / "run")


if __name__ == "__main__":
    main(train)
