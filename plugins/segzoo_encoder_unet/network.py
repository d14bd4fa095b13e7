"""The graph of a U-Net whose first half is any encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Input, Model, layers

if TYPE_CHECKING:
    from segzoo_encoder_unet import EncoderUNet


def encoder_unet(image_shape: tuple[int | None, int | None, int], num_classes: int, options: EncoderUNet) -> Model:
    """Images (B, H, W, C) to logits (B, H, W, num_classes)."""
    inputs = Input(image_shape, name="image")
    maps = options.encoder.build(image_shape)(inputs)
    skips = {1: inputs, **dict(zip(options.encoder.strides, maps, strict=True))}
    stride, x = options.stride, maps[-1]
    stages = stride.bit_length() - 1
    for stage, filters in enumerate(options.decoder_filters[-stages:], start=1):
        stride //= 2
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"decoder{stage}_up")(x)
        if stride in skips:  # some encoders begin with a stride of 4
            x = layers.Concatenate(name=f"decoder{stage}_skip")([skips[stride], x])
        x = double_convolution(x, filters, f"decoder{stage}", options)
    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return Model(inputs, logits, name="encoder_unet")


def double_convolution(x: Any, width: int, name: str, options: EncoderUNet) -> Any:
    """Twice: 3x3 convolution, batch normalization where wanted, ReLU; then dropout where wanted."""
    for i in (1, 2):
        x = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal", name=f"{name}_conv{i}")(x)
        if options.batch_norm:
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm{i}")(x)
        x = layers.ReLU(name=f"{name}_relu{i}")(x)
    return layers.Dropout(options.dropout, name=f"{name}_dropout")(x) if options.dropout else x
