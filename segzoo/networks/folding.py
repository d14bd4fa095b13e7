"""Batch normalization as a part of the convolution before it: a pass less over each map when images are predicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.errors import ConfigError
from segzoo.networks.graph import operations_of, read_graph

if TYPE_CHECKING:
    import keras


def fold(network: keras.Model) -> None:
    """Change a trained network so that its convolutions normalize, where what they make goes nowhere else.

    It gives the same logits but for rounding, and can no longer be trained. Of networks that are not functional, those
    that they consist of are changed.
    """
    try:
        graph = read_graph(network, "its layers are not known")
    except ConfigError:
        _fold_all(network.layers)
        return
    read = Counter(source for sources in graph.sources.values() for source in sources) + Counter(graph.outputs)
    called, operations = Counter(name for name, _ in graph.sources), operations_of(network)
    _fold_all(operations.values())
    for (name, _), sources in graph.sources.items():
        names = [*(source for source, _ in sources), name]
        layers = [operations[part] for part in names]
        once = all(called[part] == 1 for part in names) and all(read[source] == 1 for source in sources)
        if once and _fit(layers):
            _normalize(*layers)


def _fold_all(layers: Iterable[Any]) -> None:
    """Fold the networks among some layers."""
    for layer in layers:
        if getattr(layer, "layers", None):
            fold(layer)


def _fit(layers: list[Any]) -> bool:
    """Whether these are a convolution and the normalization of its channels."""
    import keras

    if [type(layer) for layer in layers] != [keras.layers.Conv2D, keras.layers.BatchNormalization]:
        return False
    convolution, norm = layers
    linear = convolution.activation is keras.activations.linear
    return linear and convolution.data_format == "channels_last" and norm.axis in (-1, 3)


def _normalize(convolution: Any, norm: Any) -> None:
    """Have a convolution make what comes behind its normalization."""
    mean, variance = (np.asarray(value, np.float64) for value in (norm.moving_mean, norm.moving_variance))
    factor = 1 / np.sqrt(variance + norm.epsilon)
    factor *= np.asarray(norm.gamma, np.float64) if norm.scale else 1
    offset = (np.asarray(norm.beta, np.float64) if norm.center else 0) - mean * factor
    convolution.kernel.assign(np.asarray(convolution.kernel, np.float64) * factor)
    if convolution.use_bias:
        convolution.bias.assign(np.asarray(convolution.bias, np.float64) * factor + offset)
        norm.call = lambda values, **others: values
    else:
        norm.call = lambda values, **others: _with_bias(values, offset)


def _with_bias(values: Any, offset: Any) -> Any:
    """The sum, in an operation that TensorFlow makes part of the convolution."""
    import tensorflow as tf

    return tf.nn.bias_add(values, tf.constant(offset, values.dtype))
