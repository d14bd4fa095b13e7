"""The graph of FC-DenseNet (Jégou et al. 2017, arXiv:1611.09326)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Input, Model, layers

if TYPE_CHECKING:
    from segzoo_dense_unet import DenseUNet

STEM_FILTERS = 48

BLOCKS = {56: (4, 4, 4, 4, 4, 4), 67: (5, 5, 5, 5, 5, 5), 103: (4, 5, 7, 10, 12, 15)}
"""Layers of the dense blocks, by the network's number of layers: five on the way down and up, then the bottom's."""

INITIALIZER = "he_uniform"
"""The paper's, for all convolutions."""


def dense_unet(image_shape: tuple[int | None, int | None, int], num_classes: int, options: DenseUNet) -> Model:
    """Images (B, H, W, C) to logits (B, H, W, num_classes)."""
    *lengths, bottom_length = BLOCKS[options.layers]
    inputs = Input(image_shape, name="image")
    x = layers.Conv2D(STEM_FILTERS, 3, padding="same", kernel_initializer=INITIALIZER, name="stem_conv")(inputs)

    skips = []
    for stage, length in enumerate(lengths):  # 48 -> 112 -> 192 -> 304 -> 464 -> 656 maps with 103 layers
        new = dense_block(x, length, f"encoder{stage + 1}", options)
        x = layers.Concatenate(name=f"encoder{stage + 1}_block")([x, *new])  # (H / 2^stage, W / 2^stage, maps)
        skips.append(x)
        x = convolution(x, x.shape[-1], 1, f"encoder{stage + 1}_down", options)
        x = layers.MaxPooling2D(2, name=f"encoder{stage + 1}_pool")(x)

    new = dense_block(x, bottom_length, "bottom", options)

    for stage, length in reversed(list(enumerate(lengths))):
        # Without the block's input, lest the maps of all stages below pile up on the way to full resolution.
        x = layers.Concatenate(name=f"decoder{stage + 1}_new")(new)
        x = layers.Conv2DTranspose(
            x.shape[-1], 3, strides=2, padding="same", kernel_initializer=INITIALIZER, name=f"decoder{stage + 1}_up"
        )(x)
        x = layers.Concatenate(name=f"decoder{stage + 1}_skip")([skips[stage], x])
        new = dense_block(x, length, f"decoder{stage + 1}", options)
    x = layers.Concatenate(name="decoder1_block")([x, *new])

    logits = layers.Conv2D(num_classes, 1, kernel_initializer=INITIALIZER, dtype="float32", name="logits")(x)
    return Model(inputs, logits, name="dense_unet")


def dense_block(x: Any, length: int, name: str, options: DenseUNet) -> list[Any]:
    """The maps (B, H, W, growth rate) that each of `length` layers computes from the input and all layers before."""
    new: list[Any] = []
    for i in range(1, length + 1):
        stack = layers.Concatenate(name=f"{name}_stack{i}")([x, *new]) if new else x
        new.append(convolution(stack, options.growth_rate, 3, f"{name}_layer{i}", options))
    return new


def convolution(x: Any, width: int, kernel_size: int, name: str, options: DenseUNet) -> Any:
    """Batch normalization, ReLU, convolution, dropout."""
    # Normalized before the convolution, because every layer that reads the stack scales it for itself.
    x = layers.BatchNormalization(momentum=options.bn_momentum, name=f"{name}_norm")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.Conv2D(width, kernel_size, padding="same", kernel_initializer=INITIALIZER, name=f"{name}_conv")(x)
    return layers.Dropout(options.dropout, name=f"{name}_dropout")(x) if options.dropout else x
