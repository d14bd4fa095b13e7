"""Prepared images on disk, for splits that do not fit in memory: built by one process at a time, and found again.

A split has the folder `prepared/LABEL-HEIGHTxWIDTH` in the cache. Its `facts.json` is written last and deleted first:
where it is, the arrays beside it are whole. What it says is compared with what the dataset says of itself now, and a
few samples are decoded and compared, so that neither new files nor new code of a dataset go unnoticed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.atomic import ensure_room, unwritable, write_text
from segzoo.locking import holding
from segzoo.plugin import Samples
from segzoo.samples import CheckedSamples

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1
"""Changes with whatever the same samples are turned into: sizes, resizing, files."""
PROBES = 8
"""Samples that are decoded before the rest is believed."""


class Spec(NamedTuple):
    """What an array will be."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Its size."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


Pair = tuple["NDArray[Any]", "NDArray[np.uint8]"]
Fill = Callable[["NDArray[Any]", "NDArray[np.uint8]"], str]
"""Fills images and masks, and returns their fingerprint."""


def on_disk(samples: Samples, images: Spec, masks: Spec, cache: Path | None, fill: Fill) -> tuple[Pair, str]:
    """Images and masks as mapped files, and their fingerprint; from the cache if they are there.

    Samples that cannot say whether they have changed are prepared into files without a name.

    Raises:
        SegzooError: if the cache cannot be written or its disk is too full.
    """
    if cache is None or not isinstance(samples, CheckedSamples) or not (stamp := samples.stamp()):
        pair = scratch(images, cache), scratch(masks, cache)
        return pair, fill(*pair)
    folder = cache / "prepared" / f"{samples.label}-{images.shape[1]}x{images.shape[2]}"
    key = _key(samples, stamp, images, masks)
    with holding(folder):
        facts = _facts(folder, key, samples)
        if facts is None:
            facts = _build(folder, key, samples, (images, masks), fill)
        samples.recall(dict(enumerate(facts["digests"])))
        return (_open(folder / "images.npy"), _open(folder / "masks.npy")), facts["fingerprint"]


def scratch(spec: Spec, cache: Path | None) -> NDArray[Any]:
    """An array in a mapped file that is gone when nobody uses it."""
    folder = cache / "prepared" if cache else Path(tempfile.gettempdir())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file.fileno(), spec.nbytes)
            return np.memmap(file, spec.dtype, "r+", shape=spec.shape)  # which keeps the file
    except OSError as error:
        raise unwritable(folder, error, spec.nbytes) from error


def _build(folder: Path, key: str, samples: CheckedSamples, specs: Sequence[Spec], fill: Fill) -> dict[str, Any]:
    (folder / "facts.json").unlink(missing_ok=True)
    paths = [folder / "images.npy", folder / "masks.npy"]
    parts = [path.with_name(f"{path.name}.part") for path in paths]
    needed = sum(spec.nbytes for spec in specs)
    try:
        ensure_room(folder, needed)
        images, masks = (_create(part, spec) for part, spec in zip(parts, specs, strict=True))
        fingerprint = fill(images, masks)
        for array, part, path in zip((images, masks), parts, paths, strict=True):
            array.flush()
            part.replace(path)  # who still reads the file of before keeps it
    except OSError as error:
        raise unwritable(folder, error, needed) from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    facts = {"key": key, "fingerprint": fingerprint, "digests": samples.digests(range(len(samples)))}
    write_text(folder / "facts.json", json.dumps(facts))
    return facts


def _facts(folder: Path, key: str, samples: CheckedSamples) -> dict[str, Any] | None:
    """What is known of the arrays in a folder; None if they are missing, or of other samples."""
    try:
        facts: dict[str, Any] = json.loads((folder / "facts.json").read_bytes())
        _open(folder / "images.npy"), _open(folder / "masks.npy")
    except (FileNotFoundError, ValueError):
        return None
    if facts["key"] != key:
        return None
    probes = np.linspace(0, len(samples) - 1, min(PROBES, len(samples))).astype(int).tolist()
    return facts if samples.digests(probes) == [facts["digests"][index] for index in probes] else None


def _key(samples: CheckedSamples, stamp: str, images: Spec, masks: Spec) -> str:
    facts = [FORMAT, stamp, list(samples.ids), images.shape, images.dtype.str, masks.shape]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _create(path: Path, spec: Spec) -> np.memmap[Any, Any]:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=spec.dtype, shape=spec.shape)
    with path.open("rb+") as file:
        _reserve(file.fileno(), path.stat().st_size)
    return array


def _open(path: Path) -> NDArray[Any]:
    return np.lib.format.open_memmap(path, mode="r")


def _reserve(descriptor: int, size: int) -> None:
    """Take the room on the disk now: where it runs out below a mapped array, the process is killed with a SIGBUS."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except (AttributeError, OSError) as error:  # Windows has no such call, and some file systems do not do it
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        os.truncate(descriptor, size)
