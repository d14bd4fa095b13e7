"""Trains as `segzoo run` does, and tells of each epoch how good the network is; see `time_to_quality.py`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from turns import Pace, Training, main

from segzoo.plugin import Job, Subscriber
from segzoo.runs.config import compose
from segzoo.runs.experiment import conduct
from segzoo.runs.planning import resolve


class Curve(Subscriber):
    """Tells of the epochs of a run, and holds it up in between until it is its turn."""

    def __init__(self, pace: Pace, how: str) -> None:
        self._pace, self._how = pace, how
        self.losses: list[float] = []
        """The validation cross-entropy of each epoch, if the run's loss is another."""

    def epoch_ended(self, figures: Mapping[str, float], times: Mapping[str, float] = {}) -> None:
        """Wait for the next turn."""
        loss = self.losses[-1] if self.losses else figures["val_loss"]
        told = {"seconds": times["training_seconds"], "images": times["images"], "how": self._how}
        validating = times["seconds"] - times["training_seconds"]
        self._pace.epoch(told | {"val_loss": loss, "mean_iou": figures["val_mean_iou"], "validating": validating})


def train(training: Training, pace: Pace) -> None:
    """Options: those of `compose`, which are `file`, `words` and `settings`; `seed`; `seconds` in place of epochs."""
    options = training.options
    bound = {"seconds": options["seconds"]} if "seconds" in options else {"epochs": training.epochs}
    file = Path(options["file"]) if options["file"] else None
    words = {**options["words"], "seed": options["seed"], **bound}
    config = compose(file, words, options["settings"])
    if "seconds" in bound:  # whatever the file says of epochs and steps
        config = config.model_copy(update={"epochs": None, "steps": None})
    experiment = resolve(config)
    curve = Curve(pace, getattr(experiment.trainer, "precision", ""))
    if config.loss.name != "cross_entropy":
        validate_by_cross_entropy(curve.losses)
    with tempfile.TemporaryDirectory() as folder:
        conduct(experiment, Path(folder) / "run", subscribers=[curve])


def validate_by_cross_entropy(losses: list[float]) -> None:
    """Have the trainer validate by cross-entropy too, which the sides are compared in; outside of its clock."""
    from segzoo_keras import engine
    from segzoo_losses import CrossEntropy

    validate = engine.validate

    def both(predict: Any, data: Any, options: Any, job: Job) -> dict[str, float]:
        losses.append(validate(predict, data, options, replace(job, loss=CrossEntropy()))["val_loss"])
        return validate(predict, data, options, job)

    engine.validate = both


if __name__ == "__main__":
    main(train)
