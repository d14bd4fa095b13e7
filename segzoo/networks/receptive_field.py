"""How far a network sees around a pixel, by arithmetic on the graph.

What a map's pixels come from may end beyond the border of the network's input, where layers see zeros. Of each map a
range of rows, and one of columns, does not; every layer makes of the ranges of what it reads those of what it makes.
What the last layer makes is cut off outside of its range. Cf. Araujo, Norris, Sim 2019, "Computing receptive fields of
convolutional neural networks", doi:10.23915/distill.00021.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any

from segzoo.errors import ConfigError
from segzoo.networks.frame import Frame
from segzoo.networks.graph import operations_of, read_graph

if TYPE_CHECKING:
    import keras

INSTEAD = "take `--blend mean`"

POINTWISE = {
    *("InputLayer", "Identity", "Rescaling", "Dense", "BatchNormalization", "Dropout", "SpatialDropout2D"),
    *("AlphaDropout", "GaussianDropout", "GaussianNoise", "Activation", "ReLU", "LeakyReLU", "ELU"),
    *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "Softplus", "Sigmoid", "HardSigmoid", "Tanh"),
    *("Exp", "Log", "Sqrt", "Square", "Absolute", "Negative", "Clip", "Cast"),
}
"""Layers and operations in which each pixel comes from the same pixel alone."""
MERGING = {"Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Average", "Maximum", "Minimum"}
"""Those in which it comes from the same pixel of several maps; `Concatenate` does where it joins channels."""
GLOBAL = {
    *("GlobalAveragePooling2D", "GlobalMaxPooling2D", "AdaptiveAveragePooling2D", "AdaptiveMaxPooling2D", "Flatten"),
    *("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupedQueryAttention", "GroupNormalization"),
}
"""Those in which it comes from all pixels."""


@dataclass(frozen=True)
class Reach:
    """What tiles must know of a network, so that it says the same of a pixel in a tile as in all of the image."""

    cut: int
    """Rows and columns at each side of the network's output that something beyond the border of its input changes."""
    period: int
    """By how many rows or columns an image must be moved, or by multiples of it, so that its prediction moves alike."""

    def tile(self, frame: Frame, axis: int) -> tuple[int, int, int]:
        """Along an axis: pixels of a tile's input, those before the part that it predicts, and those of that part.

        The part is about the frame's `image_size`, and a multiple of `period`.
        """
        before = frame.margin - (-self.cut // self.period) * self.period
        after = frame.margin + self.cut
        wanted = max(self.period, frame.image_size[axis] // self.period * self.period)
        total = frame.legal(before + wanted + after)
        return total, before, (total - before - after) // self.period * self.period


@dataclass(frozen=True)
class Span:
    """The pixels of a map along an axis, and the range of those that nothing beyond the input's border changes."""

    size: int
    first: int = 0
    stop: int = 0
    step: Fraction = Fraction(1)
    """Pixels of the input from a pixel to the next."""
    period: int = 1
    """See `Reach.period`."""

    def becomes(self, size: int, stride: Fraction, first: int, stop: int) -> Span:
        """The span of a map with a pixel for every `stride` of these."""
        step = self.step * stride
        return Span(size, first, stop, step, lcm(self.period, step.numerator))


def reach(network: keras.Model, frame: Frame) -> Reach:
    """How far a network sees around a pixel.

    Raises:
        ConfigError: if the network sees all of the image, if a layer does not tell, or if tiles must be larger for it
            than the network takes.
    """
    spans = [_through(network, Span(side, 0, side), axis) for axis, side in enumerate(frame.input_size)]
    for span, side in zip(spans, frame.output_size, strict=True):
        if span.step != 1 or span.size != side:
            raise ConfigError(f"network '{network.name}' does not tell how far it sees around a pixel: {INSTEAD}")
    cut = max(max(span.first, span.size - span.stop) for span in spans)
    result = Reach(cut, lcm(*(span.period for span in spans)))
    sizes = [result.tile(frame, axis)[0] for axis in (0, 1)]
    if any(fixed not in (None, size) for fixed, size in zip(network.input_shape[1:3], sizes, strict=True)):
        fixed, wanted = ("x".join(map(str, sides)) for sides in (network.input_shape[1:3], sizes))
        raise ConfigError(
            f"network '{network.name}' takes {fixed} pixels alone; `--blend cut` needs {wanted}: {INSTEAD}"
        )
    return result


def _through(network: Any, span: Span, axis: int) -> Span:
    """The span of what a functional network, or a chain of layers, makes of a map."""
    if type(network).__name__ == "Sequential":
        for layer in network.layers:
            span = _made(layer, [span], axis)
        return span
    graph = read_graph(network, f"it does not tell how far it sees around a pixel: {INSTEAD}")
    layers = operations_of(network)
    spans: dict[Any, Span] = {}
    for call in graph.calls():
        spans[call] = _made(layers[call[0]], [spans[source] for source in graph.sources[call]] or [span], axis)
    return _merged(network, [spans[call] for call in graph.outputs])


def _made(layer: Any, spans: list[Span], axis: int) -> Span:
    """The span of what a layer makes of maps of these spans."""
    kind = type(layer).__name__
    if kind in {"Functional", "Model", "Sequential"}:
        return _through(layer, _merged(layer, spans), axis)
    if not type(layer).__module__.startswith("keras."):
        raise _unknown(layer)
    if kind in GLOBAL:
        raise ConfigError(f"layer '{layer.name}' ({kind}) sees all of the image, which no tile has: {INSTEAD}")
    if kind in MERGING or kind in POINTWISE or _along_channels(layer):
        return _merged(layer, spans)
    rule = RULES.get(kind)
    if rule is None or getattr(layer, "data_format", "channels_last") != "channels_last":
        raise _unknown(layer)
    return rule(layer, _merged(layer, spans), axis)


def _along_channels(layer: Any) -> bool:
    kind, axis = type(layer).__name__, getattr(layer, "axis", None)
    return kind in {"Concatenate", "Softmax", "LayerNormalization"} and axis in (-1, 3, [-1], [3])


def _merged(layer: Any, spans: list[Span]) -> Span:
    """The span of a map of pixels of several maps, each from the same pixel of all."""
    if len({(span.step, span.size) for span in spans}) > 1:
        raise _unknown(layer)
    first, stop = max(span.first for span in spans), min(span.stop for span in spans)
    return replace(spans[0], first=first, stop=stop, period=lcm(*(span.period for span in spans)))


def _unknown(layer: Any) -> ConfigError:
    return ConfigError(
        f"layer '{layer.name}' ({type(layer).__name__}) does not tell how far it sees around a pixel: {INSTEAD}"
    )


def _convolved(layer: Any, span: Span, axis: int) -> Span:
    """Of a convolution or a pooling: pixel i comes from `side` pixels from stride * i - start on."""
    side, stride = (layer.kernel_size if hasattr(layer, "kernel_size") else layer.pool_size)[axis], layer.strides[axis]
    side += (side - 1) * (getattr(layer, "dilation_rate", (1, 1))[axis] - 1)
    size, start = (span.size - side) // stride + 1, 0
    if layer.padding == "same":
        size = -(-span.size // stride)
        start = max((size - 1) * stride + side - span.size, 0) // 2
    first, stop = -(-(span.first + start) // stride), (span.stop + start - side) // stride + 1
    return span.becomes(size, Fraction(stride), first, stop)


def _transposed(layer: Any, span: Span, axis: int) -> Span:
    """Of a transposed convolution: pixel i comes from those j for which 0 <= i + start - stride * j < side."""
    side, stride = layer.kernel_size[axis], layer.strides[axis]
    if layer.output_padding is not None or layer.dilation_rate[axis] != 1:
        raise _unknown(layer)
    more = max(side - stride, 0)
    size, start = (span.size * stride, more // 2) if layer.padding == "same" else (span.size * stride + more, 0)
    first, stop = (span.first - 1) * stride + side - start, span.stop * stride - start
    return span.becomes(size, Fraction(1, stride), max(first, span.first * stride - start), stop)


def _enlarged(layer: Any, span: Span, axis: int) -> Span:
    """Of an upsampling: a pixel comes from the nearest, or from the two nearest."""
    factor, first, stop = layer.size[axis], span.first, span.stop
    if layer.interpolation == "nearest":
        first, stop = first * factor, stop * factor
    elif layer.interpolation == "bilinear":  # of pixel i between those before and after (2 i + 1 - factor) / 2 factor
        first, stop = first * factor + factor // 2, stop * factor - factor // 2
    else:
        raise _unknown(layer)
    return span.becomes(span.size * factor, Fraction(1, factor), first, stop)


def _cropped(layer: Any, span: Span, axis: int) -> Span:
    before, after = layer.cropping[axis]
    size = span.size - before - after
    return span.becomes(size, Fraction(1), max(span.first - before, 0), min(span.stop - before, size))


def _padded(layer: Any, span: Span, axis: int) -> Span:
    before, after = layer.padding[axis]
    return span.becomes(span.size + before + after, Fraction(1), span.first + before, span.stop + before)


RULES: dict[str, Callable[[Any, Span, int], Span]] = {
    "Conv2D": _convolved,
    "DepthwiseConv2D": _convolved,
    "SeparableConv2D": _convolved,
    "MaxPooling2D": _convolved,
    "AveragePooling2D": _convolved,
    "Conv2DTranspose": _transposed,
    "UpSampling2D": _enlarged,
    "Cropping2D": _cropped,
    "ZeroPadding2D": _padded,
}
