"""Models beside each other on one dataset: means over seeds, and which differences from the baseline are real."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.benchmarking.significance import Difference, Interval, difference, holm, mean_interval
from segzoo.errors import ConfigError
from segzoo.runs.finished import Run
from segzoo.scoring.overlap import number
from segzoo.scoring.scores import gain

if TYPE_CHECKING:
    from numpy.typing import NDArray

RANKED = "mean_iou"
"""The score by which models are ordered; that of each image is tested."""
COMPARED = f"image_{RANKED}"
"""The score whose differences are tested: the mean of what `images.csv` calls like the other."""
ONE_SEED = "no test: one seed"
FEW_IMAGES = "no test: fewer than two images with scores of both"
DEFINITIONS: dict[str, str] = {
    "mean": "Of a score: over the seeds of one model on one dataset. Runs without it are left out, as where a class is "
    "absent.",
    "sd": "Of a score: its standard deviation over the seeds, with n - 1 below; none with one seed.",
    "low, high": "Of a score: the 95 % interval of its mean over the seeds, by Student's t; none with one seed.",
    "difference": f"{COMPARED} less that of the baseline, over the images that have one in every run of both. Its low "
    "and high are the 95 % interval for other seeds and other images: both are random effects, and crossed, and images "
    "count as independent of each other. It is the interval of one difference, not adjusted for the number of models: "
    "it may leave out 0 where p does not tell them apart.",
    "df": "Satterthwaite's degrees of freedom of that interval and of its test.",
    "p": "The probability of a difference at least as large, if there were none but that of seeds and images; adjusted "
    "by Holm for the number of models that are compared on the dataset. None, for no test, where a model has one seed "
    "or fewer than two images have scores of both.",
    "p_unadjusted": "The same before Holm.",
    "effect_size": "The difference over the standard deviation between seeds, pooled over both models: how many times "
    "what a mere change of the seed does.",
    "wilcoxon_p": "Wilcoxon's signed-rank test over images, each averaged over seeds. It is about these trained "
    "weights only and says nothing of the next training. It is not adjusted.",
}
"""What the figures of a comparison mean; the scores themselves are defined in each `metrics.json`."""


@dataclass(frozen=True)
class RankedModel:
    """One model on one dataset."""

    label: str
    runs: tuple[Run, ...]
    """The finished runs, which differ in their seed only."""
    scores: dict[str, Interval]
    """Over the seeds, by the names of `Run.scores`; those without a value in any run are left out."""
    difference: Difference | None = None
    """From the baseline in the mean IoU of images; None for the baseline, and where nothing can be compared."""
    p: float | None = None
    """Of the difference, after Holm; None where there is no test."""
    note: str = ""
    """`baseline`, or why there is no test."""

    def row(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        difference = self.difference
        return {
            "model": self.label,
            "seeds": [run.seed for run in self.runs],
            "scores": {name: _json(asdict(interval)) for name, interval in self.scores.items()},
            "comparison": _comparison(difference, self.p) if difference else None,
            "note": self.note,
        }


def rank(entries: Mapping[str, Sequence[Run]], baseline: str) -> list[RankedModel]:
    """Models by label, each with its finished runs on one dataset; best mean IoU first, those without runs last.

    Raises:
        ConfigError: if runs on the same data have scores of other images.
    """
    ids = list(entries[baseline][0].image_scores(RANKED)) if entries[baseline] else []
    reference = _matrix(entries[baseline], ids)
    notes = {label: _untested(label, entries, baseline) for label in entries}
    differences = {
        label: difference(_matrix(entries[label], ids), reference)
        for label, note in notes.items()
        if note in ("", ONE_SEED)
    }
    notes |= {label: FEW_IMAGES for label, tested in differences.items() if tested.p is None and not notes[label]}
    adjusted = dict(zip(differences, holm([tested.p for tested in differences.values()]), strict=True))
    rows = [
        RankedModel(label, tuple(runs), _intervals(runs), differences.get(label), adjusted.get(label), notes[label])
        for label, runs in entries.items()
    ]
    return sorted(rows, key=lambda row: -gain(RANKED, row.scores[RANKED].mean) if RANKED in row.scores else math.inf)


def _untested(label: str, entries: Mapping[str, Sequence[Run]], baseline: str) -> str:
    """Why there is no test of a model against the baseline; empty if there is one."""
    runs, base = entries[label], entries[baseline]
    if label == baseline:
        return "baseline"
    if not runs or not base:
        return "no test: no finished run" if not runs else "no test: no finished run of the baseline"
    if _scored(runs[0]) != _scored(base[0]):
        return "no test: other images"
    return ONE_SEED if min(len(runs), len(base)) == 1 else ""


def _scored(run: Run) -> tuple[str, str | None]:
    split = run.metrics["split"]
    return split, run.fingerprints.get(split)


def _matrix(runs: Sequence[Run], ids: Sequence[str]) -> NDArray[np.float64]:
    """The mean IoU of each image, (runs, images), NaN where an image has none."""
    rows = np.empty((len(runs), len(ids)))
    for run, row in zip(runs, rows, strict=True):
        scores = run.image_scores(RANKED)
        if scores.keys() != set(ids):
            raise ConfigError(
                f"{run.files.images} has {len(scores):,} images, and they are not the {len(ids):,} of the "
                f"baseline, though the data are the same; {run.files.again}"
            )
        row[:] = [scores[name] for name in ids]
    return rows


def _intervals(runs: Sequence[Run]) -> dict[str, Interval]:
    by_run = [run.scores for run in runs]
    names = dict.fromkeys(name for scores in by_run for name in scores)
    values = {name: [value for scores in by_run if (value := scores.get(name)) is not None] for name in names}
    return {name: mean_interval(np.array(known)) for name, known in values.items() if known}


def _comparison(difference: Difference, p: float | None) -> dict[str, float | None]:
    figures = asdict(difference)
    return _json({"difference": figures.pop("mean"), **figures, "p": p, "p_unadjusted": difference.p})


def _json(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value if value is None else number(value) for name, value in figures.items()}
