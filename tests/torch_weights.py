"""Writes files of weights as PyTorch does, without it."""

import pickle
import sys
import types
from collections import OrderedDict
from zipfile import ZipFile

import numpy as np

from segzoo_efficientnet_lite.torch_files import MAGIC, PROTOCOL
from segzoo_efficientnet_lite.weights import origin_of_layers


class FakeModules:
    """Modules that are called like those of PyTorch, for the names in a pickle."""

    def __enter__(self):
        torch, within = types.ModuleType("torch"), types.ModuleType("torch._utils")

        def _rebuild_tensor_v2(*facts):
            raise AssertionError("only written")

        _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
        within._rebuild_tensor_v2 = _rebuild_tensor_v2
        for name in ("FloatStorage", "LongStorage"):
            setattr(torch, name, type(name, (), {"__module__": "torch"}))
        self.torch, self.rebuild = torch, _rebuild_tensor_v2
        self.before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
        sys.modules |= {"torch": torch, "torch._utils": within}
        return self

    def __exit__(self, *error):
        for name, module in self.before.items():
            sys.modules.pop(name)
            if module:
                sys.modules[name] = module


class Written(pickle.Pickler):
    """Writes arrays as `torch.save` writes tensors."""

    def __init__(self, file, modules, stream):
        super().__init__(file, protocol=2)
        self.modules, self.stream, self.storages = modules, stream, {}

    def persistent_id(self, value):
        if not isinstance(value, Stored):
            return None
        kind = getattr(self.modules.torch, "LongStorage" if value.array.dtype == np.int64 else "FloatStorage")
        self.storages[value.key] = value.array
        return ("storage", kind, value.key, "cpu", value.array.size, *([None] if self.stream else []))

    def reducer_override(self, value):
        if not isinstance(value, np.ndarray):
            return NotImplemented
        steps = tuple(step // value.itemsize for step in value.strides)
        stored = Stored(str(len(self.storages)), value)
        return self.modules.rebuild, (stored, 0, value.shape, steps, False, OrderedDict())


class Stored:
    def __init__(self, key, array):
        self.key, self.array = key, array


def save(tensors, path, stream):
    """A file of PyTorch: a stream as before its version 1.6, or else an archive."""
    with FakeModules() as modules:
        if stream:
            with path.open("wb") as file:
                for fact in (MAGIC, PROTOCOL, {"little_endian": True, "type_sizes": {"int": 4}}):
                    pickle.dump(fact, file, protocol=2)
                written = Written(file, modules, stream)
                written.dump(tensors)
                pickle.dump([*written.storages], file, protocol=2)
                for array in written.storages.values():
                    file.write(np.int64(array.size).tobytes() + array.tobytes())
            return path
        with ZipFile(path, "w") as archive:
            with archive.open("weights/data.pkl", "w") as file:
                written = Written(file, modules, stream)
                written.dump(tensors)
            archive.writestr("weights/byteorder", "little")
            for key, array in written.storages.items():
                archive.writestr(f"weights/data/{key}", array.tobytes())
    return path


def random_tensors(network, rng):
    """Tensors such as the package has, by the shapes of a network."""
    tensors = OrderedDict()
    for layer in network.layers:
        if not layer.weights:
            continue
        origin, shape = origin_of_layers()[layer.name], tuple(layer.weights[0].shape)
        if len(layer.weights) == 4:
            for name in ("weight", "bias", "running_mean", "running_var"):
                tensors[f"{origin}.{name}"] = rng.uniform(0.5, 1, shape).astype(np.float32)
        else:
            axes = (2, 3, 0, 1) if "depthwise" in layer.name else (3, 2, 0, 1)
            shape = tuple(shape[axis] for axis in axes)
            tensors[f"{origin}.weight"] = rng.normal(0, 1, shape).astype(np.float32)
    return tensors
