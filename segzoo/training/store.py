"""Decoded samples of a split, kept in memory or in two files: one after the other, at whatever sizes they have."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict

import numpy as np

from segzoo.data.resizing import ResizedSamples
from segzoo.errors import DataError
from segzoo.processes.threads import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = tuple[NDArray[Any], NDArray[np.uint8]]
    """Image uint8 or uint16 (H, W, C), and mask (H, W) of the same or of another size."""

PROBES = 8
"""Samples from whose sizes the size of all is estimated."""


class Facts(TypedDict):
    """What must be known to read stored samples again, as JSON."""

    digests: list[str]
    """SHA-256 of each sample as it is kept."""
    images: list[list[int]]
    """See `PackedArrays.places`."""
    masks: list[list[int]]


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
        values = prod(self.pixel_shape)  # in a pixel
        return self.flat[start * values : (start + height * width) * values].reshape(height, width, *self.pixel_shape)

    @property
    def size(self) -> int:
        """How many values all arrays have together."""
        return self.flat.size

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Height and width of each array, (N, 2)."""
        return self.places[:, 1:]


@dataclass(frozen=True)
class Kept(Sequence["Pair"]):
    """The samples of a split, decoded, in memory or in mapped files."""

    images: PackedArrays
    """(H, W, C) each, uint8 or uint16."""
    masks: PackedArrays
    """(H, W) each."""
    fingerprint: str
    """SHA-256 over images and masks: equal for equal pixels."""

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any, /) -> Any:
        return self.images[index], self.masks[index]

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.images.pixel_shape[0]

    @property
    def in_memory(self) -> bool:
        """Whether they lie in memory."""
        return not isinstance(self.images.flat, np.memmap)


@dataclass(frozen=True)
class Store:
    """Samples to be decoded into memory, or into two files: one of images and one of masks."""

    samples: ResizedSamples

    @property
    def name(self) -> str:
        """Part of the folder's name, which tells its files from those of the same samples kept at other sizes."""
        sizes = [f"{size[0]}x{size[1]}" if size else "native" for size in self._sizes]
        return "-".join(dict.fromkeys(sizes))

    @property
    def needed(self) -> int:
        """Size of both files in bytes; 0 if it is not known before they are written."""
        return self.estimate() if all(self._sizes) else 0

    @cached_property
    def first(self) -> Pair:
        """The first sample, as it is kept."""
        image, mask = self.samples[0]
        return image, mask

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the images."""
        return self.first[0].dtype

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return int(self.first[0].shape[2])

    def estimate(self, label_bytes: int = 1) -> int:
        """Bytes of all samples; estimated where samples must be decoded to know their sizes.

        A pixel of a mask counts as `label_bytes` bytes.
        """
        count = len(self.samples)
        probes = np.linspace(0, count - 1, 1 if all(self._sizes) else min(PROBES, count)).astype(int).tolist()
        pairs: list[Pair] = [self.first, *in_parallel(self.samples.__getitem__, probes[1:])]
        sizes = [image.nbytes + label_bytes * mask.nbytes for image, mask in pairs]
        return round(sum(sizes) / len(sizes) * count)

    def in_memory(self, max_bytes: int, label_bytes: int = 1) -> Kept | None:
        """All samples, decoded into memory; None if they take more bytes, counted as in `estimate`."""
        images, masks = io.BytesIO(), io.BytesIO()

        def check() -> None:
            if images.tell() + label_bytes * masks.tell() > max_bytes:
                raise _TooLarge

        try:
            facts = self._append(images, masks, check)
        except _TooLarge:
            return None
        flat = [np.frombuffer(file.getbuffer(), np.uint8) for file in (images, masks)]
        return self._kept(flat[0], flat[1], facts)

    def write(self, images: BinaryIO, masks: BinaryIO) -> Facts:
        """Decode all samples into two empty files."""
        facts = self._append(images, masks)
        images.flush()
        masks.flush()
        return facts

    def read(self, images: Path | BinaryIO, masks: Path | BinaryIO, facts: Facts) -> Kept:
        """Map the files that `write` has written. Raises ValueError or FileNotFoundError if they are not complete."""
        pixels, labels = (sum(height * width for _, height, width in facts[key]) for key in ("images", "masks"))
        flat = np.memmap(images, np.uint8, "r", shape=(pixels * self.channels * self.dtype.itemsize,))
        return self._kept(flat, np.memmap(masks, np.uint8, "r", shape=(labels,)), facts)

    def decode_alike(self, index: int) -> Pair:
        """A sample as it is kept; a DataError if its image has another type than the first."""
        image, mask = self.samples[index]
        if image.dtype != self.dtype:
            ids = self.samples.samples.ids
            raise DataError(
                f"image '{ids[index]}' is {image.dtype}, but '{ids[0]}' {self.dtype}: "
                "save all images with the same number of bits"
            )
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)

    def digest(self, image: NDArray[Any], mask: NDArray[np.uint8]) -> str:
        """SHA-256 of a sample as it is kept."""
        shape = b"" if all(self._sizes) else repr(image.shape).encode()
        return hashlib.sha256(shape + image.tobytes() + mask.tobytes()).hexdigest()

    @property
    def _sizes(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        return self.samples.image_size, self.samples.mask_size

    def _append(self, images: BinaryIO, masks: BinaryIO, check: Callable[[], None] = lambda: None) -> Facts:
        """Write samples in the order in which threads have decoded them; `check` is called after each."""
        packed, lock = (_Packed(images, len(self.samples)), _Packed(masks, len(self.samples))), Lock()

        def keep(index: int) -> str:
            pair = self.decode_alike(index)
            with lock:
                for file, array in zip(packed, pair, strict=True):
                    file.append(index, array)
                check()
            return self.digest(*pair)

        digests = in_parallel(keep, range(len(self.samples)))
        return {"digests": digests, "images": packed[0].places, "masks": packed[1].places}

    def _kept(self, images: NDArray[np.uint8], masks: NDArray[np.uint8], facts: Facts) -> Kept:
        of_images, of_masks = (np.array(facts[key], np.int64) for key in ("images", "masks"))
        fingerprint = hashlib.sha256(b"".join(map(bytes.fromhex, facts["digests"]))).hexdigest()
        packed = PackedArrays(images.view(self.dtype), of_images, (self.channels,))
        return Kept(packed, PackedArrays(masks, of_masks), fingerprint)


class _Packed:
    """A file of arrays, one after the other."""

    def __init__(self, file: BinaryIO, count: int) -> None:
        self.places = [[0, 0, 0]] * count
        """See `PackedArrays.places`."""
        self._file, self._pixels = file, 0

    def append(self, index: int, array: NDArray[Any]) -> None:
        """Write the array that is number `index` in the split."""
        self.places[index] = [self._pixels, *array.shape[:2]]
        self._pixels += array.shape[0] * array.shape[1]
        self._file.write(array.data)


class _TooLarge(Exception):  # noqa: N818
    """The samples take more memory than there is for them."""
