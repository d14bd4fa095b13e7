"""Image and mask files as arrays: the pixels that are stored, or an error that names the file.

The kind of a file is detected by its content. Pixels are returned as they are stored: orientation, in the EXIF data of
a photo or in the tag of a TIFF, is not applied, since masks are drawn on the pixels. Of an animation the first frame is
read; only a TIFF has pages, see `segzoo.data.tiff`. Where Pillow would silently drop bits of a PNG, PPM or SGI, the
file is refused; of JPEG 2000 and AVIF with more than 8 bits in several channels it keeps 8. Any number of channels is
read from TIFF and `.npy` files.

Every file is opened by `opened`, which bounds what it may cost: regular files only, of the kinds in FORMATS, of at most
LARGEST pixels.
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
"""The formats that can be read, and the suffixes of such files, in lower case."""

LARGEST = 178_956_970
"""Pixels of the largest image that is decoded; 512 MiB of RGB. It bounds what a small file may claim to hold."""
MOST = 4 * LARGEST
"""Numbers of the largest image, over all its channels."""
LAST_LABEL = 2**16 - 1
"""The highest label, and the largest pixel value."""
EXACT = 2**53
"""Whole numbers that are no larger are exact in all types."""
NOT_A_NUMBER = -(2**63)
"""The label of pixels that are not a number."""
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
"""What a path may be instead of a regular file."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Python prints what Pillow logs


class Header(NamedTuple):
    """The header of a page of a file."""

    format: str
    """One of FORMATS."""
    size: tuple[int, int]
    """Height and width."""
    channels: int
    """As many as `read_image` returns by default."""
    alpha: bool
    """Whether the last channel is the opacity."""
    dtype: str
    """Of the numbers that are stored, such as uint8, int16 or float32; uint8 for pixels of one bit."""
    palette: bool
    """Whether the pixels are indices into a table of colours."""
    pages: int
    """Samples in the file."""
    turned: bool
    """Whether viewers turn or mirror the image; it is read as it is stored."""
    animated: bool
    """Whether there are frames behind the first, which are not read."""


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


def read_image(path: Path, channels: int | None = None, page: int = 0, stack: Stack | None = None) -> NDArray[Any]:
    """The pixels uint8 or uint16 (H, W, C) of a file, with the channels that it has or as many as are asked for.

    Grey becomes RGB, and alpha is dropped, where that gives the channels asked for. Palettes are looked up, CMYK and
    other colour spaces converted to RGB; pixels of one bit are 0 and 255. Signed numbers, those of more than 16 bits
    and of floating point become uint16 (of 8 bits uint8) where all are whole and in range. `stack` says what the pages
    of a TIFF are where its axes do not.

    Raises:
        DataError: if the file cannot be read, has other channels, or numbers that are not whole or out of range.
    """
    values = read_values(path, channels, page, stack)
    kept, largest = (np.dtype(np.uint8), 255) if values.dtype.itemsize == 1 else (np.dtype(np.uint16), LAST_LABEL)
    if values.dtype == kept:
        return values
    if (wrong := _first_wrong(values, 0, largest)) is not None:
        raise DataError(
            f"cannot read {path}: its pixels are {values.dtype}, such as {wrong}, and not all whole numbers from 0 to "
            f"{largest}; convert them to uint8 or uint16, or say which range of values is meant, if the "
            "dataset has an option for it, as in `--set 'dataset.range=[LOW, HIGH]'`"
        )
    return values.astype(kept)


def read_values(path: Path, channels: int | None = None, page: int = 0, stack: Stack | None = None) -> NDArray[Any]:
    """As `read_image`, but of whatever numbers the pixels are: whole or not, signed or not.

    Raises:
        DataError: if the file cannot be read, or has other channels.
    """
    with opened(path, page, stack) as image:
        return _with_channels(_values(image), image.alpha, channels, path)


def read_pages(path: Path, stack: Stack | None = None) -> Iterator[NDArray[Any]]:
    """The pixels of all pages of a file, each as `read_values` gives it; the file is opened once.

    Raises:
        DataError: as `read_values`.
    """
    with _guarded(path), _reader(path, stack) as reader:
        for page in range(len(reader)):
            yield _values(_sample(reader, page, path))


def read_mask(path: Path, page: int = 0, wide: bool = False) -> NDArray[Any]:
    """The labels uint8 or uint16 (H, W) that a file stores, or the colours uint8 (H, W, 3) of a mask in colour.

    Palette images give their indices, pixels of one bit 0 and 255; alpha is dropped. Grey of 2 or 4 bits is stretched
    to 0..255, as it is shown, but in a TIFF. If it may be `wide`, a mask with other whole numbers is read as int64,
    with pixels that are not a number as NOT_A_NUMBER.

    Raises:
        DataError: if the file cannot be read, its labels are no whole numbers from 0 to 65535, or pixels that are
            transparent differ from others by that alone.
    """
    with opened(path, page) as image:
        return _mask(image, path, wide)


def read_masks(path: Path, wide: bool = False) -> Iterator[NDArray[Any]]:
    """The masks of all pages of a file, each as `read_mask` gives it; the file is opened once.

    Raises:
        DataError: as `read_mask`.
    """
    with _guarded(path), _reader(path, None) as reader:
        for page in range(len(reader)):
            yield _mask(_sample(reader, page, path), path, wide)


def palette(path: Path, page: int = 0) -> NDArray[np.uint8]:
    """The colours uint8 (N, 3) that the indices of a palette image stand for; (0, 3) of any other image.

    Raises:
        DataError: if the file cannot be read.
    """
    with opened(path, page) as image:
        return image.colours()


def pages(path: Path, stack: Stack | None = None) -> int:
    """The number of samples in a TIFF: its pages, slices and time points, see `segzoo.data.tiff`; 1 of any other file.

    Raises:
        DataError: if the file cannot be read.
    """
    return header(path, stack=stack).pages


def header(path: Path, page: int = 0, stack: Stack | None = None) -> Header:
    """The header of a page of a file; no pixels are decoded.

    Raises:
        DataError: if the file cannot be read.
    """
    with _guarded(path), _reader(path, stack) as reader:
        image = _sample(reader, page, path)
        return Header(
            reader.format,
            image.size,
            image.channels,
            image.alpha,
            "uint8" if image.dtype == np.bool_ else image.dtype.name,
            image.palette,
            len(reader),
            image.turned,
            image.animated,
        )


@contextmanager
def opened(path: Path, page: int = 0, stack: Stack | None = None) -> Iterator[Stored]:
    """A page of a file, open to be decoded; errors of decoders in the block become a DataError that names the file.

    Raises:
        DataError: if it is no regular file, not of the kinds in FORMATS, or has more than LARGEST pixels.
    """
    with _guarded(path), _reader(path, stack) as reader:
        yield _sample(reader, page, path)


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    # Permanently, since `catch_warnings` is not safe in threads. What Pillow warns of is an error here, or harmless,
    # and so is what Python warns of when NumPy parses the header of a .npy file.
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
    """Raise a DataError unless a path leads to a file: opening a pipe may never return, and devices have no end."""
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


class _Reader(Protocol):
    """A file that is open."""

    @property
    def format(self) -> str: ...

    def __len__(self) -> int: ...

    def sample(self, index: int) -> Stored: ...


@contextmanager
def _reader(path: Path, stack: Stack | None) -> Iterator[_Reader]:
    if path.suffix.lower() == ".npy":
        yield _SingleImage("NPY", _Array(path))
        return
    with path.open("rb") as file:
        if file.read(4) not in TIFF_BEGINNINGS:
            file.seek(0)
            with Image.open(file, formats=_formats_of(path)) as image:
                yield _SingleImage("JPEG" if image.format == "MPO" else str(image.format), _Picture(image, path))
            return
    from segzoo.data.tiff import TiffReader  # imported late, since photos do not need it

    with TiffReader(path, stack) as reader:
        yield reader


def _sample(reader: _Reader, page: int, path: Path) -> Stored:
    """A page of a file, if there is one and it is not too large to be decoded."""
    if page >= len(reader):
        raise DataError(f"{path} has no page {page}, counted from 0")
    image = reader.sample(page)
    pixels = image.size[0] * image.size[1]
    if pixels < 1:
        raise DataError(f"cannot read {path}: it has no pixels")
    if pixels > LARGEST:
        raise Image.DecompressionBombError
    if pixels * image.channels > MOST:
        raise DataError(f"cannot read {path}: it has more than {MOST:,} numbers in all channels; cut it into tiles")
    return image


class _SingleImage(NamedTuple):
    """A file with one image."""

    format: str
    image: Stored

    def __len__(self) -> int:
        return 1

    def sample(self, index: int) -> Stored:
        return self.image


class _Array:
    """The array of a .npy file, (H, W) or (H, W, C)."""

    alpha = palette = turned = animated = False

    def __init__(self, path: Path) -> None:
        # Mapped, so that a false header takes no memory.
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
    """An image that Pillow reads; TIFF is read by tifffile."""

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
    """The EXIF data of an image without decoding it; Pillow itself decodes a PNG to look for them behind the pixels."""
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
    # The first bytes of a TGA do not distinguish it from a damaged file of another kind, but its suffix does.
    suffix = path.suffix.lower()
    return [name for name in _formats() if name != "TGA" or suffix in FORMATS["TGA"]]


@cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this version of Pillow can read."""
    known = set(Image.registered_extensions().values())
    return tuple(name for name in FORMATS if name in known and name != "TIFF")


def _plain_mode(image: Image.Image) -> str:
    """The mode in which the colours of an image are read."""
    if image.mode in ("1", "L", "LA", "RGB", "RGBA", "I", "F") or image.mode.startswith("I;16"):
        return image.mode
    return {"La": "LA", "RGBa": "RGBA"}.get(image.mode, "RGB")


def _refuse_loss(image: Image.Image, path: Path) -> None:
    """Raise a DataError where Pillow would silently read fewer bits than are stored."""
    tiles: Any = getattr(image, "tile", None)
    codec, arguments = (tiles[0][0], tiles[0][3]) if tiles else ("", ())
    maximum = arguments[-1] if image.format == "PPM" and isinstance(arguments, tuple) else 0
    bits = codec == "SGI16" or re.search(";16[BLN]", str(arguments)) or maximum > 255
    if bits and not image.mode.startswith("I"):
        raise DataError(
            f"cannot read {path}: Pillow would keep 8 of its 16 bits; save it as a TIFF, or as a .npy file of uint16 "
            "(H, W, C), instead"
        )


def _values(image: Stored) -> NDArray[Any]:
    """The pixels (H, W, C) as they are seen."""
    values = _native(image.read(look_up=True))
    return values.reshape(*values.shape[:2], -1)


def _mask(image: Stored, path: Path, wide: bool) -> NDArray[Any]:
    """See `read_mask`."""
    values, alpha = _native(image.read(look_up=False)), image.alpha
    if alpha:
        _refuse_hidden(values, path)
    if values.ndim == 3:
        values = values[..., : values.shape[2] - alpha]
        values = values[..., 0] if values.shape[2] == 1 else values
    if values.ndim == 3 and (values.shape[2] != 3 or values.dtype != np.uint8):
        raise _no_mask(values, path)
    return _labels(values, path, wide)


def _refuse_hidden(values: NDArray[Any], path: Path) -> None:
    """Raise a DataError if pixels (H, W, C + alpha) of one colour are both seen and hidden: they may differ."""
    hidden = values[..., -1] == 0
    colours = values[..., :-1].astype(np.uint64) @ (np.uint64(2**16) ** np.arange(values.shape[2] - 1, dtype=np.uint64))
    if hidden.any() and np.isin(np.unique(colours[hidden]), colours[~hidden]).any():
        raise DataError(
            f"{path} has a colour that is transparent here and seen there, so it is not clear what its labels are: "
            "save it without transparency"
        )


def _labels(values: NDArray[Any], path: Path, wide: bool) -> NDArray[Any]:
    """The values as uint8, or as uint16 or int64 where they need it; a DataError unless they are whole and fit."""
    if values.dtype in (np.uint8, np.uint16):
        return values
    void = np.isnan(values) & wide
    first, last = (-EXACT, EXACT) if wide else (0, LAST_LABEL)
    if (wrong := _first_wrong(values[~void], first, last)) is not None:
        raise DataError(
            f"cannot read {path}: its values are {values.dtype}, such as {wrong}, and not all whole numbers from 0 to "
            f"{LAST_LABEL}"
        )
    labels = np.where(void, 0, values).astype(np.int64)
    labels[void] = NOT_A_NUMBER
    if labels.min() < 0 or labels.max() > LAST_LABEL:
        return labels
    return labels.astype(np.uint16 if labels.max() > 255 else np.uint8)


def _first_wrong(values: NDArray[Any], first: int, last: int) -> Any:
    """The first of the values that is no whole number in a range, such as -1, 0.5 or nan; None if all are."""
    if values.dtype == np.float16:  # which cannot represent all bounds
        values = values.astype(np.float32)
    right = (values >= first) & (values <= last)  # both are false for NaN
    if values.dtype.kind == "f":
        right &= values == np.floor(values)
    return None if right.all() else values[~right][0].item()


def _native(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers in the byte order of the machine; pixels of one bit as 0 and 255."""
    if values.dtype == np.bool_:
        return values * np.uint8(255)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def channels_first(shape: tuple[int, ...]) -> str:
    """What to say of an array that seems to be in the order of PyTorch, (C, H, W); empty if it does not."""
    if len(shape) != 3 or 2 * shape[0] > min(shape[1:]):
        return ""
    return (
        f". An array of the shape {shape} seems to be (channels, height, width): save it as (height, width, channels), "
        "such as `numpy.moveaxis(array, 0, -1)`"
    )


def _no_mask(values: NDArray[Any], path: Path) -> DataError:
    """What to say of an array (H, W, C) that is neither of labels nor of colours."""
    one_hot = "If it has a channel for each class, save the labels, such as `array.argmax(-1)`"
    if channels_first(values.shape):
        labels = "array[0]" if values.shape[0] == 1 else "array.argmax(0)"
        one_hot = (
            f"Its array {values.shape} seems to be (channels, height, width): save the labels (height, width), such as "
            f"`{labels}`"
        )
    return DataError(
        f"{path} is no mask: it has {values.shape[2]} channels of {values.dtype}, instead of one with labels or three "
        f"of uint8 with colours. {one_hot}"
    )


def _with_channels(values: NDArray[Any], alpha: bool, wanted: int | None, path: Path) -> NDArray[Any]:
    channels = values.shape[2]
    if wanted in (None, channels):
        return values
    colours = values[..., : channels - alpha]
    if colours.shape[2] == wanted:
        return np.ascontiguousarray(colours)
    if colours.shape[2] == 1 and wanted == 3:
        return np.repeat(colours, 3, axis=2)
    raise DataError(f"{path} has {channels} channels, not {wanted}{channels_first(values.shape)}")
