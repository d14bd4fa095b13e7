"""Weights of a trained network for another one, by the names of layers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray


def named_weights(network: keras.Model) -> dict[str, keras.Variable]:
    """The weights of a network by their names, which are those of their layers and their own: `encoder1_conv1/kernel`.

    What is put around a network, such as the layers that scale pixel values, is not part of the names: a network and
    the model that a trainer has made of it have the same ones. Layers that Keras has named, by numbers which depend on
    all that the process has built before, are numbered within their network.
    """
    while (inner := _only_network(network)) is not None:
        network = inner
    named: dict[str, keras.Variable] = {}
    for name, weight in _weights(network, ""):
        count = sum(known.partition("#")[0] == name for known in named)
        named[f"{name}#{count + 1}" if count else name] = weight
    return named


def _only_network(network: Any) -> Any | None:
    """The network in a network that has all of its weights; None if there is none."""
    with_weights = [layer for layer in getattr(network, "layers", ()) if layer.weights]
    if len(with_weights) == 1 and hasattr(with_weights[0], "layers"):
        return with_weights[0] if len(with_weights[0].weights) == len(network.weights) else None
    return None


def _weights(node: Any, prefix: str) -> Iterator[tuple[str, keras.Variable]]:
    """Those of the layers in a network, each after the name of its layer, and those that are in no layer."""
    inside: set[int] = set()
    unnamed: Counter[str] = Counter()
    for layer in getattr(node, "layers", ()):
        inside |= {id(weight) for weight in layer.weights}
        yield from _weights(layer, f"{prefix}{_layer_name(layer, unnamed)}/")
    yield from ((f"{prefix}{_own_name(weight)}", weight) for weight in node.weights if id(weight) not in inside)


def _layer_name(layer: Any, unnamed: Counter[str]) -> str:
    """Its name, with the next number of its class if Keras has named it: `conv2d_7` after `conv2d` is `conv2d_2`."""
    name = re.sub(r"_\d+$", "", layer.name)
    if name.replace("_", "") != type(layer).__name__.lower().replace("_", ""):
        return str(layer.name)
    unnamed[name] += 1
    return f"{name}_{unnamed[name]}" if unnamed[name] > 1 else name


def _own_name(weight: keras.Variable) -> str:
    """The name that its layer gave it; Keras numbers weights without a name by all that it has made before."""
    return str(re.sub(r"^variable_\d+$", "variable", weight.name))


def take(weights: Mapping[str, NDArray[Any]], network: keras.Model) -> list[str]:
    """Give a network the weights of equal name and shape; the weights that it keeps, each in words."""
    kept = []
    for name, variable in named_weights(network).items():
        values = weights.get(name)
        if values is not None and values.shape == tuple(variable.shape):
            variable.assign(values)
        else:
            there = f", where it is {_size(values.shape)}" if values is not None else ""
            kept.append(f"{name} ({_size(variable.shape)}{there})")
    return kept


def values_of(network: keras.Model) -> dict[str, NDArray[Any]]:
    """The values of `named_weights`."""
    return {name: np.asarray(weight) for name, weight in named_weights(network).items()}


def _size(shape: Any) -> str:
    return "x".join(map(str, shape)) or "a number"
