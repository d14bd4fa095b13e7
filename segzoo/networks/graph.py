"""The graph of a functional network, read from its public configuration, so that no tensor is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segzoo.errors import ConfigError

if TYPE_CHECKING:
    import keras

Call = tuple[str, int]
"""A layer and which of its calls: shared layers have several."""


@dataclass(frozen=True)
class Graph:
    """The calls of a network's layers."""

    layers: dict[str, dict[str, Any]]
    """The configuration of each layer by its name."""
    sources: dict[Call, list[Call]]
    """What each call reads."""
    shapes: dict[Call, list[int | None]]
    """The shape of what each call makes."""
    outputs: list[Call]
    """The calls that make the network's outputs."""

    def calls(self) -> list[Call]:
        """All calls that the outputs depend on, each after its sources, and a branch completed before the next."""
        order: dict[Call, None] = {}
        stack = self.outputs[::-1]
        while stack:
            waiting = [source for source in self.sources[stack[-1]] if source not in order]
            if waiting:
                stack.append(waiting[0])
            else:
                order[stack.pop()] = None
        return list(order)


def read_graph(network: keras.Model, why: str) -> Graph:
    """The graph of a network; a ConfigError that says `why` it is wanted if the network is not functional."""
    config = network.get_config() if hasattr(network, "operations") else {}
    if "output_layers" not in config:
        raise ConfigError(f"network '{network.name}' is not functional: {why}")
    layers = {layer["name"]: layer for layer in config["layers"]}
    shapes: dict[Call, list[int | None]] = {}
    sources: dict[Call, list[Call]] = {}
    for name, layer in layers.items():
        if layer["class_name"] == "InputLayer":
            shapes[name, 0], sources[name, 0] = layer["config"]["batch_shape"], []
        for i, call in enumerate(layer["inbound_nodes"]):
            tensors = dict(_tensors(call))
            shapes.update(tensors)
            sources[name, i] = list(tensors)
    outputs = [
        # Of networks in this one Keras counts the calls from 1 here, and from 0 everywhere else.
        (name, i - ("output_layers" in layers[name]["config"]))
        for name, i in _outputs(config["output_layers"])
    ]
    shapes.update((call, list(tensor.shape)) for call, tensor in zip(outputs, network.outputs, strict=True))
    return Graph(layers, sources, shapes, outputs)


def _tensors(value: Any) -> Iterator[tuple[Call, list[int | None]]]:
    """Where the tensors in the arguments of a call come from, with their shapes."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, i, _ = value["config"]["keras_history"]
        yield (name, i), value["config"]["shape"]
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part)


def _outputs(value: Any) -> Iterator[Call]:
    """The calls that make the outputs, from [layer, call, tensor], alone or in lists."""
    if isinstance(value[0], str):
        yield value[0], value[1]
    else:
        for part in value:
            yield from _outputs(part)
