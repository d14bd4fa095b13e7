"""Checkpoints of a training on disk: written atomically, verified when read, with the previous one kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.errors import SegzooError
from segzoo.files.atomic import unwritable

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 4
"""Changes with the layout of the files, and where options mean something else or have other defaults."""
KEPT = 2
"""The newest, and the previous one in case the newest is damaged on the disk."""


class _DamagedError(Exception):
    """A checkpoint that does not hold what was written."""


@dataclass(frozen=True)
class Checkpoints:
    """The last states of one training, below its folder; numbered, the newest the highest.

    A state is named arrays, in files of raw bytes, and facts, in a `state.json` with the SHA-256 of everything.
    """

    folder: Path
    say: Callable[[str], None]
    """Called with a line for the user when a state is damaged."""

    def save(self, facts: Mapping[str, Any], arrays: Mapping[str, Iterable[NDArray[Any]]]) -> None:
        """Write a state, facts ready for JSON; until it is whole on the disk, the earlier ones stay the last ones.

        Raises:
            SegzooError: if the folder cannot be written or its disk is full; the earlier states are kept.
        """
        part = self.folder / "part"
        newest = self._numbers()[-1:] or [0]
        try:
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
            part.mkdir(parents=True)
            files = {name: _write(part / f"{name}.bin", values) for name, values in arrays.items()}
            content = {"format": FORMAT, "facts": facts, "files": files}
            state = json.dumps({"sha256": _digest(content), "content": content}).encode()
            _write(part / "state.json", [np.frombuffer(state, np.uint8)])
            _sync_folder(part)
            part.replace(self._path(newest[0] + 1))
            _sync_folder(self.folder)
            self.keep(KEPT)
        except OSError as error:
            kept = f"; --resume goes on from what {self.folder} holds" if newest[0] else ""
            raise SegzooError(f"cannot save the training: {unwritable(self.folder, error)}{kept}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def load(self) -> tuple[dict[str, Any], dict[str, list[NDArray[Any]]]] | None:
        """Facts and arrays of the newest state that is as it was written; None if there is none.

        Raises:
            SegzooError: if a state cannot be read, or another version of segzoo wrote it.
        """
        for number in reversed(self._numbers()):
            path = self._path(number)
            try:
                return _read(path)
            except _DamagedError as error:
                self.say(f"the checkpoint {path} is damaged ({error}): going back to the one before")
                shutil.rmtree(path)  # else it would count as one of those to keep
            except OSError as error:
                raise SegzooError(
                    f"cannot read the checkpoint {path}: {error.strerror}; without it, --resume goes on from the one "
                    "before"
                ) from error
        return None

    def keep(self, count: int) -> None:
        """Delete all but the newest ones."""
        numbers = self._numbers()
        for number in numbers[: len(numbers) - count]:
            shutil.rmtree(self._path(number), ignore_errors=True)

    def _numbers(self) -> list[int]:
        """Of the states that are there, whole or damaged, from old to new."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdecimal())

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}"


def _write(path: Path, arrays: Iterable[NDArray[Any]]) -> dict[str, Any]:
    """Write arrays one after the other; returns what is needed to read them back."""
    total, kinds = hashlib.sha256(), []
    with path.open("wb") as file:
        for array in arrays:
            data = np.asarray(array, order="C").reshape(-1).view(np.uint8).data
            total.update(data)
            file.write(data)
            kinds.append([str(array.dtype), list(array.shape)])
        file.flush()
        os.fsync(file.fileno())
    return {"sha256": total.hexdigest(), "arrays": kinds}


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, list[NDArray[Any]]]]:
    try:
        state = json.loads((folder / "state.json").read_bytes())
        content = state["content"]
        intact = state["sha256"] == _digest(content)
    except (FileNotFoundError, ValueError, LookupError, TypeError) as error:
        raise _DamagedError("state.json is missing or torn") from error
    if not intact:
        raise _DamagedError("state.json is not what was written")
    if content["format"] != FORMAT:
        raise SegzooError(f"another version of segzoo wrote the checkpoint {folder}: resume with that one")
    arrays = {name: _split(folder / f"{name}.bin", file) for name, file in content["files"].items()}
    return content["facts"], arrays


def _split(path: Path, file: Mapping[str, Any]) -> list[NDArray[Any]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise _DamagedError(f"{path.name} is missing") from error
    if hashlib.sha256(data).hexdigest() != file["sha256"]:
        raise _DamagedError(f"{path.name} is not what was written")
    arrays, start = [], 0
    for name, shape in file["arrays"]:
        kind, count = np.dtype(name), int(np.prod(shape))
        arrays.append(np.frombuffer(data, kind, count, start).reshape(shape))
        start += count * kind.itemsize
    return arrays


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the system can do that."""
    with suppress(PermissionError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
