"""TIFF files as samples: what the directories say of each, and its pixels.

tifffile reads directories, strips and tiles; imagecodecs decodes what is compressed in other ways than by Deflate. Here
is decided what the numbers mean. Where nobody can say what the right pixels are, the file is refused. Which pages are
samples, and which are channels of a sample, is in `segzoo.data.tiff_planes`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from PIL import Image
from tifffile import TiffFile, TiffPage

from segzoo.data.stored import AT_ONCE, LARGEST
from segzoo.data.tiff_planes import Stack, planes
from segzoo.data.tiff_rows import is_picture, largest_segment, least_rows, read_rows
from segzoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, _, SEPARATED, YCBCR = range(7)
"""Values of the tag PhotometricInterpretation."""
JPEG = (6, 7, 33007)
"""Compressions by JPEG, whose colours are decoded to RGB."""
PHOTOMETRIC, ORIENTATION, UPRIGHT = 262, 274, 1
ALPHA = (1, 2)
"""Values of the tag ExtraSamples for opacity: associated and not."""


class TiffReader:
    """An open TIFF. Use it as a context manager; one thread at a time, but any number of them may read its samples."""

    format = "TIFF"

    def __init__(self, path: Path, stack: Stack | None = None) -> None:
        """Open a file.

        Raises:
            DataError: if it leaves open what its planes are, or is of a kind that cannot be read.
        """
        self._path = path
        with refused_errors():
            self._planes = planes(path, stack)
        self._stream = path.open("rb")  # TiffFile does not close a file that it cannot read
        try:
            with refused_errors():
                self._file = TiffFile(self._stream)
            self._file.filehandle.lock = True
        except Exception:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def __len__(self) -> int:
        """The number of samples."""
        return len(self._planes.directories)

    def sample(self, index: int) -> TiffSample:
        """What the directories say of a sample."""
        with refused_errors():
            directories = self._planes.directories[index].tolist()
            data = [None] * len(directories) if self._planes.data is None else self._planes.data[index].tolist()
            first = self._file.pages.first  # which tifffile has parsed
            pages = {first.offset: first}
            for offset in directories:
                if offset not in pages:
                    self._file.filehandle.seek(offset)
                    pages[offset] = TiffPage(self._file, index=1)
            return TiffSample(self._path, [(pages[at], start) for at, start in zip(directories, data, strict=True)])


class TiffSample:
    """A sample of a TIFF, which is decoded when it is asked for."""

    animated = False

    def __init__(self, path: Path, planes: Sequence[tuple[TiffPage, int | None]]) -> None:
        self._path, self._page, self._planes = path, planes[0][0], planes
        page = self._page
        if page.photometric == YCBCR and page.compression in JPEG:
            self._photometric = RGB
        else:
            self._photometric = int(page.photometric)
        self._require_known()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self._page.imagelength, self._page.imagewidth

    @property
    def palette(self) -> bool:
        """Whether the pixels are indices into a table of colours."""
        return self._photometric == PALETTE

    @property
    def channels(self) -> int:
        """How many there are when palettes and colour spaces are converted to RGB."""
        if self._photometric in (PALETTE, SEPARATED):
            return 3
        return len(self._planes) * self._page.samplesperpixel

    @property
    def alpha(self) -> bool:
        """Whether the last channel is the opacity."""
        extra = tuple(self._page.extrasamples)
        colours = 3 if self._photometric == RGB else 1
        return len(self._planes) == 1 and len(extra) == 1 and extra[0] in ALPHA and self.channels == colours + 1

    @property
    def turned(self) -> bool:
        """Whether the file has viewers turn or mirror the image; `read` does not."""
        return self._page.tags.valueof(ORIENTATION, UPRIGHT) in range(UPRIGHT + 1, 9)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""
        assert self._page.dtype is not None  # tifffile knows the type
        return np.dtype(self._page.dtype).newbyteorder("=")

    def colours(self) -> NDArray[np.uint8]:
        """The colours (N, 3) of a palette; (0, 3) if there is none."""
        if not self.palette:
            return np.zeros((0, 3), np.uint8)
        table = np.asarray(self._page.colormap)
        return (table >> 8 if table.max() > 255 else table).astype(np.uint8).T

    @property
    def least_rows(self) -> int:
        """How many rows must be decoded at once."""
        return max(least_rows(page, start) for page, start in self._planes)

    def read(self, look_up: bool) -> NDArray[Any]:
        """The pixels (H, W) or (H, W, C) of the sample, of any type; orientation is not applied.

        With `look_up` as they are seen: palettes are looked up, CMYK is converted to RGB, white is the largest number,
        and 2 or 4 bits are stretched to 8. Without it the numbers are labels: as they are stored, except that pixels of
        one bit are True where they are white.
        """
        with self._decoding():
            planes = [self._plane(page, start) for page, start in self._planes]
        return self._meaning(planes, look_up)

    def rows(self, look_up: bool) -> Iterator[NDArray[Any]]:
        """The same pixels, (h, W) or (h, W, C) at a time, from top to bottom."""
        height, width = self.size
        least = self.least_rows
        if least == height:
            yield self.read(look_up)
            return
        for page, start in self._planes:
            if start is None:
                self._require_complete(page)
        per_row = self.dtype.itemsize * width * len(self._planes) * self._page.samplesperpixel
        step = least * max(1, AT_ONCE // (least * per_row))
        for top in range(0, height, step):
            rows = range(top, min(top + step, height))
            with self._decoding():
                planes = [self._joined(read_rows(page, start, rows, self.dtype)) for page, start in self._planes]
            yield self._meaning(planes, look_up)

    def _meaning(self, planes: Sequence[NDArray[Any]], look_up: bool) -> NDArray[Any]:
        """The pixels that the numbers of planes stand for."""
        values = planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)
        if self.palette:
            labels = values.astype(np.uint8)  # the indices of 1 bit are True and False
            return self.colours()[labels] if look_up else labels
        if self._photometric == WHITE_IS_ZERO:
            values = self._from_white(values, look_up)
        if not look_up:
            return values
        if self._photometric == SEPARATED:
            return np.asarray(Image.fromarray(values, "CMYK").convert("RGB"))
        if values.dtype == np.uint8 and self._page.bitspersample < 8:
            return values * np.uint8(255 // (2**self._page.bitspersample - 1))
        return values

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """Errors of tifffile, and what to do where it only lacks a decoder."""
        try:
            with refused_errors():
                yield
        except ValueError as error:
            if "not supported" not in str(error):
                raise
            raise DataError(
                f"cannot read {self._path}: {error}; newer versions may read it: `pip install --upgrade tifffile "
                "imagecodecs`"
            ) from error

    def _plane(self, page: TiffPage, start: int | None) -> NDArray[Any]:
        """The numbers of a plane, (H, W) or (H, W, C)."""
        if start is None:
            self._require_complete(page)
        if start is None and not is_picture(page):
            return self._joined(page.asarray(maxworkers=1, squeeze=False)[:, 0])
        return self._joined(read_rows(page, start, range(page.imagelength), self.dtype))

    def _joined(self, values: NDArray[Any]) -> NDArray[Any]:
        """Numbers (planes, h, W, contiguous samples), one of which is 1, as (h, W) or (h, W, C)."""
        samples = np.moveaxis(values, 0, -1)
        samples = samples.reshape(*samples.shape[:2], -1)
        return np.asarray(samples[..., 0] if samples.shape[2] == 1 else samples, self.dtype)

    def _from_white(self, values: NDArray[Any], look_up: bool) -> NDArray[Any]:
        """Values inverted: from those that grow from white to black to those that grow from black to white."""
        if values.dtype == np.bool_:
            return ~values
        if not look_up or values.dtype.kind != "u":
            raise DataError(
                f"cannot read {self._path}: its numbers are said to grow from white to black (WhiteIsZero), so it is "
                "not clear what they mean as labels; save it with 0 as black (BlackIsZero)"
            )
        inverted: NDArray[Any] = values.dtype.type(2**self._page.bitspersample - 1) - values
        return inverted

    def _require_known(self) -> None:
        """Raise a DataError if it is not clear what the numbers mean."""
        page, several = self._page, self._page.samplesperpixel * len(self._planes)
        problem = ""
        if page.dtype is None or page.dtype.kind not in "buif" or not isinstance(page.bitspersample, int):
            problem = f"its numbers are of a type that is not known ({page.bitspersample} bits)"
        elif page.imagedepth != 1:
            problem = "it is a volume in one page"
        elif PHOTOMETRIC not in page.tags:
            problem = "it does not say what its numbers mean: the tag PhotometricInterpretation is missing"
        elif self._photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED):
            problem = f"its colours are of a kind that is not read (PhotometricInterpretation {self._photometric})"
        elif self._photometric == PALETTE and (several > 1 or page.bitspersample > 8 or page.colormap is None):
            problem = "its palette is of more than 8 bits, of several channels, or missing"
        elif self._photometric == SEPARATED and (several != 4 or page.bitspersample != 8):
            problem = "its colours are not CMYK of 8 bits"
        elif len(self._planes) > 1 and page.samplesperpixel > 1:
            problem = "it has channels in pages, and in each page several again"
        elif {(other.shape, other.dtype, other.photometric) for other, _ in self._planes} != {
            (page.shape, page.dtype, page.photometric)
        }:
            problem = "its channels are of different sizes or types"
        if problem:
            raise DataError(
                f"cannot read {self._path}: {problem}; save it as grey or RGB of 8 or 16 bits, or as a .npy file "
                "(height, width, channels)"
            )

    def _require_complete(self, page: TiffPage) -> None:
        """Raise a DataError if pixels lie behind the end of the file, or are too few, or too many to be decoded."""
        if largest_segment(page) > LARGEST:
            raise DataError(
                f"cannot read {self._path}: each of its tiles or strips has more than {LARGEST:,} pixels; save it in "
                "smaller tiles"
            )
        if not page.is_contiguous and len(page.dataoffsets) < prod(page.chunked):
            raise DataError(
                f"cannot read {self._path}: it lacks some of its {prod(page.chunked):,} tiles or strips; is it damaged?"
            )
        ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True) if start]
        least = int(np.prod(page.shaped)) * page.bitspersample // 8 if page.compression == 1 and ends else 0
        if max(ends, default=0) > page.parent.filehandle.size or sum(page.databytecounts) < least:
            raise DataError(f"cannot read {self._path}: it ends before its last pixel; is it cut off?")


@contextmanager
def refused_errors() -> Iterator[None]:
    """Raise what tifffile only logs as errors, after which it goes on with fewer pages or with other pixels.

    Raises:
        ValueError: with its words.
    """
    errors = _heard.errors = list[str]()
    try:
        yield
    finally:
        del _heard.errors
    if errors:
        raise ValueError(errors[0])


def _kept_from_log(record: logging.LogRecord) -> bool:
    """Whether tifffile may log a message: not what `refused_errors` is for, nor what matters less, in its block."""
    if not hasattr(_heard, "errors"):
        return True
    if record.levelno >= logging.ERROR:
        _heard.errors.append(record.getMessage())
    return False


_heard = threading.local()
logging.getLogger("tifffile").addFilter(_kept_from_log)
