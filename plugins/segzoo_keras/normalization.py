"""Batch normalization through TensorFlow's fused kernel.

Keras 3 composes `BatchNormalization` of single operations in float32 and never calls the kernel, which does the same in
fewer passes over the feature maps, and takes them in bfloat16 and float16 too.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


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


def replaceable(layer: keras.layers.Layer) -> bool:
    """Whether a layer is a batch normalization, and the kernel does what it does."""
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and layer.center
        and layer.scale
        and layer.variable_dtype == "float32"
        and layer.compute_dtype in ("float32", "bfloat16", "float16")
        and layer.activity_regularizer is None
        and not layer.synchronized
        and not getattr(layer, "renorm", False)  # not in all versions of Keras 3
    )
