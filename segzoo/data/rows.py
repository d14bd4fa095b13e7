"""Arrays that come row by row, so that images larger than the memory can be read, resized, predicted and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from segzoo.data.resizing import resize_channels, resize_image

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """An array (H, W, C) that comes from top to bottom, a few rows at a time, and only once."""

    size: tuple[int, int]
    """Height and width."""
    chunks: Iterable[NDArray[Any]]
    """Its rows, (h, W, C) each; their heights add up to H."""

    @classmethod
    def of(cls, array: NDArray[Any]) -> Self:
        """An array (H, W, C) that is in memory, as a single chunk."""
        height, width = array.shape[:2]
        return cls((height, width), (array,))

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter(self.chunks)

    def array(self) -> NDArray[Any]:
        """All rows that have not been read, (H, W, C)."""
        first, *others = self
        return np.concatenate([first, *others]) if others else first

    def in_chunks(self, height: int) -> Rows:
        """The same rows in chunks of that height, of which the last may be lower."""
        return Rows(self.size, _regrouped(self, height))

    def resized(self, size: tuple[int, int]) -> Rows:
        """Resized bilinearly with antialiasing: images as by `resize_image`, and float32 as by `resize_channels`."""
        return self if size == self.size else Rows(size, _resized(self, size))


def _regrouped(rows: Rows, height: int) -> Iterator[NDArray[Any]]:
    waiting: list[NDArray[Any]] = []
    missing = height
    for chunk in rows:
        start = 0
        while start < len(chunk):
            waiting.append(chunk[start : start + missing])
            start += missing
            missing -= len(waiting[-1])
            if not missing:
                yield _joined(waiting)
                waiting, missing = [], height
    if waiting:
        yield _joined(waiting)


def _joined(chunks: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(chunks) if len(chunks) > 1 else chunks[0]


def _resized(rows: Rows, size: tuple[int, int]) -> Iterator[NDArray[Any]]:
    values = rows.array()
    yield (resize_channels if values.dtype == np.float32 else resize_image)(values, size)
