"""The training loop: a compiled training step with Keras' optimizers."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from segzoo.errors import ConfigError, TrainingError
from segzoo.plugin import Job, Samples
from segzoo.training import Arrays, ahead, clean_state, confusion, mean_iou, prepare, require_finite_loss
from segzoo_keras.checkpoint import Keeper, Progress
from segzoo_keras.divergence import (
    check_first_batch,
    check_gradients,
    check_logits_in_training,
    diverged,
    not_finite,
)
from segzoo_keras.normalization import with_stand_ins
from segzoo_keras.precision import build_network, scale_is_used_up

if TYPE_CHECKING:
    from segzoo_keras import KerasTrainer


def fit(options: KerasTrainer, build: Callable[[], keras.Model], train: Samples, val: Samples, job: Job) -> keras.Model:
    """See `Trainer.fit`."""
    check_backend()
    train_set = prepare(train, job.frame, job.loss, job.cache)
    val_set = prepare(val, job.frame, job.loss, job.cache)
    job.events.training_started(train_set.per_epoch)
    with clean_state(job.seed, options.precision):
        model = with_pixels(build_network(build, options.precision), options.pixels, train_set)
        optimizer = make_optimizer(options)
        optimizer.build(model.trainable_variables)
        train_step, predict_step = compile_steps(model, optimizer, train_set, job)

        keeper = Keeper(model, optimizer, job, f"{train_set.fingerprint} {val_set.fingerprint}")
        progress = keeper.begin()
        if progress.epoch or progress.step:
            job.events.resumed(tuple(progress.figures), tuple(progress.times), progress.images)
        else:
            check_first_batch(predict_step, train_set, options, job)
        steps = math.ceil(train_set.per_epoch / options.batch_size)
        while progress.step or not progress.complete(job, steps):  # an epoch that has begun is validated
            loss = train_epoch(train_step, train_set, options, job, progress, keeper)
            if options.precision == "mixed_float16" and scale_is_used_up(optimizer):
                raise TrainingError(diverged("the gradients overflow float16 at any loss scale", options))
            start = perf_counter()
            figures = {"loss": loss} | validate(predict_step, val_set, options, job)
            progress.end_epoch(figures, perf_counter() - start)
            job.events.epoch_ended(figures, progress.times[-1])
            keeper.end_epoch(progress, figures["val_loss"])
        keeper.finish(progress)

        if not keeper.best:
            raise TrainingError(diverged("val_loss was no number in any epoch", options))
        if options.precision != "float32":  # a layer keeps the precision that it was built under
            keras.config.set_dtype_policy("float32")
            model = with_pixels(build(), options.pixels, train_set)
        model.set_weights(keeper.best)
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


def with_pixels(network: keras.Model, pixels: str, data: Arrays) -> keras.Model:
    """The network behind a layer that scales pixel values 0..255 to the range it wants."""
    # A subclassed network has no input shape of its own.
    shape = getattr(network, "input_shape", (None, *data.frame.input_size, data.channels))
    inputs = keras.Input(shape[1:], name="pixels")
    # In float32 whatever the policy: bfloat16 would round before it subtracts, and merge neighbouring pixel values.
    scale = keras.layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="scale")
    return keras.Model(inputs, network(scale(inputs) if pixels == "-1..1" else inputs), name="segzoo")


def make_optimizer(options: KerasTrainer) -> keras.optimizers.Optimizer:
    """The Keras optimizer that the options name."""
    config: dict[str, Any] = {"learning_rate": options.learning_rate}
    if options.optimizer == "sgd":
        config |= {"momentum": 0.9, "nesterov": True}
    optimizer = keras.optimizers.get({"class_name": options.optimizer, "config": config})
    # Float16 has no numbers for the small gradients of a loss that is not scaled up.
    return keras.optimizers.LossScaleOptimizer(optimizer) if options.precision == "mixed_float16" else optimizer


def compile_steps(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, data: Arrays, job: Job
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A training step (batch to mean loss), and the way from images to logits.

    The number of images is left open, so that a smaller last batch is not compiled again.
    """
    network = with_stand_ins(model)
    (height, width), (out_height, out_width) = data.frame.input_size, data.frame.output_size
    signature = [
        tf.TensorSpec((None, height, width, data.channels), tf.float32),
        tf.TensorSpec((None, out_height, out_width), tf.int32),
        tf.TensorSpec((None, out_height, out_width), tf.float32),
    ]

    @tf.function(input_signature=signature)
    def train_step(images: Any, labels: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = network(images, training=True)
            check_logits_in_training(logits, data, job)
            loss = tf.reduce_mean(job.loss(labels, tf.cast(logits, tf.float32), weights))
            total = tf.add_n([loss, *network.losses])  # a network's own penalties, such as weight decay
            scaled = optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, model.trainable_variables)
        check_gradients(gradients, job)
        optimizer.apply(gradients, model.trainable_variables)
        return total

    @tf.function(input_signature=signature[:1])
    def predict_step(images: Any) -> Any:
        return tf.cast(network(images, training=False), tf.float32)

    return train_step, predict_step


def train_epoch(
    step: Callable[..., Any], data: Arrays, options: KerasTrainer, job: Job, progress: Progress, keeper: Keeper
) -> float:
    """The steps that are left of an epoch and of the budget, in an order of the epoch's own; the mean loss of all."""
    left = data.epoch(job.seed, progress.epoch)[progress.step * options.batch_size :]
    steps = math.ceil(data.per_epoch / options.batch_size)
    start = perf_counter()
    for batch in ahead(data.batches(options.batch_size, left)):
        if progress.complete(job, steps):
            break
        ready = perf_counter()
        loss = float(step(*batch))
        if not math.isfinite(loss):
            raise not_finite(loss, batch, options, job, progress)
        progress.end_step(loss, len(batch.images), ready - start, perf_counter() - start)
        job.events.images_done(len(batch.images))
        keeper.end_step(progress)
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
