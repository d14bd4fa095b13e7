"""Information about a plugin: its options, its origin and, of a network, its shapes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from segzoo import registry
from segzoo.data.faults import described
from segzoo.errors import ConfigError, PluginError, SegzooError, with_article
from segzoo.files.cache import cache_folder
from segzoo.networks import cost
from segzoo.networks.build import build_network
from segzoo.networks.diagram import diagram
from segzoo.networks.frame import Frame
from segzoo.plugin import Dataset, Encoder, Model, Plugin
from segzoo.processes.terminal import quiet

if TYPE_CHECKING:
    import keras

CHANNELS = 3
"""Image channels for which a network is shown."""


def show(
    name: str, options: Mapping[str, Any], image_size: tuple[int, int] = (256, 256), classes: int = 3
) -> dict[str, Any]:
    """The facts of a plugin, ready for JSON; of a network also parameters and shapes, for which it is built.

    Raises:
        SegzooError: if there is no such plugin, or several, or it does not load, or an option does not fit.
    """
    kind, short = registry.locate(name)
    plugin = registry.create(kind, short, options)
    entry = next(entry for entry in registry.entries(kind) if entry.name == short)
    facts: dict[str, Any] = {
        "name": short,
        "kind": kind.kind,
        "distribution": f"{entry.distribution} {entry.version}",
        "class": entry.target,
        "description": inspect.getdoc(type(plugin)) or "",
        "paper": plugin.paper,
        "options": option_table(plugin),
    }
    if isinstance(plugin, Model):
        facts |= _network(plugin, short, image_size, classes)
    if isinstance(plugin, Encoder):
        facts |= _maps(plugin)
    if isinstance(plugin, Dataset):
        facts |= _data(plugin)
    return facts


def draw(name: str, options: Mapping[str, Any], image_size: tuple[int, int] = (256, 256), classes: int = 3) -> str:
    """A diagram of a network as SVG.

    Raises:
        SegzooError: as `show`, or if the plugin is no model, or its network is not a functional one.
    """
    kind, short = registry.locate(name)
    if kind is not Model:
        raise ConfigError(f"'{name}' is {with_article(kind.kind)}; only models have a diagram")
    model = registry.create(Model, short, options)
    with quiet():
        return diagram(model.build((*Frame.around(image_size, model).input_size, CHANNELS), classes))


def option_table(plugin: Plugin) -> list[dict[str, Any]]:
    """Name, type, default, range, description and value of each option."""
    properties = type(plugin).model_json_schema()["properties"] if type(plugin).model_fields else {}
    values = plugin.model_dump(mode="json")
    return [
        {
            "name": name,
            "type": _type(schema),
            "default": schema.get("default"),
            "range": _range(schema),
            "description": schema.get("description", ""),
            "value": values[name],
        }
        for name, schema in properties.items()
    ]


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " | ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema["enum"])
    return str({"path": "folder", "file-path": "file"}.get(schema.get("format", ""), schema.get("type", "any")))


def _range(schema: Mapping[str, Any]) -> str:
    bounds = {"minimum": ">= ", "exclusiveMinimum": "> ", "maximum": "<= ", "exclusiveMaximum": "< "}
    parts = [schema, *schema.get("anyOf", [])]
    return ", ".join(f"{sign}{part[bound]}" for part in parts for bound, sign in bounds.items() if bound in part)


def _network(model: Model, name: str, image_size: tuple[int, int], classes: int) -> dict[str, Any]:
    frame = Frame.around(image_size, model)
    with quiet():
        network = build_network(model, name, frame, CHANNELS, classes)
        flops = _flops(network, (1, *frame.input_size, CHANNELS))
    return {
        "published_parameters": model.parameters.published if model.parameters else "",
        "parameters": network.count_params(),
        "trainable_parameters": cost.parameters(network),
        "flops": flops,
        "image_size": list(image_size),
        "input_shape": [*frame.input_size, CHANNELS],
        "output_shape": [*frame.output_size, classes],
        "stride": model.stride,
        "offset": model.offset,
        "margin": model.margin,
    }


def _maps(encoder: Encoder) -> dict[str, Any]:
    with quiet():
        network = encoder.build((None, None, CHANNELS))
    return {
        "parameters": network.count_params(),
        "trainable_parameters": cost.parameters(network),
        "strides": ", ".join(map(str, encoder.strides)),
        "filters": ", ".join(str(feature_map.shape[-1]) for feature_map in network.outputs),
    }


def _flops(network: keras.Model, shape: tuple[int, int, int, int]) -> int | None:
    try:
        return cost.flops(cost.traced(network, shape))
    except PluginError:  # the operations of this graph cannot be counted; all else is shown
        return None


def _data(dataset: Dataset) -> dict[str, Any]:
    try:
        info = described(dataset, cache_folder())
    except SegzooError as error:  # the classes of a folder are not known without its path
        return {"contents": str(error)}
    return {
        "classes": list(info.classes),
        "channels": info.channels,
        "splits": list(info.splits),
        "image_size": list(info.image_size),
        "epochs": info.epochs,
        "view": info.view,
    }
