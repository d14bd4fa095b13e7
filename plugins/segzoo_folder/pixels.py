"""How the values in image files become pixel values."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.images import header, read_image, read_values
from segzoo.errors import DataError
from segzoo_folder import ImageFolder
from segzoo_folder.index import Held, ImageFacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo.data.tiff_planes import Stack

LARGEST = {"uint8": 255, "uint16": 65535}
"""The largest pixel value of each type; the smallest is 0."""
STEP = 257
"""What a step of 8 bits is in steps of 16: 65535 / 255. So white stays white."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Pixels:
    """How the values in image files become pixel values of one form."""

    channels: int
    dtype: str
    """Of the pixel values: uint8 if all files are that, else uint16."""
    range: Range | None
    """The values that become the smallest and the largest; None for those of the type."""
    given: bool
    """Whether the range is the user's, so that the files may hold any numbers."""
    step: int
    """What 8-bit values are multiplied with before: STEP beside 16 bits, else 1."""
    spread: Range
    """The least and the largest value of the training images, as far as they are known."""
    stack: Stack | None
    """What the pages of a file are."""

    def read(self, path: Path, page: int) -> NDArray[Any]:
        """Pixels (H, W, channels) of `dtype`.

        Raises:
            DataError: if the file cannot be read, or holds what is no pixel value.
        """
        values = read_values(path, self.channels, page, self.stack) if self.given else self._unscaled(path, page)
        if values.dtype.name not in LARGEST:
            return _scaled(_numbers(values, path), self.range or (0, LARGEST[self.dtype]), self.dtype)
        if values.dtype.itemsize > np.dtype(self.dtype).itemsize:
            raise DataError(f"{path} is {values.dtype}, other images {self.dtype}; has it changed meanwhile?")
        if self.range is None and values.dtype == self.dtype:
            return values
        step = self.step if values.dtype == np.uint8 else 1
        table = _table(values.dtype.name, step, self.range or (0, LARGEST[self.dtype]), self.dtype)
        return np.take(table, values)

    def _unscaled(self, path: Path, page: int) -> NDArray[Any]:
        try:
            return read_image(path, self.channels, page, self.stack)
        except DataError as error:
            raise DataError(f"{error}{self._held(path, page)}") from error

    def _held(self, path: Path, page: int) -> str:
        """What the training images hold, if an image may have been refused for its values."""
        with suppress(DataError):
            if np.isfinite(self.spread).all() and header(path, page, self.stack).dtype not in LARGEST:
                low, high = map(number, self.spread)
                return f"; the training images hold {low} to {high}"
        return ""


def pixels(options: ImageFolder, channels: int, images: Sequence[Held[ImageFacts]], extents: NDArray[Any]) -> Pixels:
    """How images are to be read, of which the rows of EXTENTS of the pages for training are known."""
    types, spread = {one.facts.dtype for one in images}, _spread(extents)
    if isinstance(options.range, tuple):
        dtype, step = "uint8" if types == {"uint8"} else "uint16", STEP if types == LARGEST.keys() else 1
        return Pixels(channels, dtype, options.range, True, step, spread, options.stack)
    if all(one.facts.narrow for one in images):
        return Pixels(channels, "uint8", None, False, 1, spread, options.stack)
    own = _of_data(extents) if options.range == "data" else None
    return Pixels(channels, "uint16", own, False, STEP, spread, options.stack)


def _of_data(extents: NDArray[Any]) -> Range | None:
    """The range of these pages; None if 8 bits are among them, which have all of it, or there is but one value."""
    fitting = extents[(extents[:, 0] >= 0) & (extents[:, 1] <= LARGEST["uint16"])]  # the others are refused
    low, high = _spread(fitting)
    return None if np.isnan(extents).any() or not low < high else (low, high)


def _spread(extents: NDArray[Any]) -> Range:
    """The least and the largest value of these pages, as far as they are known; else infinite."""
    known = extents[np.isfinite(extents).all(axis=1)]
    return float(known[:, 0].min(initial=np.inf)), float(known[:, 1].max(initial=-np.inf))


@lru_cache(maxsize=8)
def _table(source: str, step: int, range: Range, dtype: str) -> NDArray[Any]:
    """The pixel value of each value of a type."""
    return _scaled(np.arange(LARGEST[source] + 1) * step, range, dtype)


def _scaled(values: NDArray[Any], range: Range, dtype: str) -> NDArray[Any]:
    """Values as pixel values: clipped to the range, and rounded, from halfway to even."""
    (low, high), largest = range, LARGEST[dtype]
    shares = (values.astype(np.float64) - low) / (high - low)
    pixels: NDArray[Any] = np.rint(shares.clip(0, 1) * largest).astype(dtype)
    return pixels


def _numbers(values: NDArray[Any], path: Path) -> NDArray[Any]:
    """The values, if they are numbers; a DataError otherwise."""
    if wrong := np.isnan(values).sum():
        raise DataError(
            f"cannot read {path}: {wrong:,} of its {values.size:,} values are not a number (NaN); write another in "
            "their place, such as one below the range, which becomes the smallest pixel value"
        )
    return values


def number(value: float) -> str:
    """A value as it is typed, without decimals if it is whole."""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"
