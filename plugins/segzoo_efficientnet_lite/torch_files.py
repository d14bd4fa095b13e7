"""Tensors in files that `torch.save` has written, read without PyTorch; nothing else is let in.

Such files are pickles, which may call any function when they are read. Here they may name what a table of tensors
consists of, and an error is raised for all else.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO, NamedTuple
from zipfile import ZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from segzoo.errors import DataError
from segzoo.plugin_errors import summary

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""With these files begin that PyTorch wrote before version 1.6; later ones are zip archives."""
TYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<?",
}
"""What the numbers of a storage are, by its class in PyTorch."""


class Storage(NamedTuple):
    """Numbers that one or several tensors consist of."""

    key: str
    dtype: np.dtype[Any]
    length: int


class Tensor(NamedTuple):
    """A part of a storage, seen as an array."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """A copy of the numbers that it consists of."""
        lengths = (*self.shape, self.offset, *self.strides)
        if any(not isinstance(length, int) or length < 0 for length in lengths):
            raise UnpicklingError("a tensor has no proper shape")
        last = self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.strides, strict=True))
        if 0 in self.shape:
            return np.zeros(self.shape, numbers.dtype)
        if last >= len(numbers):
            raise UnpicklingError("a tensor is larger than its storage")
        steps = [step * numbers.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps).copy()


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a file by their names.

    Raises:
        DataError: if it cannot be read, or holds anything but a table of tensors.
    """
    try:
        with path.open("rb") as file:
            archived = is_zipfile(file)
            file.seek(0)
            table, numbers = _from_zip(file) if archived else _from_stream(file)
        return {name: tensor.array(numbers[tensor.storage.key]) for name, tensor in _checked(table).items()}
    except OSError as error:
        raise DataError(f"cannot read the weights {path}: {(error.strerror or str(error)).lower()}") from error
    except Exception as error:  # of whatever kind: a damaged pickle may claim anything
        raise DataError(f"{path} is no file of tensors that PyTorch has saved ({summary(error)})") from error


def _checked(table: Any) -> dict[str, Tensor]:
    if not isinstance(table, dict):
        raise UnpicklingError("it holds no table")
    if wrong := [name for name, value in table.items() if not (isinstance(name, str) and isinstance(value, Tensor))]:
        raise UnpicklingError(f"{wrong[0]!r} is no tensor")
    return table


class _Unpickler(pickle.Unpickler):
    """Reads a table of tensors, whose numbers lie elsewhere."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle may call or refer to."""
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        }
        if module == "torch" and name in TYPES:
            return np.dtype(TYPES[name])
        if (module, name) not in allowed:
            raise UnpicklingError(f"it refers to {module}.{name}, which is no tensor")
        return allowed[module, name]

    def persistent_load(self, facts: Any) -> Storage:
        """A storage, which the pickle refers to by its type, key and length."""
        word, dtype, key, _, count, *view = facts
        if word != "storage" or not isinstance(dtype, np.dtype) or any(part is not None for part in view):
            raise UnpicklingError(f"it refers to {facts!r:.60}, which is no tensor")
        return self.storages.setdefault(key, Storage(key, dtype, count))


def _tensor(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> Tensor:
    """Called by the pickle; what comes after the strides is about gradients."""
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _from_zip(file: BinaryIO) -> tuple[Any, dict[str, NDArray[Any]]]:
    """The table, and the numbers of each storage, of the form since PyTorch 1.6."""
    with ZipFile(file) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = name.removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
            raise UnpicklingError("its numbers have their highest byte first")
        with archive.open(name) as pickled:
            unpickler = _Unpickler(pickled)  # type: ignore[arg-type]
            table = unpickler.load()
        return table, {
            key: np.frombuffer(archive.read(f"{folder}data/{key}"), storage.dtype, storage.length)
            for key, storage in unpickler.storages.items()
        }


def _from_stream(file: BinaryIO) -> tuple[Any, dict[str, NDArray[Any]]]:
    """The same of the form before: pickles, and then for each storage its length and its numbers."""
    if (_Unpickler(file).load(), _Unpickler(file).load()) != (MAGIC, PROTOCOL):
        raise UnpicklingError("it begins with other numbers")
    if _Unpickler(file).load().get("little_endian") is not True:
        raise UnpicklingError("its numbers have their highest byte first")
    unpickler = _Unpickler(file)
    table = unpickler.load()
    numbers = {}
    for key in _Unpickler(file).load():
        storage = unpickler.storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        data = file.read(storage.length * storage.dtype.itemsize)
        if count != storage.length or len(data) < storage.length * storage.dtype.itemsize:
            raise UnpicklingError("it ends too early")
        numbers[key] = np.frombuffer(data, storage.dtype)
    return table, numbers
