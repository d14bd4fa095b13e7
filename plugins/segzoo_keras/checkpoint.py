"""Resuming a training to the same bits: its state, when it is saved, and how it is restored."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from segzoo.errors import ConfigError
from segzoo.plugin import Job
from segzoo.training import Checkpoints, processor, threads
from segzoo_keras.averaging import Averages

if TYPE_CHECKING:
    from numpy.typing import NDArray

PERIOD = 30.0
"""Seconds of work after which a checkpoint is due within an epoch."""
SHARE = 0.015
"""Share of the time that checkpoints may take; with the last one, which is always written, they stay below 2 %."""
BYTES_PER_SECOND = 2e8
"""Seconds that writing is assumed to take, until the first checkpoint has been timed."""


@dataclass
class Progress:
    """The position of the loop and its results; with the variables, the complete state of a training."""

    epoch: int = 0
    """Epochs that are done."""
    step: int = 0
    """Steps done of the current epoch."""
    images: int = 0
    """Images of these steps."""
    loss: float = 0.0
    """Sum over these images."""
    training_seconds: float = 0.0
    waiting_seconds: float = 0.0
    figures: list[dict[str, float]] = field(default_factory=list)
    """What was reported of each epoch."""
    times: list[dict[str, float]] = field(default_factory=list)
    best: float = math.inf
    """The lowest value of what the best epoch is chosen by."""
    best_epoch: int = 0
    """The best of the epochs that are done, from 1; 0 if there is none."""

    def share(self, job: Job, steps: int, begun: float = 0) -> float:
        """How much is done of the epochs, steps or seconds that the job wants, whichever ends first; 1 if all is.

        Nothing is ever done of a job that wants none of them, so it trains until it is stopped.

        Args:
            job: the job.
            steps: those in an epoch.
            begun: how much of the current step counts as done.
        """
        seconds = sum(times["training_seconds"] for times in self.times) + self.training_seconds
        done, epochs = self.epoch * steps + self.step + begun, job.epochs and job.epochs * steps
        limits = (done, epochs), (done, job.steps), (seconds, job.seconds)
        return max((value / bound for value, bound in limits if bound), default=0.0)

    def impatient(self, patience: int | None) -> bool:
        """Whether there were so many epochs since the best one."""
        return patience is not None and self.epoch - self.best_epoch >= patience

    def end_step(self, loss: float, images: int, waiting: float, training: float) -> None:
        """Count a step: its mean loss and images, and its seconds, of which some went by waiting for the batch."""
        self.step += 1
        self.images += images
        self.loss += loss * images
        self.waiting_seconds += waiting
        self.training_seconds += training

    def end_epoch(self, figures: Mapping[str, float], validating: float) -> None:
        """Keep the figures of an epoch, and its times, and turn to the next."""
        times = {"seconds": self.training_seconds + validating, "images": self.images}
        self.times.append(times | {"training_seconds": self.training_seconds, "waiting_seconds": self.waiting_seconds})
        self.figures.append(dict(figures))
        self.epoch, self.step, self.images = self.epoch + 1, 0, 0
        self.loss = self.training_seconds = self.waiting_seconds = 0.0


class Keeper:
    """Saves and restores one training: its variables, its progress, and the best weights so far.

    The best weights are kept in memory and saved with the rest, so that they are always those of the same history.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer, averages: Averages, job: Job, data: str
    ) -> None:
        self.best: list[NDArray[Any]] = []
        """The weights of the best epoch; empty before there is one."""
        self._model, self._job = model, job
        # Not the weights: those leave out the states of Dropout's random numbers.
        self._variables = {"model": model.variables, "optimizer": optimizer.variables, "averages": averages.variables}
        self._store = Checkpoints(job.checkpoints, job.events.message)
        self._circumstances = {"data": data, "precision": keras.config.dtype_policy().name, **machine()}
        size = sum(math.prod(v.shape) * 4 for group in self._variables.values() for v in group)
        self._cost, self._since, self._saved = size / BYTES_PER_SECOND, perf_counter(), (-1, -1)

    def begin(self) -> Progress:
        """Where training begins: at the last checkpoint, if the job resumes a training.

        Raises:
            SegzooError: if the earlier one had other data, precision or variables.
        """
        if not self._job.resume:
            self._store.keep(0)
            return Progress()
        state = self._store.load()
        if state is None:
            return Progress()
        facts, arrays = state
        self._compare(facts["circumstances"])
        for name, variables in self._variables.items():
            assign(variables, arrays[name])
        self.best = arrays["best"]
        progress = Progress(**facts["progress"])
        self._saved, self._since = (progress.epoch, progress.step), perf_counter()
        return progress

    def judge(self, progress: Progress, value: float) -> None:
        """Keep the network's weights if the epoch is the best so far, with the lowest value."""
        if value < progress.best:
            progress.best, progress.best_epoch = value, progress.epoch + 1
            self.best = list(values(self._model.weights))

    def end_epoch(self, progress: Progress) -> None:
        """Save if it is worth it."""
        if self._worked() * SHARE >= self._cost:
            self._save(progress)

    def end_step(self, progress: Progress) -> None:
        """Save a checkpoint if enough work was done since the last."""
        if self._worked() >= max(PERIOD, self._cost / SHARE):
            self._save(progress)

    def finish(self, progress: Progress) -> None:
        """Save the end of the training, for a longer one to go on from, and nothing else."""
        if self._saved != (progress.epoch, progress.step):
            self._save(progress)
        self._store.keep(1)

    def _worked(self) -> float:
        return perf_counter() - self._since

    def _save(self, progress: Progress) -> None:
        start = perf_counter()
        facts = {"progress": asdict(progress), "circumstances": self._circumstances}
        groups = {name: values(variables) for name, variables in self._variables.items()}
        self._store.save(facts, groups | {"best": iter(self.best)})
        self._since = perf_counter()
        self._cost, self._saved = self._since - start, (progress.epoch, progress.step)

    def _compare(self, earlier: Mapping[str, Any]) -> None:
        """Refuse a checkpoint of another training; warn of differences that only change the last bits."""
        now, folder = self._circumstances, self._job.folder
        if earlier["data"] != now["data"]:
            raise ConfigError(f"the images or masks have changed since the training in {folder} began: begin a new one")
        if earlier["precision"] != now["precision"]:
            raise ConfigError(
                f"the training in {folder} has the precision {earlier['precision']}, and cannot go on with "
                f"{now['precision']}"
            )
        pairs = [(name, earlier.get(name), value) for name, value in now.items()]
        if changed := [f"{name} {then}, now {value}" for name, then, value in pairs if then != value]:
            self._job.events.message(f"the result will not be the same to the bit: {'; '.join(changed)}")


def values(variables: Iterable[keras.Variable]) -> Iterator[NDArray[Any]]:
    """Copies of the values of variables, one after the other, so that they need not be in memory at once."""
    for variable in variables:
        yield variable.value.numpy()


def assign(variables: list[keras.Variable], saved: list[NDArray[Any]]) -> None:
    """Give variables the values that were saved.

    Raises:
        ConfigError: if they are not as many, or not of the same shapes.
    """
    expected, stored = ([tuple(array.shape) for array in group] for group in (variables, saved))
    if expected != stored:
        raise ConfigError(
            "the checkpoint is of another network: a plugin has changed since it was saved; "
            "install the version of then, or begin a new run"
        )
    for variable, value in zip(variables, saved, strict=True):
        variable.assign(value)


def machine() -> dict[str, Any]:
    """Facts that decide the order of additions, and so the last bits of a result."""
    given = tf.config.threading.get_intra_op_parallelism_threads() or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0)
    versions = {"TensorFlow": tf.__version__, "Keras": keras.__version__, "NumPy": np.__version__}
    return {"threads": given or threads(), "processor": processor(), **versions}
