"""A prediction drawn over its image while the rows of both come, with a legend below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image

from segzoo.files.png import PngWriter
from segzoo.reporting.pictures import USUAL, Pixels, explained, filled, legend, outlines, palette, uncoloured

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINE = 1000
"""Pixels of the longer side for each pixel of an outline's width."""
NARROWEST = 240
"""Width in pixels that a legend needs."""
MARGIN = 8
"""Pixels around the legend."""


class OverlayWriter:
    """A PNG of labels as colour over a photo, with outlines and a legend. Use it as a context manager.

    The image lies in the upper left corner, pixel by pixel, a small one enlarged by a whole factor. Outlines and
    letters grow with it, so that they are seen when all of it is.
    """

    def __init__(self, path: Path, size: tuple[int, int], classes: Sequence[str]) -> None:
        self._factor = max(1, round(USUAL / max(size)))
        self._height, self._width = (side * self._factor for side in size)
        self._thickness = scale = max(1, round(max(size) * self._factor / FINE))
        self._colours, self._plain = palette(len(classes)), uncoloured(classes)
        names = legend(
            explained(classes, ignored=False), max(self._width, NARROWEST * scale) - 2 * MARGIN * scale, scale
        )
        self._legend = np.full((names.height + 2 * MARGIN * scale, names.width + 2 * MARGIN * scale, 3), 255, np.uint8)
        self._legend[MARGIN * scale :, MARGIN * scale :][: names.height, : names.width] = np.asarray(names)
        self._photo = np.empty((0, self._width, 3), np.uint8)
        self._labels = np.empty((0, self._width), np.uint8)
        """The rows that are not drawn, and above them as many as outlines reach."""
        self._came = self._drawn = 0
        self._png = PngWriter(path, (self._height + len(self._legend), self._legend.shape[1]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._png.__exit__(kind, *error)

    def add(self, photo: Pixels, labels: Pixels) -> None:
        """Take the next rows of the photo (h, W, 3) and their labels (h, W)."""
        if self._factor > 1:
            photo, labels = (rows.repeat(self._factor, axis=0).repeat(self._factor, axis=1) for rows in (photo, labels))
        self._photo = np.concatenate([self._photo, photo])
        self._labels = np.concatenate([self._labels, labels])
        self._came += len(labels)
        last = self._came == self._height
        end = self._came if last else self._came - self._thickness
        if end > self._drawn:
            self._draw(end)
        if last:
            self._png.add(self._legend)

    def _draw(self, end: int) -> None:
        """Draw the rows up to an end, whose outlines no row that comes later can change."""
        first = self._came - len(self._labels)
        rows = slice(self._drawn - first, end - first)
        edges = thickened(outlines(self._labels), self._thickness - 1)[rows]
        picture = np.full((len(edges), self._legend.shape[1], 3), 255, np.uint8)
        photo = Image.fromarray(self._photo[rows])
        picture[:, : self._width] = filled(photo, self._labels[rows], edges, self._colours, self._plain)
        self._png.add(picture)
        self._drawn = end
        kept = max(0, end - self._thickness - first)
        self._photo, self._labels = self._photo[kept:], self._labels[kept:]


def thickened(edges: NDArray[np.bool_], more: int) -> NDArray[np.bool_]:
    """Edges (H, W), and the pixels that are up to `more` rows or columns away from them."""
    for axis in (0, 1):
        grown = edges.copy()
        for step in range(1, more + 1):
            ahead, behind = (np.s_[step:], np.s_[:-step]) if axis == 0 else (np.s_[:, step:], np.s_[:, :-step])
            grown[ahead] |= edges[behind]
            grown[behind] |= edges[ahead]
        edges = grown
    return edges
