"""Prepared images on disk, for splits that do not fit in memory: built by one process at a time, reused by later runs.

A split has the folder `prepared/LABEL-STORE` in the cache. Its `facts.json` is written last and deleted first: where
it is, the arrays beside it are whole. What it says is compared with what the dataset says of itself now, and a few
samples are decoded and compared, so that neither new files nor new code of a dataset go unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from segzoo.data.samples import CheckedSamples
from segzoo.files.atomic import ensure_room, unwritable, write_text
from segzoo.files.locking import holding
from segzoo.training.store import Facts, Pair, Store, reserve

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 2
"""Version of the format: changes with how samples are resized or written."""
PROBES = 8
"""Samples that are decoded and compared before cached files are used."""
NAMES = ("images.raw", "masks.raw")


def on_disk(store: Store, cache: Path | None) -> tuple[Pair, Facts]:
    """The samples of a store in mapped files; from the cache if they are there.

    Samples that cannot say whether they have changed are prepared into files without a name.

    Raises:
        SegzooError: if the cache cannot be written or its disk is too full.
    """
    samples = store.samples
    if cache is None or not isinstance(samples, CheckedSamples) or not (stamp := samples.stamp()):
        with nameless(cache, store.file_bytes) as images, nameless(cache, store.file_bytes) as masks:
            facts = store.write(images, masks)
            return store.read(images, masks, facts), facts
    folder = cache / "prepared" / f"{samples.label}-{store.name}"
    key = _key(store, samples, stamp)
    with holding(folder):
        facts = _facts(folder, key, store, samples) or _build(folder, key, store, samples)
        samples.recall(dict(enumerate(facts["digests"])))
        return _read(folder, store, facts), facts


def scratch(pixels: int, cache: Path | None) -> NDArray[np.float32]:
    """Float32 numbers in a mapped temporary file, which is deleted when the array is."""
    with nameless(cache, 4 * pixels) as file:
        reserve(file.fileno(), 4 * pixels)
        return np.memmap(file, np.float32, "r+", shape=(pixels,))  # which keeps the file


@contextmanager
def nameless(cache: Path | None, needed: int) -> Iterator[BinaryIO]:
    """A temporary file without a name, which is deleted when it is closed."""
    folder = cache / "prepared" if cache else Path(tempfile.gettempdir())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            yield cast("BinaryIO", file)
    except OSError as error:
        raise unwritable(folder, error, needed) from error


def _build(folder: Path, key: str, store: Store, samples: CheckedSamples) -> Facts:
    (folder / "facts.json").unlink(missing_ok=True)
    parts = [folder / f"{name}.part" for name in NAMES]
    try:
        ensure_room(folder, store.file_bytes)
        with ExitStack() as stack:
            images, masks = (stack.enter_context(part.open("wb+")) for part in parts)
            facts = store.write(images, masks)
        for part, name in zip(parts, NAMES, strict=True):
            part.replace(folder / name)  # processes that still read the replaced file keep it
    except OSError as error:
        raise unwritable(folder, error, store.file_bytes) from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    facts |= {"key": key, "digests": samples.digests(range(len(samples)))}
    write_text(folder / "facts.json", json.dumps(facts))
    return facts


def _facts(folder: Path, key: str, store: Store, samples: CheckedSamples) -> Facts | None:
    """The facts of the arrays in a folder; None if arrays are missing, or are those of other samples."""
    try:
        facts: Facts = json.loads((folder / "facts.json").read_bytes())
        if facts["key"] != key:
            return None
        _read(folder, store, facts)
    except (FileNotFoundError, ValueError):
        return None
    probes = np.linspace(0, len(samples) - 1, min(PROBES, len(samples))).astype(int).tolist()
    return facts if samples.digests(probes) == [facts["digests"][index] for index in probes] else None


def _read(folder: Path, store: Store, facts: Facts) -> Pair:
    images, masks = (folder / name for name in NAMES)
    return store.read(images, masks, facts)


def _key(store: Store, samples: CheckedSamples, stamp: str) -> str:
    facts = [FORMAT, stamp, list(samples.ids), store.name, store.channels, store.dtype.str]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
