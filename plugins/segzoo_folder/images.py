"""How image files become pixels: their channels, their range, and the image size to suggest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.images import channels_first, header, read_image, read_values
from segzoo.errors import DataError
from segzoo.plugin import View
from segzoo.training import crops_of
from segzoo_folder import ImageFolder
from segzoo_folder.index import FileGroup, ImageFacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo.data.tiff_planes import Stack

LARGEST = {"uint8": 255, "uint16": 65535}
"""The largest pixel value of each type; the smallest is 0."""
WIDENING = 257
"""The factor from 8 to 16 bits, 65535 / 255, which keeps white white."""

LARGE = 512
"""The shorter side, in pixels, from which images of the same size are cropped."""
SIDE, STEP = 256, 32
"""The longest side that is suggested, and what suggested sides are multiples of."""
STEPS, BATCH = 300, 8
"""Training steps that most trainings need, and the batch size, which is the default of the trainer `keras`."""
EPOCHS = 20
"""The least number of epochs to suggest; large datasets get no more."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Pixels:
    """How the values in image files become pixel values of the same channels and type."""

    channels: int
    dtype: str
    """Of the pixel values: uint8 if all files are that, else uint16."""
    range: Range | None
    """The values that become the smallest and the largest; None for those of the type."""
    given: bool
    """Whether the range is an option of the user, so that the files may hold any numbers."""
    step: int
    """The factor of 8-bit values: WIDENING if others have 16 bits, else 1."""
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
            raise DataError(f"{error}{self._range_hint(path, page)}") from error

    def _range_hint(self, path: Path, page: int) -> str:
        """The range of the training images, for an error about the values of an image; else empty."""
        with suppress(DataError):
            if np.isfinite(self.spread).all() and header(path, page, self.stack).dtype not in LARGEST:
                low, high = map(number, self.spread)
                return f"; the training images hold {low} to {high}"
        return ""


def decide_pixels(
    options: ImageFolder, channels: int, images: Sequence[FileGroup[ImageFacts]], extents: NDArray[Any]
) -> Pixels:
    """How to read images, given the rows of EXTENTS of the training pages."""
    types, spread = {group.facts.dtype for group in images}, _spread(extents)
    if isinstance(options.range, tuple):
        dtype, step = "uint8" if types == {"uint8"} else "uint16", WIDENING if types == LARGEST.keys() else 1
        return Pixels(channels, dtype, options.range, True, step, spread, options.stack)
    if all(group.facts.narrow for group in images):
        return Pixels(channels, "uint8", None, False, 1, spread, options.stack)
    data_range = _of_data(extents) if options.range == "data" else None
    return Pixels(channels, "uint16", data_range, False, WIDENING, spread, options.stack)


def _of_data(extents: NDArray[Any]) -> Range | None:
    """The range of the values of these pages; None if some have 8 bits, or if there is only a single value."""
    fitting = extents[(extents[:, 0] >= 0) & (extents[:, 1] <= LARGEST["uint16"])]  # the others are refused
    low, high = _spread(fitting)
    return None if np.isnan(extents).any() or not low < high else (low, high)


def _spread(extents: NDArray[Any]) -> Range:
    """The least and the largest value of these pages; infinite if none is known."""
    known = extents[np.isfinite(extents).all(axis=1)]
    return float(known[:, 0].min(initial=np.inf)), float(known[:, 1].max(initial=-np.inf))


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


def _numbers(values: NDArray[Any], path: Path) -> NDArray[Any]:
    """The values, if they are numbers; a DataError otherwise."""
    if wrong := np.isnan(values).sum():
        raise DataError(
            f"cannot read {path}: {wrong:,} of its {values.size:,} values are not a number (NaN); write another in "
            "their place, such as one below the range, which becomes the smallest pixel value"
        )
    return values


def number(value: float) -> str:
    """A value as it is typed, without decimals if it is an integer."""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


class Suggestion(NamedTuple):
    """See `Info`."""

    image_size: tuple[int, int]
    epochs: int
    view: View


def suggest(sizes: Sequence[tuple[int, int]], train: int) -> Suggestion:
    """The suggestion for images of these heights and widths, and a number of training images.

    Large images of the same size come from the same instrument at the same scale, and are cropped. Others are resized
    to about the shape of the median image.
    """
    if len(set(sizes)) == 1 and min(sizes[0]) >= LARGE:
        crops = int(crops_of(np.array(sizes[:1]), (SIDE, SIDE))[0])
        return Suggestion((SIDE, SIDE), epochs(train * crops), "crop")
    middle = [median_low(sides) for sides in zip(*sizes, strict=True)]
    scale = min(1, SIDE / max(middle))
    height, width = (max(STEP, round(side * scale / STEP) * STEP) for side in middle)
    return Suggestion((height, width), epochs(train), "resize")


def epochs(images: int) -> int:
    """The number of epochs of these many images or crops that makes STEPS training steps; EPOCHS at least."""
    return max(EPOCHS, math.ceil(STEPS / math.ceil(max(1, images) / BATCH)))


def shared_channels(root: Path, images: Sequence[FileGroup[ImageFacts]]) -> int:
    """The number of channels that all images have, or can be converted to without losing more than opacity."""
    kinds = {(group.facts.channels, group.facts.alpha) for group in images}
    if len({channels for channels, _ in kinds}) == 1:
        return images[0].facts.channels
    for wanted in sorted({channels - alpha for channels, alpha in kinds} | {3}):
        if all(
            wanted in (channels, channels - alpha) or (wanted, channels - alpha) == (3, 1) for channels, alpha in kinds
        ):
            return wanted
    examples = {group.facts.channels: group.path for group in reversed(images)}
    texts = [f"{channels} ({path} for one)" for channels, path in sorted(examples.items())]
    shapes = [(group.facts.height, group.facts.width, group.facts.channels) for group in images]
    turned = next(filter(None, map(channels_first, shapes)), "")
    raise DataError(
        f"the images below {root} differ in their channels: {', '.join(texts)}; convert them to the same, or take "
        f"those of one kind, with `--set dataset.listing=FILE.csv`{turned}"
    )
