"""Files that mark pixels by any value but 0: objects, each with its number or in a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segzoo.errors import DataError
from segzoo.images import header, palette, read_mask
from segzoo.plugin import IGNORE
from segzoo_folder.reading import LOSSY, gray, hexadecimal, packed

if TYPE_CHECKING:
    from numpy.typing import NDArray


def marks(path: Path, page: int) -> NDArray[np.uint32]:
    """The values of a mask (H, W), of one in colour 0xRRGGBB: 0, or black, marks nothing.

    Raises:
        DataError: if the file cannot be read, or what it marks is not clear: its format may have changed values, or its
            palette says otherwise than its indices.
    """
    values, first = gray(read_mask(path, page)), header(path, page)
    found: NDArray[np.uint32] = packed(values) if values.ndim == 3 else values.astype(np.uint32)
    if first.format in LOSSY and (values.ndim == 3 or not np.isin(values, (0, IGNORE)).all()):
        raise DataError(
            f"{path} may not hold what was drawn, since formats for photos, such as {first.format}, change values a "
            "little: save the original as PNG"
        )
    if first.palette:
        _require_black_outside(found, palette(path, page), path)
    return found


def _require_black_outside(values: NDArray[np.uint32], colors: NDArray[np.uint8], path: Path) -> None:
    """Raise a DataError if black is what the indices mark, and another colour what they do not: which is meant?"""
    used = np.unique(values[values < len(colors)])
    black = [int(value) for value in used if not colors[value].any()]
    if black and 0 in used and 0 not in black:
        color = hexadecimal(int(packed(colors[:1])[0]))
        raise DataError(
            f"{path} has a palette in which 0, which marks nothing, is {color}, and {black[0]} is black: it is not "
            "clear what is marked. Save it in grey, without a palette, with 0 where nothing is"
        )
