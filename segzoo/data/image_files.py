"""Image files, opened to be decoded. No other module opens files of images or masks.

The kind of a file is known by its content. Time and memory are bounded: only regular files are opened, only of the
kinds in FORMATS, and images of at most LARGEST pixels. Pillow reads all of these but TIFF (see `segzoo.data.tiff`) and
`.npy`. Where it would drop bits of a PNG, PPM or SGI silently, the file is refused; of JPEG 2000 and AVIF with more
than 8 bits in several channels it keeps 8.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from PIL import Image, UnidentifiedImageError

from segzoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo.data.tiff_planes import Stack

FORMATS = {
    "AVIF": (".avif",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
    "NPY": (".npy",),
    "PCX": (".pcx",),
    "PNG": (".png", ".apng"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "QOI": (".qoi",),
    "SGI": (".sgi", ".rgb", ".rgba", ".bw"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "TGA": (".tga",),
}
"""What can be read, and the suffixes that such files have, in lower case."""

LARGEST = 178_956_970
"""Pixels of the largest image that is decoded; 512 MiB of RGB. It bounds what a small file may claim to hold."""
MOST = 4 * LARGEST
"""Numbers of the largest image, over all its channels."""
TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of a TIFF, the last two if it may be larger than 4 GB."""
ORIENTATION, UPRIGHT = 274, 1  # of EXIF
UNUSUAL = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
"""What a path may lead to instead of a regular file."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Python prints what nobody listens to


class Stored(Protocol):
    """An image in a file that is open, before anything of it is decoded."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""

    @property
    def channels(self) -> int:
        """How many there are when palettes and colour spaces are converted to RGB."""

    @property
    def alpha(self) -> bool:
        """Whether the last channel is the opacity."""

    @property
    def palette(self) -> bool:
        """Whether the pixels are indices into a table of colours."""

    @property
    def turned(self) -> bool:
        """Whether viewers turn or mirror the image; `read` does not."""

    @property
    def animated(self) -> bool:
        """Whether there are frames behind the first."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""

    def read(self, look_up: bool) -> NDArray[Any]:
        """The pixels (H, W) or (H, W, C) of any type; with `look_up` as they are seen, else as labels."""

    def colours(self) -> NDArray[np.uint8]:
        """The colours (N, 3) of a palette; (0, 3) if there is none."""


@contextmanager
def opened(path: Path, page: int = 0, stack: Stack | None = None) -> Iterator[Stored]:
    """A page of a file, open to be decoded; errors of decoders in the block become a DataError that names the file.

    Raises:
        DataError: if it is no regular file, not of the kinds in FORMATS, or has more than LARGEST pixels.
    """
    with open_file(path, stack) as file:
        yield sample_of(file, page, path)


@contextmanager
def open_file(path: Path, stack: Stack | None = None) -> Iterator[ImageFile]:
    """A file, open for all of its pages; see `opened`.

    Raises:
        DataError: as `opened`.
    """
    with _guarded(path), _reader(path, stack) as file:
        yield file


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    # For good, since `catch_warnings` is not safe in threads. What Pillow warns of is an error here, or no matter, and
    # so is what Python warns of when NumPy has it parse the header of a .npy file.
    warnings.filterwarnings("ignore", module=r"PIL\.|tifffile\.|<unknown>")
    try:
        require_regular(path)
        yield
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"cannot read {path}: it is of no known kind, or of one that cannot be read") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"cannot read {path}: it has more than {LARGEST:,} pixels; cut it into tiles") from error
    except Exception as error:  # broken files make decoders raise anything, from SyntaxError to struct.error
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise DataError(f"cannot read {path}: {reason}") from error


def require_regular(path: Path) -> None:
    """Raise a DataError unless a path leads to a file: to open a pipe waits for ever, and devices do not end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            raise DataError(f"cannot read {path}: it is a link to {path.readlink()}, which is not there") from error
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise DataError(f"cannot read {path}: there is no such file") from error
        raise
    if not stat.S_ISREG(mode):
        what = next((what for is_such, what in UNUSUAL.items() if is_such(mode)), "something else")
        raise DataError(f"cannot read {path}: it is {what}, not a file")


class ImageFile(Protocol):
    """A file that is open."""

    @property
    def format(self) -> str:
        """One of FORMATS."""

    def __len__(self) -> int: ...

    def sample(self, index: int) -> Stored:
        """One of its pages; an image in a file of another kind than TIFF is the only page of it."""


@contextmanager
def _reader(path: Path, stack: Stack | None) -> Iterator[ImageFile]:
    if path.suffix.lower() == ".npy":
        yield _Alone("NPY", _Array(path))
        return
    with path.open("rb") as file:
        if file.read(4) not in TIFF_BEGINNINGS:
            file.seek(0)
            with Image.open(file, formats=_formats_of(path)) as image:
                yield _Alone("JPEG" if image.format == "MPO" else str(image.format), _Picture(image, path))
            return
    from segzoo.data.tiff import TiffReader  # imported late: photos do without it

    with TiffReader(path, stack) as reader:
        yield reader


def sample_of(file: ImageFile, page: int, path: Path) -> Stored:
    """A page of a file, if there is one and it is not too large to be decoded."""
    if page >= len(file):
        raise DataError(f"{path} has no page {page}, counted from 0")
    image = file.sample(page)
    pixels = image.size[0] * image.size[1]
    if pixels < 1:
        raise DataError(f"cannot read {path}: it has no pixels")
    if pixels > LARGEST:
        raise Image.DecompressionBombError
    if pixels * image.channels > MOST:
        raise DataError(f"cannot read {path}: it has more than {MOST:,} numbers in all channels; cut it into tiles")
    return image


class _Alone(NamedTuple):
    """A file with one image."""

    format: str
    image: Stored

    def __len__(self) -> int:
        return 1

    def sample(self, index: int) -> Stored:
        return self.image


class _Array:
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
        dtype: np.dtype[Any] = self._values.dtype.newbyteorder("=")
        return dtype

    def read(self, look_up: bool) -> NDArray[Any]:
        return np.array(self._values, self.dtype, order="C")

    def colours(self) -> NDArray[np.uint8]:
        return np.zeros((0, 3), np.uint8)


class _Picture:
    """What Pillow reads, but for TIFF."""

    def __init__(self, image: Image.Image, path: Path) -> None:
        self._image, self._mode = image, _plain_mode(image)
        self.size = image.height, image.width
        self.palette, self.alpha = image.mode in ("P", "PA"), self._mode in ("LA", "RGBA")
        self.channels = {"LA": 2, "RGB": 3, "RGBA": 4}.get(self._mode, 1)
        # The mode I has 32 bits, but is what Pillow reads PNG and PGM of 16 bits into.
        self.dtype = np.dtype({"I": "uint16", "F": "float32"}.get(self._mode[0], "uint8"))
        _refuse_loss(image, path)

    @cached_property
    def turned(self) -> bool:
        try:
            return _exif(self._image).get(ORIENTATION, UPRIGHT) in range(UPRIGHT + 1, 9)
        except Exception:  # damaged EXIF data make Pillow raise anything
            return False

    @cached_property
    def animated(self) -> bool:
        try:
            return self._image.format != "MPO" and bool(getattr(self._image, "is_animated", False))
        except Exception:  # damaged frames, which are not read
            return False

    def read(self, look_up: bool) -> NDArray[Any]:
        convert = self._mode != self._image.mode and (look_up or not self.palette)
        values = np.array(self._image.convert(self._mode) if convert else self._image)
        values = values.astype(self.dtype) if self._mode == "I" else values
        return values[..., 0] if self._image.mode == "PA" and not look_up else values

    def colours(self) -> NDArray[np.uint8]:
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


def _formats_of(path: Path) -> list[str]:
    # Nothing at the beginning of a TGA tells it from a damaged file of another kind, so its suffix must.
    suffix = path.suffix.lower()
    return [name for name in _formats() if name != "TGA" or suffix in FORMATS["TGA"]]


@cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this Pillow is to read."""
    known = set(Image.registered_extensions().values())
    return tuple(name for name in FORMATS if name in known and name != "TIFF")


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
