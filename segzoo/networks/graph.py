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
Tensor = tuple[str, int, int]
"""A layer, which of its calls, and which of the tensors that it makes."""


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
    inputs: list[Call]
    """The calls that stand for the network's inputs."""

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
    """The graph of a network; a ConfigError that says `why` it is wanted if the network is not functional.

    Of functional networks in it the layers are read, under names such as `encoder/stem_conv`.
    """
    config = network.get_config() if hasattr(network, "operations") else {}
    if "output_layers" not in config:
        raise ConfigError(f"network '{network.name}' is not functional: {why}")
    graph = _read(config)
    graph.shapes.update((call, list(tensor.shape)) for call, tensor in zip(graph.outputs, network.outputs, strict=True))
    return graph


def operations_of(network: keras.Model) -> dict[str, Any]:
    """The layers of a functional network by the names that they have in its graph."""
    named: dict[str, Any] = {}
    for operation in network.operations:
        if hasattr(operation, "operations"):
            named |= {f"{operation.name}/{name}": part for name, part in operations_of(operation).items()}
        else:
            named[operation.name] = operation
    return named


def _read(config: dict[str, Any]) -> Graph:
    """The graph of a functional network by its configuration."""
    layers = {layer["name"]: layer for layer in config["layers"]}
    shapes: dict[Tensor, list[int | None]] = {}
    sources: dict[Call, list[Tensor]] = {}
    for name, layer in layers.items():
        if layer["class_name"] == "InputLayer":
            shapes[name, 0, 0], sources[name, 0] = layer["config"]["batch_shape"], []
        for i, call in enumerate(layer["inbound_nodes"]):
            tensors = list(_tensors(call))
            shapes.update(tensors)
            read = [tensor for tensor, _ in tensors]
            sources[name, i] = read if _is_network(layer) else list(dict.fromkeys(read))
    # Of networks in this one Keras counts the calls from 1 here, and from 0 everywhere else.
    outputs = [(name, i - _is_network(layers[name]), part) for name, i, part in _listed(config["output_layers"])]
    inputs = [(name, i) for name, i, _ in _listed(config["input_layers"])]
    return _inlined(layers, sources, shapes, outputs, inputs)


def _inlined(
    layers: dict[str, dict[str, Any]],
    sources: dict[Call, list[Tensor]],
    shapes: dict[Tensor, list[int | None]],
    outputs: list[Tensor],
    inputs: list[Call],
) -> Graph:
    """The graph in which calls of networks are replaced by those of the layers that they consist of."""
    within = {name: _read(layer["config"]) for name, layer in layers.items() if _is_network(layer)}
    made: dict[Tensor, Tensor] = {}
    """What makes the tensors of calls of networks: a call in the network, or a tensor that it passes on."""
    every = {call: its for call, its in sources.items() if call[0] not in within}
    known: dict[Call, list[int | None]] = {}
    for name, i in [call for call in sources if call[0] in within]:
        graph = within[name]
        passed = dict(zip(graph.inputs, sources[name, i], strict=True))
        moved = {call: _moved(call, name, i, graph) for call in graph.sources if call not in passed}

        def place(call: Call, passed: Any = passed, moved: Any = moved) -> Tensor:
            return passed[call] if call in passed else (*moved[call], 0)

        every |= {new: [place(source) for source in graph.sources[call]] for call, new in moved.items()}
        known |= {new: graph.shapes[call] for call, new in moved.items() if call in graph.shapes}
        made |= {(name, i, part): place(call) for part, call in enumerate(graph.outputs)}

    def maker(tensor: Tensor) -> Call:
        while tensor in made:
            tensor = made[tensor]
        return tensor[:2]

    named = {name: layer for name, layer in layers.items() if name not in within}
    named |= {f"{name}/{inner}": layer for name, graph in within.items() for inner, layer in graph.layers.items()}
    calls = {call: [maker(tensor) for tensor in its] for call, its in every.items()}
    known |= {maker(tensor): shape for tensor, shape in shapes.items()}
    return Graph(named, calls, known, [maker(tensor) for tensor in outputs], inputs)


def _moved(call: Call, name: str, turn: int, graph: Graph) -> Call:
    """A call in a network, seen from where the network is called for the `turn`-th time."""
    count = sum(other == call[0] for other, _ in graph.sources)
    return f"{name}/{call[0]}", turn * count + call[1]


def _is_network(layer: dict[str, Any]) -> bool:
    return "output_layers" in layer["config"]


def _tensors(value: Any) -> Iterator[tuple[Tensor, list[int | None]]]:
    """Where the tensors in the arguments of a call come from, with their shapes."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, i, part = value["config"]["keras_history"]
        yield (name, i, part), value["config"]["shape"]
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part)


def _listed(value: Any) -> Iterator[Tensor]:
    """The tensors of a network's inputs or outputs, from [layer, call, tensor], alone or in lists."""
    if isinstance(value[0], str):
        yield value[0], value[1], value[2]
    else:
        for part in value:
            yield from _listed(part)
