"""The metrics by which a run is scored, and what they make of an image and of a split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from segzoo import plugin_errors
from segzoo.errors import PluginError
from segzoo.plugin import Dataset, Score
from segzoo.scoring.boundary import Boundary, Hausdorff
from segzoo.scoring.calibration import Calibration
from segzoo.scoring.overlap import Overlap, mean, number
from segzoo.scoring.rates import Rates
from segzoo.scoring.segmentation import NoProbabilitiesError

if TYPE_CHECKING:
    from segzoo.plugin import Metric
    from segzoo.scoring.segmentation import Segmentation

Counts = tuple[Any, ...]
"""What each metric counts; None if it asks for probabilities and there are none."""

METRICS: tuple[Metric, ...] = (Overlap(), Boundary(), Hausdorff(), Calibration(), Rates())
"""What every run is scored by."""
DEFINITIONS: dict[str, Score] = {name: score for metric in METRICS for name, score in metric.definitions.items()}
"""The scores of every run by name; a dataset's own metric adds its scores."""
WORDS = {"iou": "IoU", "dice": "Dice", "hd95": "HD95"}
"""Words in the names of scores that are written otherwise in a text."""
KEYS = (
    "mean_iou",
    "mean_dice",
    "pixel_accuracy",
    "iou",
    "dice",
    "absent_classes",
    "confusion",
    "definitions",
    "mean_boundary_iou",
    "boundary_iou",
    "mean_hd95",
    "hd95",
    "hd95_images",
    "expected_calibration_error",
    "image_mean_iou",
    "dataset_scores",
)
"""The keys that come first in `metrics.json`, in this order; all others follow as the metrics give them."""


@dataclass(frozen=True)
class Scoring:
    """How the images of a split are scored."""

    classes: Sequence[str]
    """The names of the classes."""
    own: Metric | None = None
    """That of the dataset."""
    dataset: type[Dataset] = Dataset
    """Whose metric it is, for messages."""

    def __post_init__(self) -> None:
        for score in self.own.definitions.values() if self.own else ():
            if not isinstance(score, Score):
                raise PluginError(
                    f"{plugin_errors.title(self.dataset)}: its metric defines {score!r:.60}, which is no Score"
                )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All metrics, that of the dataset last."""
        return (*METRICS, self.own) if self.own else METRICS

    def count(self, image: Segmentation) -> Counts:
        """The counts of an image."""
        return tuple(self._counted(metric, image) for metric in self.metrics)

    def add(self, counts: Counts, others: Counts) -> Counts:
        """The counts of both together."""
        return tuple(
            None if any(count is None for count in both) else self._asked(metric, "add", *both)
            for metric, *both in zip(self.metrics, counts, others, strict=True)
        )

    def summed(self, counts: Iterable[Counts]) -> tuple[Counts, list[dict[str, Any]]]:
        """The counts of all images together, of which there is one at least, and the scores of each."""
        total, rows = None, []
        for of_image in counts:
            rows.append(self.image_scores(of_image))
            total = self.add(total, of_image) if total else of_image
        return total or (), rows

    def image_scores(self, counts: Counts) -> dict[str, Any]:
        """The scores of one image as a row of a table, those of a class as `NAME_CLASS`; NaN where there is none.

        Raises:
            PluginError: if the dataset's metric does not say what it defines, or names a score as another is named.
        """
        row: dict[str, Any] = {}
        for metric, count in zip(self.metrics, counts, strict=True):
            scores = self._given(metric, "image_scores", count)
            row |= flat({name: value for name, value in scores.items() if metric.definitions[name].better})
        return row

    def split_scores(self, counts: Counts, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The scores of all images together, from the sum of their counts and the row of each.

        They are ready for JSON: NaN is None, and what each means and which way is better stand beside.

        Raises:
            PluginError: if the dataset's metric does not say what it defines, or names a score as another is named.
        """
        scores: dict[str, Any] = {}
        for metric, count in zip(self.metrics, counts, strict=True):
            figures = {**self._given(metric, "scores", count), **_means(metric, rows)}
            ready = {name: _ready(metric.definitions[name], value) for name, value in figures.items()}
            scores |= {"dataset_scores": ready} if metric is self.own else ready
        defined = {name: score for metric in self.metrics for name, score in metric.definitions.items()}
        scores["definitions"] = {name: score.definition for name, score in defined.items()}
        scores["better"] = {name: score.better for name, score in defined.items() if score.better}
        return {key: scores[key] for key in KEYS if key in scores} | scores

    def _counted(self, metric: Metric, image: Segmentation) -> Any:
        try:
            return self._asked(metric, "count", image)
        except NoProbabilitiesError:
            return None

    def _given(self, metric: Metric, method: Literal["scores", "image_scores"], count: Any) -> Mapping[str, Any]:
        """The scores that a metric gives these counts, NaN without counts; a dataset's metric gives what it defines."""
        if count is None:
            scored = (name for name, score in metric.definitions.items() if score.better)
            return {name: np.nan for name in scored if name not in metric.image_means}
        scores: Mapping[str, Any] = self._asked(metric, method, count, self.classes)
        if metric is self.own:
            require_defined(metric, scores, of_image=method == "image_scores")
        return scores

    def _asked(self, metric: Metric, method: str, *facts: Any) -> Any:
        """What a method of a metric returns."""
        if metric is not self.own:
            return getattr(metric, method)(*facts)
        with plugin_errors.Calling(self.dataset, f"`{method}` of its metric"):
            return getattr(metric, method)(*facts)


def title(name: str) -> str:
    """What a score is called in a text, such as `mean boundary IoU`."""
    return " ".join(WORDS.get(word, word) for word in name.split("_"))


def explained(definition: str, better: str | None) -> str:
    """A definition that says so where less is better."""
    return f"{definition} Lower is better." if better == "lower" else definition


def gain(name: str, difference: float) -> float:
    """A difference in one of the scores of every run, positive where it is for the better."""
    return -difference if DEFINITIONS[name].better == "lower" else difference


def flat(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Scores in a single row, those of a class as `NAME_CLASS`."""
    row: dict[str, Any] = {}
    for name, value in scores.items():
        if isinstance(value, Mapping):
            row |= {f"{name}_{label}": of_class for label, of_class in value.items()}
        else:
            row[name] = value
    return row


def require_defined(metric: Metric, scores: Mapping[str, Any], of_image: bool = False) -> None:
    """Raise a PluginError unless a dataset's metric gives the scores that it defines, of an image perhaps fewer.

    None of them may have the name of another figure.
    """
    wanted = [name for name in metric.definitions if name not in metric.image_means]
    if not set(scores) <= set(wanted) or not (of_image or set(wanted) <= set(scores)):
        defined, given = (", ".join(names) or "none" for names in (wanted, scores))
        raise PluginError(f"the dataset's metric defines the scores {defined}, but gives {given}")
    if taken := metric.definitions.keys() & {"id", *DEFINITIONS}:
        raise PluginError(f"the dataset's metric has a score '{min(taken)}', which is the name of another figure")


def _means(metric: Metric, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The scores that are means over images, from the row of each image."""
    if unknown := [of for of in metric.image_means.values() if of not in rows[0]]:
        raise PluginError(f"a metric has the mean over images of '{unknown[0]}', which is no score of an image")
    return {name: float(mean(np.array([row[of] for row in rows]))) for name, of in metric.image_means.items()}


def _ready(score: Score, value: Any) -> Any:
    """A value for JSON, where a score is None instead of NaN."""
    if not score.better:
        return value
    return (
        {label: number(of_class) for label, of_class in value.items()} if isinstance(value, Mapping) else number(value)
    )
