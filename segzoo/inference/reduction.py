"""An image and its labels at a smaller size, made while their rows come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segzoo.inference.strips import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.uint8]


class Reduction:
    """Photo and labels whose longer side has so many pixels at most; smaller ones stay as they are.

    A pixel of the photo is the mean of those that it covers, a label that in the middle of them.
    """

    def __init__(self, size: Size, longest: int) -> None:
        factor = min(1, longest / max(size))
        height, width = (max(1, round(side * factor)) for side in size)
        self.size = height, width
        """Height and width of what is made."""
        self._full = size
        self._middle_rows, self._middle_columns = (
            np.minimum((np.arange(small) + 0.5) * side / small, side - 1).astype(int)
            for side, small in zip(size, self.size, strict=True)
        )
        self._photo, self._labels = np.empty((0, size[1], 3), np.uint8), np.empty((0, size[1]), np.uint8)
        """The last rows that came, of which a row that is made needs more."""
        self._came = self._made = 0

    def add(self, photo: Rows, labels: Rows) -> tuple[Rows, Rows]:
        """Take the next rows (h, W, 3) and (h, W); returns those that are made of them and of earlier ones, if any."""
        if self.size == self._full:
            return photo, labels
        self._photo, self._labels = np.concatenate([self._photo, photo]), np.concatenate([self._labels, labels])
        self._came += len(labels)
        first, per_row = self._came - len(self._labels), self._full[0] / self.size[0]
        end = self.size[0] if self._came == self._full[0] else int(self._came / per_row)
        made = self._reduced_photo(end, first, per_row), self._reduced_labels(end, first)
        self._made, kept = end, int(end * per_row) - first
        self._photo, self._labels = self._photo[kept:], self._labels[kept:]
        return made

    def _reduced_photo(self, end: int, first: int, per_row: float) -> Rows:
        if end == self._made:
            return np.empty((0, self.size[1], 3), np.uint8)
        box = (0, self._made * per_row - first, self._full[1], min(end * per_row, self._came) - first)
        size = self.size[1], end - self._made
        return np.asarray(Image.fromarray(self._photo).resize(size, Image.Resampling.BOX, box))

    def _reduced_labels(self, end: int, first: int) -> Rows:
        labels: Rows = self._labels[self._middle_rows[self._made : end] - first][:, self._middle_columns]
        return labels
