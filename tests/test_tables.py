"""The tables of a benchmark: every cell a row, every figure defined, and nothing beside each other that differs."""

import json
import re

import pytest
from stored_runs import read_rows, write_benchmark, write_cell, write_example

from segzoo.benchmarking import timing
from segzoo.benchmarking.result_files import tabulate
from segzoo.errors import ConfigError


def test_every_cell_is_a_row_whatever_has_become_of_it(tmp_path):
    tabulate(write_example(tmp_path / "out"))
    rows = read_rows(tmp_path / "out" / "results.csv")
    assert [(row["model"], row["seed"], row["status"], row["reason"]) for row in rows] == [
        *(("plain", seed, "done", "") for seed in "012"),
        *(("better", seed, "done", "") for seed in "012"),
        ("lone", "0", "done", ""),
        ("lone", "1", "failed", "out of memory"),
        ("lone", "2", "missing", "not begun"),
        ("broken", "0", "failed", "out of memory"),
        ("broken", "1", "failed", "out of memory"),
        ("broken", "2", "missing", "not begun"),
    ]
    first = {key: value for key, value in rows[0].items() if value}
    assert first.pop("versions") == "Python 3.12.1, segmentation-zoo 0.1.0, keras 3.12"
    assert first.pop("command") == "segzoo run --config cells/toys/plain/seed-0/config.toml"
    assert float(first.pop("mean_dice")) == pytest.approx(0.6 / 1.3)
    assert {key: float(first.pop(key)) for key in ("mean_iou", "image_mean_iou", "iou_ring")} == pytest.approx(
        dict.fromkeys(("mean_iou", "image_mean_iou", "iou_ring"), 0.3)
    )
    assert first.items() >= {"split": "test", "images": "2", "parameters": "100", "flops": "1000000000"}.items()
    assert rows[0]["iou_sky"] == ""  # absent


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_without_the_timing_phase_its_figures_are_empty(tmp_path, text):
    out = write_example(tmp_path / "out")
    (out / "timing.json").unlink()
    if text:
        (out / "timing.json").write_text(text)
    tabulate(out)
    assert {row["parameters"] for row in read_rows(out / "results.csv")} == {""}
    assert {row["latency_p50_ms"] for row in read_rows(out / "timings.csv")} == {""}
    assert "Latency and throughput were not measured." in (out / "leaderboard.md").read_text()


def test_a_benchmark_of_failures_has_tables_too(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain", "other"], seeds=[0])
    write_cell(out, "toys", "plain", 0)
    tabulate(out)
    assert [row["status"] for row in read_rows(out / "results.csv")] == ["failed", "missing"]
    assert read_rows(out / "images.csv") == []
    page = (out / "leaderboard.md").read_text()
    assert "| toys | plain | 0 | failed | out of memory |" in page
    assert "### Other scores" not in page  # nor a table of nothing but names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "b"}, "of different data: other samples in the splits 'test', 'train', 'val'"),
        ({"classes": ("ring", "sea")}, "the classes are ring, sky and ring, sea"),
        ({"images": [0.5]}, "has 1 images, and they are not the 2 of the baseline"),
    ],
)
def test_cells_that_do_not_go_together_are_refused_before_anything_is_written(tmp_path, change, message):
    out = write_benchmark(tmp_path / "out", ["plain", "other"], seeds=[0])
    write_cell(out, "toys", "plain", 0, [0.5, 0.6])
    write_cell(out, "toys", "other", 0, **{"images": [0.5, 0.6]} | change)
    with pytest.raises(ConfigError, match=re.escape(message)):
        tabulate(out)
    assert not list(out.glob("*.csv"))


def test_a_folder_without_a_benchmark_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no benchmark; `segzoo benchmark FILE.toml --out"):
        tabulate(tmp_path)
    (tmp_path / "benchmark.toml").write_text("models = 3")
    with pytest.raises(ConfigError, match="key 'models'"):
        tabulate(tmp_path)


def test_every_figure_has_a_definition(tmp_path):
    out = write_example(tmp_path / "out")
    tabulate(out)
    results = json.loads((out / "results.json").read_text())
    rows = [*results["rows"], *results["cells"], *results["timings"]["rows"], *results["timings"]["cells"]]
    rows += [row["comparison"] for row in results["rows"] if row["comparison"]]
    facts = {"seed", "images", "low", "high"}
    figures = {name for row in rows for name, value in row.items() if isinstance(value, int | float)} - facts
    of_classes = {f"{name}_ring" for name in results["definitions"]}
    # The phase's own definitions are in its file, of which the tests have one line.
    assert figures - of_classes - results["definitions"].keys() - timing.DEFINITIONS.keys() == set()
