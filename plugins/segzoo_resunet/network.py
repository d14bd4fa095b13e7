"""The graph of the Deep Residual U-Net (Zhang, Liu, Wang 2018, arXiv:1711.10684)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Input, Model, layers

if TYPE_CHECKING:
    from segzoo_resunet import ResUNet


def resunet(image_shape: tuple[int | None, int | None, int], num_classes: int, options: ResUNet) -> Model:
    """Images (B, H, W, C) to logits (B, H, W, num_classes)."""
    widths = [options.filters * 2**level for level in range(options.depth + 1)]  # 64, 128, 256, 512
    inputs = Input(image_shape, name="image")

    x = residual_unit(inputs, widths[0], "encoder1", options, activate=False)  # (H, W, filters)
    skips = []
    for level, width in enumerate(widths[1:], start=2):
        skips.append(x)
        name = f"encoder{level}" if level <= options.depth else "bridge"
        x = residual_unit(x, width, name, options, strides=2)  # (H / 2^(level - 1), W / 2^(level - 1), width)

    if options.dropout:
        x = layers.Dropout(options.dropout, name="bridge_dropout")(x)

    for level, width in reversed(list(enumerate(widths[:-1], start=1))):
        x = layers.UpSampling2D(2, name=f"decoder{level}_up")(x)
        x = layers.Concatenate(name=f"decoder{level}_skip")([skips[level - 1], x])
        x = residual_unit(x, width, f"decoder{level}", options)

    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return Model(inputs, logits, name="resunet")


def residual_unit(x: Any, width: int, name: str, options: ResUNet, strides: int = 1, activate: bool = True) -> Any:
    """Two 3x3 convolutions, the first strided, each after normalization and ReLU, plus a projection of x.

    With `activate = False` the first convolution takes x as it is: an image is no feature map to be cut at zero.
    """
    y = activation(x, f"{name}_norm1", f"{name}_relu1", options) if activate else x
    y = convolution(width, strides, f"{name}_conv1")(y)
    y = activation(y, f"{name}_norm2", f"{name}_relu2", options)
    y = convolution(width, 1, f"{name}_conv2")(y)
    # No bias: the convolution it is added to has one already.
    project = layers.Conv2D(
        width, 1, strides=strides, use_bias=False, kernel_initializer="he_normal", name=f"{name}_project"
    )
    return layers.Add(name=f"{name}_add")([project(x), y])


def convolution(width: int, strides: int, name: str) -> Any:
    """A 3x3 convolution layer."""
    return layers.Conv2D(width, 3, strides=strides, padding="same", kernel_initializer="he_normal", name=name)


def activation(x: Any, norm: str, relu: str, options: ResUNet) -> Any:
    """Batch normalization, then ReLU, by layers of these names."""
    return layers.ReLU(name=relu)(layers.BatchNormalization(momentum=options.bn_momentum, name=norm)(x))
