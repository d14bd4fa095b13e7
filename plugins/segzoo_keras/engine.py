"""The training loop: epochs of compiled steps, each validated, the best one kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from segzoo.errors import ConfigError, TrainingError
from segzoo.plugin import Job, Samples
from segzoo.training import (
    Arrays,
    ahead,
    class_weights,
    clean_state,
    confusion,
    grow_memory,
    mean_iou,
    prepare,
    require_finite_loss,
)
from segzoo_keras.averaging import Averages
from segzoo_keras.checkpoint import Keeper, Progress
from segzoo_keras.devices import determinism, fastest_device, placed
from segzoo_keras.divergence import check_first_batch, diverged, not_finite
from segzoo_keras.freezing import Trainable, check_patterns
from segzoo_keras.halving import half_of
from segzoo_keras.optimizing import learning_rate, make_optimizer
from segzoo_keras.precision import build_network, scale_is_used_up
from segzoo_keras.steps import Phase, Steps, compile_steps, with_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo_keras import KerasTrainer


def fit(options: KerasTrainer, build: Callable[[], keras.Model], train: Samples, val: Samples, job: Job) -> keras.Model:
    """See `Trainer.fit`."""
    check_backend()
    check_pixels(options, job)
    grow_memory()
    with clean_state(job.seed, options.precision), enough_memory(options), determinism(options.deterministic):
        network = build_network(build, options.precision)
        check_patterns(options, network)  # before the images are read, which may take long
        train_set, val_set = prepare(train, job), prepare(val, job)
        job.events.training_started(train_set.per_epoch)
        model = with_pixels(network, options.pixels, train_set)
        best = Loop(options, job, model, train_set, val_set, weights_of_labels(options, train, train_set, job)).run()
        if not best:
            raise TrainingError(diverged("val_loss was no number in any epoch", options))
        if options.precision != "float32":  # a layer keeps the precision that it was built under
            keras.config.set_dtype_policy("float32")
            model = with_pixels(build(), options.pixels, train_set)
        model.set_weights(best)
    return model


def check_backend() -> None:
    """Refuse a Keras that is set up for something this loop does not do."""
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"trainer 'keras' needs Keras on TensorFlow, but it runs on {keras.backend.backend()}: "
            'set KERAS_BACKEND=tensorflow, or "backend": "tensorflow" in keras.json'
        )
    if keras.config.image_data_format() != "channels_last":
        raise ConfigError(
            'trainer \'keras\' needs images with channels last: set "image_data_format": "channels_last" in keras.json'
        )


def check_pixels(options: KerasTrainer, job: Job) -> None:
    """Refuse pixel values that pretrained weights do not know."""
    if job.pretrained and options.pixels != "-1..1":
        raise ConfigError(
            f"trainer 'keras', option 'pixels': the pretrained weights of '{job.pretrained[0]}' expect -1..1, which is "
            "the default; leave trainer.pixels out, or take random ones with --set model.encoder.weights=none"
        )


def weights_of_labels(options: KerasTrainer, train: Samples, data: Arrays, job: Job) -> NDArray[np.float32] | None:
    """What a pixel with each label weighs (256,), by its class; None if all weigh the same."""
    given = options.class_weights
    if given == "none":
        return None
    weights = class_weights(train, data.kept.masks, job.num_classes) if given == "auto" else list(given)
    if len(weights) != job.num_classes:
        raise ConfigError(
            f"trainer 'keras', option 'class_weights': {len(weights)} weights for {job.num_classes} classes; "
            f"give {job.num_classes}, or auto"
        )
    return np.pad(np.array(weights, np.float32), (0, 256 - len(weights)))


@contextmanager
def enough_memory(options: KerasTrainer) -> Iterator[None]:
    """A block that trains: where TensorFlow has no memory left, the error names the options that save some."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise TrainingError(out_of_memory(options)) from error


def out_of_memory(options: KerasTrainer) -> str:
    """The message: the same steps in smaller batches, if they can be split."""
    size = options.batch_size
    parts = next((divisor for divisor in range(2, size + 1) if size % divisor == 0), None)
    if parts is None:
        return "the memory is too small for a training step on an image; take a smaller --image-size or network"
    smaller = f"--set trainer.batch_size={size // parts} --set trainer.accumulate={options.accumulate * parts}"
    return f"the memory is too small for batches of {size} images; {smaller} makes the same steps of smaller batches"


@dataclass
class Loop:
    """A training: what it is made of, and how far it is."""

    options: KerasTrainer
    job: Job
    model: keras.Model
    train: Arrays
    val: Arrays
    weights: NDArray[np.float32] | None
    """What a pixel weighs in training, by its label."""
    trainable: Trainable = field(init=False)
    optimizer: keras.optimizers.Optimizer = field(init=False)
    averages: Averages = field(init=False)
    compiled: Steps = field(init=False)
    halved: float = field(init=False)
    """Share of the training in which images are halved."""
    keeper: Keeper = field(init=False)
    progress: Progress = field(init=False)
    steps: int = field(init=False)
    """Those of an epoch."""

    def __post_init__(self) -> None:
        # Pretrained filters expect objects at the scale they were trained on: halved images bring a loss down later.
        halves = half_of(self.train.frame, self.model) and not self.job.pretrained
        self.halved = self.options.half_size if halves else 0.0
        self.steps = math.ceil(self.train.per_epoch / self.options.images_per_step)
        self.trainable = Trainable(self.options, self.model, self.job.pretrained)
        self.optimizer = make_optimizer(self.options, self.trainable)
        self.averages = Averages(self.model, self.options.ema)
        parts = self.optimizer, self.averages
        self.compiled = compile_steps(self.trainable, *parts, self.train, self.options, self.job, self.weights)
        self.keeper = Keeper(self.model, *parts, self.job, f"{self.train.fingerprint} {self.val.fingerprint}")
        self.progress = self.keeper.begin()

    def run(self) -> list[Any]:
        """All epochs that are wanted; the weights of the best, none if no epoch has a loss that is a number."""
        progress, patience = self.progress, self.options.patience
        if progress.epoch or progress.step:
            self.job.events.resumed(tuple(progress.figures), tuple(progress.times), progress.images)
        else:
            check_first_batch(self.compiled.predict, self.train, self.options, self.job)
        # An epoch that has begun is validated.
        while progress.step or not (self.complete or progress.impatient(patience)):
            self.epoch()
        if not self.complete:
            self.job.events.message(
                f"no epoch was better than epoch {progress.best_epoch} in {patience} more: the training ends"
            )
        self.keeper.finish(progress)
        return self.keeper.best

    @property
    def complete(self) -> bool:
        """Whether the training has all the epochs, steps or seconds that the job wants of it."""
        return self.progress.share(self.job, self.steps) >= 1

    def epoch(self) -> None:
        """Train what is left of an epoch, validate it, and tell."""
        options, progress = self.options, self.progress
        figures = {"loss": self.train_epoch()}
        if options.precision == "mixed_float16" and scale_is_used_up(self.optimizer):
            raise TrainingError(diverged("the gradients overflow float16 at any loss scale", options))
        start = perf_counter()
        with self.averages.in_place():
            figures |= validate(self.compiled.predict, self.val, options, self.job)
            self.keeper.judge(progress, lower_is_better(figures, options))
        if options.depends_on_length:
            figures["learning_rate"] = float(f"{self.optimizer.learning_rate.numpy():.6g}")
        progress.end_epoch(figures, perf_counter() - start)
        self.job.events.epoch_ended(figures, progress.times[-1])
        self.keeper.end_epoch(progress)

    def train_epoch(self) -> float:
        """The steps that are left of an epoch and of the budget, in the order of the epoch; the mean loss of all."""
        options, job, progress = self.options, self.job, self.progress
        left = self.train.epoch(job.seed, progress.epoch, options.rare_crops)[progress.step * options.images_per_step :]
        start = perf_counter()
        batches = placed(self.train.batches(options.images_per_step, left), fastest_device())
        for batch, given in ahead(batches):
            if self.complete:
                break
            ready = perf_counter()
            done = progress.share(job, self.steps, 0.5)  # in the middle of the step
            if options.depends_on_length:
                self.optimizer.learning_rate = learning_rate(options, done)
            phase = Phase(done < self.halved, done < self.trainable.frozen_until)
            loss = float(self.compiled.train[phase](*given))
            if not math.isfinite(loss):
                raise not_finite(loss, batch, options, job, progress)
            progress.end_step(loss, len(batch.images), ready - start, perf_counter() - start)
            job.events.images_done(len(batch.images))
            self.keeper.end_step(progress)
            start = perf_counter()
        return progress.loss / progress.images


def validate(predict: Callable[..., Any], data: Arrays, options: KerasTrainer, job: Job) -> dict[str, float]:
    """Loss and mean IoU of the validation images, as the network sees them: resized, or whole ones put together."""
    losses: list[float] = []
    counts = np.zeros((job.num_classes, job.num_classes), np.int64)
    for labels, logits, weights in data.predicted(predict, options.batch_size):
        # Not compiled, which it would be anew for each size of images.
        values = np.asarray(job.loss(labels, logits, weights))
        if not np.isfinite(values).all():
            require_finite_loss(job, labels, weights, logits)
        losses.extend(values)
        counts += confusion(labels, tf.argmax(logits, axis=-1).numpy(), job.num_classes)
    return {"val_loss": float(np.mean(losses)), "val_mean_iou": float(mean_iou(counts))}


def lower_is_better(figures: Mapping[str, float], options: KerasTrainer) -> float:
    """What the best epoch is the lowest in; infinite if its loss is no number, by which nothing can be told."""
    if not math.isfinite(figures["val_loss"]):
        return math.inf
    return figures["val_loss"] if options.select == "val_loss" else -figures["val_mean_iou"]
