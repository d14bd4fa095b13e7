"""What stand-ins for convolutions share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import keras
import tensorflow as tf


class ConvolutionStandIn(keras.layers.Layer):
    """What a built convolution does to feature maps (B, H, W, C), on its variables, but for how it convolves."""

    def __init__(self, plain: keras.layers.Layer) -> None:
        super().__init__(name=plain.name, dtype=plain.dtype_policy)
        self.plain = plain
        self.supports_masking = True

    @abstractmethod
    def convolved(self, maps: Any, kernel: Any) -> Any:
        """The convolution of maps with a kernel, both in the precision of the layer."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the convolution."""
        shape: tuple[int | None, ...] = self.plain.compute_output_shape(input_shape)
        return shape

    def call(self, inputs: Any) -> Any:
        """The convolution, its bias and its activation."""
        plain = self.plain
        maps, kernel = (tf.cast(values, self.compute_dtype) for values in (inputs, plain.kernel))
        maps = self.convolved(maps, kernel)
        if plain.use_bias:
            maps += tf.cast(plain.bias, self.compute_dtype)
        return plain.activation(maps)
