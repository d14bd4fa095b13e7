"""Masks that tell objects apart: by numbers, or by a file for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.errors import ConfigError, DataError
from segzoo.plugin import IGNORE
from segzoo_folder import OBJECTS, ImageFolder
from segzoo_folder.labels import left_out
from segzoo_folder.marks import LEFT_OUT, marks

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH = 2
"""Pixels from a pixel of the border to the second-nearest object, at most."""


@dataclass(frozen=True)
class Instances:
    """Objects as classes: background and foreground, and the border between objects if there are three."""

    classes: tuple[str, ...]
    separate: bool
    """Whether each file of a sample draws one object; else values or colours number them."""
    left_out: tuple[int, ...] = ()
    """Values that are no objects and become IGNORE; without a word 255 is an object as any."""

    @classmethod
    def of(cls, options: ImageFolder, separate: bool) -> Instances:
        """What the options make of objects: without a word the foreground.

        Raises:
            ConfigError: if other options do not go with objects.
        """
        kind = options.instances or "foreground"
        if unfit := options.unfit(kind):
            raise ConfigError(
                f"dataset 'folder': images in {options.folder()} have several masks, each of which is read as one "
                f"object, but {unfit}"
            )
        return cls(options.classes or OBJECTS[kind], separate, left_out(options))

    def read(self, paths: Sequence[Path], page: int) -> NDArray[np.uint8]:
        """A mask uint8 (H, W) of labels.

        Raises:
            DataError: if a file cannot be read, or is of another size than the others.
        """
        first = marks(paths[0], page, self.left_out)
        void = first == LEFT_OUT
        lowest = (first > 0 if self.separate else first.clip(min=0)).astype(np.int64)
        highest = lowest.copy()
        for number, path in enumerate(paths[1:], 2):
            found = marks(path, page, self.left_out)
            if found.shape != void.shape:
                raise DataError(f"the mask {path} is {_size(found)} pixels, that of {paths[0]} {_size(void)}")
            void |= found == LEFT_OUT
            highest[found > 0] = number
            lowest[(found > 0) & (lowest == 0)] = number
        labels = (highest > 0).astype(np.uint8)
        if len(self.classes) > 2:
            labels[border(lowest, highest)] = 2
        labels[void] = IGNORE
        return labels


def _size(pixels: NDArray[Any]) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"


def border(lowest: NDArray[np.int64], highest: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the second-nearest object of each pixel (H, W) is at most REACH away, be the pixel in an object or not.

    Objects are given by the lowest and the highest number of those that a pixel is in, 0 for none. Two are in reach if
    not all numbers in reach are the same. No distance is computed, so it takes as long for thousands of objects as for
    two.
    """
    from scipy.ndimage import maximum_filter, minimum_filter  # not at the top: few folders need it

    rows, columns = np.ogrid[-REACH : REACH + 1, -REACH : REACH + 1]
    disk = rows**2 + columns**2 <= REACH**2
    most = maximum_filter(highest, footprint=disk, mode="nearest")
    least = minimum_filter(np.where(lowest == 0, highest.max(), lowest), footprint=disk, mode="nearest")
    differ: NDArray[np.bool_] = least < most
    return differ
