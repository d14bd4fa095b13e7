"""Strided 1x1 convolutions without their strides, whose gradient crashes the process on some processors."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class SubsampledConvolution(keras.layers.Layer):
    """What a built, strided 1x1 `Conv2D` does to feature maps (B, H, W, C), on its variables: every n-th pixel first.

    TensorFlow's oneDNN writes past the end of its memory in the gradient of the layer where the maps have few channels
    and the processor has AVX-512; without strides it does not.
    """

    def __init__(self, plain: keras.layers.Conv2D) -> None:
        super().__init__(name=plain.name, dtype=plain.dtype_policy)
        self.plain = plain
        self.supports_masking = True

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """See `keras.layers.Conv2D.compute_output_shape`."""
        shape: tuple[int | None, ...] = self.plain.compute_output_shape(input_shape)
        return shape

    def call(self, inputs: Any) -> Any:
        """See `keras.layers.Conv2D.call`."""
        plain = self.plain
        rows, columns = plain.strides
        maps = tf.cast(inputs, self.compute_dtype)[:, ::rows, ::columns]
        maps = tf.nn.conv2d(maps, tf.cast(plain.kernel, self.compute_dtype), 1, "VALID")
        if plain.use_bias:
            maps += tf.cast(plain.bias, self.compute_dtype)
        return plain.activation(maps)


def strided_pointwise(layer: keras.layers.Layer) -> bool:
    """Whether a layer is a 1x1 convolution with strides, and nothing else."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (1, 1)
        and layer.strides != (1, 1)
        and layer.data_format == "channels_last"
        and layer.activity_regularizer is None
        and not getattr(layer, "lora_enabled", False)
        and not getattr(layer, "quantization_mode", None)
    )
