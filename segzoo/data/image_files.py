"""Image files, opened to be decoded. No other module opens files of images or masks.

The kind of a file is known by its content. Time and memory are bounded: only regular files are opened, only of the
kinds in FORMATS, and at most LARGEST pixels are decoded at once. TIFF is read in `segzoo.data.tiff`, all others in
`segzoo.data.single_images`.
"""

from __future__ import annotations

import logging
import stat
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from PIL import Image, UnidentifiedImageError

from segzoo.data.single_images import Array, Picture
from segzoo.data.stored import LARGEST, MOST, SMALLER, Stored
from segzoo.errors import DataError

if TYPE_CHECKING:
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

TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of a TIFF, the last two if it may be larger than 4 GB."""
UNUSUAL = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
"""What a path may lead to instead of a regular file."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Python prints what nobody listens to


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
    with guarded(path), _reader(path, stack) as file:
        yield file


@contextmanager
def held_pages(path: Path, stack: Stack | None = None) -> Iterator[list[Stored]]:
    """All pages of a file that is open while other work is done with them; their rows are to be read in `guarded`.

    Raises:
        DataError: as `opened`, but of a page that is decoded by rows, no more than those decoded at once are limited.
    """
    with ExitStack() as held:
        with guarded(path):
            file = held.enter_context(_reader(path, stack))
            pages = [sample_of(file, page, path, by_rows=True) for page in range(len(file))]
        yield pages


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Errors of decoders in the block become a DataError that names the file.

    Raises:
        DataError: if it is no regular file, or reading it fails in the block.
    """
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
        raise DataError(f"cannot read {path}: it has more than {LARGEST:,} pixels; {SMALLER}") from error
    except Exception as error:  # broken files make decoders raise anything, from SyntaxError to struct.error
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise DataError(f"cannot read {path}: {reason}") from error


def require_regular(path: Path) -> None:
    """Raise a DataError unless a path leads to a file with content; pipes may wait for ever, devices may not end."""
    try:
        status = path.stat()
    except OSError as error:
        if path.is_symlink():
            raise DataError(f"cannot read {path}: it is a link to {path.readlink()}, which is not there") from error
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise DataError(f"cannot read {path}: there is no such file") from error
        raise
    if not stat.S_ISREG(status.st_mode):
        what = next((what for is_such, what in UNUSUAL.items() if is_such(status.st_mode)), "something else")
        raise DataError(f"cannot read {path}: it is {what}, not a file")
    if not status.st_size:
        raise DataError(f"cannot read {path}: it is empty")


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
        yield _Alone("NPY", Array(path))
        return
    with path.open("rb") as file:
        if file.read(4) not in TIFF_BEGINNINGS:
            file.seek(0)
            with Image.open(file, formats=_formats_of(path)) as image:
                yield _Alone("JPEG" if image.format == "MPO" else str(image.format), Picture(image, path))
            return
    from segzoo.data.tiff import TiffReader  # imported late: photos do without it

    with TiffReader(path, stack) as reader:
        yield reader


def sample_of(file: ImageFile, page: int, path: Path, by_rows: bool = False) -> Stored:
    """A page of a file, if there is one and it, or if `by_rows` what must be decoded at once, is not too large."""
    if not 0 <= page < len(file):
        raise DataError(f"{path} has no page {page}, counted from 0")
    image = file.sample(page)
    height, width = image.size
    if height * width < 1:
        raise DataError(f"cannot read {path}: it has no pixels")
    pixels = width * (image.least_rows if by_rows else height)
    if pixels > LARGEST or pixels * image.channels > MOST:
        what = f"{LARGEST:,} pixels" if pixels > LARGEST else f"{MOST:,} numbers in all channels"
        raise DataError(
            f"cannot read {path}: it has {height}x{width} pixels, of which more than {what} must be decoded at once; "
            f"{SMALLER}"
        )
    return image


class _Alone(NamedTuple):
    """A file with one image."""

    format: str
    image: Stored

    def __len__(self) -> int:
        return 1

    def sample(self, index: int) -> Stored:
        return self.image


def _formats_of(path: Path) -> list[str]:
    # Nothing at the beginning of a TGA tells it from a damaged file of another kind, so its suffix must.
    suffix = path.suffix.lower()
    return [name for name in _formats() if name != "TGA" or suffix in FORMATS["TGA"]]


@cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this Pillow is to read."""
    known = set(Image.registered_extensions().values())
    return tuple(name for name in FORMATS if name in known and name != "TIFF")
