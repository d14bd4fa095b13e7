"""Precision, recall and specificity of each class, from confusion matrices (..., C, C): rows truth, columns prediction.

Each is a share of pixels, and NaN where there are none to take a share of. So a class that is never predicted has no
precision, and one that is not in the truth has no recall. A class in neither has no specificity, too: it would be 1
for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.plugin import Metric, Score
from segzoo.scoring.overlap import Counts, Scores, absent, by_class, diagonal, mean, ratio

if TYPE_CHECKING:
    from segzoo.scoring.segmentation import Segmentation


def precision(counts: Counts) -> Scores:
    """Share of right pixels among those predicted as a class, (..., C, C) to (..., C); NaN if it is never predicted."""
    return ratio(diagonal(counts), counts.sum(-2))


def recall(counts: Counts) -> Scores:
    """Share of right pixels among those of a class, (..., C, C) to (..., C); NaN if it is not in the truth."""
    return ratio(diagonal(counts), counts.sum(-1))


def specificity(counts: Counts) -> Scores:
    """Share of pixels not predicted as a class among those of others, (..., C, C) to (..., C).

    NaN if there are none of others, or the class is in neither truth nor prediction.
    """
    others = counts.sum((-2, -1))[..., None] - counts.sum(-1)
    false = counts.sum(-2) - diagonal(counts)
    return np.where(absent(counts), np.nan, ratio(others - false, others))


class Rates(Metric):
    """How complete and how pure the prediction of each class is; counts are confusion matrices (C, C)."""

    definitions: Mapping[str, Score] = {
        "precision": Score(
            "Of a class: the share of the pixels predicted as the class that truly are of it, counted over all images "
            "together. A class that is never predicted has none.",
            "higher",
        ),
        "mean_precision": Score(
            "The mean of precision over the classes that have one, all weighing the same.", "higher"
        ),
        "recall": Score(
            "Of a class: the share of the pixels truly of the class that are predicted as it, counted over all images "
            "together; also called sensitivity. A class that is not in the truth has none.",
            "higher",
        ),
        "mean_recall": Score("The mean of recall over the classes that have one, all weighing the same.", "higher"),
        "specificity": Score(
            "Of a class: the share of the pixels truly of other classes that are not predicted as the class, counted "
            "over all images together. A class in neither truth nor prediction, or beside no other, has none.",
            "higher",
        ),
        "mean_specificity": Score(
            "The mean of specificity over the classes that have one, all weighing the same.", "higher"
        ),
    }

    def count(self, image: Segmentation, /) -> Counts:
        """See `Metric.count`."""
        return image.confusion

    def scores(self, counts: Counts, classes: Sequence[str], /) -> dict[str, Any]:
        """See `Metric.scores`."""
        rates = np.stack([precision(counts), recall(counts), specificity(counts)])
        scores: dict[str, Any] = {}
        for name, values, average in zip(("precision", "recall", "specificity"), rates, mean(rates), strict=True):
            scores |= {f"mean_{name}": average, name: by_class(classes, values)}
        return scores
