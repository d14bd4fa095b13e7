"""The graph of EfficientNet-Lite0 without its classifier (Tan and Le 2019, arXiv:1905.11946)."""

from __future__ import annotations

from typing import Any

from keras import Input, Model, layers

from segzoo.networks.encoders import normalized

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's images: red, green and blue, in [0, 1]."""
STEM = 32
"""Filters of the first convolution."""
STAGES = (
    # kernel, stride, expansion, filters, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Those of EfficientNet-B0."""
LAST = (0, 1, 2, 4, 6)
"""The last stage of each resolution, at strides 2, 4, 8, 16 and 32."""


def efficientnet_lite0(image_shape: tuple[int | None, int | None, int], depth: int) -> Model:
    """Images (B, H, W, C) in [-1, 1] to maps of 16, 24, 40, 112 and 320 channels, as many as `depth`."""
    inputs = Input(image_shape, name="image")
    x = convolution(normalized(inputs, MEAN, DEVIATION), STEM, 3, 2, "stem")
    x = relu6(batch_norm(x, "stem"), "stem")
    maps = []
    for number, (kernel, stride, expansion, filters, blocks) in enumerate(STAGES[: LAST[depth - 1] + 1]):
        for block in range(blocks):
            name = f"stage{number + 1}_block{block + 1}"
            x = inverted_residual(x, kernel, stride if block == 0 else 1, expansion, filters, name)
        if number in LAST:
            maps.append(x)
    return Model(inputs, maps, name="encoder")


def inverted_residual(x: Any, kernel: int, stride: int, expansion: int, filters: int, name: str) -> Any:
    """A depthwise convolution between a convolution that widens and one that narrows, around which the input goes."""
    width, before = x.shape[-1] * expansion, x
    if expansion > 1:
        x = relu6(batch_norm(convolution(x, width, 1, 1, f"{name}_expand"), f"{name}_expand"), f"{name}_expand")
    x = layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=False, depthwise_initializer="he_normal", name=f"{name}_depthwise_conv"
    )(x)
    x = relu6(batch_norm(x, f"{name}_depthwise"), f"{name}_depthwise")
    x = batch_norm(convolution(x, filters, 1, 1, f"{name}_project"), f"{name}_project")
    if stride > 1 or filters != before.shape[-1]:
        return x
    return layers.Add(name=f"{name}_add")([x, before])


def convolution(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    """Without a bias, which the normalization after it has."""
    return layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)


def batch_norm(x: Any, name: str) -> Any:
    """Batch normalization with the constants of the original."""
    return layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_norm")(x)


def relu6(x: Any, name: str) -> Any:
    """ReLU that ends at 6."""
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
