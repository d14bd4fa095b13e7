"""Decoded samples of a split, stored in memory or in two files: resized to one size, or packed at their own sizes."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from segzoo.data.resizing import resize_image, resize_mask
from segzoo.errors import DataError
from segzoo.plugin import Samples
from segzoo.processes.threads import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBES = 8
"""Samples from whose sizes the sizes of all are estimated."""
Facts = dict[str, Any]
"""What must be known to read stored samples again, as JSON; `fingerprint` is the SHA-256 of all images and masks."""


@dataclass(frozen=True)
class PackedArrays(Sequence["NDArray[Any]"]):
    """Arrays of different heights and widths, packed one after the other into a flat array."""

    flat: NDArray[Any]
    places: NDArray[np.int64]
    """First pixel, height and width of each array, (N, 3)."""
    pixel_shape: tuple[int, ...] = ()
    """`(C,)` for images, `()` for masks."""

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any, /) -> Any:
        start, height, width = self.places[index].tolist()
        values = int(np.prod(self.pixel_shape))  # in a pixel
        return self.flat[start * values : (start + height * width) * values].reshape(height, width, *self.pixel_shape)

    @property
    def size(self) -> int:
        """How many values all arrays have together."""
        return self.flat.size

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Height and width of each array, (N, 2)."""
        return self.places[:, 1:]


Pair = tuple["NDArray[Any] | PackedArrays", "NDArray[np.uint8] | PackedArrays"]
"""The images and masks of a split."""


@dataclass(frozen=True)
class Store(ABC):
    """The samples of a split, to be stored in memory or in two files, one of images and one of masks."""

    samples: Samples

    @property
    @abstractmethod
    def name(self) -> str:
        """Part of the folder's name, which tells its files from those of the same samples stored in another way."""

    @property
    @abstractmethod
    def pixels(self) -> int:
        """Number of pixels of all samples; estimated if samples must be decoded to know their sizes."""

    @property
    @abstractmethod
    def file_bytes(self) -> int:
        """Size of the files in bytes; 0 if it is not known before they are written."""

    @abstractmethod
    def in_memory(self, max_pixels: int) -> tuple[Pair, Facts] | None:
        """Decode all samples into memory; None if they have more pixels than `max_pixels`."""

    @abstractmethod
    def write(self, images: BinaryIO, masks: BinaryIO) -> Facts:
        """Decode all samples into two empty files, one of images and one of masks."""

    @abstractmethod
    def read(self, images: Path | BinaryIO, masks: Path | BinaryIO, facts: Facts) -> Pair:
        """Map the files that `write` has written. Raises ValueError or FileNotFoundError if they are not complete."""

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel of an image and its label."""
        return self.dtype.itemsize * self.channels + 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the images."""
        return self._first[0].dtype

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return int(self._first[0].shape[2])

    @property
    def first_mask(self) -> NDArray[np.uint8]:
        """The mask of the first sample, as it is stored."""
        return self._first[1]

    @cached_property
    def _first(self) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        return self.decode(0)

    def decode(self, index: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Image and mask of a sample, as they are stored."""
        return self.samples[index]

    def decode_alike(self, index: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Image and mask of a sample, as they are stored; a DataError if the image has another type than the first."""
        image, mask = self.decode(index)
        if image.dtype != self.dtype:
            ids = self.samples.ids
            raise DataError(
                f"image '{ids[index]}' is {image.dtype}, but '{ids[0]}' {self.dtype}: "
                "save all images with the same number of bits"
            )
        return image, mask


@dataclass(frozen=True)
class ResizedStore(Store):
    """Samples resized to one size, in arrays of images (N, h, w, C) and of masks (N, h, w)."""

    size: tuple[int, int]

    @property
    def name(self) -> str:
        """See `Store.name`."""
        return f"{self.size[0]}x{self.size[1]}"

    @property
    def pixels(self) -> int:
        """See `Store.pixels`."""
        return len(self.samples) * self.size[0] * self.size[1]

    @property
    def file_bytes(self) -> int:
        """See `Store.file_bytes`."""
        return self.pixels * self.pixel_bytes

    def decode(self, index: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """See `Store.decode`."""
        image, mask = self.samples[index]
        return resize_image(image, self.size), resize_mask(mask, self.size)

    def in_memory(self, max_pixels: int) -> tuple[Pair, Facts] | None:
        """See `Store.in_memory`."""
        if self.pixels > max_pixels:
            return None
        images, masks = np.empty((*self._shape, self.channels), self.dtype), np.empty(self._shape, np.uint8)
        return (images, masks), self._fill(images, masks)

    def write(self, images: BinaryIO, masks: BinaryIO) -> Facts:
        """See `Store.write`."""
        for file, pixel in ((images, self.pixel_bytes - 1), (masks, 1)):
            reserve(file.fileno(), self.pixels * pixel)
        pair = self._map(images, masks, "r+")
        facts = self._fill(*pair)
        for array in pair:
            array.flush()
        return facts

    def read(self, images: Path | BinaryIO, masks: Path | BinaryIO, facts: Facts) -> Pair:
        """See `Store.read`."""
        return self._map(images, masks, "r")

    @property
    def _shape(self) -> tuple[int, int, int]:
        return len(self.samples), *self.size

    def _map(self, images: Any, masks: Any, mode: Any) -> tuple[np.memmap[Any, Any], np.memmap[Any, Any]]:
        shape = (*self._shape, self.channels)
        return np.memmap(images, self.dtype, mode, shape=shape), np.memmap(masks, np.uint8, mode, shape=self._shape)

    def _fill(self, images: NDArray[Any], masks: NDArray[np.uint8]) -> Facts:
        def keep(index: int) -> bytes:
            images[index], masks[index] = self.decode_alike(index)
            return hashlib.sha256(images[index].tobytes() + masks[index].tobytes()).digest()

        digests = in_parallel(keep, range(len(self.samples)))
        return {"fingerprint": hashlib.sha256(b"".join(digests)).hexdigest()}


@dataclass(frozen=True)
class NativeStore(Store):
    """Samples at their own sizes, packed in the order in which they were decoded, see `PackedArrays`."""

    @property
    def name(self) -> str:
        """See `Store.name`."""
        return "native"

    @cached_property
    def pixels(self) -> int:
        """See `Store.pixels`."""
        count = len(self.samples)
        probes = np.linspace(0, count - 1, min(PROBES, count)).astype(int).tolist()
        sizes = in_parallel(lambda index: self.samples[index][1].size, probes)
        return round(sum(sizes) / len(sizes) * count)

    @property
    def file_bytes(self) -> int:
        """See `Store.file_bytes`."""
        return 0

    def in_memory(self, max_pixels: int) -> tuple[Pair, Facts] | None:
        """See `Store.in_memory`."""
        images, masks = io.BytesIO(), io.BytesIO()
        try:
            facts = self._append(images, masks, max_pixels)
        except _TooManyPixels:
            return None
        flat = [np.frombuffer(file.getbuffer(), np.uint8) for file in (images, masks)]
        return self._packed(flat[0], flat[1], facts), facts

    def write(self, images: BinaryIO, masks: BinaryIO) -> Facts:
        """See `Store.write`."""
        facts = self._append(images, masks)
        images.flush()
        masks.flush()
        return facts

    def read(self, images: Path | BinaryIO, masks: Path | BinaryIO, facts: Facts) -> Pair:
        """See `Store.read`."""
        pixels = sum(height * width for _, height, width in facts["places"])
        flat = np.memmap(images, np.uint8, "r", shape=(pixels * (self.pixel_bytes - 1),))
        return self._packed(flat, np.memmap(masks, np.uint8, "r", shape=(pixels,)), facts)

    def _append(self, images: BinaryIO, masks: BinaryIO, max_pixels: int | None = None) -> Facts:
        places, lock, end = [[0, 0, 0]] * len(self.samples), Lock(), 0

        def keep(index: int) -> bytes:
            nonlocal end
            image, mask = map(np.ascontiguousarray, self.decode_alike(index))
            with lock:
                places[index] = [end, *mask.shape]
                end += mask.size
                if max_pixels is not None and end > max_pixels:
                    raise _TooManyPixels
                images.write(image.data)
                masks.write(mask.data)
            return hashlib.sha256(repr(image.shape).encode() + image.tobytes() + mask.tobytes()).digest()

        digests = in_parallel(keep, range(len(self.samples)))
        return {"fingerprint": hashlib.sha256(b"".join(digests)).hexdigest(), "places": places}

    def _packed(self, images: NDArray[Any], masks: NDArray[np.uint8], facts: Facts) -> Pair:
        places = np.array(facts["places"], np.int64)
        return PackedArrays(images.view(self.dtype), places, (self.channels,)), PackedArrays(masks, places)


def reserve(descriptor: int, size: int) -> None:
    """Allocate space on the disk: if a disk fills up below a mapped array, the process is killed with SIGBUS."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except (AttributeError, OSError) as error:  # not on Windows, nor on some file systems
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        os.truncate(descriptor, size)


class _TooManyPixels(Exception):  # noqa: N818
    """There are more pixels than `max_pixels`."""
