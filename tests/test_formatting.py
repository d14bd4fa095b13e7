"""Rankings and costs as text: as many digits as count, and no column of nothing."""

import math

import pytest

from segzoo.benchmarking.formatting import (
    between,
    class_rows,
    cost_rows,
    difference_rows,
    heading,
    probability,
    ranked_rows,
    score_rows,
    spread,
)
from segzoo.benchmarking.ranking import RankedModel
from segzoo.benchmarking.significance import Difference, Interval

NAN = math.nan


@pytest.mark.parametrize(
    ("figures", "cells"),
    [
        ({"flops": 137_216, "peak_memory_bytes": 662_568_960}, ["0.000137", "0.617"]),
        ({"flops": 1.5e12, "peak_memory_bytes": None}, ["1,500", "-"]),
        ({"parameters": 31_055_427, "waiting_share": 0.0312}, ["31,055,427", "3.12"]),
    ],
)
def test_costs_are_written_with_as_many_digits_as_count(figures, cells):
    assert cost_rows({"net": figures, "other": dict.fromkeys(figures, 1)})[1] == ["net", *cells]


def test_costs_that_no_model_has_are_no_column():
    costs = {"one": {"flops": None, "waiting_share": 0.5}, "other": {"flops": None, "waiting_share": None}}
    assert cost_rows(costs) == [["model", "waiting for data, %"], ["one", "50"], ["other", "-"]]
    assert cost_rows({"one": {"flops": None}}) == [["model"]]


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.51239, 0.0123, 0.4, 0.6), "0.5124 ± 0.0123"),
        (Interval(0.51239, NAN, NAN, NAN), "0.5124"),  # one seed
        (Interval(31.416, 2.718, 20, 40), "31.42 ± 2.72"),  # pixels
        (None, "-"),
    ],
)
def test_a_mean_stands_with_its_spread(interval, text):
    assert spread(interval) == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.04567, "0.046"), (0.001, "0.001"), (0.0009, "< 0.001"), (1.0, "1.000"), (None, "-"), (NAN, "-")]
)
def test_small_probabilities_are_not_zero(p, text):
    assert probability(p) == text


def test_an_interval_that_is_not_known_is_a_dash():
    assert between(0.1, 0.25) == "[0.1000, 0.2500]"
    assert between(-0.1, 0.25, "+") == "[-0.1000, +0.2500]"
    assert between(NAN, NAN) == "-"


def test_figures_are_called_by_the_terms_of_the_field_or_by_their_names():
    names = ("mean_iou", "hd95", "flops", "pixel_accuracy", "p")
    assert [*map(heading, names)] == ["mean IoU", "HD95, pixels", "GFLOPs an image", "pixel accuracy", "p"]


def model(mean=None, p=None, note=""):
    """A model that differs from the baseline by this mean."""
    difference = None if mean is None else Difference(mean, mean - 0.1, mean + 0.1, p, 3.0, 2.5, 0.25)
    return RankedModel("net", (), {"mean_iou": Interval(0.5, 0.1, 0.4, 0.6)}, difference, p, note)


@pytest.mark.parametrize(
    ("ranked", "words"),
    [
        (model(0.2, 0.04), "better"),
        (model(-0.2, 0.04), "worse"),
        (model(0.2, 0.05), "not told apart"),
        (model(0.2, None, "no test: one seed"), "no test: one seed"),
        (model(note="baseline"), "baseline"),
    ],
)
def test_a_model_is_better_or_worse_only_where_a_test_says_so(ranked, words):
    assert ranked_rows([ranked])[1] == ["net", "0", "0.5000 ± 0.1000", "[0.4000, 0.6000]", words]


def test_the_baseline_has_no_difference_from_itself():
    header, *rows = difference_rows([model(0.2, 0.04), model(note="baseline")])
    assert header == ["model", "difference", "95 % interval", "p", "effect size", "Wilcoxon p, these weights only"]
    assert rows == [["net", "+0.2000", "[+0.1000, +0.3000]", "0.040", "+2.50", "0.250"]]


def test_without_a_finished_run_there_are_headers_only():
    unfinished = [RankedModel("net", (), {}, note="no test: no finished run")]
    assert score_rows(unfinished) == class_rows(unfinished) == [["model"]]
    assert ranked_rows(unfinished)[1] == ["net", "0", "-", "-", "no test: no finished run"]
