"""Predicting images of any size tile by tile, in the memory of a row of tiles.

Tiles have the frame's `image_size` and overlap. Where they do, logits are averaged, weighted by how far a pixel lies
from the border of its tile: a network knows least of its surroundings there. The weights fall linearly, and to 1 and
not to 0 at the border, so that each pixel has a prediction. Or each tile is given all that the network sees around it,
so that its logits are those of the image, and tiles lie side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.resizing import to_pixels
from segzoo.data.rows import Rows, taken
from segzoo.errors import ConfigError
from segzoo.networks.frame import Frame, mirrored
from segzoo.networks.receptive_field import Reach

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Network = Callable[[NDArray[np.float32]], Any]
    """Pixel values 0..255 (B, H, W, C) of a frame's `input_size` to logits (B, H', W', K) of its `output_size`."""


@dataclass(frozen=True)
class Tiling:
    """How tiles cover an image, and how their logits are put together."""

    overlap: float = 0.25
    """The part of a tile's height and width, at least 0 and below 1, by which it overlaps the next one or more."""
    reach: Reach | None = None
    """How far the network sees: tiles are larger by that, their borders are cut off, and nothing is averaged."""

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise ConfigError(f"tiles cannot overlap by {self.overlap}: give a part of a tile, at least 0 and below 1")

    def grid(self, frame: Frame, size: tuple[int, int]) -> Grid:
        """The tiles of an image of that size."""
        if self.reach:
            (height, rows), (width, columns) = (_apart(size[axis], frame, axis, self.reach) for axis in (0, 1))
            return Grid(size, (height, width), rows, columns)
        axes = zip(size, frame.image_size, frame.input_size, frame.output_size, strict=True)
        rows, columns = (_averaged(*sides, self.overlap) for sides in axes)
        return Grid(size, frame.input_size, rows, columns)


DEFAULT = Tiling()

TOGETHER = 2**22
"""Logits that leave together (16 MiB), so that what is made of them takes little memory."""


def tiled(
    network: Callable[[NDArray[np.float32]], Any], frame: Frame, images: Iterable[NDArray[Any]], size: int
) -> Iterator[NDArray[np.float32]]:
    """Logits (H, W, num_classes) of each image (H, W, C), in order, from batches of `size` tiles at most.

    The network makes logits (B, H', W', num_classes) of the frame's `output_size` of pixel values 0..255 (B, H, W, C)
    of its `input_size`. A batch may hold tiles of several images; no more images are read than it takes to fill one.
    """
    # Mapped, since a loop would hold on to the logits that it gave last.
    return map(Rows.array, logit_rows(network, frame, map(Rows.of, images), size))


def logit_rows(
    network: Network, frame: Frame, images: Iterable[Rows], size: int, tiling: Tiling = DEFAULT
) -> Iterator[Rows]:
    """Logits (H, W, num_classes) of each image (H, W, C), in order, as `tiled` gives them, by rows.

    What has not been read of an image is lost when the next one is asked for, unless the image is a single tile: then
    its logits are an array. Rows leave as soon as no later tile lies on them.
    """
    waiting: deque[Grid] = deque()

    def tiles() -> Iterator[NDArray[Any]]:
        for image in images:
            waiting.append(tiling.grid(frame, image.size))
            yield from waiting[-1].inputs(image)

    logits = _predicted(network, tiles(), size)
    for first in logits:
        grid = waiting.popleft()
        its = chain([first], islice(logits, len(grid) - 1))
        del first  # frees the memory of its batch with the last tile of it
        yield Rows.of(grid.cut(next(its))) if len(grid) == 1 else Rows(grid.size, grid.blended(its))
        deque(its, maxlen=0)


def _predicted(network: Network, tiles: Iterator[NDArray[Any]], size: int) -> Iterator[NDArray[np.float32]]:
    """The logits of each tile, from batches of `size` at most."""
    while batch := list(islice(tiles, size)):
        yield from np.asarray(network(to_pixels(np.stack(batch))), np.float32)


class Part(NamedTuple):
    """Where a tile lies along an axis of an image."""

    start: int
    """The pixel of the image at which the network's input begins; it is negative where the image is mirrored."""
    place: slice
    """The pixels of the image that the tile predicts."""
    inside: slice
    """Where they are in the network's output."""
    shares: NDArray[np.float32]
    """The weight of each in the mean of this tile and those before it."""


@dataclass(frozen=True)
class Grid:
    """The tiles that cover an image, row by row."""

    size: tuple[int, int]
    """Height and width of the image."""
    input_size: tuple[int, int]
    """Height and width of what the network sees of it at once."""
    rows: list[Part]
    columns: list[Part]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def inputs(self, image: Rows) -> Iterator[NDArray[Any]]:
        """What the network is to see for each tile, (*input_size, C)."""
        height, width = self.input_size
        columns = [mirrored(part.start, width, self.size[1]) for part in self.columns]
        for band in image.windows([mirrored(part.start, height, self.size[0]) for part in self.rows]):
            yield from (taken(band, places, 1) for places in columns)

    def blended(self, tiles: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Rows of the image's logits, of those (*output_size, num_classes) of all tiles."""
        ends = [part.place.start for part in self.rows[1:]] + [self.size[0]]
        before = np.empty((0, self.size[1], 0), np.float32)
        for row, end in zip(self.rows, ends, strict=True):
            strip = self._strip(row, islice(tiles, len(self.columns)))
            if common := len(before):
                strip[:common] = mean(before, strip[:common], row.shares[:common, None])
            finished = end - row.place.start
            before = strip[finished:].copy()  # a view would keep all of the strip in memory
            yield from Rows.of(strip[:finished]).in_chunks(max(1, TOGETHER // strip[0].size))
            del strip

    def cut(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits of an image that is a single tile."""
        return logits[self.rows[0].inside, self.columns[0].inside]

    def _strip(self, row: Part, tiles: Iterator[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The logits (h, W, num_classes) of a row of tiles."""
        strip = np.empty((0, self.size[1], 0), np.float32)
        done = 0
        for column, logits in zip(self.columns, tiles, strict=True):
            part = logits[row.inside, column.inside]
            if not done:
                strip = np.empty((len(part), self.size[1], part.shape[2]), np.float32)
            start, common = column.place.start, done - column.place.start
            if common:
                shares = np.repeat(column.shares[:common], part.shape[2])
                strip[:, start:done] = mean(strip[:, start:done], part[:, :common], shares)
            strip[:, done : column.place.stop] = part[:, common:]
            done = column.place.stop
        return strip


def mean(earlier: NDArray[np.float32], later: NDArray[np.float32], shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of two arrays (h, w, K) in which the later one has these shares, (h, 1) or (w * K,).

    Where both agree, it is their value to the last bit.
    """
    result = later - earlier
    flat = result.reshape(len(result), -1)  # NumPy is slow along a short last axis
    flat *= shares
    result += earlier
    return result


def _averaged(side: int, tile: int, total: int, output: int, overlap: float) -> list[Part]:
    """Tiles along an axis whose logits are averaged where they overlap."""
    parts, weights, sums = [], weight(tile), np.zeros(side)
    for start in starts(side, tile, overlap):
        first, stop = max(0, start), min(start + tile, side)
        its = weights[first - start : stop - start]
        sums[first:stop] += its
        inside = (output - tile) // 2 + first - start
        shares = (its / sums[first:stop]).astype(np.float32)
        place = slice(first, stop), slice(inside, inside + stop - first)
        parts.append(Part(start - (total - tile) // 2, *place, shares))
    return parts


def _apart(side: int, frame: Frame, axis: int, reach: Reach) -> tuple[int, list[Part]]:
    """Height or width of the input, and tiles side by side, each with all that the network sees around it."""
    total, before, tile = reach.tile(frame, axis)
    parts = []
    for first in range(0, side, tile):
        stop, inside = min(first + tile, side), before - frame.margin
        place = slice(first, stop), slice(inside, inside + stop - first)
        parts.append(Part(first - before, *place, np.ones(stop - first, np.float32)))
    return total, parts


def starts(side: int, tile: int, overlap: float = DEFAULT.overlap) -> list[int]:
    """Where the tiles along an axis begin: evenly spread, each overlapping the next by that part of it or more.

    A tile that is larger than the image has it in its middle.
    """
    if side <= tile:
        return [-((tile - side) // 2)]
    count = 1 + -(-(side - tile) // max(1, int(tile * (1 - overlap))))
    return [round(start) for start in np.linspace(0, side - tile, count).tolist()]


def weight(tile: int) -> NDArray[np.int64]:
    """The weight of each pixel along an axis of a tile: its distance from the border, at least 1.

    That of a pixel in an image is the weight of its row times that of its column.
    """
    return np.minimum(np.arange(1, tile + 1), np.arange(tile, 0, -1))
