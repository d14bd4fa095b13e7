"""Many pairs of files in columns: some bytes each, and no Python object of any until it is asked for.

Paths, names and times of a pair are half a kilobyte as Python objects. Here a column of text is UTF-8, each as wide as
the longest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

UNSPLIT = 255
"""In place of an index into SPLITS: the folder does not say where a pair belongs."""
CHUNK = 2**13
"""Rows that are Python objects at a time."""


class Pair(NamedTuple):
    """An image and its mask; paths are relative to the root."""

    id: str
    image: str
    mask: str
    group: str
    """What it belongs together with; empty if nothing is said of that."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a folder, N of them, in the order of their ids."""

    ids: NDArray[np.bytes_]
    images: NDArray[np.bytes_]
    masks: NDArray[np.bytes_]
    groups: NDArray[np.bytes_]
    splits: NDArray[np.uint8]
    """Indices into SPLITS, or UNSPLIT."""
    image_stamps: NDArray[np.int64]
    mask_stamps: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int, /) -> Pair:
        return Pair(*(text(column[index]) for column in (self.ids, self.images, self.masks, self.groups)))

    def take(self, indices: NDArray[np.integer[Any]]) -> Pairs:
        """Some of them, in this order."""
        return Pairs(*(getattr(self, own.name)[indices] for own in fields(self)))

    def equal(self, other: Pairs) -> bool:
        """Whether these are the same pairs of the same files, none of which has changed."""
        return all(np.array_equal(getattr(self, own.name), getattr(other, own.name)) for own in fields(self))


def merged(parts: Sequence[Pairs]) -> Pairs:
    """The pairs of several folders, one after the other."""
    return Pairs(*(np.concatenate([getattr(one, own.name) for one in parts]) for own in fields(Pairs)))


def columns(rows: Iterable[Sequence[Any]], types: Sequence[DTypeLike]) -> list[NDArray[Any]]:
    """Rows of numbers and encoded text as a column for each of the types."""
    waiting = iter(rows)
    parts: list[list[NDArray[Any]]] = [[np.array([], own)] for own in types]
    while chunk := list(islice(waiting, CHUNK)):
        for part, own, values in zip(parts, types, zip(*chunk, strict=True), strict=True):
            part.append(np.array(values, own))
    return [np.concatenate(part) for part in parts]


def coded(text: str) -> bytes:
    """A text for a column; names of files may hold bytes that are no text."""
    return text.encode("utf-8", "surrogateescape")


def text(code: bytes) -> str:
    """What `coded` was given."""
    return code.decode("utf-8", "surrogateescape")
