"""Depthwise convolutions whose gradients are quick with oneDNN, by which TensorFlow computes on processors.

It has a quick way to the gradient of a depthwise kernel that is three columns
wide at most; that of a wider kernel is put together of narrow ones here. And in 16 bits it has none to the gradient of
maps that are seen in strides, which is computed in float32 here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import keras
import tensorflow as tf

from segzoo_keras.convolution import ConvolutionStandIn

COLUMNS = 3
"""Columns of the widest kernel that has a quick gradient."""


class DepthwiseConvolution(ConvolutionStandIn):
    """What a built `DepthwiseConv2D` does to feature maps (B, H, W, C), on its variables."""

    def convolved(self, maps: Any, kernel: Any) -> Any:
        """See `ConvolutionStandIn.convolved`."""
        return convolved(maps, kernel, self.plain.strides[0], self.plain.padding.upper())


def has_slow_gradient(layer: keras.layers.Layer) -> bool:
    """Whether a layer is a depthwise convolution whose gradient takes oneDNN long, and nothing else."""
    return (
        type(layer) is keras.layers.DepthwiseConv2D
        and (layer.kernel_size[1] > COLUMNS or (layer.strides != (1, 1) and layer.compute_dtype != "float32"))
        and layer.depth_multiplier == 1
        and layer.strides in ((1, 1), (2, 2))  # wider ones leave out columns of narrow kernels
        and layer.dilation_rate == (1, 1)
        and layer.data_format == "channels_last"
        and layer.variable_dtype == "float32"
        and layer.compute_dtype in ("float32", "bfloat16", "float16")
        and layer.activity_regularizer is None
        and not getattr(layer, "quantization_mode", None)
    )


def convolved(maps: Any, kernel: Any, stride: int, padding: str) -> Any:
    """The depthwise convolution of maps (B, H, W, C) with a kernel (rows, columns, C, 1) of the same type."""
    strides = (1, stride, stride, 1)

    @tf.custom_gradient
    def convolve(maps: Any, kernel: Any) -> tuple[Any, Any]:
        def gradients(slopes: Any) -> tuple[Any, Any]:
            quick = kernel.dtype if stride == 1 else tf.float32
            given = tf.cast(kernel, quick), tf.cast(slopes, quick)
            of_maps = tf.nn.depthwise_conv2d_backprop_input(tf.shape(maps), *given, strides, padding)
            return tf.cast(of_maps, maps.dtype), kernel_gradient(maps, kernel.shape, slopes, stride)

        return tf.nn.depthwise_conv2d(maps, kernel, strides, padding), gradients

    return convolve(maps, kernel)


def kernel_gradient(maps: Any, shape: Any, slopes: Any, stride: int) -> Any:
    """The gradient of a kernel of that shape (rows, columns, C, 1), from those of the outputs (B, H, W, C)."""
    rows, columns, channels, _ = shape
    reach = (tf.shape(slopes)[1:3] - 1) * stride + (rows, columns)  # from the first window to the last
    border = tf.maximum(reach - tf.shape(maps)[1:3], 0)  # none with the padding "valid"
    before = border // 2
    maps = tf.pad(maps, tf.pad(tf.stack([before, border - before], axis=1), [(1, 1), (0, 0)]))
    strides = (1, stride, stride, 1)
    parts = []
    for start, width in narrow(columns):
        seen = maps[:, :, start : reach[1] - columns + start + width]
        part = (rows, width, channels, 1)
        parts.append(tf.nn.depthwise_conv2d_backprop_filter(seen, part, slopes, strides, "VALID"))
    return tf.concat(parts, axis=1)


def narrow(columns: int) -> Iterator[tuple[int, int]]:
    """Where parts of a kernel of so many columns start, and how wide they are: about alike, and narrow enough."""
    count = -(-columns // COLUMNS)
    edges = [part * columns // count for part in range(count + 1)]
    for start, end in pairwise(edges):
        yield start, end - start
