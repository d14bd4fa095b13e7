"""A loss that is no number: whether the loss, the network or the size of the steps is the cause, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from segzoo.errors import PluginError, SegzooError, TrainingError
from segzoo.plugin import Job
from segzoo.plugin_errors import title
from segzoo.training import Arrays, Batch, require_finite_loss, require_trainable
from segzoo_keras.checkpoint import Progress

if TYPE_CHECKING:
    from segzoo_keras import KerasTrainer


def check_first_batch(predict: Callable[..., Any], data: Arrays, options: KerasTrainer, job: Job) -> None:
    """Refuse a network or a loss that is no number for the first batch, or a loss that has no gradient there.

    It trains nothing: neither weights, nor statistics of batches, nor random states change.
    """
    batch = data.batch(data.epoch(job.seed, 0)[: options.batch_size])
    logits = predict(batch.images)
    require_trainable(job, batch, logits, other_precision(options))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = job.loss(tf.constant(batch.labels), logits, tf.constant(batch.weights))
    loss, slope = title(type(job.loss)), tape.gradient(losses, logits)
    if slope is None:
        raise PluginError(f"{loss}: it has no gradient, so nothing can be learnt from it")
    if not np.isfinite(tf.convert_to_tensor(slope)).all():
        raise PluginError(
            f"{loss}: its gradient is not finite before the first training step, though its value is, so "
            "a smaller step does not help; look for a root of 0, or a division in a branch that `where` leaves out"
        )


def not_finite(loss: float, batch: Batch, options: KerasTrainer, job: Job, progress: Progress) -> SegzooError:
    """The error of a step whose loss is no number: of the loss, or of the network, or of the size of the steps."""
    require_finite_loss(job, batch.labels, batch.weights)
    if progress.epoch == progress.step == 0:  # no weight has been changed yet
        return PluginError(
            f"{job.network}: the loss of the first training step is {loss}, though without training it is finite; look "
            "at what the network does in training only, such as normalizing by a batch, and at its penalties"
            f"{other_precision(options)}"
        )
    return TrainingError(diverged(f"the loss became {loss} in epoch {progress.epoch + 1}", options))


def check_logits_in_training(logits: Any, labels: Any, job: Job) -> None:
    """Refuse a network that makes in training what it does not make in inference, by the shapes that a graph knows."""
    promised = (None, *labels.shape[1:], job.num_classes)
    is_tensor = tf.is_tensor(logits)
    if not (is_tensor and logits.dtype.is_floating and logits.shape.is_compatible_with(promised)):
        made = f"{logits.dtype.name} {tuple(logits.shape)[1:]}" if is_tensor else f"a {type(logits).__name__}"
        raise PluginError(
            f"{job.network}: in training it makes {made} of an image, but should make logits {promised[1:]}, as in "
            "inference"
        )


def check_gradients(gradients: Sequence[Any], job: Job) -> None:
    """Refuse a network of which the training step can change nothing, by the gradients that there are in a graph."""
    if not gradients:
        raise PluginError(f"{job.network}: it has no trainable weights, so there is nothing to train")
    if all(gradient is None for gradient in gradients):
        raise PluginError(
            f"{job.network}: no gradient reaches any of its weights, so nothing can be learnt; look for "
            "`stop_gradient`, or for an operation without a gradient, such as rounding or `argmax`"
        )


def diverged(what: str, options: KerasTrainer) -> str:
    """The message: what went wrong, and how to avoid it."""
    smaller = f"--set trainer.learning_rate={options.learning_rate / 10:g}"
    return f"{what}; lower the learning rate, as in {smaller}{other_precision(options)}"


def other_precision(options: KerasTrainer) -> str:
    """What helps where numbers of 16 bits are the cause; to be appended to a message."""
    return "" if options.precision == "float32" else ", or take --set trainer.precision=float32"
