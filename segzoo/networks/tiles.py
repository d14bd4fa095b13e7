"""Predicting images at their own size, tile by tile.

Tiles have the frame's `image_size` and overlap by half of it or more. Where they do, logits are averaged, weighted by
how far a pixel lies from the border of its tile: a network knows least of its surroundings there. The weights fall
linearly, and to 1 and not to 0 at the border, so that each pixel has a prediction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.resizing import to_pixels
from segzoo.networks.frame import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

Corner = tuple[int, int]


def tiled(
    network: Callable[[NDArray[np.float32]], Any], frame: Frame, images: Iterable[NDArray[Any]], size: int
) -> Iterator[NDArray[np.float32]]:
    """Logits (H, W, num_classes) of each image (H, W, C), in order, from batches of `size` tiles at most.

    The network makes logits (B, H', W', num_classes) of the frame's `output_size` of pixel values 0..255 (B, H, W, C)
    of its `input_size`. A batch may hold tiles of several images; no more images are read than it takes to fill one.
    """
    waiting: deque[Blend] = deque()

    def tiles() -> Iterator[tuple[Blend, Corner]]:
        for image in images:
            waiting.append(Blend(image, corners(image.shape[:2], frame.image_size)))
            for corner in waiting[-1].left.copy():
                yield waiting[-1], corner

    coming = tiles()
    while batch := list(islice(coming, size)):
        pixels = to_pixels(np.stack([frame.around_part(blend.image, corner) for blend, corner in batch]))
        for (blend, corner), logits in zip(batch, frame.cut(np.asarray(network(pixels), np.float32)), strict=True):
            blend.add(corner, logits)
        while waiting and not waiting[0].left:
            yield waiting.popleft().logits


class Blend:
    """The logits of an image, while its tiles come in."""

    def __init__(self, image: NDArray[Any], tiles: list[Corner]) -> None:
        self.image = image
        """(H, W, C)."""
        self.left = tiles
        """The corners of the tiles that have not come yet."""
        self.logits = np.zeros((*image.shape[:2], 0), np.float32)
        """(H, W, num_classes), the weighted mean so far."""
        self._total = np.zeros(image.shape[:2], np.float32)

    def add(self, corner: Corner, logits: NDArray[np.float32]) -> None:
        """Add the part of a tile's logits (h, w, num_classes) that lies in the image to the weighted mean."""
        if not self.logits.shape[2]:
            self.logits = np.zeros((*self.image.shape[:2], logits.shape[2]), np.float32)
        sides = list(zip(corner, logits.shape[:2], self.image.shape[:2], strict=True))
        in_image = tuple(slice(max(0, start), min(start + side, total)) for start, side, total in sides)
        in_tile = tuple(slice(max(0, -start), min(side, total - start)) for start, side, total in sides)
        weights = weight(logits.shape[:2])[in_tile]
        self._total[in_image] += weights
        # A running mean: where all tiles agree, it is their value to the last bit.
        share = (weights / self._total[in_image])[..., None]
        self.logits[in_image] += (logits[in_tile] - self.logits[in_image]) * share
        self.left.remove(corner)


def corners(size: Corner, tile: Corner) -> list[Corner]:
    """The upper left corners of the tiles that cover an image of that size, row by row."""
    tops, lefts = (starts(side, part) for side, part in zip(size, tile, strict=True))
    return [(top, left) for top in tops for left in lefts]


def starts(side: int, tile: int) -> list[int]:
    """Where the tiles along an axis begin: evenly spread, each overlapping the next by half or more.

    A tile that is larger than the image has it in its middle.
    """
    if side <= tile:
        return [-((tile - side) // 2)]
    count = 1 + -(-(side - tile) // max(1, tile // 2))
    return [round(start) for start in np.linspace(0, side - tile, count).tolist()]


def weight(tile: Corner) -> NDArray[np.float32]:
    """The weight of each pixel of a tile: its distance from the border in rows times that in columns, at least 1."""
    rows, columns = (np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)) for side in tile)
    return np.outer(rows, columns).astype(np.float32)
