"""How the decoded samples of a split lie together, in memory or in two files; if resized, in arrays of one shape."""

from __future__ import annotations

import errno
import hashlib
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from segzoo.data.resizing import resize_image, resize_mask
from segzoo.errors import DataError
from segzoo.plugin import Samples
from segzoo.processes.threads import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo.training.native_store import Pieces

Pair = tuple["NDArray[Any] | Pieces", "NDArray[np.uint8] | Pieces"]
"""The images and masks of a split."""
Facts = dict[str, Any]
"""What must be known to find samples again, in the types of JSON; `fingerprint`, SHA-256 over all, is among it."""


@dataclass(frozen=True)
class Layout(ABC):
    """How the samples of a split lie together, in memory or in two files."""

    samples: Samples

    @property
    @abstractmethod
    def name(self) -> str:
        """What tells its files from others of the same samples, as part of a folder's name."""

    @property
    @abstractmethod
    def pixels(self) -> int:
        """Pixels of all samples; an estimate if they must be decoded to know."""

    @property
    @abstractmethod
    def room(self) -> int:
        """Bytes that the files take; 0 if that is not known before."""

    @abstractmethod
    def in_memory(self, most: int) -> tuple[Pair, Facts] | None:
        """All samples decoded into memory; None if they have more pixels than `most`."""

    @abstractmethod
    def write(self, images: BinaryIO, masks: BinaryIO) -> Facts:
        """Decode all samples into two empty files."""

    @abstractmethod
    def read(self, images: Path | BinaryIO, masks: Path | BinaryIO, facts: Facts) -> Pair:
        """What `write` has written, mapped. Raises ValueError or FileNotFoundError if it is not there."""

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel and its label."""
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
        """The mask of the first sample, as it lies here."""
        return self._first[1]

    @cached_property
    def _first(self) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        return self.decode(0)

    def decode(self, index: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Image and mask of a sample, as they lie here."""
        return self.samples[index]

    def decode_alike(self, index: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """The same, and a DataError if the image is not of the type of the first."""
        image, mask = self.decode(index)
        if image.dtype != self.dtype:
            names = self.samples.ids
            raise DataError(
                f"image '{names[index]}' is {image.dtype}, but '{names[0]}' {self.dtype}: "
                "save all images with the same number of bits"
            )
        return image, mask


@dataclass(frozen=True)
class Uniform(Layout):
    """Resized, in an array of images (N, h, w, C) and one of masks (N, h, w)."""

    size: tuple[int, int]

    @property
    def name(self) -> str:
        """See `Layout.name`."""
        return f"{self.size[0]}x{self.size[1]}"

    @property
    def pixels(self) -> int:
        """See `Layout.pixels`."""
        return len(self.samples) * self.size[0] * self.size[1]

    @property
    def room(self) -> int:
        """See `Layout.room`."""
        return self.pixels * self.pixel_bytes

    def decode(self, index: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """See `Layout.decode`."""
        image, mask = self.samples[index]
        return resize_image(image, self.size), resize_mask(mask, self.size)

    def in_memory(self, most: int) -> tuple[Pair, Facts] | None:
        """See `Layout.in_memory`."""
        if self.pixels > most:
            return None
        images, masks = np.empty((*self._shape, self.channels), self.dtype), np.empty(self._shape, np.uint8)
        return (images, masks), self._fill(images, masks)

    def write(self, images: BinaryIO, masks: BinaryIO) -> Facts:
        """See `Layout.write`."""
        for file, pixel in ((images, self.pixel_bytes - 1), (masks, 1)):
            reserve(file.fileno(), self.pixels * pixel)
        pair = self._map(images, masks, "r+")
        facts = self._fill(*pair)
        for array in pair:
            array.flush()
        return facts

    def read(self, images: Path | BinaryIO, masks: Path | BinaryIO, facts: Facts) -> Pair:
        """See `Layout.read`."""
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


def reserve(descriptor: int, size: int) -> None:
    """Take the room on the disk now: where it runs out below a mapped array, the process is killed with a SIGBUS."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except (AttributeError, OSError) as error:  # Windows has no such call, and some file systems do not do it
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        os.truncate(descriptor, size)
