"""The graph of the Attention U-Net (Oktay et al. 2018, arXiv:1804.03999), for images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Input, Model, layers

if TYPE_CHECKING:
    from segzoo_attention_unet import AttentionUNet


def attention_unet(image_shape: tuple[int | None, int | None, int], num_classes: int, options: AttentionUNet) -> Model:
    """Images (B, H, W, C) to logits (B, H, W, num_classes)."""
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
        skip = skips[stage]
        if stage > 0:  # the paper leaves the finest skip as it is: its features are too low-level to be gated
            skip = attention_gate(skip, x, width, f"gate{stage + 1}")
        x = layers.Conv2DTranspose(width, 2, strides=2, kernel_initializer="he_normal", name=f"decoder{stage + 1}_up")(
            x
        )
        x = layers.Concatenate(name=f"decoder{stage + 1}_skip")([skip, x])
        x = double_convolution(x, width, f"decoder{stage + 1}", options)

    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return Model(inputs, logits, name="attention_unet")


def attention_gate(skip: Any, signal: Any, width: int, name: str) -> Any:
    """The skip (B, h, w, width) weighted by its attention map; the signal is (B, h / 2, w / 2, 2 width)."""
    # Only W_g has a bias: a second one in the same sum would be redundant.
    x = layers.Conv2D(width, 2, strides=2, use_bias=False, kernel_initializer="he_normal", name=f"{name}_skip")(
        skip
    )  # W_x: (h / 2, w / 2, width)
    g = layers.Conv2D(width, 1, kernel_initializer="he_normal", name=f"{name}_signal")(signal)  # W_g, b_g
    q = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([x, g]))
    q = layers.Conv2D(1, 1, activation="sigmoid", kernel_initializer="he_normal", name=f"{name}_psi")(q)
    attention = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_map")(q)  # (h, w, 1)
    return layers.Multiply(name=name)([skip, attention])


def double_convolution(x: Any, width: int, name: str, options: AttentionUNet) -> Any:
    """Twice: 3x3 convolution, batch normalization where wanted, ReLU."""
    for i in (1, 2):
        x = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal", name=f"{name}_conv{i}")(x)
        if options.batch_norm:
            x = layers.BatchNormalization(momentum=options.bn_momentum, name=f"{name}_norm{i}")(x)
        x = layers.ReLU(name=f"{name}_relu{i}")(x)
    return x


def drop(x: Any, name: str, options: AttentionUNet) -> Any:
    """Dropout, only where the option asks for it."""
    return layers.Dropout(options.dropout, name=f"{name}_dropout")(x) if options.dropout else x
