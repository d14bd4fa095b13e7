"""Files that mark pixels by any value but 0: objects with their numbers, single objects, regions of interest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.images import header, pages, palette, read_mask
from segzoo.errors import DataError, LabelError
from segzoo.plugin import IGNORE
from segzoo_folder.reading import LOSSY, NAMED, gray, hexadecimal, ignoring, named, packed

if TYPE_CHECKING:
    from numpy.typing import NDArray


LEFT_OUT = -1
"""In place of a value that is to be left out."""


def marks(path: Path, page: int, left_out: Sequence[int] = ()) -> NDArray[Any]:
    """The values of a mask (H, W), of one in colour 0xRRGGBB: 0, or black, marks nothing. Some may be LEFT_OUT.

    Raises:
        DataError: if the file cannot be read, holds values below 0, or what it marks is not clear: its format may have
            changed values, or its palette says otherwise than its indices.
    """
    values, first = gray(read_mask(path, page, wide=True)), header(path, page)
    if first.format in LOSSY and (values.ndim == 3 or not np.isin(values, (0, IGNORE)).all()):
        raise DataError(
            f"{path} may not hold what was drawn, since formats for photos, such as {first.format}, change values a "
            "little: save the original as PNG"
        )
    if values.ndim == 3:
        return packed(values)
    if first.palette:
        _require_black_outside(values, palette(path, page), path)
    if values.dtype.kind == "u" and not left_out:
        return values
    found, void = values.astype(np.int64), np.isin(values, left_out)
    if wrong := np.unique(found[(found < 0) & ~void]).tolist():
        raise LabelError(
            f"{path} has the value {named(wrong[0])}, but 0 is what nothing is marked by, and all else is above. If "
            f"such pixels of masks are to be left out, add {ignoring([*left_out, *wrong[:NAMED]])}"
        )
    found[void] = LEFT_OUT
    return found


def _require_black_outside(values: NDArray[Any], colors: NDArray[np.uint8], path: Path) -> None:
    """Raise a DataError if black is what the indices mark, and another colour what they do not: which is meant?"""
    used = np.unique(values[values < len(colors)])
    black = [int(value) for value in used if not colors[value].any()]
    if black and 0 in used and 0 not in black:
        color = hexadecimal(int(packed(colors[:1])[0]))
        raise DataError(
            f"{path} has a palette in which 0, which marks nothing, is {color}, and {black[0]} is black: it is not "
            "clear what is marked. Save it in grey, without a palette, with 0 where nothing is"
        )


def within(labels: NDArray[np.uint8], region: Path, page: int) -> NDArray[np.uint8]:
    """Labels (H, W), and IGNORE where a region of interest marks nothing; one without pages is that of all pages.

    Raises:
        DataError: as `marks`, or if the region is of another size.
    """
    inside = marks(region, page if pages(region) > 1 else 0) != 0
    if inside.shape != labels.shape:
        raise DataError(
            f"the region {region} is {inside.shape[1]}x{inside.shape[0]} pixels, its mask "
            f"{labels.shape[1]}x{labels.shape[0]}"
        )
    seen: NDArray[np.uint8] = np.where(inside, labels, np.uint8(IGNORE))
    return seen
