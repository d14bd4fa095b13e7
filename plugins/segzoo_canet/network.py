"""The graph of CANet (Tang et al. 2020, arXiv:2002.12041): encoder, chained context aggregation, selection, decoder.

Sizes in the comments are those of the defaults: output stride 8, 64 filters, ResNet-50.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Input, Model, initializers, layers, ops

if TYPE_CHECKING:
    from segzoo_canet import CANet

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
"""Residual blocks of the four stages (He et al. 2015, arXiv:1512.03385, table 1)."""


def canet(image_shape: tuple[int | None, int | None, int], num_classes: int, options: CANet) -> Model:
    """Images (B, H, W, C) to logits (B, H, W, num_classes)."""
    width = options.filters
    inputs = Input(image_shape, name="image")

    low, high = encode(inputs, options)  # (H/4, W/4, 256), (H/8, W/8, 2048)
    x = aggregate(high, options)  # (H/8, W/8, 512)
    x = select(x, 4 * width, options)  # (H/8, W/8, 256)
    x = drop(x, "selection_dropout", options)

    # The decoder is asymmetric: fine detail comes in a fifth of the context's channels, and from one stage only.
    low = convolve(low, 3 * width // 4, "decoder_low", options)  # (H/4, W/4, 48)
    x = enlarge(x, options.output_stride // 4, "decoder_up")
    x = layers.Concatenate(name="decoder_skip")([x, low])
    x = convolve(x, 4 * width, "decoder_fuse", options)  # (H/4, W/4, 256)
    x = convolve(x, 4 * width, "head", options)
    x = drop(x, "head_dropout", options)
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="classifier")(x)

    logits = layers.UpSampling2D(4, interpolation="bilinear", dtype="float32", name="logits")(x)
    return Model(inputs, logits, name="canet")


def encode(x: Any, options: CANet) -> tuple[Any, Any]:
    """Features of the first stage, at a quarter of the image's size, and of the last, at the output stride."""
    for i, width in enumerate((1, 1, 2), 1):  # three 3x3 convolutions in place of one 7x7, as ResNet v1s has them
        x = convolve(x, width * options.filters, f"stem{i}", options, strides=2 if i == 1 else 1)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)  # (H/4, W/4, 128)

    stages = []
    stride, dilation = 4, 1
    for stage, blocks in enumerate(BLOCKS[options.encoder]):
        width = 2**stage * options.filters
        strides = 2 if stage > 0 and stride < options.output_stride else 1
        stride *= strides
        x = residual(x, width, f"stage{stage + 1}_block1", options, strides, dilation)
        if stage > 0 and strides == 1:
            dilation *= 2  # from the second block on: the first still reads a map that is sampled at the former rate
        for block in range(2, blocks + 1):
            x = residual(x, width, f"stage{stage + 1}_block{block}", options, 1, dilation)
        stages.append(x)
    return stages[0], stages[-1]


def residual(x: Any, width: int, name: str, options: CANet, strides: int, dilation: int) -> Any:
    """Two 3x3 convolutions around a shortcut in the shallow encoders, a bottleneck of three in the deep ones."""
    deep = options.encoder in ("resnet50", "resnet101")
    channels = 4 * width if deep else width
    shortcut = x
    if strides > 1 or x.shape[-1] != channels:
        shortcut = convolve(x, channels, f"{name}_shortcut", options, 1, strides, activation=None)
    if deep:
        x = convolve(x, width, f"{name}_reduce", options, 1)
        x = convolve(x, width, f"{name}_middle", options, 3, strides, dilation)
        x = convolve(x, channels, f"{name}_expand", options, 1, activation=None)
    else:
        x = convolve(x, width, f"{name}_first", options, 3, strides, dilation)
        x = convolve(x, width, f"{name}_second", options, 3, 1, dilation, activation=None)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_out")(x)


def aggregate(x: Any, options: CANet) -> Any:
    """Chained context aggregation: each flow reads the features and the flow before it; the sum of all goes on."""
    width = 8 * options.filters
    flow = layers.GlobalAveragePooling2D(keepdims=True, name="global_pool")(x)
    flow = convolve(flow, width, "global", options, 1)  # (1, 1, 512)
    # Multiplying with a map of ones repeats the vector at every place of a map whose size is known at run time only.
    ones = ops.ones_like(ops.mean(x, axis=-1, keepdims=True))
    flow = layers.Multiply(name="global_flow")([flow, ones])  # (H/8, W/8, 512)

    flows = [flow]
    for k in range(1, options.flows + 1):
        flow = layers.Concatenate(name=f"context{k}_join")([x, flow])  # (H/8, W/8, 2048 + 512)
        flow = layers.AveragePooling2D(2**k, name=f"context{k}_pool")(flow)  # (H / 2^(3+k), W / 2^(3+k), 2560)
        for i in (1, 2):
            flow = separable(flow, width, f"context{k}_separable{i}", options)
        flow = enlarge(flow, 2**k, f"context{k}_flow")
        flows.append(flow)
    return layers.Add(name="fusion")(flows)


def select(x: Any, width: int, options: CANet) -> Any:
    """Feature selection: a gate for each channel, from its mean over the image, beside an identity path."""
    x = convolve(x, width, "selection", options)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="selection_pool")(x)
    gate = convolve(gate, width, "selection_gate", options, 1, activation="sigmoid")  # (1, 1, 256)
    gated = layers.Multiply(name="selection_scale")([x, gate])
    return layers.Add(name="selection_out")([x, gated])


def separable(x: Any, width: int, name: str, options: CANet) -> Any:
    """Depthwise 3x3 and pointwise 1x1 convolution, each with batch normalization and ReLU."""
    # Keras counts the inputs of all channels for a filter that has one, so its own initializers come out far too small.
    initializer = initializers.RandomNormal(stddev=(2 / 9) ** 0.5)
    convolution = layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, depthwise_initializer=initializer, name=f"{name}_depthwise_conv"
    )
    x = convolution(x)
    x = layers.BatchNormalization(momentum=options.bn_momentum, name=f"{name}_depthwise_norm")(x)
    x = layers.ReLU(name=f"{name}_depthwise_relu")(x)
    return convolve(x, width, f"{name}_pointwise", options, 1)


def convolve(
    x: Any,
    width: int,
    name: str,
    options: CANet,
    size: int = 3,
    strides: int = 1,
    dilation: int = 1,
    activation: str | None = "relu",
) -> Any:
    """Convolution without bias, batch normalization, activation."""
    convolution = layers.Conv2D(
        width,
        size,
        strides=strides,
        dilation_rate=dilation,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )
    x = convolution(x)
    x = layers.BatchNormalization(momentum=options.bn_momentum, name=f"{name}_norm")(x)
    return layers.Activation(activation, name=f"{name}_{activation}")(x) if activation else x


def enlarge(x: Any, factor: int, name: str) -> Any:
    """Bilinear resizing by a whole factor."""
    return layers.UpSampling2D(factor, interpolation="bilinear", name=name)(x)


def drop(x: Any, name: str, options: CANet) -> Any:
    """Dropout, only where the option asks for it."""
    return layers.Dropout(options.dropout, name=name)(x) if options.dropout else x
