"""Rare classes: how much their pixels weigh, and crops around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from segzoo.data.faults import label_counts
from segzoo.data.samples import Identity
from segzoo.plugin import IGNORE, Samples
from segzoo.processes.threads import in_parallel
from segzoo.training.store import PackedArrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

POINTS = 128
"""Pixels of each class in a mask that crops may be laid around: spread over all of its pixels."""


def median_frequency(pixels: Sequence[int], labelled: Sequence[int]) -> list[float | None]:
    """Weights by median frequency balancing, from each class's pixels and the labelled ones of the images that have it.

    None for a class that does not occur. Source: Eigen and Fergus 2015, arXiv:1411.4734.
    """
    shares = [Fraction(part, total) if part else None for part, total in zip(pixels, labelled, strict=True)]
    middle = median([share for share in shares if share] or [Fraction(1)])
    return [float(middle / share) if share else None for share in shares]


def class_weights(samples: Samples, masks: PackedArrays, num_classes: int) -> list[float]:
    """The weight of each class by median frequency balancing; 0 for a class that does not occur.

    Of samples that a run gives to a trainer, they are those that `segzoo data stats` prints, counted in the masks at
    their original size.

    Args:
        samples: what was prepared.
        masks: what has become of their masks, to be counted if the samples have not counted themselves.
        num_classes: how many classes there are.
    """
    pixels, labelled = Counter[int](), Counter[int]()
    for counts in _counts(samples, masks):
        pixels.update(counts)
        labelled.update(dict.fromkeys(counts, sum(counts.values()) - counts.get(IGNORE, 0)))
    labels = range(num_classes)
    return [weight or 0.0 for weight in median_frequency(*([c[label] for label in labels] for c in (pixels, labelled)))]


def _counts(samples: Samples, masks: PackedArrays) -> Sequence[Mapping[int, int]]:
    """How many pixels of each mask have each label."""
    identity = Identity.of(samples)
    readings = identity.readings.first if identity else {}
    if len(readings) == len(samples):
        return [reading.labels for reading in readings.values()]
    return in_parallel(lambda index: label_counts(masks[index]), range(len(masks)))


class RarePlaces:
    """Some pixels of each class in each mask, to lay crops around: of rare classes as many as of frequent ones."""

    def __init__(self, masks: PackedArrays) -> None:
        self._sizes = masks.sizes
        self._points = in_parallel(lambda index: _points_of(masks[index]), range(len(masks)))

    def move(self, corner: NDArray[np.int64], index: int, crop: tuple[int, int], seed: int, share: float) -> None:
        """Move a crop, with this probability, so that a pixel of a random class of its mask lies in it.

        Args:
            corner: row and column of its upper left corner (2,), to be changed; not on an axis on which the image is
                smaller than the crop.
            index: that of the sample.
            crop: height and width of the crop.
            seed: decides the draws.
            share: the probability.
        """
        # The 1 tells these draws from others by the same seed.
        rng, points = np.random.default_rng([seed, 1]), self._points[index]
        if rng.random() >= share or not points:
            return
        point = divmod(rng.choice(points[rng.integers(len(points))]), self._sizes[index][1])
        spare = self._sizes[index] - crop
        moved = np.clip(point - rng.integers(0, crop), 0, np.maximum(spare, 0))
        corner[spare > 0] = moved[spare > 0]


def _points_of(mask: NDArray[np.uint8]) -> list[NDArray[np.int64]]:
    """Indices into the flat mask of some pixels of each class there."""
    points = []
    for label in label_counts(mask):
        if label != IGNORE:
            places = np.flatnonzero(mask == label)
            points.append(places[np.linspace(0, len(places) - 1, min(POINTS, len(places))).astype(int)])
    return points
