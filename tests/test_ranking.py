"""Models beside each other on a dataset: figures worked by hand, and where there is no test."""

import json

import pytest
from stored_runs import write_benchmark, write_cell, write_example

from segzoo.benchmarking.result_files import tabulate

T_2 = 4.302653
"""Student's t for 95 % at two degrees of freedom."""


def test_models_are_ranked_with_means_intervals_and_tests(tmp_path):
    results = json.loads((tabulate(write_example(tmp_path / "out")).folder / "results.json").read_text())
    rows = {row["model"]: row for row in results["rows"]}
    assert list(rows) == ["better", "plain", "lone", "broken"]
    margin = T_2 * 0.1 / 3**0.5
    expected = {"mean": 0.4, "sd": 0.1, "low": 0.4 - margin, "high": 0.4 + margin}
    assert rows["plain"]["scores"]["mean_iou"] == pytest.approx(expected)
    assert "iou_sky" not in rows["plain"]["scores"]
    assert (rows["plain"]["comparison"], rows["plain"]["note"]) == (None, "baseline")
    assert rows["better"]["seeds"] == [0, 1, 2]
    assert rows["better"]["comparison"]["difference"] == pytest.approx(0.805 - 0.4)
    assert rows["better"]["comparison"]["p"] == rows["better"]["comparison"]["p_unadjusted"]  # the one test there is
    lone = rows["lone"]["comparison"]
    assert lone["difference"] == pytest.approx(-0.05)
    assert (lone["p"], lone["low"], rows["lone"]["note"]) == (None, None, "no test: one seed")
    assert rows["lone"]["scores"]["mean_iou"]["sd"] is None
    assert (rows["broken"]["scores"], rows["broken"]["note"]) == ({}, "no test: no finished run")
    assert rows["better"]["parameters"] == 200


def test_p_is_adjusted_for_the_models_that_are_tested(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain", "near", "far", "lone"], seeds=(0, 1))
    for seed, noise in enumerate((0.0, 0.01)):
        for model, shift in (("plain", 0), ("near", 0.02), ("far", 0.2)):
            write_cell(out, "toys", model, seed, [0.3 + shift + noise, 0.5 + shift, 0.4 + 1.2 * shift])
    write_cell(out, "toys", "lone", 0, [0.3, 0.5, 0.4])
    tests = {row.label: row for row in tabulate(out).ranking["toys"]}
    first, second = tests["far"].difference.p, tests["near"].difference.p
    assert first < second
    assert (tests["far"].p, tests["near"].p) == (2 * first, max(2 * first, second))
    assert (tests["lone"].p, tests["plain"].p) == (None, None)


def test_without_a_finished_baseline_the_others_are_shown_without_a_test(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain", "other"], seeds=[0, 1])
    for seed in (0, 1):
        write_cell(out, "toys", "other", seed, [0.5, 0.6])
    other = tabulate(out).ranking["toys"][0]
    assert (other.label, other.difference, other.note) == ("other", None, "no test: no finished run of the baseline")
