"""Trained networks in the files of Keras, also those that Keras alone could not read again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zipfile import BadZipFile, ZipFile

from segzoo.errors import DataError, PluginError, SegzooError
from segzoo.networks.build import clean_state
from segzoo.networks.gpu_memory import grow_memory
from segzoo.plugin_errors import summary

if TYPE_CHECKING:
    import keras

STAND_IN = "segzoo>Network"
"""What the network is called in a configuration in which a plugin builds it."""


def save(model: keras.Model, path: Path) -> None:
    """Save a network as Keras does, also where classes in it cannot tell how they were made: `load` will not ask."""
    silent = []
    for layer in _layers(model):
        if not _configurable(layer):
            layer.get_config = dict
            silent.append(layer)
    try:
        model.save(path)
    finally:
        for layer in silent:
            del layer.get_config


def _layers(model: Any) -> Iterator[Any]:
    """Those of a model and the model, each after those that it consists of."""
    for layer in getattr(model, "layers", ()):
        yield from _layers(layer)
    yield model


def _configurable(layer: Any) -> bool:
    try:
        layer.get_config()
    except NotImplementedError:
        return False
    return True


def load(path: Path, build: Callable[[], keras.Model]) -> keras.Model:
    """The network of a `.keras` file, uncompiled, with its weights.

    Keras can build what consists of its own layers. Of a network with classes that Keras does not know, as those that
    inherit from `keras.Model`, only what the trainer has put around it is built from the file: `build` makes the
    network itself, and the weights are those of the file.

    Raises:
        DataError: if the file is missing or damaged.
        PluginError: if `build` raises one, or makes another network than that of the file.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        grow_memory()
    config = _config(path)
    with clean_state():
        try:
            return keras.saving.load_model(path, compile=False)
        except Exception:  # of whatever kind: Keras cannot build the network by itself
            network = build()
        try:
            model = keras.saving.deserialize_keras_object(
                _with_stand_in(config, type(network).__name__), {STAND_IN: _stand_in(network)}
            )
            with warnings.catch_warnings():
                warnings.filterwarnings("error", "Skipping nested container")  # it would keep new weights
                model.load_weights(path)
        except SegzooError:
            raise
        except Exception as error:
            raise PluginError(
                f"{path} holds another network than its plugin builds today: install the version of the plugin that "
                f"the run was made with ({summary(error)})"
            ) from error
    return model


def _config(path: Path) -> dict[str, Any]:
    """The configuration in a file all of which is as it was written, by the checksums in it.

    Keras does not look at those of the weights.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error
    with file:
        try:
            return _intact(file)
        except Exception as error:  # of whatever kind: changed bytes may claim anything
            raise DataError(f"the network {path} is damaged ({summary(error)})") from error


def _intact(file: BinaryIO) -> dict[str, Any]:
    """The configuration, once all members of the file have been compared with their checksums."""
    with ZipFile(file) as archive:
        if broken := archive.testzip():
            raise BadZipFile(f"the checksum of {broken} is another")
        config: dict[str, Any] = json.loads(archive.read("config.json"))
        return config


def unreadable(path: Path, error: OSError) -> DataError:
    """What to say of a file of a network that cannot be read."""
    return DataError(f"cannot read the network {path}: {(error.strerror or str(error)).lower()}")


def _with_stand_in(config: dict[str, Any], class_name: str) -> dict[str, Any]:
    """The configuration of a model in which the network, of that class, is a stand-in: a layer of it, or all of it."""

    def replaced(node: dict[str, Any]) -> dict[str, Any]:
        names = {"module": None, "class_name": STAND_IN, "registered_name": STAND_IN}
        return {**node, **names, "config": {}, "build_config": None}

    layers = config["config"].get("layers", [])
    if not any(layer["class_name"] == class_name for layer in layers):
        return replaced(config)
    chosen = [replaced(layer) if layer["class_name"] == class_name else layer for layer in layers]
    return {**config, "config": {**config["config"], "layers": chosen}, "compile_config": None}


def _stand_in(network: keras.Model) -> type:
    """What Keras makes the network of, in place of its class."""

    class StandIn:
        @classmethod
        def from_config(cls, config: dict[str, Any]) -> keras.Model:
            return network

    return StandIn
