"""Image and mask files as arrays: the pixels that are stored, or an error that names the file.

What a file is, is told by its content. Pixels come as they are stored: the orientation in the EXIF data of a photo is
not applied, since masks are drawn on the pixels. Of an animation the first frame is read; only a TIFF has pages. Where
Pillow would drop bits or channels of a PNG, TIFF, PPM or SGI without a word, the file is refused; of JPEG 2000 and AVIF
with more than 8 bits in several channels it keeps 8. Any number of channels is read from `.npy` files.

Nothing is printed, but for what libtiff writes to file descriptor 2 about a damaged compressed TIFF. Commands that read
files therefore do so inside `segzoo.terminal.quiet`, as runs do.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from segzoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

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

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""What such a file begins with, the last two if it may be larger than 4 GB."""
SUBFILE_TYPE, SAMPLES_PER_PIXEL = 254, 277  # tags of TIFF
REDUCED = 1
"""The bit of SUBFILE_TYPE that marks a smaller copy of another page."""
LARGEST = 2**16 - 1
"""The highest label."""
NOT_A_NUMBER = -(2**31)
"""What stands in a mask for pixels that are not a number."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Python prints what nobody listens to


class Header(NamedTuple):
    """What a file says of a page of it."""

    format: str
    """One of FORMATS."""
    size: tuple[int, int]
    """Height and width."""
    channels: int
    """As `read_image` gives them where it is not asked for others."""
    alpha: bool
    """Whether the last channel is the opacity."""
    dtype: str
    """As `read_image` gives it; anything but uint8 and uint16 is refused there."""
    palette: bool
    """Whether the pixels are indices into a table of colours."""


def read_image(path: Path, channels: int | None = None, page: int = 0) -> NDArray[Any]:
    """The pixels uint8 or uint16 (H, W, C) of a file, with the channels that it has or as many as are asked for.

    Grey becomes RGB, and alpha is dropped, where that gives the channels asked for. Palettes are looked up, CMYK and
    other colour spaces converted to RGB; pixels of one bit are 0 and 255.

    Raises:
        DataError: if the file cannot be read, has other channels, or pixels other than of 8 or 16 bits.
    """
    values = read_values(path, channels, page)
    if values.dtype == np.int32 and not _is_array(path):  # how Pillow keeps some images of 16 bits
        values = _labels(values, path).astype(np.uint16)
    if values.dtype not in (np.uint8, np.uint16):
        raise DataError(f"cannot read {path}: its pixels are {values.dtype}; convert them to uint8 or uint16")
    return values


def read_values(path: Path, channels: int | None = None, page: int = 0) -> NDArray[Any]:
    """As `read_image`, but of whatever numbers the pixels are: whole or not, signed or not.

    Raises:
        DataError: if the file cannot be read, has other channels, or pixels that are no real numbers.
    """
    with _naming(path):
        values, alpha = _stored(path, page, look_up=True)
        if values.dtype.kind not in "iuf":
            raise DataError(f"cannot read {path}: its pixels are {values.dtype}; convert them to uint8 or uint16")
        return _with_channels(values.reshape(*values.shape[:2], -1), alpha, channels, path)


def read_mask(path: Path, page: int = 0, signed: bool = False) -> NDArray[Any]:
    """The labels uint8 or uint16 (H, W) that a file stores, or the colours uint8 (H, W, 3) of a mask in colour.

    Palette images give their indices, pixels of one bit 0 and 255; alpha is dropped. Grey of 2 or 4 bits is stretched
    to 0..255, as it is shown. If they may be `signed`, labels below 0 are read too, and pixels that are not a number as
    NOT_A_NUMBER; those masks are int32.

    Raises:
        DataError: if the file cannot be read, its labels are no whole numbers from 0 to 65535, or pixels that are
            transparent differ from others by that alone.
    """
    with _naming(path):
        values, alpha = _stored(path, page, look_up=False)
        if alpha:
            _refuse_hidden(values, path)
        if values.ndim == 3:
            values = values[..., : values.shape[2] - alpha]
            values = values[..., 0] if values.shape[2] == 1 else values
        if values.ndim == 3 and (values.shape[2] != 3 or values.dtype != np.uint8):
            raise DataError(
                f"{path} is no mask: it has {values.shape[2]} channels of {values.dtype}, instead of one with labels "
                "or three of uint8 with colours"
            )
        return _labels(values, path, signed)


def palette(path: Path, page: int = 0) -> NDArray[np.uint8]:
    """The colours uint8 (N, 3) that the indices of a palette image stand for; (0, 3) of any other image.

    Raises:
        DataError: if the file cannot be read.
    """
    with _naming(path):
        if _is_array(path):
            _array(path, page)
            return np.zeros((0, 3), np.uint8)
        with _page(path, page) as image:
            colors = image.getpalette("RGB") if image.mode in ("P", "PA") else None
            return np.array(colors or [], np.uint8).reshape(-1, 3)


def pages(path: Path) -> int:
    """The number of pages of a TIFF, without smaller copies of others; 1 of any other file.

    Raises:
        DataError: if the file cannot be read.
    """
    with _naming(path):
        if _is_array(path):
            _array(path, 0)
            return 1
        with _open(path) as image:
            return sum(1 for _ in _turning(image))


def header(path: Path, page: int = 0) -> Header:
    """What a file says of a page, without decoding it.

    Raises:
        DataError: if the file cannot be read.
    """
    with _naming(path):
        if _is_array(path):
            array = _array(path, page)
            channels = array.shape[2] if array.ndim == 3 else 1
            dtype = "uint8" if array.dtype == np.bool_ else array.dtype.name
            return Header("NPY", array.shape[:2], channels, False, dtype, False)
        with _page(path, page) as image:
            format = "JPEG" if image.format == "MPO" else str(image.format)
            mode, palette = _plain_mode(image), image.mode in ("P", "PA")
            dtype = "uint16" if mode.startswith("I") else "float32" if mode == "F" else "uint8"
            channels = {"LA": 2, "RGB": 3, "RGBA": 4}.get(mode, 1)
            return Header(format, (image.height, image.width), channels, mode in ("LA", "RGBA"), dtype, palette)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    # For good, since `catch_warnings` is not safe in threads. What Pillow warns of is an error here, or no matter, and
    # so is what Python warns of when NumPy has it parse the header of a .npy file.
    warnings.filterwarnings("ignore", module=r"PIL\.|<unknown>")
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise DataError(f"cannot read {path}: there is no such file")
        yield
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"cannot read {path}: {_unidentified(path)}") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"cannot read {path}: it has more than {_limit():,} pixels; cut it into tiles") from error
    except Exception as error:  # broken files make decoders raise anything, from SyntaxError to struct.error
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise DataError(f"cannot read {path}: {reason}") from error


def _unidentified(path: Path) -> str:
    """What can be said of a file that Pillow does not read."""
    with path.open("rb") as file:
        is_tiff = file.read(4) in TIFF
    if is_tiff:
        return (
            "it is a TIFF of a kind that Pillow cannot read, such as one with more than 4 channels; save it as a .npy "
            "file of uint8 or uint16 (H, W, C) instead"
        )
    return "it is of no known kind, or of one that Pillow cannot read"


def _stored(path: Path, page: int, look_up: bool) -> tuple[NDArray[Any], bool]:
    """The pixels (H, W) or (H, W, C), and whether the last channel is alpha; of a palette the indices or colours."""
    if _is_array(path):
        values, alpha = np.array(_array(path, page)), False
    else:
        with _page(path, page) as image:
            mode, palette = _plain_mode(image), image.mode in ("P", "PA")
            values = np.array(image.convert(mode) if mode != image.mode and (look_up or not palette) else image)
            values, alpha = (values[..., 0] if image.mode == "PA" and not look_up else values), mode in ("LA", "RGBA")
    if values.dtype == np.bool_:
        return values * np.uint8(255), alpha
    return values.astype(values.dtype.newbyteorder("="), copy=False), alpha


def _is_array(path: Path) -> bool:
    return path.suffix.lower() == ".npy"


def _array(path: Path, page: int) -> NDArray[Any]:
    """What a .npy file holds, (H, W) or (H, W, C); mapped, so that no memory is taken for what a header only claims."""
    values: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if page:
        raise _no_page(path, page)
    if values.ndim not in (2, 3) or values.size == 0:
        raise DataError(f"cannot read {path}: its array has the shape {values.shape}, not (H, W) or (H, W, C)")
    if values.shape[0] * values.shape[1] > _limit():
        raise Image.DecompressionBombError
    return values


def _open(path: Path) -> Image.Image:
    # Nothing at the beginning of a TGA tells it from a damaged file of another kind, so its suffix must.
    suffix = path.suffix.lower()
    return Image.open(path, formats=[name for name in _formats() if name != "TGA" or suffix in FORMATS["TGA"]])


@cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this Pillow can read."""
    known = set(Image.registered_extensions().values())
    return tuple(name for name in FORMATS if name in known)


@contextmanager
def _page(path: Path, page: int) -> Iterator[Image.Image]:
    with _open(path) as image:
        if next(islice(_turning(image), page, None), None) is None:
            raise _no_page(path, page)
        if min(image.size) < 1:
            raise DataError(f"cannot read {path}: it has no pixels")
        _refuse_loss(image, path)
        yield image


def _turning(image: Image.Image) -> Iterator[int]:
    """Turns from page to page of a TIFF, past smaller copies of other pages; other files stay at their first frame."""
    for frame in count():
        try:
            image.seek(frame)
        except EOFError:
            return
        if image.format != "TIFF":
            yield frame
            return
        if not _tag(image, SUBFILE_TYPE, 0) & REDUCED:
            yield frame


def _no_page(path: Path, page: int) -> DataError:
    return DataError(f"{path} has no page {page}, counted from 0")


def _tag(image: Image.Image, tag: int, default: int) -> int:
    tags: Any = getattr(image, "tag_v2", {})
    return int(tags.get(tag, default))


def _plain_mode(image: Image.Image) -> str:
    """The mode in which the colours of an image are read."""
    if image.mode in ("1", "L", "LA", "RGB", "RGBA", "I", "F") or image.mode.startswith("I;16"):
        return image.mode
    return {"La": "LA", "RGBa": "RGBA"}.get(image.mode, "RGB")


def _refuse_loss(image: Image.Image, path: Path) -> None:
    """Raise a DataError where Pillow would read fewer bits or channels than there are, which it does silently."""
    tiles: Any = getattr(image, "tile", None)
    codec, arguments = (tiles[0][0], tiles[0][3]) if tiles else ("", ())
    maximum = arguments[-1] if image.format == "PPM" and isinstance(arguments, tuple) else 0
    bits = codec == "SGI16" or re.search(";16[BLN]", str(arguments)) or maximum > 255
    channels = image.format == "TIFF" and _tag(image, SAMPLES_PER_PIXEL, 1) > len(image.getbands())
    if channels or (bits and not image.mode.startswith("I")):
        loss = "drop some of its channels" if channels else "keep 8 of its 16 bits"
        raise DataError(
            f"cannot read {path}: Pillow would {loss}; save it as a .npy file of uint8 or uint16 (H, W, C) instead"
        )


def _refuse_hidden(values: NDArray[Any], path: Path) -> None:
    """Raise a DataError if pixels uint8 (H, W, C + alpha) of one colour are both seen and hidden: they may differ."""
    hidden = values[..., -1] == 0
    colours = values[..., :-1].astype(np.uint32) @ (256 ** np.arange(values.shape[2] - 1, dtype=np.uint32))
    if hidden.any() and np.isin(np.unique(colours[hidden]), colours[~hidden]).any():
        raise DataError(
            f"{path} has a colour that is transparent here and seen there, so it is not clear what its labels are: "
            "save it without transparency"
        )


def _labels(values: NDArray[Any], path: Path, signed: bool = False) -> NDArray[Any]:
    """The values as uint8, or as uint16 or int32 where they need it; a DataError unless they are whole and fit."""
    if values.dtype in (np.uint8, np.uint16):
        return values
    if values.dtype.kind not in "iuf":
        raise DataError(f"cannot read {path}: its values are {values.dtype}, and no labels")
    void = np.isnan(values) & signed
    wrong = ~void & ~(
        (values >= (NOT_A_NUMBER + 1 if signed else 0)) & (values <= LARGEST) & (np.floor(values) == values)
    )
    if wrong.any():
        raise DataError(
            f"cannot read {path}: its values are {values.dtype}, such as {values[wrong][0]}, and not all whole numbers "
            f"from 0 to {LARGEST}"
        )
    whole = np.where(void, 0, values).astype(np.int32)
    whole[void] = NOT_A_NUMBER
    if whole.min() < 0:
        return whole
    return whole.astype(np.uint16 if whole.max() > 255 else np.uint8)


def _with_channels(values: NDArray[Any], alpha: bool, wanted: int | None, path: Path) -> NDArray[Any]:
    found = values.shape[2]
    if wanted in (None, found):
        return values
    colours = values[..., : found - alpha]
    if colours.shape[2] == wanted:
        return np.ascontiguousarray(colours)
    if colours.shape[2] == 1 and wanted == 3:
        return np.repeat(colours, 3, axis=2)
    raise DataError(f"{path} has {found} channels, not {wanted}")


def _limit() -> int:
    """Pixels of the largest image that Pillow agrees to decode."""
    return 2 * (Image.MAX_IMAGE_PIXELS or 2**62)
