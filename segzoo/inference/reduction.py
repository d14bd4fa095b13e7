"""An image and its labels at a smaller size, made while their rows come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segzoo.inference.strips import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Reduction:
    """Photo and labels whose longer side has so many pixels at most; smaller ones stay as they are.

    A pixel of the photo is the mean of those that it covers, a label that in the middle of them.
    """

    def __init__(self, size: Size, longest: int) -> None:
        self._size, factor = size, min(1, longest / max(size))
        height, width = (max(1, round(side * factor)) for side in size)
        self.photo = np.empty((height, width, 3), np.uint8)
        """RGB, (h, w, 3)."""
        self.labels = np.empty((height, width), np.uint8)
        """(h, w)."""
        self._rows = np.empty((0, size[1], 3), np.uint8)
        """The last rows that came, of which a row of the photo waits for more."""
        self._came = self._done = 0

    def add(self, rows: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        """Take the next rows of the image (h, W, 3) and their labels (h, W)."""
        self._add_labels(labels)
        self._came += len(rows)
        if self.photo.shape[:2] == self._size:
            self.photo[self._came - len(rows) : self._came] = rows
        else:
            self._rows = np.concatenate([self._rows, rows])
            self._reduce()

    def _add_labels(self, labels: NDArray[np.uint8]) -> None:
        middles, columns = (
            np.minimum((np.arange(small) + 0.5) * side / small, side - 1).astype(int)
            for side, small in zip(self._size, self.labels.shape, strict=True)
        )
        first, end = np.searchsorted(middles, [self._came, self._came + len(labels)])
        self.labels[first:end] = labels[middles[first:end] - self._came][:, columns]

    def _reduce(self) -> None:
        """Make the rows of the photo of which all rows are there, and keep only the rows that others need."""
        per_row, start = self._size[0] / len(self.photo), self._came - len(self._rows)
        end = len(self.photo) if self._came == self._size[0] else int(self._came / per_row)
        if end > self._done:
            box = (0, self._done * per_row - start, self._size[1], min(end * per_row, self._came) - start)
            size = self.photo.shape[1], end - self._done
            part = Image.fromarray(self._rows).resize(size, Image.Resampling.BOX, box)
            self.photo[self._done : end] = np.asarray(part)
            self._done = end
            self._rows = self._rows[int(end * per_row) - start :]
