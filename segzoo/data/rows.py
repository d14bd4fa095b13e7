"""Arrays that come row by row, so that images larger than the memory can be read, resized, predicted and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from math import prod
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from segzoo.data.resizing import resize_channels, resize_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE = 2**26
"""Values that are resized at once (256 MiB as float32)."""
TOGETHER = 64
"""Rows that are resized together, where it is done by rows."""


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

    def windows(self, places: Sequence[NDArray[np.int64]]) -> Iterator[NDArray[Any]]:
        """The rows at each of these places, which lie ever lower; no more are kept than later places need.

        They are views where places follow each other.
        """
        keep = list(accumulate((int(rows.min()) for rows in reversed(places)), min))[::-1]
        kept: list[NDArray[Any]] = []
        chunks, first, end = iter(self), 0, 0
        for rows, needed in zip(places, keep, strict=True):
            while end <= rows.max():
                kept.append(next(chunks))
                end += len(kept[-1])
            window = _joined(kept)[needed - first :]
            first, kept = needed, [window]
            yield taken(window, rows - first, 0)

    def resized(self, size: tuple[int, int]) -> Rows:
        """Resized bilinearly with antialiasing: images as by `resize_image`, and float32 as by `resize_channels`.

        What has more than AT_ONCE values, before or after, is resized row by row, in floating point: pixel values may
        differ by 1 then, and logits in the last digits.
        """
        return self if size == self.size else Rows(size, _resized(self, size))


def taken(values: NDArray[Any], places: NDArray[np.int64], axis: int) -> NDArray[Any]:
    """The values at these places along the first or second axis; a view where they follow each other."""
    first, last = int(places[0]), int(places[-1])
    if last - first == len(places) - 1:
        return values[first : last + 1] if axis == 0 else values[:, first : last + 1]
    return values.take(places, axis)


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
    chunks = iter(rows.in_chunks(TOGETHER))
    first = next(chunks)
    rows = Rows(rows.size, chain([first], chunks))
    resize: Callable[..., NDArray[Any]] = resize_channels if first.dtype == np.float32 else resize_image
    if max(prod(rows.size), prod(size)) * first.shape[2] <= AT_ONCE:
        yield resize(rows.array(), size)
        return
    across = Rows((rows.size[0], size[1]), (resize(chunk, (len(chunk), size[1])) for chunk in rows))
    yield from across if size[0] == rows.size[0] else _resized_down(across, size[0], first.dtype)


def _resized_down(rows: Rows, height: int, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Rows at another height, with the filter that Pillow has: a triangle over two pixels of the smaller image."""
    scale = rows.size[0] / height
    count = min(max(1, round(TOGETHER / scale)), TOGETHER)
    blocks = [
        _weights(range(start, min(start + count, height)), scale, rows.size[0]) for start in range(0, height, count)
    ]
    windows = rows.windows([places for places, _ in blocks])
    for window, (places, weights) in zip(windows, blocks, strict=True):
        values = weights @ window.reshape(len(places), -1).astype(np.float32, copy=False)
        values = values.reshape(len(weights), *window.shape[1:])
        yield values if dtype == np.float32 else np.rint(values).astype(dtype)


def _weights(rows: range, scale: float, side: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The places (N,) of all rows that these become of, and the weight of each, (len(rows), N)."""
    centres, reach = (np.array(rows) + 0.5) * scale, max(scale, 1)
    places = np.arange(max(0, int(centres[0] - reach)), min(side, int(centres[-1] + reach) + 1))
    weights = np.maximum(0, 1 - np.abs(places + 0.5 - centres[:, None]) / reach)
    return places, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
