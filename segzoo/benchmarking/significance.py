"""Whether a difference between two models would be there again with other seeds and on other images.

A model m, trained with the seed s, scores on the image i

    score = mean of m + image i + (model x image) mi + seed s of m + (seed x image) si.

Seeds are nested in their model, images are common to all: images and seeds are crossed. All but the first term are
random, for another benchmark would draw other seeds and other images. The difference of two means then varies by

    V = sum over models of (var(seed) + var(seed x image) / N) / S  +  2 var(model x image) / N

for N images and S seeds of a model; the images themselves cancel. Its parts are mean squares in closed form, because
every seed is scored on every image, and the degrees of freedom are Satterthwaite's (1946, Biometrics Bulletin 2:110).
Each model has a variance of its own between its seeds, as in Welch's test: pooled over models, it would be wrong where
one varies more than others (`benchmarks/pooling.py`). `benchmarks/significance.py` shows by simulation that the test
keeps its level, and where it does not.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Scores = NDArray[np.float64]

ROUNDING = 8 * sys.float_info.epsilon
"""What rounding may leave of a difference that is none, as a share of the largest score."""


@dataclass(frozen=True)
class Interval:
    """The mean of a score over seeds, and how far other seeds may move it. What is not known is NaN."""

    mean: float
    sd: float
    """Between seeds, with n - 1 below; NaN with one seed."""
    low: float
    high: float
    """Student's t interval of the mean on these images; NaN with one seed."""


@dataclass(frozen=True)
class Difference:
    """How far a model's scores are above the baseline's. What is not known is NaN, or p None."""

    mean: float
    """The model's mean score over images and seeds less that of the baseline."""
    low: float
    high: float
    """The interval of that difference for other seeds and other images; NaN where there is no test."""
    p: float | None
    """Of the two-sided test that there is no difference, for other seeds and other images. None, for no test, where a
    model has one seed or fewer than two images have scores."""
    df: float
    """Satterthwaite's degrees of freedom of interval and test; NaN where there is no test."""
    effect_size: float
    """The difference over the standard deviation between seeds, pooled over both models: how many times what a mere
    change of the seed does to a model's score. NaN where there is no test or seeds make no difference."""
    wilcoxon_p: float
    """Of Wilcoxon's signed-rank test over images, each averaged over seeds: for these trained weights only. It says
    nothing of what the next training gives. NaN without images."""


def mean_interval(scores: Scores, level: float = 0.95) -> Interval:
    """The mean of one score over seeds, (seeds,), NaN left out, with its t interval; images count as fixed."""
    known = np.asarray(scores, np.float64)
    known = known[~np.isnan(known)]
    mean = float(known.mean()) if known.size else math.nan
    if known.size < 2:
        return Interval(mean, math.nan, math.nan, math.nan)
    sd = float(known.std(ddof=1))
    margin = _quantile(level, known.size - 1) * sd / math.sqrt(known.size)
    return Interval(mean, sd, mean - margin, mean + margin)


def difference(scores: Scores, baseline: Scores, level: float = 0.95) -> Difference:
    """Compare a model's scores (seeds, images) with a baseline's (its seeds, the same images in the same order).

    An image that is NaN anywhere is left out everywhere. The numbers of seeds may differ.

    Raises:
        ValueError: if the shapes do not fit.
    """
    scores, baseline = _complete(scores, baseline)
    rounding = ROUNDING * float(max(np.abs(scores).max(initial=0.0), np.abs(baseline).max(initial=0.0)))
    by_image = scores.mean(axis=0) - baseline.mean(axis=0)
    by_image[np.abs(by_image) <= rounding] = 0.0
    mean = float(by_image.mean()) if by_image.size else math.nan
    wilcoxon = _wilcoxon(by_image)
    if min(len(scores), len(baseline), by_image.size) < 2:
        return Difference(mean, math.nan, math.nan, None, math.nan, math.nan, wilcoxon)
    variance, df = _variance(scores, baseline, by_image)
    error = max(math.sqrt(variance), rounding, sys.float_info.min)
    margin = _quantile(level, df) * error
    p = float(2 * stats.t.sf(abs(mean) / error, df))
    sd = _between_seeds(scores, baseline)
    effect = mean / sd if sd > rounding else math.nan
    return Difference(mean, mean - margin, mean + margin, p, df, effect, wilcoxon)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjust p values for their number (Holm 1979, Scandinavian Journal of Statistics 6:65); None are not counted."""
    order = sorted((value, place) for place, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, (value, place) in enumerate(order):
        adjusted[place] = largest = max(largest, min(1.0, (len(order) - rank) * value))
    return adjusted


def _complete(scores: Scores, baseline: Scores) -> tuple[Scores, Scores]:
    """Both without the images that lack a score in any seed of either."""
    scores, baseline = np.asarray(scores, np.float64), np.asarray(baseline, np.float64)
    shapes = scores.shape, baseline.shape
    if scores.ndim != 2 or baseline.ndim != 2 or shapes[0][1] != shapes[1][1] or not len(scores) or not len(baseline):
        raise ValueError(f"scores must be (seeds, images) of the same images; they are {shapes[0]} and {shapes[1]}")
    known = ~(np.isnan(scores).any(axis=0) | np.isnan(baseline).any(axis=0))
    return scores[:, known], baseline[:, known]


def _variance(scores: Scores, baseline: Scores, by_image: Scores) -> tuple[float, float]:
    """The variance of the difference of the means, and its degrees of freedom, from its mean squares.

    The images' part and the seeds' part both hold the noise of seed x image, so it is taken off once. In expectation
    neither is less than that noise; where either is estimated to be less, it is taken to be the noise alone.
    """
    images = by_image.size
    seeds, noises = [_seeds(scores), _seeds(baseline)], [_noise(scores), _noise(baseline)]
    seed, noise = sum(seeds), sum(noises)
    image = max(float(by_image.var(ddof=1)) / images, noise)
    if seed <= noise:
        return image, images - 1.0
    variance = image + seed - noise
    squares = (image / variance) ** 2 / (images - 1)
    for model, seed_part, common in zip((scores, baseline), seeds, noises, strict=True):
        squares += ((seed_part / variance) ** 2 + (common / variance) ** 2 / (images - 1)) / (len(model) - 1)
    return variance, float(1 / squares)


def _seeds(scores: Scores) -> float:
    """What seeds add to the variance of a model's mean, (S, N), with their noise: that of their means over S."""
    return float(scores.mean(axis=1).var(ddof=1)) / len(scores)


def _noise(scores: Scores) -> float:
    """What seed x image adds to the variance of a model's mean, (S, N): its mean square over S times N."""
    residuals = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    seeds, images = scores.shape
    return float((residuals**2).sum() / ((seeds - 1) * (images - 1) * seeds * images))


def _between_seeds(scores: Scores, baseline: Scores) -> float:
    """The standard deviation of the seeds' mean scores about their model's mean, pooled over both models."""
    squares = sum(float(model.mean(axis=1).var()) * len(model) for model in (scores, baseline))
    return math.sqrt(squares / (len(scores) + len(baseline) - 2))


def _wilcoxon(by_image: Scores) -> float:
    """Wilcoxon's p of differences (images,); images without one are left out, and where none has one it is 1."""
    changed = by_image[by_image != 0]
    if not changed.size:
        return 1.0 if by_image.size else math.nan
    return float(stats.wilcoxon(changed).pvalue)


def _quantile(level: float, df: float) -> float:
    """How many standard errors an interval of that level reaches to either side."""
    return float(stats.t.ppf((1 + level) / 2, df))
