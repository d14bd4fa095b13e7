"""The table of image-mask pairs, in columns: NumPy arrays instead of a Python object for each pair.

The paths, names and times of a pair take half a kilobyte as Python objects. A column of text is UTF-8 here, as wide as
its longest entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

UNSPLIT = 255
"""In place of an index into SPLITS: the folder does not say in which split a pair is."""
CHUNK = 2**13
"""Rows that are converted to arrays at a time."""


class Pair(NamedTuple):
    """An image and its masks; paths are relative to the root."""

    id: str
    image: str
    masks: tuple[str, ...]
    """At least one; of several, each draws one object."""
    group: str
    """The group that it is split together with; empty if none is given."""
    region: str
    """The file of its region of interest; empty if there is none."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a folder, N of them, in the order of their ids, with M masks."""

    ids: NDArray[np.bytes_]
    images: NDArray[np.bytes_]
    masks: NDArray[np.bytes_]
    """(M,), those of a pair one after the other."""
    ends: NDArray[np.int64]
    """Where among the masks those of each pair end: 1, 2, 3, … if each has one."""
    groups: NDArray[np.bytes_]
    regions: NDArray[np.bytes_]
    splits: NDArray[np.uint8]
    """Indices into SPLITS, or UNSPLIT."""
    image_stamps: NDArray[np.int64]
    mask_stamps: NDArray[np.int64]
    """(M,)"""
    region_stamps: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int, /) -> Pair:
        masks = tuple(decode(self.masks[row]) for row in self.masks_of(index))
        name, image, group, region = (
            decode(column[index]) for column in (self.ids, self.images, self.groups, self.regions)
        )
        return Pair(name, image, masks, group, region)

    def masks_of(self, index: int) -> range:
        """The rows of the masks of a pair."""
        return range(self.ends[index - 1] if index else 0, self.ends[index])

    @property
    def owners(self) -> NDArray[np.int64]:
        """The number of the pair of each mask (M,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.ends, prepend=0))

    @property
    def several(self) -> bool:
        """Whether some pair has more than one mask."""
        return len(self.masks) > len(self)

    def take(self, indices: NDArray[np.integer[Any]]) -> Pairs:
        """The pairs of these indices, in this order."""
        counts = np.diff(self.ends, prepend=0)[indices]
        ends = np.cumsum(counts)
        places = spans(self.ends[indices] - counts, counts)
        rows = {name: places if name in ("masks", "mask_stamps") else indices for name in _NAMES}
        return replace(Pairs(*(getattr(self, name)[rows[name]] for name in _NAMES)), ends=ends)

    def equal(self, other: Pairs) -> bool:
        """Whether these are the same pairs of the same files with the same stamps."""
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _NAMES)


_NAMES = tuple(column.name for column in fields(Pairs))


def merged(parts: Sequence[Pairs]) -> Pairs:
    """The pairs of several folders, one after the other."""
    counts = np.concatenate([np.diff(part.ends, prepend=0) for part in parts])
    joined = Pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES))
    return replace(joined, ends=np.cumsum(counts))


def spans(starts: NDArray[np.integer[Any]], counts: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """The indices of several ranges, joined, given their starts and lengths."""
    places: NDArray[np.int64] = np.arange(counts.sum()) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
    return places


def columns(rows: Iterable[Sequence[Any]], types: Sequence[DTypeLike]) -> list[NDArray[Any]]:
    """Rows of numbers and encoded text as a column for each of the types."""
    remaining = iter(rows)
    parts: list[list[NDArray[Any]]] = [[np.array([], dtype)] for dtype in types]
    while chunk := list(islice(remaining, CHUNK)):
        for part, dtype, values in zip(parts, types, zip(*chunk, strict=True), strict=True):
            part.append(np.array(values, dtype))
    return [np.concatenate(part) for part in parts]


def encode(text: str) -> bytes:
    """A text as UTF-8, for a column; names of files may hold bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def decode(code: bytes) -> str:
    """The inverse of `encode`."""
    return code.decode("utf-8", "surrogateescape")
