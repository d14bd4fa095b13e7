"""The graph of the R2U-Net (Alom et al. 2018, arXiv:1802.06955)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Input, Model, layers

if TYPE_CHECKING:
    from segzoo_r2unet import R2UNet


def r2unet(image_shape: tuple[int | None, int | None, int], num_classes: int, options: R2UNet) -> Model:
    """Images (B, H, W, C) to logits (B, H, W, num_classes)."""
    widths = [options.filters * 2**stage for stage in range(options.depth + 1)]  # 64, 128, 256, 512, 1024
    inputs = x = Input(image_shape, name="image")

    skips = []
    for stage, width in enumerate(widths[:-1]):
        x = recurrent_residual_unit(x, width, f"encoder{stage + 1}", options)  # (H / 2^stage, W / 2^stage, width)
        if stage == options.depth - 1:
            x = drop(x, f"encoder{stage + 1}", options)
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"encoder{stage + 1}_pool")(x)

    x = recurrent_residual_unit(x, widths[-1], "bottom", options)  # (H / 2^depth, W / 2^depth, 2^depth * filters)
    x = drop(x, "bottom", options)

    for stage, width in reversed(list(enumerate(widths[:-1]))):
        name = f"decoder{stage + 1}"
        x = layers.UpSampling2D(2, name=f"{name}_resize")(x)
        x = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal", name=f"{name}_up_conv")(x)
        x = activation(x, f"{name}_up", options)
        x = layers.Concatenate(name=f"{name}_skip")([skips[stage], x])
        x = recurrent_residual_unit(x, width, name, options)

    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return Model(inputs, logits, name="r2unet")


def recurrent_residual_unit(x: Any, width: int, name: str, options: R2UNet) -> Any:
    """A 1x1 projection to `width` channels, plus two recurrent convolutions of it."""
    x = shortcut = layers.Conv2D(width, 1, kernel_initializer="he_normal", name=f"{name}_project")(x)
    for i in (1, 2):
        x = recurrent_convolution(x, width, f"{name}_recurrent{i}", options)
    return layers.Add(name=f"{name}_add")([shortcut, x])


def recurrent_convolution(x: Any, width: int, name: str, options: R2UNet) -> Any:
    """A 3x3 convolution of x, then `t` times the same layer on x plus its own last output."""
    convolve = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal", name=f"{name}_conv")
    state = convolve(x)
    for step in range(1, options.t + 1):
        state = layers.ReLU(name=f"{name}_relu{step - 1}")(state)
        state = convolve(layers.Add(name=f"{name}_sum{step}")([x, state]))
    # Once, not in every step: moving statistics shared by steps that differ would fit none of them in inference.
    return activation(state, name, options)


def activation(x: Any, name: str, options: R2UNet) -> Any:
    """Batch normalization where wanted, then ReLU."""
    if options.batch_norm:
        x = layers.BatchNormalization(momentum=options.bn_momentum, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def drop(x: Any, name: str, options: R2UNet) -> Any:
    """Dropout, only where the option asks for it."""
    return layers.Dropout(options.dropout, name=f"{name}_dropout")(x) if options.dropout else x
