"""The counts of an image or a split, and the scores that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from segzoo.errors import PluginError
from segzoo.scoring import boundary, calibration, overlap
from segzoo.scoring.overlap import Counts, Scores, number

if TYPE_CHECKING:
    from segzoo.plugin import Judge

DEFINITIONS = overlap.DEFINITIONS | boundary.DEFINITIONS | calibration.DEFINITIONS
"""The definition of each score; a dataset's judge adds the definitions of its scores."""


@dataclass(frozen=True)
class Tally:
    """The counts of an image, or the sums of those of many; C is the number of classes."""

    confusion: Counts
    """Pixels by true and predicted class, (C, C)."""
    bands: Counts
    """See `boundary.band_counts`, (C, 2)."""
    distances: Scores
    """95 % Hausdorff distances, (C, 2): their sum over the images that have one, and how many those are."""
    reliability: Scores
    """See `calibration.reliability`, (3, BINS)."""

    @classmethod
    def none(cls, num_classes: int) -> Self:
        """The counts of no image, to begin a sum with."""
        square, pairs = np.zeros((num_classes, num_classes), np.int64), np.zeros((num_classes, 2))
        return cls(square, pairs.astype(np.int64), pairs, np.zeros((3, calibration.BINS)))

    @classmethod
    def of(cls, mask: npt.NDArray[Any], predictions: npt.NDArray[Any], probabilities: npt.NDArray[np.float32]) -> Self:
        """The counts of one image, from its mask (H, W), the predicted classes (H, W) and probabilities (H, W, C)."""
        num_classes = probabilities.shape[-1]
        distances = boundary.hd95(mask, predictions, num_classes)
        return cls(
            overlap.confusion(mask, predictions, num_classes),
            boundary.band_counts(mask, predictions, num_classes),
            np.stack([np.nan_to_num(distances), ~np.isnan(distances)], axis=1),
            calibration.reliability(mask, predictions, probabilities.max(-1)),
        )

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def iou(self) -> Scores:
        """IoU of each class, (C,)."""
        return overlap.iou(self.confusion)

    def boundary_iou(self) -> Scores:
        """Boundary IoU of each class, (C,)."""
        return boundary.boundary_iou(self.bands)

    def hd95(self) -> Scores:
        """The mean 95 % Hausdorff distance of each class in pixels, (C,)."""
        return overlap.ratio(self.distances[:, 0], self.distances[:, 1])

    def calibration_error(self) -> Scores:
        """The expected calibration error."""
        return calibration.expected_calibration_error(self.reliability)


def image_scores(tally: Tally, classes: Sequence[str]) -> dict[str, Any]:
    """The scores of one image as a row of a table; NaN where there is none."""

    def by_class(name: str, values: Scores) -> dict[str, Any]:
        return {f"{name}_{label}": value for label, value in zip(classes, values, strict=True)}

    ious, bands, distances = tally.iou(), tally.boundary_iou(), tally.hd95()
    return {
        "mean_iou": overlap.mean(ious),
        **by_class("iou", ious),
        **by_class("boundary_iou", bands),
        "mean_boundary_iou": overlap.mean(bands),
        **by_class("hd95", distances),
        "mean_hd95": overlap.mean(distances),
        "expected_calibration_error": tally.calibration_error(),
    }


def split_scores(tally: Tally, classes: Sequence[str]) -> dict[str, Any]:
    """The scores of all images together, ready for JSON: NaN is None, and the definitions stand beside."""

    def by_class(values: Scores) -> dict[str, float | None]:
        return dict(zip(classes, map(number, values), strict=True))

    bands, distances = tally.boundary_iou(), tally.hd95()
    return {
        **overlap.scores(tally.confusion, classes),
        "mean_boundary_iou": number(overlap.mean(bands)),
        "boundary_iou": by_class(bands),
        "mean_hd95": number(overlap.mean(distances)),
        "hd95": by_class(distances),
        "hd95_images": dict(zip(classes, tally.distances[:, 1].astype(int).tolist(), strict=True)),
        "expected_calibration_error": number(tally.calibration_error()),
        "definitions": DEFINITIONS,
    }


def own_scores(judge: Judge, counts: Sequence[Any]) -> dict[str, float]:
    """The scores that the dataset's judge gives these images.

    Raises:
        PluginError: if it does not say what it defines, or gives a figure of its own the name of one of segzoo's.
    """
    scores = {name: float(value) for name, value in judge.scores(counts).items()}
    if scores.keys() != judge.definitions.keys():
        defined, given = (", ".join(names) or "none" for names in (judge.definitions, scores))
        raise PluginError(f"the dataset's judge defines the scores {defined}, but gives {given}")
    if taken := scores.keys() & {"id", *DEFINITIONS}:
        raise PluginError(f"the dataset's judge has a score '{min(taken)}', which is the name of another figure")
    return scores
