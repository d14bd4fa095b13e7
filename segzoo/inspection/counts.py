"""Counts of sizes, labels and pixel values of samples, as exact integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.faults import fault, pair
from segzoo.inspection.chunks import Chunk, without_warnings
from segzoo.plugin import IGNORE, Info, Samples, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT = {"uint8": 257, "uint16": 1}
"""What a step of a type is in steps of 16 bits, in which sums are exact integers: 65535 / 255 = 257."""


@dataclass
class SampleCounts:
    """Counts of some samples."""

    images: int = 0
    wrong: int = 0
    """Images that are unreadable, or not as they should be."""
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """By height and width."""
    types: Counter[str] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)
    """By label, IGNORE among them."""
    present: Counter[int] = field(default_factory=Counter)
    """Images that have a label, by that label."""
    labelled: Counter[int] = field(default_factory=Counter)
    """Labelled pixels of the images that have a label, by that label."""
    values: Counter[tuple[int, int]] = field(default_factory=Counter)
    """By channel and power: sums of pixel values in steps of 16 bits; power 0 counts them."""

    def add(self, other: SampleCounts) -> None:
        """Add the counts of other samples."""
        self.images += other.images
        self.wrong += other.wrong
        for name, counts in vars(self).items():
            if isinstance(counts, Counter):
                counts.update(getattr(other, name))

    def add_sample(self, image: NDArray[Any], mask: NDArray[Any]) -> None:
        """Add a sample."""
        self.images += 1
        self.sizes[mask.shape] += 1
        self.types[image.dtype.name] += 1
        counts = {label: count for label, count in enumerate(np.bincount(mask.ravel()).tolist()) if count}
        self.pixels.update(counts)
        self.present.update(counts.keys())
        total = sum(counts.values()) - counts.get(IGNORE, 0)
        self.labelled.update(dict.fromkeys(counts, total))
        for channel in range(image.shape[2]):
            self._measure(channel, np.bincount(image[..., channel].ravel()), UNIT[image.dtype.name])

    def _measure(self, channel: int, histogram: NDArray[np.int64], unit: int) -> None:
        steps = unit * np.arange(len(histogram), dtype=np.int64)  # up to 2^16, so squares of 2^31 pixels fit in 63 bits
        for power in range(3):
            self.values[channel, power] += int(histogram @ steps**power)


@dataclass(frozen=True)
class ChunkCounter:
    """Counts chunks of a dataset."""

    samples: Mapping[Split, Samples]
    info: Info

    def __call__(self, chunk: Chunk) -> SampleCounts:
        """The counts of a chunk."""
        counts = SampleCounts()
        with without_warnings():
            for index in chunk.indices:
                try:
                    image, mask = pair(self.samples[chunk.split][index], "")
                except (Exception, SystemExit):  # `verify` tells which, and why
                    counts.wrong += 1
                    continue
                if fault(image, mask, self.info, ""):
                    counts.wrong += 1
                else:
                    counts.add_sample(image, mask)
        return counts
