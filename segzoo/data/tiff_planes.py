"""Which planes of a TIFF are samples, which are channels of a sample, and which are neither.

tifffile knows the axes that OME, ImageJ, its own files and those of microscopes tell. Of a file that tells none, each
page is a sample, but for smaller copies of others and for masks of the pixels that are valid. What a file leaves
open is asked for, not guessed.

Where the planes are is looked up once for as long as a file does not change: reading all samples of a stack then takes
time linear in their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from tifffile import TiffFile, TiffPage, TiffPageSeries

from segzoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Stack = Literal["samples", "channels"]
"""What the planes of a file are, where its axes do not say so."""

REDUCED, MASK = 1, 4
"""Bits of the tag NewSubfileType: a smaller copy of another page, and which pixels of another page are valid."""
TRANSPARENCY = 4
"""The value of the tag PhotometricInterpretation for the latter."""
SLIDES = ("svs", "scn", "ndpi", "bif", "philips", "qpi", "avs")
"""Kinds of whole slides: their first series is the slide; others are labels and overviews."""
STACKS = ("shaped", "imagej", "ome", "lsm", "stk", "fluoview", "scanimage", "nih", "sis", "mmstack")
"""Kinds that name their axes."""
OTHERS = ("mdgel", "eer", "ndtiff")
"""Kinds of which tifffile computes the pixels, or which consist of several files."""
SLICES, CHANNELS = "TZIQ", "C"
"""Axes along which samples lie, as tifffile calls them (time, depth, page, not named), and the one of channels."""
TAGS = {"subfile": 254, "width": 256, "height": 257, "photometric": 262}
FIELDS = {1: "u1", 3: "u2", 4: "u4", 16: "u8"}
"""Types of the values of these tags."""
KEPT = 4096
"""Files whose planes are cached."""


class Planes(NamedTuple):
    """Where the planes of a file are: (samples, planes of a sample that are channels of it)."""

    directories: NDArray[np.int64]
    """The offset of the directory of a plane."""
    data: NDArray[np.int64] | None = None
    """The offset of the pixels of a plane, where all have the directory of the first."""


def planes(path: Path, stack: Stack | None = None) -> Planes:
    """Where the planes of a file are.

    Raises:
        DataError: if it is not clear what they are, or the file is of a kind that cannot be read.
    """
    facts = path.stat()
    return _planes(path, (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns), stack)


@lru_cache(maxsize=KEPT)
def _planes(path: Path, stamp: tuple[int, int, int], stack: Stack | None) -> Planes:
    """The planes of a file with this size and these times."""
    with path.open("rb") as stream:  # TiffFile does not close a file that it cannot read
        file = TiffFile(stream)
        directories = _directories(file, path)
        kind = next((kind for kind in (*OTHERS, *SLIDES, *STACKS) if getattr(file, f"is_{kind}", False)), None)
        if kind in OTHERS:
            raise DataError(f"cannot read {path}: it is of the kind {kind}; save it as a plain TIFF")
        if kind == "imagej" and (lost := _lost_images(file, path)) is not None:
            return lost
        if kind:
            return _told(list(file.series)[: 1 if kind in SLIDES else None], file, path, stack)
    return _paged(directories, path, stack)


class _Directory(NamedTuple):
    offset: int
    subfile: int
    size: tuple[int, int]
    photometric: int


def _directories(file: TiffFile, path: Path) -> list[_Directory]:
    """The chain of directories, each of which describes a page."""
    handle, order, width = file.filehandle, file.tiff.byteorder, file.tiff.offsetsize
    byteorder: Literal["little", "big"] = "little" if order == "<" else "big"
    entry = np.dtype(
        [("tag", f"{order}u2"), ("type", f"{order}u2"), ("count", f"{order}u{width}"), ("value", f"V{width}")]
    )
    handle.seek(width)  # the offset of the first directory is at 4, or at 8 in a BigTIFF
    offset, seen, chain = int.from_bytes(handle.read(width), byteorder), set[int](), list[_Directory]()
    while offset:
        if offset in seen:
            raise DataError(f"cannot read {path}: its pages go round in a circle")
        seen.add(offset)
        handle.seek(offset)
        count = int.from_bytes(handle.read(file.tiff.tagnosize), byteorder)
        raw = handle.read(count * entry.itemsize + width)
        if not count or len(raw) < count * entry.itemsize + width:
            raise DataError(
                f"cannot read {path}: page {len(chain)}, counted from 0, lies behind its end; is it cut off?"
            )
        tags = _values(np.frombuffer(raw, entry, count), order)
        chain.append(_Directory(offset, tags["subfile"], (tags["height"], tags["width"]), tags["photometric"]))
        offset = int.from_bytes(raw[count * entry.itemsize :], byteorder)
    if not chain:
        raise DataError(f"cannot read {path}: it has no pages")
    return chain


def _values(entries: NDArray[Any], order: str) -> dict[str, int]:
    """The values of TAGS in a directory, 0 for what is not there."""
    values = dict.fromkeys(TAGS, 0)
    for name, tag in TAGS.items():
        for entry in entries[entries["tag"] == tag][:1]:
            if field := FIELDS.get(int(entry["type"])):
                values[name] = int(np.frombuffer(entry["value"].tobytes(), f"{order}{field}", 1)[0])
    return values


def _paged(directories: Sequence[_Directory], path: Path, stack: Stack | None) -> Planes:
    """The planes of a file that does not name its axes: pages, but for smaller copies and masks of valid pixels."""
    pages = [page for page in directories if not page.subfile & (REDUCED | MASK) and page.photometric != TRANSPARENCY]
    if not pages:
        raise DataError(f"cannot read {path}: it has smaller copies of images only, or masks of what is valid")
    if _is_pyramid([page.size for page in pages]):
        pages = pages[:1]
    offsets = np.array([page.offset for page in pages], np.int64)
    return Planes(offsets[None] if stack == "channels" else offsets[:, None])


def _is_pyramid(sizes: Sequence[tuple[int, int]]) -> bool:
    """Whether each size is that of the one before, divided by a whole number and rounded."""
    if len(sizes) < 2 or min(map(min, sizes)) < 1:
        return False
    factors = [round(max(before) / max(after)) for before, after in pairwise(sizes)]
    return min(factors) > 1 and all(
        abs(larger / factor - smaller) < 1
        for factor, (before, after) in zip(factors, pairwise(sizes), strict=True)
        for larger, smaller in zip(before, after, strict=True)
    )


def _told(series: Sequence[TiffPageSeries], file: TiffFile, path: Path, stack: Stack | None) -> Planes:
    """The planes of a file that names its axes."""
    kinds = {(part.shape, part.axes, str(part.dtype)) for part in series}
    if len(kinds) > 1:
        raise DataError(
            f"cannot read {path}: it holds {len(series)} images that differ in size or axes "
            f"({', '.join(sorted(f'{axes} {shape}' for shape, axes, _ in kinds))}); save them as files of their own"
        )
    parts = [_in_series(part, file, path, stack) for part in series]
    data = [part.data for part in parts if part.data is not None]
    directories = np.concatenate([part.directories for part in parts])
    if len(data) not in (0, len(parts)):
        raise DataError(f"cannot read {path}: its images are stored in different ways; save it as a plain TIFF")
    return Planes(directories, np.concatenate(data) if data else None)


def _lost_images(file: TiffFile, path: Path) -> Planes | None:
    """The planes of a file of ImageJ that gives a number of images, but not their axes; None for other files."""
    metadata, page = file.imagej_metadata or {}, file.pages.first
    count = int(metadata.get("images", 1))
    if count <= max(
        math.prod(int(metadata.get(name, 1)) for name in ("channels", "slices", "frames")), len(file.pages)
    ):
        return None
    end = page.dataoffsets[0] + count * page.nbytes
    if len(file.pages) > 1 or not page.is_final or end > file.filehandle.size:
        raise DataError(
            f"cannot read {path}: it tells of {count} images, but does not hold all of them; is it cut off?"
        )
    places = np.arange(count)[:, None]
    return Planes(np.full(places.shape, page.offset, np.int64), page.dataoffsets[0] + places * page.nbytes)


def _in_series(series: TiffPageSeries, file: TiffFile, path: Path, stack: Stack | None) -> Planes:
    page = series.keyframe
    axes, lengths = _outer(series, page, path)
    unknown = set(axes) - set(SLICES + CHANNELS)
    if unknown and stack is None:
        names = ", ".join(f"{axis} ({length})" for axis, length in zip(axes, lengths, strict=True) if axis in unknown)
        raise DataError(
            f"cannot read {path}: it is not clear whether its axes {names} are samples or channels; say so with the "
            "option stack, `--set dataset.stack=samples` or `=channels`"
        )
    merged = [place for place, axis in enumerate(axes) if axis in CHANNELS or stack == "channels"]
    order = np.arange(int(np.prod(lengths, dtype=np.int64))).reshape(lengths)
    order = np.moveaxis(order, merged, range(order.ndim - len(merged), order.ndim))
    order = order.reshape(-1, int(np.prod([lengths[place] for place in merged], dtype=np.int64)))
    if page.is_final and series.dataoffset is not None and order.size > 1:
        end = series.dataoffset + order.size * page.nbytes
        if end > file.filehandle.size:
            raise DataError(f"cannot read {path}: it ends before its last slice; is it cut off?")
        return Planes(np.full(order.shape, page.offset, np.int64), series.dataoffset + order * page.nbytes)
    offsets = [page.offset for page in series if page is not None and page.parent is file]
    if len(offsets) != order.size:
        raise DataError(
            f"cannot read {path}: it tells of {order.size} planes, but does not hold all of them; are some in other "
            "files?"
        )
    return Planes(np.array(offsets, np.int64)[order])


def _outer(series: TiffPageSeries, page: TiffPage, path: Path) -> tuple[str, tuple[int, ...]]:
    """The axes of a series that lead from one plane to the next, and how long they are."""
    kept = [(axis, n) for axis, n in zip(series.axes, series.shape, strict=True) if n > 1 or axis in "YX"]
    inner = [axis for axis, n in zip(page.axes, page.shape, strict=True) if n > 1 or axis in "YX"]
    outer = kept[: len(kept) - len(inner)]
    if [axis for axis, _ in kept[len(outer) :]] != inner:
        raise DataError(
            f"cannot read {path}: its axes {series.axes} are not those of images of {page.axes}; save it as a plain "
            "TIFF"
        )
    return "".join(axis for axis, _ in outer), tuple(n for _, n in outer)
