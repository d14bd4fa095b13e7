"""How the values in image files become pixel values: for training, and for what is predicted afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from segzoo.data.image_files import held_pages
from segzoo.data.images import read_values, value_rows, whole_pixels
from segzoo.data.rows import Rows
from segzoo.data.stored import Stored
from segzoo.errors import DataError
from segzoo.plugin import FileReading, Info

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = {"uint8": 255, "uint16": 65535}
"""The largest pixel value of each type; the smallest is 0."""
WIDENING = 257
"""The factor from 8 to 16 bits, 65535 / 255, which keeps white white."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Pixels:
    """How the values in image files become pixel values of the same channels and type."""

    channels: int
    range: Range | None = None
    """The values that become the smallest and the largest; None for those of the type."""
    reading: FileReading | None = None
    """What else there is to it; None if images of 8 and of 16 bits are taken as they are."""

    def __str__(self) -> str:
        """In words, for messages."""
        reading = self.reading or FileReading(None)
        values = f"values from {self.range[0]:g} to {self.range[1]:g}" if self.range else "values as they are"
        parts = [f"{self.channels} channels", values, f"as {reading.dtype or 'uint8 or uint16'}"]
        parts += ["8 bits widened to 16"] if reading.widened else []
        return ", ".join(parts + ([f"pages that are {reading.stack}"] if reading.stack else []))

    @classmethod
    def of(cls, info: Info) -> Self:
        """Those of the images of a dataset."""
        return cls(info.channels, info.range, info.reading)

    def read(self, path: Path, page: int) -> NDArray[Any]:
        """Pixels uint8 or uint16 (H, W, channels).

        Raises:
            DataError: if the file cannot be read, or holds what is no pixel value.
        """
        stack = self.reading.stack if self.reading else None
        return self.of_values(read_values(path, self.channels, page, stack), path)

    def of_values(self, values: NDArray[Any], path: Path) -> NDArray[Any]:
        """The pixels of values (H, W, channels) of a file.

        Raises:
            DataError: if they are no pixel values.
        """
        reading = self.reading or FileReading(None if self.range is None else "uint16")
        values = values if reading.any_numbers else _whole(values, reading.spread, path)
        dtype = reading.dtype or values.dtype.name
        if values.dtype.name not in LARGEST:
            return _scaled(_numbers(values, path), self.range or (0, LARGEST[dtype]), dtype)
        if values.dtype.itemsize > np.dtype(dtype).itemsize:
            raise DataError(f"{path} is {values.dtype}, and the images of the training are {dtype}: save it alike")
        if self.range is None and values.dtype == dtype:
            return values
        step = WIDENING if reading.widened and values.dtype == np.uint8 else 1
        return np.take(_table(values.dtype.name, step, self.range or (0, LARGEST[dtype]), dtype), values)


class ImagePages:
    """The pages of an image file that is open."""

    def __init__(self, pages: Sequence[Stored], path: Path, pixels: Pixels) -> None:
        self._pages, self._path, self._pixels = pages, path, pixels

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """Height and width of each page."""
        return [page.size for page in self._pages]

    def rows(self, page: int) -> Rows:
        """The pixels of a page, as `Pixels.read` gives them; read while they are asked for, also by many threads.

        Raises:
            DataError: when they are asked for, if they cannot be read.
        """
        image = self._pages[page]
        values = value_rows(image, self._pixels.channels, self._path)
        return Rows(image.size, (self._pixels.of_values(rows, self._path) for rows in values))


@contextmanager
def open_pages(path: Path, pixels: Pixels) -> Iterator[ImagePages]:
    """An image file of any size, to be read by rows: a TIFF or `.npy` a few at a time, other files at once.

    Raises:
        DataError: if it cannot be read, or what must be decoded at once is too large.
    """
    with held_pages(path, pixels.reading.stack if pixels.reading else None) as pages:
        yield ImagePages(pages, path, pixels)


@lru_cache(maxsize=8)
def _table(source: str, step: int, range: Range, dtype: str) -> NDArray[Any]:
    """The pixel value of each value of a type."""
    return _scaled(np.arange(LARGEST[source] + 1) * step, range, dtype)


def _scaled(values: NDArray[Any], range: Range, dtype: str) -> NDArray[Any]:
    """Values as pixel values: clipped to the range and rounded, halves to even."""
    (low, high), largest = range, LARGEST[dtype]
    shares = (values.astype(np.float64) - low) / (high - low)
    result: NDArray[Any] = np.rint(shares.clip(0, 1) * largest).astype(dtype)
    return result


def _whole(values: NDArray[Any], spread: Range | None, path: Path) -> NDArray[Any]:
    """See `whole_pixels`; an error about other numbers tells which ones the images of the training have."""
    try:
        return whole_pixels(values, path)
    except DataError as error:
        hint = f"; the training images hold {number(spread[0])} to {number(spread[1])}" if spread else ""
        raise DataError(f"{error}{hint}") from error


def _numbers(values: NDArray[Any], path: Path) -> NDArray[Any]:
    """The values, if they are numbers; a DataError otherwise."""
    if wrong := np.isnan(values).sum():
        raise DataError(
            f"cannot read {path}: {wrong:,} of {values.size:,} values are not a number (NaN); write another in their "
            "place, such as one below the range, which becomes the smallest pixel value"
        )
    return values


def number(value: float) -> str:
    """A value as it is typed, without decimals if it is an integer."""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"
