"""Splits as wholes: whether something can be learned from each, and whether they are alike.

A split differs from `train` where a figure of its images, their mean brightness or the share of a class, differs

- by more than chance explains, were the images divided at random: p below CHANCE in a t-test with a common variance;
- by more than the images of a split differ from each other, DEVIATIONS standard deviations. Neighbours in a film or a
  volume are alike, so that chance alone explains less than the test takes for granted;
- by so much that it matters: LEVELS grey levels, or odds of a class that are ODDS times as high.

Of the datasets at hand, pets, slices and drawn shapes, none comes near that: where their splits differ by more than one
standard deviation, p is above 0.01.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from segzoo.data.faults import different_types, fault_of_split
from segzoo.inspection.checks import CheckResult
from segzoo.inspection.chunks import Chunk
from segzoo.inspection.findings import Finding
from segzoo.inspection.reading import OpenedDataset
from segzoo.plugin import Info, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANCE = 1e-3
"""Probability below which a difference is not put down to chance: low, since each class of each split is looked at, and
high enough for splits of six images."""
DEVIATIONS = 1.0
LEVELS = 16
"""Grey levels, of 255. Smaller differences are those of one exposure and the next."""
ODDS = 2.0


class Moments:
    """Number, mean and variance of figures (K,) of images, from sums."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self.sums, self.squares = np.zeros(size), np.zeros(size)

    def add(self, figures: NDArray[np.float64]) -> None:
        """Add the figures of an image."""
        self.count += 1
        self.sums += figures
        self.squares += figures**2

    @property
    def means(self) -> NDArray[np.float64]:
        """(K,)."""
        return self.sums / self.count

    @property
    def deviations(self) -> NDArray[np.float64]:
        """Sums of squared differences from the mean, (K,)."""
        return np.maximum(self.squares - self.sums**2 / self.count, 0)


@dataclass
class SplitFigures:
    """What is kept of the images of a split."""

    brightness: Moments
    shares: Moments
    """Of each class in the labelled pixels of a mask, for masks that have any."""
    labels: Counter[int] = field(default_factory=Counter)
    """Pixels by label, in all masks."""
    types: dict[str, int] = field(default_factory=dict)
    """The index of the first image of each type."""

    @classmethod
    def of(cls, info: Info) -> SplitFigures:
        """Those of a split without images."""
        return cls(Moments(1), Moments(len(info.classes)))

    def add(self, index: int, result: CheckResult) -> None:
        """Add a sample."""
        pixels = np.array([result.labels.get(label, 0) for label in range(len(self.shares.sums))])
        self.brightness.add(np.array([result.brightness]))
        if pixels.sum():
            self.shares.add(pixels / pixels.sum())
        self.labels.update(result.labels)
        self.types[result.type] = min(index, self.types.get(result.type, index))


class SplitComparison:
    """Compares the splits of a dataset when all of their samples are checked."""

    def __init__(self, opened: OpenedDataset) -> None:
        self._opened = opened
        self._figures = {split: SplitFigures.of(opened.info) for split in opened.samples}

    def add(self, chunk: Chunk, results: Sequence[CheckResult]) -> None:
        """Keep the figures of a chunk."""
        for index, result in zip(chunk.indices, results, strict=True):
            if result.image_digest:
                self._figures[chunk.split].add(index, result)

    def findings(self) -> Iterator[Finding]:
        """What is wrong or odd with the splits, when all chunks are added."""
        sound = {}
        for split, figures in self._figures.items():
            if not figures.labels:  # none of its samples could be read
                continue
            if wrong := fault_of_split(figures.labels, self._opened.info, split):
                yield Finding("nothing to learn", "error", str(wrong), split)
            else:
                sound[split] = figures
        if different := different_types(self._types()):
            yield Finding("invalid", "error", str(different))
        if train := sound.pop("train", None):
            for split, figures in sound.items():
                yield from self._shifts(split, train, figures)

    def _types(self) -> dict[str, str]:
        names: dict[str, str] = {}
        for split, figures in self._figures.items():
            for kind, index in sorted(figures.types.items(), key=lambda item: item[1]):
                names.setdefault(kind, f"'{self._opened.ids[split][index]}' of the split '{split}'")
        return names

    def _shifts(self, split: Split, train: SplitFigures, other: SplitFigures) -> Iterator[Finding]:
        (there,), (here,) = train.brightness.means, other.brightness.means
        if shifted(train.brightness, other.brightness).any() and abs(here - there) >= LEVELS:
            text = f"the images have a mean brightness of {here:.0f}, those of 'train' of {there:.0f}, of 0 to 255"
            yield Finding("shifted", "warning", text, split)
        apart = [
            f"'{self._opened.info.classes[label]}' {100 * here:.1f} % (of 'train' {100 * there:.1f} %)"
            for label in np.flatnonzero(shifted(train.shares, other.shares))
            for here, there in [(other.shares.means[label], train.shares.means[label])]
            if max(here, there) * (1 - min(here, there)) >= ODDS * min(here, there) * (1 - max(here, there))
        ]
        if apart:
            text = f"the labelled pixels of a mask are in the mean {', '.join(apart)}"
            yield Finding("shifted", "warning", text, split)


def shifted(first: Moments, second: Moments) -> NDArray[np.bool_]:
    """Which figures of two splits differ by more than chance, and by more than those of their images, (K,)."""
    freedom = first.count + second.count - 2
    if not (first.count and second.count and freedom):
        return np.zeros(len(first.sums), bool)
    from scipy.special import stdtr  # slow to import

    deviation = np.sqrt((first.deviations + second.deviations) / freedom)
    difference = np.abs(first.means - second.means)
    error = deviation * np.sqrt(1 / first.count + 1 / second.count)
    t = np.divide(difference, error, out=np.where(difference > 0, np.inf, 0), where=error > 0)
    unlikely: NDArray[np.bool_] = 2 * stdtr(freedom, -t) < CHANCE
    return unlikely & (difference > DEVIATIONS * deviation)
