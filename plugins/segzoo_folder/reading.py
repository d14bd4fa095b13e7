"""Single images and masks of a folder: what they hold, and how they become samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np

from segzoo.data.images import NOT_A_NUMBER, header, palette, read_image, read_mask, read_masks, read_pages
from segzoo.errors import DataError, LabelError
from segzoo.plugin import IGNORE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo.data.tiff_planes import Stack
    from segzoo_folder.instances import Instances
    from segzoo_folder.pixels import Pixels

MOST = 256
"""Different values or colours of a mask that are remembered, and one more to tell that there are more."""
NAMED = 5
"""Values or colours that a message names."""
LOSSY = ("JPEG", "WEBP", "AVIF", "JPEG2000")
"""Formats that may change pixels a little; only the first does always, but the others do not say whether they did."""
UNKNOWN = 256
"""What a value that is no class becomes, before it is an error."""


class ImageFacts(NamedTuple):
    """What the header of an image says; of a TIFF, that of its first page."""

    pages: int
    height: int
    width: int
    channels: int
    alpha: bool
    dtype: str

    @property
    def narrow(self) -> bool:
        """Whether its values have 8 bits."""
        return np.dtype(self.dtype).itemsize == 1


class MaskFacts(NamedTuple):
    """What the pixels of a mask are, on all its pages."""

    pages: int
    colored: bool
    """Whether the values are colours, as 0xRRGGBB."""
    values: Sequence[int]
    """The different ones, in order, of the pages in colour if there are such; of many, the MOST + 1 lowest.

    NOT_A_NUMBER is among them if some pixels are not a number.
    """
    palette: Sequence[int]
    """Of indices the colours 0xRRGGBB that they stand for on the first page, -1 for none; of other masks empty."""
    lossy: bool
    """Whether the format is one that may have changed the pixels."""


Facts = TypeVar("Facts", ImageFacts, MaskFacts)


class Look(NamedTuple, Generic[Facts]):
    """What was seen of a file."""

    facts: Facts
    """What many files have in common."""
    pages: NDArray[Any]
    """What was measured of each page, in the form of EXTENTS or DIGESTS."""


EXTENTS = np.empty((0, 4))
"""Of images: the least and the largest value of a page, and those that SELDOM of its values are below and above.

Of 8 bits they are not known, and NaN; where values are not all finite they are infinite. Opacity is left out.
"""
DIGESTS = np.empty((0, 1), np.uint64)
"""Of masks: a digest of the labels of a page."""
SELDOM = 0.001
"""Share of the values of a page that may be outliers at either end, such as hot pixels of a camera."""


def look_at_image(path: Path, stack: Stack | None = None) -> Look[ImageFacts]:
    """What an image is; it is decoded only if it has more than 8 bits.

    Raises:
        DataError: if it cannot be read.
    """
    found = header(path, stack=stack)
    facts = ImageFacts(found.pages, *found.size, found.channels, found.alpha, found.dtype)
    if facts.narrow:
        return Look(facts, np.full((facts.pages, *EXTENTS.shape[1:]), np.nan))
    return Look(facts, np.array([_extent(values, facts) for values in read_pages(path, stack)], np.float64))


def _extent(values: NDArray[Any], facts: ImageFacts) -> tuple[float, float, float, float]:
    """A row of EXTENTS of a page (H, W, C)."""
    colors = values[..., : values.shape[2] - facts.alpha].ravel()
    if not np.isfinite(colors).all():
        return -np.inf, np.inf, -np.inf, np.inf
    few = int(SELDOM * len(colors))
    ordered = np.partition(colors, (few, len(colors) - 1 - few))
    return colors.min(), colors.max(), ordered[few], ordered[-1 - few]


def look_at_mask(path: Path) -> Look[MaskFacts]:
    """What a mask holds.

    Raises:
        DataError: if it cannot be read.
    """
    first = header(path)
    grey, colours, digests = set[int](), set[int](), []
    for mask in read_masks(path, wide=True):  # of a stack no more than a page is in memory
        labels = gray(mask)
        digests.append([_digest(labels)])
        if labels.ndim == 3:
            colours.update(np.unique(packed(labels)).tolist())
        elif not colours:
            grey.update(np.unique(labels).tolist())
    values = sorted(colours or grey)[: MOST + 1]
    table = packed(palette(path)).tolist() if first.palette else []
    looked_up = tuple(table[value] if value < len(table) else -1 for value in values) if table else ()
    facts = MaskFacts(first.pages, bool(colours), tuple(values), looked_up, first.format in LOSSY)
    return Look(facts, np.array(digests, np.uint64))


def _digest(labels: NDArray[Any]) -> int:
    """A number that differs wherever size or labels do."""
    content = f"{labels.shape} {labels.dtype}".encode() + labels.tobytes()
    return int.from_bytes(blake2b(content, digest_size=8).digest())


def gray(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels (H, W), also of a mask (H, W, 3) whose colours are all grey; else the mask as it is."""
    if labels.ndim == 3 and (labels == labels[..., :1]).all():
        return labels[..., 0]
    return labels


def packed(colors: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Colours (H, W, 3) as numbers 0xRRGGBB (H, W)."""
    packed: NDArray[np.uint32] = colors.astype(np.uint32) @ np.array([2**16, 2**8, 1], np.uint32)
    return packed


def hexadecimal(color: int) -> str:
    """0xRRGGBB as `#rrggbb`."""
    return f"#{color:06x}"


def named(value: int | str) -> str:
    """A value of a mask as it is typed."""
    return "nan" if value == NOT_A_NUMBER else str(value)


def ignoring(values: Iterable[int | str]) -> str:
    """What leaves these values out, as it is typed."""
    return f"`--set 'dataset.ignore=[{', '.join(map(named, values))}]'`"


@dataclass(frozen=True)
class Labels:
    """What the masks hold for each class."""

    classes: tuple[str, ...]
    values: tuple[int, ...]
    """By label; of masks in colour 0xRRGGBB, for the colour to leave out behind those of the classes."""
    colored: bool = False
    nearest: bool = False
    """Whether what is no class is taken for the one nearest to it."""
    left_out: tuple[int, ...] = ()
    """Values that become IGNORE, beside IGNORE itself if that is no class."""

    def read(self, paths: Sequence[Path], page: int) -> NDArray[np.uint8]:
        """The one mask uint8 (H, W) of labels and IGNORE.

        Raises:
            DataError: if it cannot be read or holds what is no class.
        """
        (path,) = paths
        return self._from_colors(path, page) if self.colored else self._from_values(path, page)

    def _from_values(self, path: Path, page: int) -> NDArray[np.uint8]:
        found = gray(read_mask(path, page, wide=True))
        if found.ndim == 3:
            raise DataError(f"{path} is in colour, others are not; name the colours with the option colors")
        plain = found.dtype == np.uint8 and self.values == tuple(range(len(self.values)))
        if plain and found.max() < len(self.values):
            return found
        table = np.full(2**16, UNKNOWN, np.uint16)
        table[IGNORE] = IGNORE
        table[[value for value in self.left_out if 0 <= value < len(table)]] = IGNORE
        table[list(self.values)] = range(len(self.values))
        if found.dtype.itemsize <= table.itemsize:
            return self._checked(table[found], found, path, named)
        inside = (found >= 0) & (found < len(table))
        labels = np.where(inside, table[np.where(inside, found, 0)], UNKNOWN)
        labels[np.isin(found, self.left_out)] = IGNORE
        return self._checked(labels, found, path, named)

    def _from_colors(self, path: Path, page: int) -> NDArray[np.uint8]:
        pixels = read_image(path, 3, page)
        if pixels.dtype != np.uint8:
            raise DataError(f"{path} is {pixels.dtype}; masks in colour have 8 bits")
        found = packed(pixels)
        order = np.argsort(self.values)
        known = np.array(self.values, np.uint32)[order]
        places = np.minimum(np.searchsorted(known, found), len(known) - 1)
        labels = np.where(np.arange(len(known)) < len(self.classes), np.arange(len(known)), IGNORE)[order][places]
        return self._checked(np.where(known[places] == found, labels, UNKNOWN), found, path, hexadecimal)

    def _checked(self, labels: NDArray[Any], found: NDArray[Any], path: Path, text: Any) -> NDArray[np.uint8]:
        unknown = labels == UNKNOWN
        near = unknown & (found >= 0) & self.nearest
        labels[near] = self._nearest(found[near])
        if wrong := np.unique(found[unknown & ~near]).tolist():
            texts = [text(value) for value in wrong]
            table = ", ".join(f"{text(value)} {name}" for value, name in zip(self.values, self.classes, strict=False))
            raise LabelError(
                f"{path} has the {'colours' if self.colored else 'values'} {', '.join(texts[:NAMED])}"
                f"{f' and {len(texts) - NAMED} more' if texts[NAMED:] else ''}, which are no class; there are {table}"
                f"{self._way_out(wrong)}"
            )
        return labels.astype(np.uint8)

    def _way_out(self, wrong: Sequence[int]) -> str:
        """What can be done about values that are no class; nothing that helps if they are many."""
        if len(wrong) > NAMED:
            return ""
        if self.colored:
            return ". If such pixels are to be left out, name their colour `ignore` in the option colors"
        return f". If such pixels are to be left out, add {ignoring([*self.left_out, *wrong])}"

    def _nearest(self, found: NDArray[Any]) -> NDArray[Any]:
        """The labels (N,) of what is nearest to values or colours (N,); of two as near, the one of the lower value."""
        known = {value: min(label, len(self.classes)) for label, value in enumerate(self.values)}
        for value in () if self.colored else (IGNORE, *self.left_out):
            if 0 <= value < 2**16:  # others are near to nothing
                known.setdefault(value, len(self.classes))
        names = np.append(np.arange(len(self.classes)), IGNORE)
        different, places = np.unique(found, return_inverse=True)
        apart = [((self._axes(different) - self._axes([value])) ** 2).sum(0) for value in sorted(known)]
        labels: NDArray[Any] = names[[known[value] for value in sorted(known)]][np.argmin(apart, axis=0)][places]
        return labels

    def _axes(self, values: Any) -> NDArray[np.int64]:
        """What distances are along: red, green and blue (3, N) of colours, and values (1, N) as they are."""
        whole = np.asarray(values, np.int64)
        return np.stack([whole >> 16, whole >> 8 & 255, whole & 255] if self.colored else [whole])


@dataclass(frozen=True)
class Reading:
    """How files become samples of one form."""

    pixels: Pixels
    labels: Labels | Instances
