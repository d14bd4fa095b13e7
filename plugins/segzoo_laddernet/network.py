"""The graph of LadderNet (Zhuang 2018, arXiv:1810.07810)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras import Input, Model, layers
from keras.initializers import VarianceScaling

if TYPE_CHECKING:
    from segzoo_laddernet import LadderNet


def laddernet(image_shape: tuple[int | None, int | None, int], num_classes: int, options: LadderNet) -> Model:
    """Images (B, H, W, C) to logits (B, H, W, num_classes)."""
    inputs = Input(image_shape, name="image")
    x = layers.Conv2D(options.filters, 3, padding="same", kernel_initializer=initializer(), name="stem_conv")(inputs)
    x = layers.ReLU(name="stem_relu")(x)

    first = chained_unet(x, (), "unet1", options)
    x = residual_block(first[0], "bridge", options)
    second = chained_unet(x, first, "unet2", options)

    logits = layers.Conv2D(num_classes, 1, kernel_initializer=initializer(), dtype="float32", name="logits")(second[0])
    return Model(inputs, logits, name="laddernet")


def chained_unet(x: Any, previous: Sequence[Any], name: str, options: LadderNet) -> list[Any]:
    """The decoder's maps, full resolution first; those of the U-Net before, if any, are added along the encoder."""
    widths = [options.filters * 2**stage for stage in range(options.depth + 1)]  # 10, 20, 40, 80, 160

    skips = []
    for stage, below in enumerate(widths[1:]):
        if previous:
            x = layers.Add(name=f"{name}_encoder{stage + 1}_rung")([x, previous[stage]])
        x = residual_block(x, f"{name}_encoder{stage + 1}", options)  # (H / 2^stage, W / 2^stage, width)
        skips.append(x)
        step = f"{name}_encoder{stage + 1}_down"
        x = layers.Conv2D(below, 3, strides=2, padding="same", kernel_initializer=initializer(), name=step)(x)
        x = layers.ReLU(name=f"{step}_relu")(x)

    x = residual_block(x, f"{name}_bottom", options)

    maps = []
    for stage, width in reversed(list(enumerate(widths[:-1]))):
        step = f"{name}_decoder{stage + 1}_up"
        x = layers.Conv2DTranspose(width, 3, strides=2, padding="same", kernel_initializer=initializer(), name=step)(x)
        x = layers.Add(name=f"{name}_decoder{stage + 1}_skip")([skips[stage], x])
        x = residual_block(x, f"{name}_decoder{stage + 1}", options)
        maps.append(x)
    return maps[::-1]


def residual_block(x: Any, name: str, options: LadderNet) -> Any:
    """Two 3x3 convolutions of the same weights, dropout between them, and the input added to the outcome."""
    width = x.shape[-1]
    convolution = layers.Conv2D(width, 3, padding="same", kernel_initializer=initializer(), name=f"{name}_shared_conv")
    y = normalize(convolution(x), f"{name}_norm1", options)
    y = layers.ReLU(name=f"{name}_relu1")(y)
    if options.dropout:  # of whole maps, as in the author's code: the pixels of a map are too alike to drop one by one
        y = layers.SpatialDropout2D(options.dropout, name=f"{name}_dropout")(y)
    y = normalize(convolution(y), f"{name}_norm2", options)
    y = layers.Add(name=f"{name}_add")([x, y])
    return layers.ReLU(name=f"{name}_relu2")(y)


def normalize(x: Any, name: str, options: LadderNet) -> Any:
    """Batch normalization where wanted; each use of a shared convolution has its own statistics, scale and shift."""
    return layers.BatchNormalization(momentum=options.bn_momentum, name=name)(x) if options.batch_norm else x


def initializer() -> VarianceScaling:
    """Uniform up to 1 / sqrt(fan in), PyTorch's default, with which the author trained.

    He's weights have six times the variance: each sum would double what it adds to, and thirty lie in a row. A new
    object for each layer, because one repeats its draw.
    """
    return VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")
