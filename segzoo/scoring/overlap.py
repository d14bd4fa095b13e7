"""Scores of a segmentation that follow from its confusion matrix.

Count first, divide last: evaluation makes one int64 matrix (C, C) an image, rows truth and columns prediction. Their
sum gives the scores of the split, the stack (N, C, C) those of each image. Every function but `confusion`
takes any leading axes, so `mean_iou(stack)` is one value an image. Averages of per-batch scores are not offered,
because they change with the batch size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segzoo.data.faults import outside
from segzoo.errors import DataError
from segzoo.plugin import IGNORE, Metric, Score

if TYPE_CHECKING:
    from segzoo.scoring.segmentation import Segmentation

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


def confusion(labels: npt.NDArray[Any], predictions: npt.NDArray[Any], num_classes: int) -> Counts:
    """Pixels by true class (rows) and predicted class (columns), from integers of any one shape.

    Pixels labelled IGNORE are left out, whatever is predicted there. Raises DataError for other labels outside
    0..num_classes-1, ValueError for such predictions and for shapes that differ, TypeError for floats.
    """
    if labels.shape != predictions.shape:
        raise ValueError(f"labels have the shape {labels.shape}, predictions {predictions.shape}")
    counted = labels != IGNORE
    truth, predicted = labels[counted], predictions[counted]
    if wrong := outside(truth, num_classes):
        allowed = f"0 to {num_classes - 1}, or {IGNORE} for pixels to be ignored"
        raise DataError(f"the mask has the labels {wrong}; with {num_classes} classes they must be {allowed}")
    if wrong := outside(predicted, num_classes):
        raise ValueError(f"predicted classes {wrong} are not among 0 to {num_classes - 1}")
    # Widened before the product, which 8 bits do not hold; "same_kind" refuses floats, which would be truncated.
    cells = truth.astype(np.int64, casting="same_kind") * num_classes + predicted.astype(np.int64, casting="same_kind")
    return np.bincount(cells, minlength=num_classes**2).astype(np.int64).reshape(num_classes, num_classes)


def iou(counts: Counts) -> Scores:
    """Intersection over union of each class (Jaccard index), (..., C, C) to (..., C); NaN for absent classes."""
    hits = diagonal(counts)
    return ratio(hits, counts.sum(-1) + counts.sum(-2) - hits)


def dice(counts: Counts) -> Scores:
    """Dice coefficient of each class (F1 score), (..., C, C) to (..., C); NaN for absent classes."""
    return ratio(2 * diagonal(counts), counts.sum(-1) + counts.sum(-2))


def mean_iou(counts: Counts) -> Scores:
    """Mean IoU of the classes that occur, (..., C, C) to (...); NaN where nothing is labelled."""
    return mean(iou(counts))


def mean_dice(counts: Counts) -> Scores:
    """Mean Dice of the classes that occur, (..., C, C) to (...); NaN where nothing is labelled."""
    return mean(dice(counts))


def pixel_accuracy(counts: Counts) -> Scores:
    """Share of labelled pixels that are right, (..., C, C) to (...); NaN where nothing is labelled."""
    return ratio(diagonal(counts).sum(-1), counts.sum((-2, -1)))


def image_mean_iou(counts: Counts) -> Scores:
    """Mean over images of their own mean IoU, (..., N, C, C) to (...); images without a labelled pixel are left out."""
    return mean(mean_iou(counts))


def absent(counts: Counts) -> npt.NDArray[np.bool_]:
    """Which classes occur in neither truth nor prediction, (..., C, C) to (..., C)."""
    missing: npt.NDArray[np.bool_] = np.equal(counts.sum(-1) + counts.sum(-2), 0)
    return missing


class Overlap(Metric):
    """How much of each class is in the same places in truth and prediction; counts are confusion matrices (C, C)."""

    definitions: Mapping[str, Score] = {
        "iou": Score(
            "Of a class: pixels of both truth and prediction over pixels of either, counted over all images together.",
            "higher",
        ),
        "dice": Score(
            "Of a class: twice the pixels of both truth and prediction over the pixels of truth plus those of "
            "prediction, counted over all images together.",
            "higher",
        ),
        "mean_iou": Score(
            "The mean of IoU over the classes that occur in truth or prediction, all weighing the same.", "higher"
        ),
        "mean_dice": Score(
            "The mean of Dice over the classes that occur in truth or prediction, all weighing the same.", "higher"
        ),
        "pixel_accuracy": Score(
            "The share of labelled pixels whose predicted class is the true one, over all images together.", "higher"
        ),
        "image_mean_iou": Score(
            "The mean over images of each image's own mean IoU, taken over the classes that occur in that image's "
            "truth or prediction.",
            "higher",
        ),
        "absent_classes": Score(
            "Classes without a pixel in truth or prediction; they have no score and are in no mean.", None
        ),
        "confusion": Score(
            "Labelled pixels of all images, counted by true class (rows) and predicted class (columns).", None
        ),
    }
    image_means: Mapping[str, str] = {"image_mean_iou": "mean_iou"}

    def count(self, image: Segmentation, /) -> Counts:
        """See `Metric.count`."""
        return image.confusion

    def scores(self, counts: Counts, classes: Sequence[str], /) -> dict[str, Any]:
        """See `Metric.scores`."""
        return {
            "mean_iou": mean_iou(counts),
            "mean_dice": mean_dice(counts),
            "pixel_accuracy": pixel_accuracy(counts),
            "iou": by_class(classes, iou(counts)),
            "dice": by_class(classes, dice(counts)),
            "absent_classes": [name for name, missing in zip(classes, absent(counts), strict=True) if missing],
            "confusion": counts.tolist(),
        }

    def image_scores(self, counts: Counts, classes: Sequence[str], /) -> dict[str, Any]:
        """See `Metric.image_scores`."""
        ious = iou(counts)
        return {"mean_iou": mean(ious), "iou": by_class(classes, ious)}


def by_class(classes: Sequence[str], values: npt.NDArray[Any]) -> dict[str, Any]:
    """Values (C,) by the names of their classes.

    Raises:
        ValueError: if there are not as many of both.
    """
    return dict(zip(classes, values.tolist(), strict=True))


def number(value: npt.ArrayLike) -> float | None:
    """A score for JSON, which has no NaN: None in its place."""
    return None if np.isnan(value) else float(np.asarray(value))


def diagonal(counts: Counts) -> Counts:
    """Pixels of each class that are right, (..., C, C) to (..., C)."""
    return np.diagonal(counts, axis1=-2, axis2=-1)


def ratio(part: npt.NDArray[Any], total: npt.NDArray[Any]) -> Scores:
    """Quotients, NaN where there is nothing to divide by."""
    quotients = np.full(np.shape(total), np.nan)
    np.divide(part, total, out=quotients, where=total > 0)
    return quotients


def mean(values: Scores) -> Scores:
    """Mean over the last axis of the values that are not NaN; NaN if none is left."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(-1), known.sum(-1))
