"""The graph of the U-Net (Ronneberger et al. 2015, arXiv:1505.04597)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Input, Model, layers

if TYPE_CHECKING:
    from segzoo_unet import UNet


def unet(image_shape: tuple[int | None, int | None, int], num_classes: int, options: UNet) -> Model:
    """Images (B, H, W, C) to logits (B, H - 2 margin, W - 2 margin, num_classes)."""
    widths = [options.filters * 2**stage for stage in range(options.depth + 1)]  # 64, 128, 256, 512, 1024
    inputs = x = Input(image_shape, name="image")

    skips = []
    for stage, width in enumerate(widths[:-1]):
        x = double_convolution(x, width, f"encoder{stage + 1}", options)  # (H / 2^stage, W / 2^stage, width)
        if stage == options.depth - 1:
            x = drop(x, f"encoder{stage + 1}", options)
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"encoder{stage + 1}_pool")(x)

    x = double_convolution(x, widths[-1], "bottom", options)  # (H / 2^depth, W / 2^depth, 2^depth * filters)
    x = drop(x, "bottom", options)

    for stage, width in reversed(list(enumerate(widths[:-1]))):
        x = layers.Conv2DTranspose(width, 2, strides=2, kernel_initializer="he_normal", name=f"decoder{stage + 1}_up")(
            x
        )
        skip = skips[stage]
        if options.padding == "valid":  # the encoder's map is larger: its centre, e.g. 568 -> 392 at the first stage
            border = 6 * 2 ** (options.depth - stage) - 8
            skip = layers.Cropping2D(border, name=f"decoder{stage + 1}_crop")(skip)
        x = layers.Concatenate(name=f"decoder{stage + 1}_skip")([skip, x])
        x = double_convolution(x, width, f"decoder{stage + 1}", options)

    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return Model(inputs, logits, name="unet")


def double_convolution(x: Any, width: int, name: str, options: UNet) -> Any:
    """Twice: 3x3 convolution, batch normalization where wanted, ReLU."""
    for i in (1, 2):
        # The paper draws weights from a Gaussian of variance 2 / N, which Keras calls He-normal.
        convolution = layers.Conv2D(
            width, 3, padding=options.padding, kernel_initializer="he_normal", name=f"{name}_conv{i}"
        )
        x = convolution(x)
        if options.batch_norm:
            x = layers.BatchNormalization(momentum=options.bn_momentum, name=f"{name}_norm{i}")(x)
        x = layers.ReLU(name=f"{name}_relu{i}")(x)
    return x


def drop(x: Any, name: str, options: UNet) -> Any:
    """Dropout, only where the option asks for it."""
    return layers.Dropout(options.dropout, name=f"{name}_dropout")(x) if options.dropout else x
