"""Strided 1x1 convolutions without their strides, whose gradient crashes the process on some processors."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from segzoo_keras.convolution import ConvolutionStandIn


class SubsampledConvolution(ConvolutionStandIn):
    """What a built, strided 1x1 `Conv2D` does to feature maps (B, H, W, C), on its variables: every n-th pixel first.

    TensorFlow's oneDNN writes past the end of its memory in the gradient of the layer where the maps have few channels
    and the processor has AVX-512; without strides it does not.
    """

    def convolved(self, maps: Any, kernel: Any) -> Any:
        """See `ConvolutionStandIn.convolved`."""
        rows, columns = self.plain.strides
        return tf.nn.conv2d(maps[:, ::rows, ::columns], kernel, 1, "VALID")


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
