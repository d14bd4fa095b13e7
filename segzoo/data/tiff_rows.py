"""Some rows of a page of a TIFF: a part of the file where pixels lie in order, else the tiles or strips with them."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffPage


PICTURES = frozenset((6, 7, 33003, 33004, 33005, 33007, 34712, 34892, 34933, 50001))
"""Compressions by JPEG, JPEG 2000, PNG and WebP."""


def least_rows(page: TiffPage, start: int | None) -> int:
    """The rows of a page that are decoded at once; of pixels that begin at an offset `start`, a single one."""
    if start is not None or _in_order(page):
        return 1
    if page.is_contiguous:  # but not as they are, and perhaps not in the strips that are told of
        return int(page.imagelength)
    return int(min(page.imagelength, _segment(page)[0]))


def largest_segment(page: TiffPage) -> int:
    """Pixels of the largest tile or strip that is decoded, which may be larger than the image; 0 if none is."""
    if page.is_contiguous:
        return 0
    height, width = _segment(page)
    return height * width


def read_rows(page: TiffPage, start: int | None, rows: range, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Numbers (planes, h, W, contiguous samples) of a page of which not all rows are decoded at once."""
    if start is None and not _in_order(page):
        return _decoded(page, rows, dtype)
    return _stored(page, page.dataoffsets[0] if start is None else start, rows, dtype)


def is_picture(page: TiffPage) -> bool:
    """Whether tiles or strips are files of another format, which tell of sizes of their own."""
    return page.compression in PICTURES


def _require_fitting(content: bytes, pixels: int) -> None:
    """Raise a ValueError if a tile or strip tells that it has more pixels, for which a decoder would take memory."""
    with suppress(UnidentifiedImageError), Image.open(BytesIO(content)) as picture:
        if picture.width * picture.height > pixels:
            raise ValueError(f"a tile or strip tells of {picture.height}x{picture.width} pixels, which are too many")


def _in_order(page: TiffPage) -> bool:
    """Whether pixels lie one behind another in the file, as they are."""
    return bool(page.is_contiguous and page.fillorder == 1 and page.predictor == 1)


def _segment(page: TiffPage) -> tuple[int, int]:
    """Height and width of a tile or strip."""
    if page.is_tiled:
        return page.tilelength, page.tilewidth
    return min(page.imagelength, page.rowsperstrip), page.imagewidth


def _stored(page: TiffPage, start: int, rows: range, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rows of pixels that begin at an offset."""
    file = page.parent.filehandle
    planes, _, height, width, samples = page.shaped
    values = np.empty((planes, len(rows), width, samples), dtype)
    for plane in range(planes):
        with file.lock:
            file.seek(start + (plane * height + rows.start) * width * samples * dtype.itemsize)
            stored = file.read_array(page.parent.byteorder + dtype.char, len(rows) * width * samples)
        values[plane] = stored.reshape(values.shape[1:])
    return values


def _decoded(page: TiffPage, rows: range, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rows from the tiles or strips that hold them."""
    planes, _, height, width, samples = page.shaped
    tall, wide = _segment(page)
    across, down = -(-width // wide), -(-height // tall)
    first, end = rows.start // tall * across, -(-rows.stop // tall) * across
    numbers = [plane * down * across + number for plane in range(planes) for number in range(first, end)]
    values = np.empty((planes, len(rows), width, samples), dtype)
    offsets, lengths = ([entries[number] for number in numbers] for entries in (page.dataoffsets, page.databytecounts))
    for content, number in page.parent.filehandle.read_segments(offsets, lengths, numbers):
        if isinstance(content, bytes) and is_picture(page):
            _require_fitting(content, tall * wide)
        part, (plane, _, top, left, _), _ = page.decode(
            content, number, jpegtables=page.jpegtables, jpegheader=page.jpegheader
        )
        above = max(0, rows.start - top)
        place = values[plane, max(0, top - rows.start) : top + tall - rows.start, left : left + wide]
        place[:] = page.nodata if part is None else part[0, above : above + len(place), : place.shape[1]]
    return values
