"""Images in files that hold a single one: arrays of NumPy, and what Pillow reads.

Where Pillow would drop bits of a PNG, PPM or SGI silently, the file is refused; of JPEG 2000 and AVIF with more than 8
bits in several channels it keeps 8.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from segzoo.data.stored import AT_ONCE
from segzoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ORIENTATION, UPRIGHT = 274, 1  # of EXIF


class Array:
    """What a .npy file holds, (H, W) or (H, W, C)."""

    alpha = palette = turned = animated = False

    def __init__(self, path: Path) -> None:
        # Mapped, so that no memory is taken for what a header only claims.
        self._values = np.load(path, mmap_mode="r", allow_pickle=False)
        shape = self._values.shape
        if len(shape) not in (2, 3) or not self._values.size:
            raise DataError(f"cannot read {path}: its array has the shape {shape}, not (H, W) or (H, W, C)")
        if self._values.dtype.kind not in "buif":
            raise DataError(f"cannot read {path}: its values are {self._values.dtype}, and no labels or pixels")
        self.size, self.channels = shape[:2], shape[2] if len(shape) == 3 else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """See `Stored`."""
        dtype: np.dtype[Any] = self._values.dtype.newbyteorder("=")
        return dtype

    @property
    def least_rows(self) -> int:
        """See `Stored`."""
        return 1

    def read(self, look_up: bool) -> NDArray[Any]:
        """See `Stored`."""
        return np.array(self._values, self.dtype, order="C")

    def rows(self, look_up: bool) -> Iterator[NDArray[Any]]:
        """See `Stored`."""
        step = max(1, AT_ONCE // self._values[:1].nbytes)
        for top in range(0, len(self._values), step):
            yield np.array(self._values[top : top + step], self.dtype, order="C")

    def colours(self) -> NDArray[np.uint8]:
        """See `Stored`."""
        return np.zeros((0, 3), np.uint8)


class Picture:
    """What Pillow reads, but for TIFF."""

    def __init__(self, image: Image.Image, path: Path) -> None:
        self._image, self._mode, self._lock = image, _plain_mode(image), Lock()
        self.size = image.height, image.width
        self.palette, self.alpha = image.mode in ("P", "PA"), self._mode in ("LA", "RGBA")
        self.channels = {"LA": 2, "RGB": 3, "RGBA": 4}.get(self._mode, 1)
        # The mode I has 32 bits, but is what Pillow reads PNG and PGM of 16 bits into.
        self.dtype = np.dtype({"I": "uint16", "F": "float32"}.get(self._mode[0], "uint8"))
        _refuse_loss(image, path)

    @cached_property
    def turned(self) -> bool:
        """See `Stored`."""
        try:
            return _exif(self._image).get(ORIENTATION, UPRIGHT) in range(UPRIGHT + 1, 9)
        except Exception:  # damaged EXIF data make Pillow raise anything
            return False

    @cached_property
    def animated(self) -> bool:
        """See `Stored`."""
        try:
            return self._image.format != "MPO" and bool(getattr(self._image, "is_animated", False))
        except Exception:  # damaged frames, which are not read
            return False

    @property
    def least_rows(self) -> int:
        """See `Stored`."""
        return self.size[0]

    def rows(self, look_up: bool) -> Iterator[NDArray[Any]]:
        """See `Stored`."""
        yield self.read(look_up)

    def read(self, look_up: bool) -> NDArray[Any]:
        """See `Stored`."""
        convert = self._mode != self._image.mode and (look_up or not self.palette)
        with self._lock:  # as Pillow decodes with the first call
            values = np.array(self._image.convert(self._mode) if convert else self._image)
        values = values.astype(self.dtype) if self._mode == "I" else values
        return values[..., 0] if self._image.mode == "PA" and not look_up else values

    def colours(self) -> NDArray[np.uint8]:
        """See `Stored`."""
        colours = self._image.getpalette("RGB") if self.palette else None
        return np.array(colours or [], np.uint8).reshape(-1, 3)


def _exif(image: Image.Image) -> Image.Exif:
    """The EXIF data of an image that is not decoded yet, as Pillow decodes a PNG in case they are behind its pixels."""
    file: Any = getattr(image, "fp", None)
    if image.format != "PNG" or "exif" in image.info or file is None:
        return image.getexif()
    start = file.tell()
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] not in (b"eXIf", b"IEND"):
        file.seek(int.from_bytes(head[:4]) + 4, os.SEEK_CUR)
    if head[4:] == b"eXIf":
        image.info["exif"] = b"Exif\0\0" + file.read(int.from_bytes(head[:4]))
    file.seek(start)
    return Image.Image.getexif(image)


def _plain_mode(image: Image.Image) -> str:
    """The mode in which the colours of an image are read."""
    if image.mode in ("1", "L", "LA", "RGB", "RGBA", "I", "F") or image.mode.startswith("I;16"):
        return image.mode
    return {"La": "LA", "RGBa": "RGBA"}.get(image.mode, "RGB")


def _refuse_loss(image: Image.Image, path: Path) -> None:
    """Raise a DataError where Pillow would read fewer bits than there are, which it does silently."""
    tiles: Any = getattr(image, "tile", None)
    codec, arguments = (tiles[0][0], tiles[0][3]) if tiles else ("", ())
    maximum = arguments[-1] if image.format == "PPM" and isinstance(arguments, tuple) else 0
    bits = codec == "SGI16" or re.search(";16[BLN]", str(arguments)) or maximum > 255
    if bits and not image.mode.startswith("I"):
        raise DataError(
            f"cannot read {path}: Pillow would keep 8 of its 16 bits; save it as a TIFF, or as a .npy file of uint16 "
            "(H, W, C), instead"
        )
