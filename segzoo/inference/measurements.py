"""What is measured of a prediction: the pixels of each class, and the objects that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.errors import DataError
from segzoo.inference.strips import LARGEST, Size, Strip
from segzoo.reporting.pictures import uncoloured

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT = 2**21
"""Confidences whose sum in float64 is exact, as they are multiples of 1 / ONE from 1/256 to 1."""
ONE = 2**32
BAND = 256
"""Rows that are counted at once, to save memory."""


class Figures:
    """The pixels of each class and the mean confidence of each page; the same however a page is cut into strips."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self.rows: list[dict[str, Any]] = []
        """A row of `predictions.csv` for each page, less the file."""

    def add(self, strip: Strip) -> None:
        """See `Output`."""
        if strip.top == 0:
            self._pixels, self._confidence = np.zeros(len(self._classes), np.int64), 0
        self._pixels += [np.count_nonzero(strip.labels == label) for label in range(len(self._classes))]
        values = strip.confidence.ravel()
        for start in range(0, len(values), EXACT):
            self._confidence += int(values[start : start + EXACT].sum(dtype=np.float64) * ONE)
        if strip.last:
            self.rows.append(self._row(strip))

    def _row(self, strip: Strip) -> dict[str, Any]:
        (height, width), pixels = strip.size, self._pixels.tolist()
        named = list(zip(self._classes, pixels, strict=True))
        return {
            "page": strip.page,
            "height": height,
            "width": width,
            **{f"pixels_{name}": count for name, count in named},
            **{f"share_{name}": count / (height * width) for name, count in named},
            "mean_confidence": self._confidence / ONE / (height * width),
        }


class Objects:
    """The connected pixels of each class but the background, with neighbours to all eight sides.

    The background is the class that pictures leave uncoloured; there may be none.
    """

    def __init__(self, file: str, sizes: Sequence[Size], classes: Sequence[str]) -> None:
        """Begin with a file that has pages of these heights and widths.

        Raises:
            DataError: if a page is too large, since all of it is needed at once.
        """
        if too_large := [size for size in sizes if size[0] * size[1] > LARGEST]:
            height, width = too_large[0]
            raise DataError(
                f"{file} has {height}x{width} pixels, and objects are looked for in at most {LARGEST:,}; leave out "
                "`--objects`, or cut the image into parts"
            )
        background = uncoloured(classes)
        self._classes = [(label, name) for label, name in enumerate(classes) if label != background]
        self._labels: NDArray[np.uint8] | None = None
        self._confidence: NDArray[np.float32] | None = None
        self._tables: list[tuple[int, str, NDArray[np.float64]]] = []

    def add(self, strip: Strip) -> None:
        """See `Output`."""
        self._labels = _put(self._labels, strip.labels, strip)
        self._confidence = _put(self._confidence, strip.confidence, strip)
        for label, name in self._classes if strip.last else ():
            self._tables.append((strip.page, name, measured(self._labels == label, self._confidence)))

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of `objects.csv`, less the file: of each page, of each class, from top to bottom."""
        for page, name, table in self._tables:
            for number, (*whole, row, column, confidence) in enumerate(table.tolist(), start=1):
                pixels, top, left, height, width = map(int, whole)
                yield {
                    "page": page,
                    "class": name,
                    "object": number,
                    "pixels": pixels,
                    "top": top,
                    "left": left,
                    "height": height,
                    "width": width,
                    "center_row": row,
                    "center_column": column,
                    "mean_confidence": confidence,
                }


def measured(mask: NDArray[np.bool_], confidence: NDArray[np.float32]) -> NDArray[np.float64]:
    """The connected parts of a mask (H, W): pixels, box, centre and mean confidence of each, a row of 8 numbers.

    The box is the first row and column, and height and width; the centre is the mean of the rows and columns.
    """
    from scipy.ndimage import find_objects, label  # slow to import

    numbers, count = label(mask, np.ones((3, 3)))
    sums = np.zeros((4, count + 1))
    for top in range(0, len(numbers), BAND):
        part = numbers[top : top + BAND]
        place = part.ravel()
        rows, columns = (np.broadcast_to(axis, part.shape) for axis in np.ogrid[top : top + len(part), : part.shape[1]])
        weights = (None, rows.ravel(), columns.ravel(), confidence[top : top + BAND].ravel())
        sums += [np.bincount(place, weight, count + 1) for weight in weights]
    pixels, *totals = sums[:, 1:]
    boxes = [(y.start, x.start, y.stop - y.start, x.stop - x.start) for y, x in find_objects(numbers)]
    return np.column_stack([pixels, np.reshape(boxes, (-1, 4)), *(total / pixels for total in totals)])


def _put(page: NDArray[Any] | None, rows: NDArray[Any], strip: Strip) -> NDArray[Any]:
    """A page (H, W, ...) as an array, with the rows (h, W, ...) of a strip in their place; a new one with its first."""
    if page is None or strip.top == 0:
        page = np.empty((strip.size[0], *rows.shape[1:]), rows.dtype)
    page[strip.rows] = rows
    return page
