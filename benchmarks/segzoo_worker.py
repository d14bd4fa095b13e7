"""Trains as `segzoo run` does, with the options of the article, one epoch a turn; see `turns.py`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measure import article_settings
from turns import Pace, Training, main

from segzoo.plugin import Subscriber
from segzoo.runs.config import compose
from segzoo.runs.experiment import conduct
from segzoo.runs.planning import resolve


class Turns(Subscriber):
    """Tells of the steps and epochs of a run, and holds it up in between until it is its turn."""

    def __init__(self, pace: Pace, precision: Mapping[str, Any]) -> None:
        self._pace, self._precision = pace, precision

    def images_done(self, count: int) -> None:
        """Count the step."""
        self._pace.step(count)

    def epoch_ended(self, figures: Mapping[str, float], times: Mapping[str, float] = {}) -> None:
        """Wait for the next turn."""
        self._pace.epoch({**times, **self._precision})


def train(training: Training, pace: Pace) -> None:
    settings = {
        **article_settings("dataset", "augmentation", "trainer", "loss"),
        **network(training),
        "dataset.root": training.root,
        "dataset.val_size": training.val_size,
        "dataset.allow_missing": True,
        **training.options,
    }
    numbers = {"epochs": training.epochs, "image_size": (training.image_size, training.image_size)}
    experiment = resolve(compose(None, numbers, settings))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEGZOO_CACHE"] = f"{folder}/cache"  # the first epoch prepares the images, as in a first run
        turns = Turns(pace, experiment.trainer.model_dump(include={"precision"}))
        conduct(experiment, Path(folder) / "run", subscribers=[turns])


def network(training: Training) -> dict[str, Any]:
    """The model, and the pixel values that it wants."""
    if training.model == "unet":
        return article_settings("model") | {"model.filters": training.filters}
    return {"model.name": training.model, "model.encoder.weights": "none", "trainer.pixels": "-1..1"}


if __name__ == "__main__":
    main(train)
