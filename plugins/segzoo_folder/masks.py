"""How mask files become labels: by the values or colours of classes, or as objects; and regions of interest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.images import NOT_A_NUMBER, header, pages, palette, read_image, read_mask
from segzoo.errors import ConfigError, DataError, LabelError
from segzoo.plugin import IGNORE
from segzoo_folder import OBJECTS, ImageFolder
from segzoo_folder.inspection import LOSSY, gray, packed

if TYPE_CHECKING:
    from numpy.typing import NDArray


SHOWN = 5
"""Values or colours that a message lists."""
UNKNOWN = 256
"""The label of a value that is no class, before it becomes an error."""

LEFT_OUT = -1
"""Replaces a value that is ignored."""

REACH = 2
"""Pixels from a pixel of the border to the second-nearest object, at most."""


def hexadecimal(color: int) -> str:
    """0xRRGGBB as `#rrggbb`."""
    return f"#{color:06x}"


def typed(value: int | str) -> str:
    """A value of a mask as it is typed."""
    return "nan" if value == NOT_A_NUMBER else str(value)


def ignore_option(values: Iterable[int | str]) -> str:
    """The option that ignores these values, as it is typed."""
    return f"`--set 'dataset.ignore=[{', '.join(map(typed, values))}]'`"


@dataclass(frozen=True)
class Labels:
    """How values or colours of masks become labels."""

    classes: tuple[str, ...]
    values: tuple[int, ...]
    """By label; of masks in colour 0xRRGGBB, for the colour to leave out behind those of the classes."""
    colored: bool = False
    nearest: bool = False
    """Whether a value that is no class becomes the nearest class."""
    left_out: tuple[int, ...] = ()
    """Values that become IGNORE, beside IGNORE itself if that is no class."""

    def read(self, paths: Sequence[Path], page: int) -> NDArray[np.uint8]:
        """The mask of a sample, of a single file: uint8 (H, W) of labels and IGNORE.

        Raises:
            DataError: if it cannot be read or holds what is no class.
        """
        (path,) = paths
        return self._from_colors(path, page) if self.colored else self._from_values(path, page)

    def _from_values(self, path: Path, page: int) -> NDArray[np.uint8]:
        values = gray(read_mask(path, page, wide=True))
        if values.ndim == 3:
            raise DataError(f"{path} is in colour, others are not; name the colours with the option colors")
        plain = values.dtype == np.uint8 and self.values == tuple(range(len(self.values)))
        if plain and values.max() < len(self.values):
            return values
        table = np.full(2**16, UNKNOWN, np.uint16)
        table[IGNORE] = IGNORE
        table[[value for value in self.left_out if 0 <= value < len(table)]] = IGNORE
        table[list(self.values)] = range(len(self.values))
        if values.dtype.itemsize <= table.itemsize:
            return self._checked(table[values], values, path, typed)
        inside = (values >= 0) & (values < len(table))
        labels = np.where(inside, table[np.where(inside, values, 0)], UNKNOWN)
        labels[np.isin(values, self.left_out)] = IGNORE
        return self._checked(labels, values, path, typed)

    def _from_colors(self, path: Path, page: int) -> NDArray[np.uint8]:
        pixels = read_image(path, 3, page)
        if pixels.dtype != np.uint8:
            raise DataError(f"{path} is {pixels.dtype}; masks in colour have 8 bits")
        colors = packed(pixels)
        order = np.argsort(self.values)
        known = np.array(self.values, np.uint32)[order]
        places = np.minimum(np.searchsorted(known, colors), len(known) - 1)
        labels = np.where(np.arange(len(known)) < len(self.classes), np.arange(len(known)), IGNORE)[order][places]
        return self._checked(np.where(known[places] == colors, labels, UNKNOWN), colors, path, hexadecimal)

    def _checked(self, labels: NDArray[Any], values: NDArray[Any], path: Path, written: Any) -> NDArray[np.uint8]:
        unknown = labels == UNKNOWN
        taken = unknown & (values >= 0) & self.nearest
        labels[taken] = self._nearest(values[taken])
        if wrong := np.unique(values[unknown & ~taken]).tolist():
            texts = [written(value) for value in wrong]
            table = ", ".join(
                f"{written(value)} {name}" for value, name in zip(self.values, self.classes, strict=False)
            )
            raise LabelError(
                f"{path} has the {'colours' if self.colored else 'values'} {', '.join(texts[:SHOWN])}"
                f"{f' and {len(texts) - SHOWN} more' if texts[SHOWN:] else ''}, which are no class; there are {table}"
                f"{self._way_out(wrong)}"
            )
        return labels.astype(np.uint8)

    def _way_out(self, wrong: Sequence[int]) -> str:
        """What to do about values that are no class; empty if there are many."""
        if len(wrong) > SHOWN:
            return ""
        if self.colored:
            return ". If such pixels are to be left out, name their colour `ignore` in the option colors"
        return f". If such pixels are to be left out, add {ignore_option([*self.left_out, *wrong])}"

    def _nearest(self, values: NDArray[Any]) -> NDArray[Any]:
        """The labels (N,) nearest to values or colours (N,); of two at the same distance, that of the lower value."""
        known = {value: min(label, len(self.classes)) for label, value in enumerate(self.values)}
        for value in () if self.colored else (IGNORE, *self.left_out):
            if 0 <= value < 2**16:  # others have no neighbours
                known.setdefault(value, len(self.classes))
        names = np.append(np.arange(len(self.classes)), IGNORE)
        different, places = np.unique(values, return_inverse=True)
        distances = [((self._axes(different) - self._axes([value])) ** 2).sum(0) for value in sorted(known)]
        labels: NDArray[Any] = names[[known[value] for value in sorted(known)]][np.argmin(distances, axis=0)][places]
        return labels

    def _axes(self, values: Any) -> NDArray[np.int64]:
        """The coordinates for distances: red, green and blue (3, N) of colours, or the values themselves (1, N)."""
        numbers = np.asarray(values, np.int64)
        return np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255] if self.colored else [numbers])


def marked_values(path: Path, page: int, left_out: Sequence[int] = ()) -> NDArray[Any]:
    """The values of a mask (H, W), as 0xRRGGBB of a mask in colour: 0, or black, is background. Some may be LEFT_OUT.

    Raises:
        DataError: if the file cannot be read, holds values below 0, or is ambiguous: its format may have changed
            values, or its palette contradicts its indices.
    """
    values, first = gray(read_mask(path, page, wide=True)), header(path, page)
    if first.format in LOSSY and (values.ndim == 3 or not np.isin(values, (0, IGNORE)).all()):
        raise DataError(
            f"{path} may not hold what was drawn, since formats for photos, such as {first.format}, change values a "
            "little: save the original as PNG"
        )
    if values.ndim == 3:
        return packed(values)
    if first.palette:
        _require_black_outside(values, palette(path, page), path)
    if values.dtype.kind == "u" and not left_out:
        return values
    signed, ignored = values.astype(np.int64), np.isin(values, left_out)
    if wrong := np.unique(signed[(signed < 0) & ~ignored]).tolist():
        raise LabelError(
            f"{path} has the value {typed(wrong[0])}, but 0 is what nothing is marked by, and all else is above. If "
            f"such pixels of masks are to be left out, add {ignore_option([*left_out, *wrong[:SHOWN]])}"
        )
    signed[ignored] = LEFT_OUT
    return signed


def _require_black_outside(values: NDArray[Any], colors: NDArray[np.uint8], path: Path) -> None:
    """Raise a DataError if the palette shows index 0 in a colour and another index in black, which is ambiguous."""
    used = np.unique(values[values < len(colors)])
    black = [int(value) for value in used if not colors[value].any()]
    if black and 0 in used and 0 not in black:
        color = hexadecimal(int(packed(colors[:1])[0]))
        raise DataError(
            f"{path} has a palette in which 0, which marks nothing, is {color}, and {black[0]} is black: it is not "
            "clear what is marked. Save it in grey, without a palette, with 0 where nothing is"
        )


def apply_region(labels: NDArray[np.uint8], region: Path, page: int) -> NDArray[np.uint8]:
    """Labels (H, W), and IGNORE outside of a region of interest; a region of a single page is that of all pages.

    Raises:
        DataError: as `marked_values`, or if the region is of another size.
    """
    inside = marked_values(region, page if pages(region) > 1 else 0) != 0
    if inside.shape != labels.shape:
        raise DataError(
            f"the region {region} is {inside.shape[0]}x{inside.shape[1]} pixels, its mask "
            f"{labels.shape[0]}x{labels.shape[1]}"
        )
    result: NDArray[np.uint8] = np.where(inside, labels, np.uint8(IGNORE))
    return result


def left_out(options: ImageFolder) -> tuple[int, ...]:
    """The values of masks that the options leave out."""
    return tuple(NOT_A_NUMBER if value == "nan" else value for value in options.ignore)


@dataclass(frozen=True)
class Instances:
    """Objects as classes: background and foreground, and the border between objects if there are three."""

    classes: tuple[str, ...]
    separate: bool
    """Whether each file of a sample draws an object; else values or colours number objects."""
    left_out: tuple[int, ...] = ()
    """Values that are no objects and become IGNORE; by default none, so that 255 is an object."""

    @classmethod
    def of(cls, options: ImageFolder, separate: bool) -> Instances:
        """The classes that the options make of objects; by default the foreground.

        Raises:
            ConfigError: if other options do not go with objects.
        """
        kind = options.instances or "foreground"
        if objection := options.objection(kind):
            raise ConfigError(
                f"dataset 'folder': images in {options.folder()} have several masks, each of which is read as one "
                f"object, but {objection}"
            )
        return cls(options.classes or OBJECTS[kind], separate, left_out(options))

    def read(self, paths: Sequence[Path], page: int) -> NDArray[np.uint8]:
        """A mask uint8 (H, W) of labels.

        Raises:
            DataError: if a file cannot be read, or is of another size than the others.
        """
        first_values = marked_values(paths[0], page, self.left_out)
        ignored = first_values == LEFT_OUT
        lowest = (first_values > 0 if self.separate else first_values.clip(min=0)).astype(np.int64)
        highest = lowest.copy()
        for number, path in enumerate(paths[1:], 2):
            values = marked_values(path, page, self.left_out)
            if values.shape != ignored.shape:
                raise DataError(f"the mask {path} is {_size(values)} pixels, that of {paths[0]} {_size(ignored)}")
            ignored |= values == LEFT_OUT
            highest[values > 0] = number
            lowest[(values > 0) & (lowest == 0)] = number
        labels = (highest > 0).astype(np.uint8)
        if len(self.classes) > 2:
            labels[border(lowest, highest)] = 2
        labels[ignored] = IGNORE
        return labels


def _size(pixels: NDArray[Any]) -> str:
    return f"{pixels.shape[0]}x{pixels.shape[1]}"


def border(lowest: NDArray[np.int64], highest: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the second-nearest object of each pixel (H, W) is at most REACH away, be the pixel in an object or not.

    Objects are given by the lowest and the highest number of those that a pixel is in, 0 for none. Two are in reach if
    not all numbers in reach are the same. No distance is computed, so the time does not depend on the number of
    objects.
    """
    from scipy.ndimage import maximum_filter, minimum_filter  # not at the top: few folders need it

    rows, columns = np.ogrid[-REACH : REACH + 1, -REACH : REACH + 1]
    disk = rows**2 + columns**2 <= REACH**2
    most = maximum_filter(highest, footprint=disk, mode="nearest")
    least = minimum_filter(np.where(lowest == 0, highest.max(), lowest), footprint=disk, mode="nearest")
    differ: NDArray[np.bool_] = least < most
    return differ
