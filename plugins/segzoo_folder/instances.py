"""Masks that tell objects apart: by numbers, or by a file for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segzoo.errors import ConfigError, DataError
from segzoo_folder import OBJECTS, ImageFolder
from segzoo_folder.marks import marks

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
        return cls(options.classes or OBJECTS[kind], separate)

    def read(self, paths: Sequence[Path], page: int) -> NDArray[np.uint8]:
        """A mask uint8 (H, W) of labels.

        Raises:
            DataError: if a file cannot be read, or is of another size than the others.
        """
        lowest, highest = self._numbers(paths, page)
        labels = (highest > 0).astype(np.uint8)
        if len(self.classes) > 2:
            labels[border(lowest, highest)] = 2
        return labels

    def _numbers(self, paths: Sequence[Path], page: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """The lowest and the highest number (H, W) of the objects that each pixel is in; 0 where there is none."""
        first = marks(paths[0], page)
        if not self.separate:
            return first, first
        lowest = highest = (first != 0).astype(np.uint32)
        for number, path in enumerate(paths[1:], 2):
            inside = marks(path, page) != 0
            if inside.shape != lowest.shape:
                raise DataError(
                    f"the mask {path} is {inside.shape[1]}x{inside.shape[0]} pixels, that of another object, "
                    f"{paths[0]}, {lowest.shape[1]}x{lowest.shape[0]}"
                )
            highest = np.where(inside, np.uint32(number), highest)
            lowest = np.where(inside & (lowest == 0), np.uint32(number), lowest)
        return lowest, highest


def border(lowest: NDArray[np.uint32], highest: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether the second-nearest object of each pixel (H, W) is at most REACH away, be the pixel in an object or not.

    Objects are given by the lowest and the highest number of those that a pixel is in, 0 for none. Two are in reach if
    not all numbers in reach are the same. No distance is computed, so it takes as long for thousands of objects as for
    two.
    """
    from scipy.ndimage import maximum_filter, minimum_filter  # not at the top: few folders need it

    rows, columns = np.ogrid[-REACH : REACH + 1, -REACH : REACH + 1]
    disk = rows**2 + columns**2 <= REACH**2
    # Less 1, which makes 0 the largest number, so that it is the minimum only where no object is in reach.
    least = minimum_filter(lowest - np.uint32(1), footprint=disk, mode="nearest")
    most = maximum_filter(highest, footprint=disk, mode="nearest") - np.uint32(1)
    differ: NDArray[np.bool_] = least != most
    return differ
