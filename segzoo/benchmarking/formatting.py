"""Rankings and costs as rows of text, for Markdown and for a terminal alike. The first row is the header."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from segzoo.benchmarking.ranking import COMPARED, RANKED, RankedModel
from segzoo.benchmarking.significance import Difference, Interval
from segzoo.scoring.scores import gain, title

LEVEL = 0.05
"""A difference with a smaller p counts as real."""
NAMES = {
    "hd95": "HD95, pixels",
    "mean_hd95": "mean HD95, pixels",
    "expected_calibration_error": "calibration error",
    "wilcoxon_p": "Wilcoxon p, these weights only",
}
"""Headings of scores and of results of tests that are not those of their names."""
COSTS: dict[str, tuple[str, float]] = {
    "parameters": ("parameters", 1),
    "flops": ("GFLOPs an image", 1e-9),
    "latency_p50_ms": ("latency p50, ms", 1),
    "latency_p95_ms": ("latency p95, ms", 1),
    "throughput_images_per_s": ("throughput, images/s", 1),
    "training_seconds_per_epoch": ("training, s/epoch", 1),
    "training_images_per_s": ("training, images/s", 1),
    "waiting_share": ("waiting for data, %", 100),
    "peak_memory_bytes": ("peak memory, GiB", 2**-30),
}
"""Heading and factor of each figure of cost that is shown."""
NONE = "-"


def heading(name: str) -> str:
    """What a figure is called in tables to read, by its name in data."""
    return COSTS[name][0] if name in COSTS else NAMES.get(name, title(name))


def ranked_rows(models: Sequence[RankedModel]) -> list[list[str]]:
    """The score that models are ranked by, and where its images put each model beside the baseline."""
    header = ["model", "seeds", heading(RANKED), "95 % interval", "beside the baseline"]
    return [header, *(_ranked(model) for model in models)]


def difference_rows(models: Sequence[RankedModel]) -> list[list[str]]:
    """The difference of each model from the baseline, with its interval and the results of tests."""
    header = ["model", "difference", "95 % interval", *map(heading, ("p", "effect_size", "wilcoxon_p"))]
    return [header, *(_difference(model.label, model.difference, model.p) for model in models if model.difference)]


def score_rows(models: Sequence[RankedModel]) -> list[list[str]]:
    """All other scores of splits, mean and standard deviation over seeds."""
    names = dict.fromkeys(name for model in models for run in model.runs for name in run.overall)
    names.pop(RANKED, None)
    rows = [[model.label, *(spread(model.scores.get(name)) for name in names)] for model in models]
    return [["model", *map(heading, names)], *(rows if names else [])]


def class_rows(models: Sequence[RankedModel]) -> list[list[str]]:
    """IoU of each class."""
    names = dict.fromkeys(name for model in models for run in model.runs[:1] for name in run.classes)
    rows = [[model.label, *(spread(model.scores.get(f"iou_{name}")) for name in names)] for model in models]
    return [["model", *(f"IoU {name}" for name in names)], *(rows if names else [])]


def cost_rows(costs: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """The costs of models by label, those that are known of any of them."""
    shown = [name for name in COSTS if any(figures.get(name) is not None for figures in costs.values())]
    rows = [[label, *(_cost(name, figures.get(name)) for name in shown)] for label, figures in costs.items()]
    return [["model", *map(heading, shown)], *(rows if shown else [])]


def _cost(name: str, value: float | None) -> str:
    """Three significant digits, or all digits before the point."""
    if value is None:
        return NONE
    value *= COSTS[name][1]
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _ranked(model: RankedModel) -> list[str]:
    known = model.scores.get(RANKED)
    interval = between(known.low, known.high) if known else NONE
    return [model.label, str(len(model.runs)), spread(known), interval, verdict(model)]


def _difference(label: str, difference: Difference, p: float | None) -> list[str]:
    figures = [number(difference.mean, "+.4f"), between(difference.low, difference.high, "+"), probability(p)]
    return [label, *figures, number(difference.effect_size, "+.2f"), probability(difference.wilcoxon_p)]


def verdict(model: RankedModel) -> str:
    """What can be said of a model beside the baseline."""
    if model.note or model.p is None or model.difference is None:
        return model.note
    if model.p >= LEVEL:
        return "not told apart"
    return "better" if gain(COMPARED, model.difference.mean) > 0 else "worse"


def spread(interval: Interval | None) -> str:
    """`mean ± standard deviation`."""
    if interval is None:
        return NONE
    digits = 4 if abs(interval.mean) < 10 else 2  # shares; pixels
    sd = "" if math.isnan(interval.sd) else f" ± {interval.sd:.{digits}f}"
    return f"{interval.mean:.{digits}f}{sd}"


def between(low: float, high: float, sign: str = "") -> str:
    """`[low, high]`, or a dash."""
    return NONE if math.isnan(low) else f"[{low:{sign}.4f}, {high:{sign}.4f}]"


def probability(p: float | None) -> str:
    """Three digits after the point."""
    return number(p, ".3f") if p is None or math.isnan(p) or p >= 0.001 else "< 0.001"


def number(value: float | None, form: str) -> str:
    """A number in that form, or a dash."""
    return NONE if value is None or math.isnan(value) else f"{value:{form}}"
