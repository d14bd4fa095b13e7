"""Calibration, whether confidences agree with accuracy: the expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segzoo.plugin import IGNORE, Metric, Score
from segzoo.scoring.overlap import Scores, ratio

if TYPE_CHECKING:
    from segzoo.scoring.segmentation import Segmentation

BINS = 15
"""Number of bins of the confidence, of equal width."""


class Calibration(Metric):
    """Whether a network is as often right as it says; counts are those of `reliability`."""

    definitions: Mapping[str, Score] = {
        "expected_calibration_error": Score(
            "How far confidence and accuracy are apart: labelled pixels, of all images together, fall into 15 equally "
            "wide bins by the largest probability of their softmax; the difference between its mean and the share of "
            "right pixels in each bin, averaged with the bins' pixels as weights (Guo et al. 2017, arXiv:1706.04599).",
            "lower",
        ),
    }

    def count(self, image: Segmentation, /) -> Scores:
        """See `Metric.count`."""
        return reliability(image.mask, image.predictions, image.probabilities.max(-1))

    def scores(self, counts: Scores, classes: Sequence[str], /) -> dict[str, Any]:
        """See `Metric.scores`."""
        return {"expected_calibration_error": expected_calibration_error(counts)}


def reliability(mask: npt.NDArray[Any], predictions: npt.NDArray[Any], confidences: npt.NDArray[np.float32]) -> Scores:
    """Pixels, their confidences summed up, and how many of them are right: (3, BINS), by bins of the confidence.

    From a mask, the predicted classes and their probabilities, each (H, W). Bins are open below and closed above.
    Summed over images, the three give the calibration error of a split.
    """
    counted = mask != IGNORE
    confidence = confidences[counted].astype(np.float64)
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    right = mask[counted] == predictions[counted]
    return np.stack([np.bincount(bins, weights, BINS) for weights in (np.ones(len(bins)), confidence, right)])


def expected_calibration_error(bins: Scores) -> Scores:
    """The expected calibration error, (..., 3, BINS) to (...); NaN where nothing is labelled."""
    pixels, confidence, right = np.moveaxis(bins, -2, 0)
    return ratio(np.abs(right - confidence).sum(-1), pixels.sum(-1))
