"""How closely a segmentation follows the boundaries of the classes: boundary IoU and the 95 % Hausdorff distance.

Both ask for masks at the original size, and both see a class end in the same places: where another class begins, where
the image ends, and where IGNORE begins. An ignored pixel belongs to no class, in truth and prediction alike, whatever
is predicted there; so it is never counted, and the edge of an ignored area is an edge of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segzoo.plugin import IGNORE, Metric, Score
from segzoo.scoring.overlap import Counts, Scores, by_class, mean, ratio

if TYPE_CHECKING:
    from segzoo.scoring.segmentation import Segmentation

Labels = npt.NDArray[Any]

WIDTH = 0.02
"""Width of the band along a boundary, as a share of the image's diagonal: 2 %, as in the paper of boundary IoU."""


class Boundary(Metric):
    """How well the boundaries of each class agree, as pixels; counts are those of `band_counts`."""

    definitions: Mapping[str, Score] = {
        "boundary_iou": Score(
            "Of a class: the IoU of two bands, counted over all images together. A band is the pixels of the class "
            "that are within 2 % of the image's diagonal of where the class ends, in truth or in prediction (Cheng et "
            "al. 2021, arXiv:2103.16562).",
            "higher",
        ),
        "mean_boundary_iou": Score(
            "The mean of boundary IoU over the classes that occur in truth or prediction.", "higher"
        ),
    }

    def count(self, image: Segmentation, /) -> Counts:
        """See `Metric.count`."""
        return band_counts(image.mask, image.predictions, image.num_classes)

    def scores(self, counts: Counts, classes: Sequence[str], /) -> dict[str, Any]:
        """See `Metric.scores`."""
        bands = boundary_iou(counts)
        return {"mean_boundary_iou": mean(bands), "boundary_iou": by_class(classes, bands)}

    def image_scores(self, counts: Counts, classes: Sequence[str], /) -> dict[str, Any]:
        """See `Metric.image_scores`."""
        scores = self.scores(counts, classes)
        return {name: scores[name] for name in ("boundary_iou", "mean_boundary_iou")}


class Hausdorff(Metric):
    """How far off the boundary of each class is, in pixels.

    Counts are (C, 2): the sum of the distances over the images that have one, and how many those are.
    """

    definitions: Mapping[str, Score] = {
        "hd95": Score(
            "Of a class: the 95 % Hausdorff distance, in pixels of the original image. Of the distances from each edge "
            "pixel of the truth to the nearest of the prediction, and of those the other way, the 95th percentile; the "
            "larger of the two. The mean over the images in which the class is in both truth and prediction; elsewhere "
            "there is no such distance, so a class that is missed or made up does not count here, but in IoU.",
            "lower",
        ),
        "hd95_images": Score("Of a class: the number of images that its hd95 is the mean of.", None),
        "mean_hd95": Score("The mean of hd95 over the classes that have one.", "lower"),
    }

    def count(self, image: Segmentation, /) -> Scores:
        """See `Metric.count`."""
        distances = hd95(image.mask, image.predictions, image.num_classes)
        return np.stack([np.nan_to_num(distances), ~np.isnan(distances)], axis=1)

    def scores(self, counts: Scores, classes: Sequence[str], /) -> dict[str, Any]:
        """See `Metric.scores`."""
        distances = ratio(counts[:, 0], counts[:, 1])
        return {
            "mean_hd95": mean(distances),
            "hd95": by_class(classes, distances),
            "hd95_images": by_class(classes, counts[:, 1].astype(int)),
        }

    def image_scores(self, counts: Scores, classes: Sequence[str], /) -> dict[str, Any]:
        """See `Metric.image_scores`."""
        scores = self.scores(counts, classes)
        return {name: scores[name] for name in ("hd95", "mean_hd95")}


def common(mask: Labels, predictions: Labels) -> Labels:
    """The predictions with IGNORE wherever the mask has it."""
    ignored = mask == IGNORE
    return np.where(ignored, IGNORE, predictions) if ignored.any() else predictions


def band_counts(mask: Labels, predictions: Labels, num_classes: int) -> Counts:
    """Pixels (C, 2) of each class that are in the bands of both truth and prediction, and in those of either.

    From a mask (H, W) and the predicted classes (H, W). Summed over images, they give the boundary IoU of a split.
    """
    width = max(1, round(WIDTH * hypot(*mask.shape)))
    seen = common(mask, predictions)
    true, predicted = band(mask, width), band(seen, width)

    def count(labels: Labels) -> npt.NDArray[np.intp]:
        return np.bincount(labels, minlength=num_classes)

    both = count(mask[true & predicted & (mask == seen)])
    return np.stack([both, count(mask[true]) + count(seen[predicted]) - both], axis=1).astype(np.int64)


def boundary_iou(counts: Counts) -> Scores:
    """Boundary IoU of each class, (..., C, 2) to (..., C); NaN for absent classes."""
    return ratio(counts[..., 0], counts[..., 1])


def band(labels: Labels, width: int) -> npt.NDArray[np.bool_]:
    """Which labelled pixels have another label or the end of the image within `width` pixels, diagonals counting one.

    That is what is left of each class when the class, eroded `width` times by a square of 3x3, is taken away.
    """
    from scipy.ndimage import maximum_filter, minimum_filter  # slow to import, and metrics are asked for their names

    window = {"size": 2 * width + 1, "mode": "constant", "cval": IGNORE}
    near = maximum_filter(labels, **window) != minimum_filter(labels, **window)
    inside: npt.NDArray[np.bool_] = near & (labels != IGNORE)
    return inside


def hd95(mask: Labels, predictions: Labels, num_classes: int) -> Scores:
    """The 95 % Hausdorff distance (C,) of each class in pixels; NaN unless it is in both truth and prediction.

    From a mask (H, W) and the predicted classes (H, W). Percentiles are interpolated linearly.
    """
    from scipy.spatial import KDTree

    (true, places), (predicted, others) = edges(mask), edges(common(mask, predictions))
    distances = np.full(num_classes, np.nan)
    for label in np.intersect1d(true, predicted):
        ours, theirs = places[true == label], others[predicted == label]
        forth, back = KDTree(theirs).query(ours)[0], KDTree(ours).query(theirs)[0]
        distances[label] = max(np.percentile(forth, 95), np.percentile(back, 95))
    return distances


def edges(labels: Labels) -> tuple[Labels, npt.NDArray[np.intp]]:
    """The labels (N,) and places (N, 2) of the pixels beside another label or the end of the image.

    Every class that occurs has some.
    """
    padded = np.pad(labels, 1, constant_values=IGNORE)
    beside = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
    edge = np.any([other != labels for other in beside], axis=0) & (labels != IGNORE)
    return labels[edge], np.argwhere(edge)
