"""Image and mask files as arrays: the pixels that are stored, or an error that names the file.

Pixels are returned as they are stored: orientation, in the EXIF data of a photo or in the tag of a TIFF, is not
applied, since masks are drawn on the pixels. Of an animation the first frame is read; only a TIFF has pages, see
`segzoo.data.tiff`. Any number of channels is read from TIFF and `.npy` files. `segzoo.data.image_files` says which
files are opened at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.image_files import guarded, open_file, opened, sample_of
from segzoo.data.stored import Stored
from segzoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo.data.tiff_planes import Stack

LAST_LABEL = 2**16 - 1
"""The highest label, and the largest pixel value."""
EXACT = 2**53
"""Whole numbers that are no larger are exact in all types."""
NOT_A_NUMBER = -(2**63)
"""The label of pixels that are not a number."""


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


def read_image(path: Path, channels: int | None = None, page: int = 0, stack: Stack | None = None) -> NDArray[Any]:
    """The pixels uint8 or uint16 (H, W, C) of a file, with the channels that it has or as many as are asked for.

    Grey becomes RGB, and alpha is dropped, where that gives the channels asked for. Palettes are looked up, CMYK and
    other colour spaces converted to RGB; pixels of one bit are 0 and 255. Signed numbers, those of more than 16 bits
    and of floating point become uint16 (of 8 bits uint8) where all are whole and in range. `stack` says what the pages
    of a TIFF are where its axes do not.

    Raises:
        DataError: if the file cannot be read, has other channels, or numbers that are not whole or out of range.
    """
    return whole_pixels(read_values(path, channels, page, stack), path)


def whole_pixels(values: NDArray[Any], path: Path) -> NDArray[Any]:
    """Values of a file as uint8 or uint16, see `read_image`.

    Raises:
        DataError: if they are not all whole numbers in range.
    """
    kept, largest = (np.dtype(np.uint8), 255) if values.dtype.itemsize == 1 else (np.dtype(np.uint16), LAST_LABEL)
    if values.dtype == kept:
        return values
    if (wrong := _first_wrong(values, 0, largest)) is not None:
        raise DataError(
            f"cannot read {path}: its pixels are {values.dtype}, such as {wrong}, and not all whole numbers from 0 to "
            f"{largest}; convert them to uint8 or uint16, or train with the range of values that is meant, if the "
            "dataset has an option for it, as in `--set 'dataset.range=[LOW, HIGH]'`"
        )
    return values.astype(kept)


def read_values(path: Path, channels: int | None = None, page: int = 0, stack: Stack | None = None) -> NDArray[Any]:
    """As `read_image`, but of whatever numbers the pixels are: whole or not, signed or not.

    Raises:
        DataError: if the file cannot be read, or has other channels.
    """
    with opened(path, page, stack) as image:
        return _with_channels(_seen(image.read(look_up=True)), image.alpha, channels, path)


def value_rows(image: Stored, channels: int, path: Path) -> Iterator[NDArray[Any]]:
    """What `read_values` returns of an image in an open file, (h, W, C) at a time, from top to bottom.

    Raises:
        DataError: as `read_values`.
    """
    with guarded(path):
        for rows in image.rows(look_up=True):
            yield _with_channels(_seen(rows), image.alpha, channels, path)


def read_pages(path: Path, stack: Stack | None = None) -> Iterator[NDArray[Any]]:
    """The pixels of all pages of a file, each as `read_values` gives it; the file is opened once.

    Raises:
        DataError: as `read_values`.
    """
    with open_file(path, stack) as file:
        for page in range(len(file)):
            yield _seen(sample_of(file, page, path).read(look_up=True))


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
    with open_file(path) as file:
        for page in range(len(file)):
            yield _mask(sample_of(file, page, path), path, wide)


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
    with open_file(path, stack) as file:
        image = sample_of(file, page, path)
        return Header(
            file.format,
            image.size,
            image.channels,
            image.alpha,
            "uint8" if image.dtype == np.bool_ else image.dtype.name,
            image.palette,
            len(file),
            image.turned,
            image.animated,
        )


def _seen(values: NDArray[Any]) -> NDArray[Any]:
    """Pixels (H, W) or (H, W, C) as (H, W, C)."""
    return _native(values).reshape(*values.shape[:2], -1)


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
