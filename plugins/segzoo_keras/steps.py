"""The compiled steps of a training: from a batch to changed weights, and from images to logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import tensorflow as tf

from segzoo.plugin import Job
from segzoo.training import Arrays
from segzoo_keras.averaging import Averages
from segzoo_keras.divergence import check_gradients, check_logits_in_training
from segzoo_keras.halving import half_of, halved
from segzoo_keras.stand_ins import with_stand_ins

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from segzoo_keras import KerasTrainer
    from segzoo_keras.freezing import Trainable

Step = Callable[..., Any]


class Phase(NamedTuple):
    """What the training steps of a part of a training do that others do not."""

    halved: bool = False
    """Whether images are halved first, if they can be."""
    frozen: bool = False
    """Whether the layers that `freeze` names are left as they are."""


PHASES = [Phase(halved, frozen) for halved in (False, True) for frozen in (False, True)]


class Steps(NamedTuple):
    """What is compiled, each with its first call."""

    train: Mapping[Phase, Step]
    """Images, labels and weights of a step to their mean loss, in each phase."""
    predict: Step
    """Images to logits."""


def with_pixels(network: keras.Model, pixels: str, data: Arrays) -> keras.Model:
    """The network behind a layer that scales pixel values 0..255 to the range it wants."""
    # A subclassed network has no input shape of its own.
    shape = getattr(network, "input_shape", (None, *data.frame.input_size, data.channels))
    inputs = keras.Input(shape[1:], name="pixels")
    # In float32 whatever the policy: bfloat16 would round before it subtracts, and merge neighbouring pixel values.
    scale = keras.layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="scale")
    return keras.Model(inputs, network(scale(inputs) if pixels == "-1..1" else inputs), name="segzoo")


def without_pixels(model: keras.Model) -> keras.Model:
    """The network that `with_pixels` was given."""
    return model.layers[-1]


def compile_steps(
    trainable: Trainable,
    optimizer: keras.optimizers.Optimizer,
    averages: Averages,
    data: Arrays,
    options: KerasTrainer,
    job: Job,
    weights_of_labels: NDArray[np.float32] | None = None,
) -> Steps:
    """The steps of a training, with its network and optimizer.

    In training steps, the weights are multiplied with those of the labels (256,).
    """
    network, signature = with_stand_ins(trainable.model), signature_of(data)
    half = half_of(data.frame, trainable.model)

    def train_step(phase: Phase) -> Any:
        variables = trainable.at(phase.frozen)
        slopes_of = gradients(network, variables, optimizer, options, job, weights_of_labels)

        @tf.function(input_signature=signature)
        def step(images: Any, labels: Any, weights: Any) -> Any:
            batch = images, labels, weights
            with trainable.freezing(phase.frozen):
                total, slopes = slopes_of(*(halved(*batch, half) if phase.halved and half else batch))
            optimizer.apply(slopes, variables)
            averages.update(optimizer.iterations)
            return total

        return step

    @tf.function(input_signature=signature[:1], jit_compile=options.jit_compile or None)
    def predict_step(images: Any) -> Any:
        return tf.cast(network(images, training=False), tf.float32)

    return Steps({phase: train_step(phase) for phase in PHASES}, predict_step)


def signature_of(data: Arrays) -> list[tf.TensorSpec]:
    """What a batch is: images, labels and weights.

    The number of images is left open, so that a smaller last batch is not compiled again.
    """
    (height, width), (out_height, out_width) = data.frame.input_size, data.frame.output_size
    return [
        tf.TensorSpec((None, height, width, data.channels), tf.float32),
        tf.TensorSpec((None, out_height, out_width), tf.int32),
        tf.TensorSpec((None, out_height, out_width), tf.float32),
    ]


def gradients(
    network: keras.Model,
    variables: list[keras.Variable],
    optimizer: keras.optimizers.Optimizer,
    options: KerasTrainer,
    job: Job,
    weights_of_labels: NDArray[np.float32] | None,
) -> Step:
    """A function of a batch to its mean loss, with the network's penalties, and the gradients of the variables.

    There is no backward pass, and nothing kept for one, below the first layer that has one of the variables.
    """

    def slopes_of(images: Any, labels: Any, weights: Any) -> tuple[Any, list[Any]]:
        if weights_of_labels is not None:
            weights *= tf.gather(weights_of_labels, labels)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            logits = network(images, training=True)
            check_logits_in_training(logits, labels, job)
            loss = tf.reduce_mean(job.loss(labels, tf.cast(logits, tf.float32), weights))
            # A network's own penalties, such as weight decay; those of activities may be of 16 bits.
            total = tf.add_n([loss, *(tf.cast(penalty, tf.float32) for penalty in network.losses)])
            scaled = optimizer.scale_loss(total)
        slopes = tape.gradient(scaled, variables)
        check_gradients(slopes, job)
        return total, slopes

    # Not the optimizer, nor the loop over parts, whose sizes XLA would have to know.
    if options.jit_compile:
        slopes_of = tf.function(slopes_of, jit_compile=True)
    return in_parts(slopes_of, options.batch_size, variables) if options.accumulate > 1 else slopes_of


def in_parts(slopes_of: Step, size: int, variables: list[keras.Variable]) -> Step:
    """The same function, of a batch to a mean over its images and its gradients, which sees `size` images at once.

    Keras' `gradient_accumulation_steps` does not do: it takes the last, smaller batch of an epoch for a full one, and
    keeps gradients beyond the end of an epoch.
    """

    def step(*batch: Any) -> tuple[Any, list[Any]]:
        count = tf.shape(batch[0])[0]

        def add(start: Any, total: Any, sums: list[Any]) -> tuple[Any, Any, list[Any]]:
            part = [values[start : start + size] for values in batch]
            share = tf.cast(tf.shape(part[0])[0] / count, tf.float32)
            loss, slopes = slopes_of(*part)
            more = [0.0 if slope is None else share * tf.convert_to_tensor(slope) for slope in slopes]
            return (
                start + size,
                total + share * loss,
                [before + slope for before, slope in zip(sums, more, strict=True)],
            )

        begin = (0, 0.0, [tf.zeros_like(variable.value) for variable in variables])
        _, total, slopes = tf.while_loop(lambda start, *_: start < count, add, begin, parallel_iterations=1)
        return total, slopes

    return step
