"""Counts of what is in samples, which add up exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.samples import fault
from segzoo.inspection.chunks import Piece, silence
from segzoo.plugin import IGNORE, Info, Samples, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT = {"uint8": 257, "uint16": 1}
"""What a step of a type is in steps of 16 bits, in which sums are exact integers: 65535 / 255 = 257."""


@dataclass
class Tally:
    """Counts that add up, of one or more samples."""

    images: int = 0
    wrong: int = 0
    """Images that are unreadable, or not as they should be."""
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """By height and width."""
    types: Counter[str] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)
    """By label, IGNORE among them."""
    present: Counter[int] = field(default_factory=Counter)
    """Images by the labels that they have."""
    around: Counter[int] = field(default_factory=Counter)
    """Labelled pixels of those images."""
    values: Counter[tuple[int, int]] = field(default_factory=Counter)
    """By channel and power: sums of pixel values in steps of 16 bits; power 0 counts them."""

    def add(self, other: Tally) -> None:
        """Add up."""
        self.images += other.images
        self.wrong += other.wrong
        for name, counts in vars(self).items():
            if isinstance(counts, Counter):
                counts.update(getattr(other, name))

    def read(self, image: NDArray[Any], mask: NDArray[Any]) -> None:
        """Add a sample."""
        self.images += 1
        self.sizes[mask.shape] += 1
        self.types[image.dtype.name] += 1
        counts = {label: count for label, count in enumerate(np.bincount(mask.ravel()).tolist()) if count}
        self.pixels.update(counts)
        self.present.update(counts.keys())
        labelled = sum(counts.values()) - counts.get(IGNORE, 0)
        self.around.update(dict.fromkeys(counts, labelled))
        for channel in range(image.shape[2]):
            self._measure(channel, np.bincount(image[..., channel].ravel()), UNIT[image.dtype.name])

    def _measure(self, channel: int, histogram: NDArray[np.int64], unit: int) -> None:
        steps = unit * np.arange(len(histogram), dtype=np.int64)  # up to 2^16, so squares of 2^31 pixels fit in 63 bits
        for power in range(3):
            self.values[channel, power] += int(histogram @ steps**power)


@dataclass(frozen=True)
class Counting:
    """Counts pieces of a dataset."""

    samples: Mapping[Split, Samples]
    info: Info

    def __call__(self, piece: Piece) -> Tally:
        """The counts of a piece."""
        tally = Tally()
        with silence():
            for index in piece.indices:
                try:
                    image, mask = self.samples[piece.split][index]
                except Exception:  # `verify` tells which, and why
                    tally.wrong += 1
                    continue
                if fault(image, mask, self.info, ""):
                    tally.wrong += 1
                else:
                    tally.read(image, mask)
        return tally
