"""Prepared images on disk, for splits that do not fit in memory: built by one process at a time, reused by later runs.

A split has the folder `prepared/LABEL-STORE` in the cache. Its `facts.json` is written last and deleted first: where
it is, the arrays beside it are whole. What it says is compared with what the dataset says of itself now, and a few
samples are decoded and compared, so that neither new files nor new code of a dataset go unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from segzoo.data.samples import Identity, Reading
from segzoo.errors import FULL_DISK
from segzoo.files.atomic import ensure_room, unwritable, write_text
from segzoo.files.locking import holding
from segzoo.processes.threads import in_parallel
from segzoo.training.store import Facts, Kept, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 4
"""Version of the format: changes with how samples are resized or written."""
PROBES = 8
"""Samples that are decoded and compared before cached files are used."""
NAMES = ("images.raw", "masks.raw")


class _Noted(Facts):
    """The content of `facts.json`."""

    key: str
    read: dict[str, list[Any]]
    """See `Identity.readings`; JSON has no integers as keys, and no tuples."""


def on_disk(store: Store, cache: Path | None, identity: Identity | None) -> Kept:
    """The samples of a store in mapped files; from the cache if they are there.

    Samples without an identity, or without a stamp, are prepared into files without a name.

    Raises:
        SegzooError: if the cache cannot be written or its disk is too full.
    """
    if cache is None or identity is None or not (stamp := identity.stamp()):
        with nameless(cache, store.needed) as images, nameless(cache, store.needed) as masks:
            return store.read(images, masks, store.write(images, masks))
    folder = cache / "prepared" / f"{identity.label}-{store.name}"
    key = _key(store, stamp)
    with holding(folder):
        facts = _noted(folder, key, store, identity) or _build(folder, key, store, identity)
        identity.readings.recall({int(index): _reading(noted) for index, noted in facts["read"].items()})
        return _read(folder, store, facts)


def scratch(pixels: int, cache: Path | None) -> NDArray[np.float32]:
    """Float32 numbers in a mapped temporary file, which is deleted when the array is."""
    with nameless(cache, 4 * pixels) as file:
        _reserve(file.fileno(), 4 * pixels)
        return np.memmap(file, np.float32, "r+", shape=(pixels,))  # which keeps the file


@contextmanager
def nameless(cache: Path | None, needed: int) -> Iterator[BinaryIO]:
    """A temporary file without a name, which is deleted when it is closed."""
    folder = cache / "prepared" if cache else Path(tempfile.gettempdir())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ensure_room(folder, needed)
        with tempfile.TemporaryFile(dir=folder) as file:
            yield cast("BinaryIO", file)
    except OSError as error:
        raise unwritable(folder, error, needed) from error


def _build(folder: Path, key: str, store: Store, identity: Identity) -> _Noted:
    (folder / "facts.json").unlink(missing_ok=True)
    parts = [folder / f"{name}.part" for name in NAMES]
    try:
        ensure_room(folder, store.needed)
        with ExitStack() as stack:
            images, masks = (stack.enter_context(part.open("wb+")) for part in parts)
            facts = store.write(images, masks)
        for part, name in zip(parts, NAMES, strict=True):
            part.replace(folder / name)  # processes that still read the replaced file keep it
    except OSError as error:
        raise unwritable(folder, error, store.needed) from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    read: dict[str, list[Any]] = {
        str(index): list(reading) for index, reading in sorted(identity.readings.first.items())
    }
    noted: _Noted = {**facts, "key": key, "read": read}
    write_text(folder / "facts.json", json.dumps(noted))
    return noted


def _noted(folder: Path, key: str, store: Store, identity: Identity) -> _Noted | None:
    """The facts of the arrays in a folder; None if arrays are missing, or are those of other samples."""
    try:
        noted: _Noted = json.loads((folder / "facts.json").read_bytes())
        if noted["key"] != key:
            return None
        _read(folder, store, noted)
    except (FileNotFoundError, ValueError):
        return None
    return noted if _are_alike(noted, store, identity) else None


def _are_alike(noted: _Noted, store: Store, identity: Identity) -> bool:
    """Whether a few samples, decoded now, have the pixels of those in the files, before and after resizing."""
    count = len(store.samples)
    probes = np.linspace(0, count - 1, min(PROBES, count)).astype(int).tolist()
    digests = in_parallel(lambda index: store.digest(*store.decode_alike(index)), probes)
    return digests == [noted["digests"][index] for index in probes] and all(
        noted["read"].get(str(index), reading)[0] == reading.digest
        for index, reading in identity.readings.first.items()
    )


def _reading(noted: Sequence[Any]) -> Reading:
    digest, kind, labels = noted
    return Reading(digest, kind, {int(label): pixels for label, pixels in labels.items()})


def _read(folder: Path, store: Store, facts: Facts) -> Kept:
    images, masks = (folder / name for name in NAMES)
    return store.read(images, masks, facts)


def _key(store: Store, stamp: str) -> str:
    facts = [FORMAT, stamp, list(store.samples.samples.ids), store.name, store.channels, store.dtype.str]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _reserve(descriptor: int, size: int) -> None:
    """Allocate space on the disk: if a disk fills up below a mapped array, the process is killed with SIGBUS."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except (AttributeError, OSError) as error:  # not on Windows, nor on some file systems
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise
        os.truncate(descriptor, size)
