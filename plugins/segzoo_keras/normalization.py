"""Batch normalization through TensorFlow's fused kernel, put into networks that were built without it.

Keras 3 composes `BatchNormalization` of single operations in float32 and never calls the kernel, which does the same in
fewer passes over the feature maps, and takes them in bfloat16 and float16 too.
"""

from __future__ import annotations

import logging
from typing import Any

import keras
import tensorflow as tf

from segzoo_keras.pointwise import SubsampledConvolution, strided_pointwise

logger = logging.getLogger(__name__)


class FusedBatchNormalization(keras.layers.Layer):
    """What a built `BatchNormalization` does to feature maps (B, H, W, C), on its variables, by the fused kernel.

    Variables and moments are float32 in any precision. From: Ioffe, Szegedy 2015, arXiv:1502.03167.
    """

    def __init__(self, plain: keras.layers.BatchNormalization) -> None:
        super().__init__(name=plain.name, dtype=plain.dtype_policy)
        self.plain = plain
        self.supports_masking = True

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape stays."""
        return input_shape

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """See `keras.layers.BatchNormalization.call`."""
        plain, fused = self.plain, tf.compat.v1.nn.fused_batch_norm
        maps = tf.cast(inputs, self.compute_dtype)
        if not (training and plain.trainable):  # a frozen layer keeps to its moving statistics in training too
            moving = plain.moving_mean, plain.moving_variance
            return fused(maps, plain.gamma, plain.beta, *moving, epsilon=plain.epsilon, is_training=False)[0]
        if mask is not None:  # the kernel would count the masked pixels
            return plain(inputs, training=training, mask=mask)
        outputs, mean, variance = fused(maps, plain.gamma, plain.beta, epsilon=plain.epsilon)
        count = tf.cast(tf.reduce_prod(tf.shape(maps)[:3]), tf.float32)
        variance *= (count - 1) / count  # the kernel's is the unbiased estimate, Keras keeps that of the batch
        for average, value in ((plain.moving_mean, mean), (plain.moving_variance, variance)):
            average.assign(average * plain.momentum + value * (1 - plain.momentum))
        return outputs


def with_stand_ins(network: keras.Model) -> keras.Model:
    """The same network on the same variables, with the kernel wherever it does what the layer there does.

    Strided 1x1 convolutions have a stand-in too, see `SubsampledConvolution`. Functional and sequential networks in it
    are gone through too. All other layers are shared with `network`, so those of a subclassed network stay as they are;
    the log says how many batch normalizations that leaves out, and which.
    """
    graphs = (type(network), keras.Sequential)  # and no children of theirs, whose `call` a clone would lose
    swapped: dict[int, Any] = {}

    def swap(layer: Any) -> Any:
        if id(layer) not in swapped:  # one that is called twice stays one
            if type(layer) in graphs:
                swapped[id(layer)] = keras.models.clone_model(layer, clone_function=swap)
            elif type(layer) is keras.layers.BatchNormalization and replaceable(layer):
                swapped[id(layer)] = FusedBatchNormalization(layer)
            elif strided_pointwise(layer):
                swapped[id(layer)] = SubsampledConvolution(layer)
        return swapped.get(id(layer), layer)

    fused = swap(network)
    plain = [layer.plain for layer in swapped.values() if isinstance(layer, FusedBatchNormalization)]
    report(network, plain)
    stood_in = any(isinstance(layer, FusedBatchNormalization | SubsampledConvolution) for layer in swapped.values())
    return fused if stood_in else network


def replaceable(layer: keras.layers.BatchNormalization) -> bool:
    """Whether the kernel does what the layer does."""
    return (
        layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and layer.center
        and layer.scale
        and layer.variable_dtype == "float32"
        and layer.compute_dtype in ("float32", "bfloat16", "float16")
        and layer.activity_regularizer is None
        and not layer.synchronized
        and not getattr(layer, "renorm", False)  # not in all versions of Keras 3
    )


def report(network: keras.Model, replaced: list[keras.layers.BatchNormalization]) -> None:
    """Say in the log what was done; batch normalizations inside of other layers show by their moving variance."""
    done = {id(layer.moving_variance) for layer in replaced}
    left = [v.path for v in network.variables if v.name == "moving_variance" and id(v) not in done]
    if done:
        logger.info("batch normalizations through TensorFlow's fused kernel: %d", len(done))
    if left:
        logger.info("batch normalizations left to Keras' own operations: %d (%s)", len(left), ", ".join(left))
