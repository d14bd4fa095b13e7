"""Decoded samples at their own sizes, one after the other."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from segzoo.processes.threads import in_parallel
from segzoo.training.store import Facts, Layout, Pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBES = 8
"""Samples from whose sizes those of all are estimated."""


@dataclass(frozen=True)
class Ragged(Layout):
    """At their own sizes, one after the other in the order in which they were decoded: `places` says where."""

    @property
    def name(self) -> str:
        """See `Layout.name`."""
        return "native"

    @cached_property
    def pixels(self) -> int:
        """See `Layout.pixels`."""
        count = len(self.samples)
        probes = np.linspace(0, count - 1, min(PROBES, count)).astype(int).tolist()
        sizes = in_parallel(lambda index: self.samples[index][1].size, probes)
        return round(sum(sizes) / len(sizes) * count)

    @property
    def room(self) -> int:
        """See `Layout.room`."""
        return 0

    def in_memory(self, most: int) -> tuple[Pair, Facts] | None:
        """See `Layout.in_memory`."""
        images, masks = io.BytesIO(), io.BytesIO()
        try:
            facts = self._append(images, masks, most)
        except _TooMany:
            return None
        flat = [np.frombuffer(file.getbuffer(), np.uint8) for file in (images, masks)]
        return self._pieces(flat[0], flat[1], facts), facts

    def write(self, images: BinaryIO, masks: BinaryIO) -> Facts:
        """See `Layout.write`."""
        facts = self._append(images, masks)
        images.flush()
        masks.flush()
        return facts

    def read(self, images: Path | BinaryIO, masks: Path | BinaryIO, facts: Facts) -> Pair:
        """See `Layout.read`."""
        pixels = sum(height * width for _, height, width in facts["places"])
        flat = np.memmap(images, np.uint8, "r", shape=(pixels * (self.pixel_bytes - 1),))
        return self._pieces(flat, np.memmap(masks, np.uint8, "r", shape=(pixels,)), facts)

    def _append(self, images: BinaryIO, masks: BinaryIO, most: int | None = None) -> Facts:
        places, lock, end = [[0, 0, 0]] * len(self.samples), Lock(), 0

        def keep(index: int) -> bytes:
            nonlocal end
            image, mask = map(np.ascontiguousarray, self.decode_alike(index))
            with lock:
                places[index] = [end, *mask.shape]
                end += mask.size
                if most is not None and end > most:
                    raise _TooMany
                images.write(image.data)
                masks.write(mask.data)
            return hashlib.sha256(repr(image.shape).encode() + image.tobytes() + mask.tobytes()).digest()

        digests = in_parallel(keep, range(len(self.samples)))
        return {"fingerprint": hashlib.sha256(b"".join(digests)).hexdigest(), "places": places}

    def _pieces(self, images: NDArray[Any], masks: NDArray[np.uint8], facts: Facts) -> Pair:
        places = np.array(facts["places"], np.int64)
        return Pieces(images.view(self.dtype), places, (self.channels,)), Pieces(masks, places)


@dataclass(frozen=True)
class Pieces(Sequence["NDArray[Any]"]):
    """Arrays of different heights and widths that lie in a flat one."""

    flat: NDArray[Any]
    places: NDArray[np.int64]
    """Of each its first pixel, height and width, (N, 3)."""
    rest: tuple[int, ...] = ()
    """The shape of a pixel."""

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any, /) -> Any:
        start, height, width = self.places[index].tolist()
        each = int(np.prod(self.rest))
        return self.flat[start * each : (start + height * width) * each].reshape(height, width, *self.rest)

    @property
    def size(self) -> int:
        """Numbers in all of them."""
        return self.flat.size

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Heights and widths, (N, 2)."""
        return self.places[:, 1:]


class _TooMany(Exception):  # noqa: N818
    """More pixels than may be."""
