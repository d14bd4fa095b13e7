"""The results of a benchmark: every cell a row, figures worked by hand, the same however the cells came to be."""

import csv
import json
import re
import shutil
import subprocess
import sys

import pytest
from stored_runs import write, write_benchmark, write_cell, write_timing

from segzoo.benchmarking import timing
from segzoo.benchmarking.formatting import cost_rows
from segzoo.benchmarking.result_files import tabulate
from segzoo.cli.compare import print_results
from segzoo.errors import ConfigError

T_2 = 4.302653
"""Student's t for 95 % at two degrees of freedom."""


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fill(out, order=slice(None)):
    """A benchmark with everything: `plain` is the baseline, `better` is better, `lone` has one seed, `broken` none."""
    write_benchmark(out, ["plain", "better", "lone", "broken"])
    cells = [("plain", seed, [0.2 + 0.1 * shift, 0.4 + 0.1 * shift]) for seed, shift in enumerate((0, 2, 1))]
    cells += [("better", seed, [0.9 - 0.01 * seed, 0.7 + 0.02 * seed]) for seed in range(3)]
    cells += [("lone", 0, [0.25, 0.45]), ("lone", 1, None), ("broken", 0, None), ("broken", 1, None)]
    for model, seed, images in cells[order]:
        write_cell(out, "toys", model, seed, images)
    write_timing(out, "toys", ["plain", "better", "lone"])
    return out


def test_every_cell_is_a_row_whatever_has_become_of_it(tmp_path):
    tabulate(fill(tmp_path / "out"))
    rows = read(tmp_path / "out" / "results.csv")
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


def test_costs_are_medians_without_the_first_epoch(tmp_path):
    found = tabulate(fill(tmp_path / "out"))
    row = read(tmp_path / "out" / "timings.csv")[1]
    # Epochs of 9, 2 and 4 s, of which half are training, of which a quarter is waiting; 40 images.
    assert (
        row.items()
        >= {
            "training_seconds_per_epoch": "3.0",
            "training_images_per_s": "30.0",
            "waiting_share": "0.25",
            "latency_p50_ms": "5.0",
            "latency_p95_ms": "6.0",
            "peak_memory_bytes": str(2**30 + 1),
            "threads": "2",
            "machine": "Abacus 3000, 8 GiB, Linux",
        }.items()
    )
    assert found.costs("toys", "plain")["peak_memory_bytes"] == 2**30 + 2  # the most of three seeds
    assert found.costs("toys", "broken") == {}


def test_the_terminal_shows_the_costs_of_the_page(tmp_path, capsys):
    found = tabulate(fill(tmp_path / "out"))
    print_results(found)
    printed = capsys.readouterr().out
    page = (found.folder / "leaderboard.md").read_text()
    header = page.partition("### Cost\n\n")[2].splitlines()[0]
    for heading in cells_of(header):
        assert heading in printed


def test_models_are_ranked_with_means_intervals_and_tests(tmp_path):
    found = json.loads((tabulate(fill(tmp_path / "out")).folder / "results.json").read_text())
    rows = {row["model"]: row for row in found["rows"]}
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
    tests = {one.label: one for one in tabulate(out).ranking["toys"]}
    first, second = tests["far"].difference.p, tests["near"].difference.p
    assert first < second
    assert (tests["far"].p, tests["near"].p) == (2 * first, max(2 * first, second))
    assert (tests["lone"].p, tests["plain"].p) == (None, None)


def test_results_are_the_same_wherever_whenever_and_however_fast_the_cells_were_run(tmp_path):
    one, other = fill(tmp_path / "one"), fill(tmp_path / "elsewhere" / "other", slice(None, None, -1))
    for path in other.rglob("timings.csv"):
        path.write_text(path.read_text().replace("4", "7"))
    for path in other.rglob("cell.json"):
        write(path, json.loads(path.read_text()) | {"seconds": 99.5, "attempts": 4, "peak_memory_bytes": 7})
    for path in other.rglob("manifest.json"):
        write(path, json.loads(path.read_text()) | {"finished": "2031-01-01T00:00:00+00:00"})
    tabulate(one)
    tabulate(other)
    for name in ("results.csv", "images.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    first, second = (json.loads((out / "results.json").read_text()) for out in (one, other))
    assert first.pop("timings") != second.pop("timings")
    assert first == second
    assert (one / "timings.csv").read_text() != (other / "timings.csv").read_text()


def test_tables_are_made_anew_from_the_cells(tmp_path):
    out = fill(tmp_path / "out")
    tabulate(out)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    (out / "results.csv").write_text("half of it")
    tabulate(out)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_without_the_timing_phase_its_figures_are_empty(tmp_path, text):
    out = fill(tmp_path / "out")
    (out / "timing.json").unlink()
    if text:
        (out / "timing.json").write_text(text)
    tabulate(out)
    assert {row["parameters"] for row in read(out / "results.csv")} == {""}
    assert {row["latency_p50_ms"] for row in read(out / "timings.csv")} == {""}
    assert "Latency and throughput were not measured." in (out / "leaderboard.md").read_text()


def test_without_times_of_epochs_a_cell_is_a_row_all_the_same(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain"], seeds=[0])
    write_cell(out, "toys", "plain", 0, [0.5], times=False)
    tabulate(out)
    assert read(out / "timings.csv")[0]["training_seconds_per_epoch"] == ""


def test_a_cell_whose_files_are_damaged_has_failed(tmp_path):
    out = fill(tmp_path / "out")
    (out / "cells" / "toys" / "plain" / "seed-1" / "metrics.json").write_text('{"split"')
    (out / "cells" / "toys" / "plain" / "seed-2" / "manifest.json").unlink()
    shutil.rmtree(out / "cells" / "toys" / "better" / "seed-0")
    tabulate(out)
    rows = read(out / "results.csv")
    assert [row["status"] for row in rows[:4]] == ["done", "failed", "failed", "missing"]
    assert "damaged" in rows[1]["reason"]
    assert "not finished" in rows[2]["reason"]


def test_a_benchmark_of_failures_has_tables_too(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain", "other"], seeds=[0])
    write_cell(out, "toys", "plain", 0)
    tabulate(out)
    assert [row["status"] for row in read(out / "results.csv")] == ["failed", "missing"]
    assert read(out / "images.csv") == []
    page = (out / "leaderboard.md").read_text()
    assert "| toys | plain | 0 | failed | out of memory |" in page
    assert "### Other scores" not in page  # nor a table of nothing but names


def test_without_a_finished_baseline_the_others_are_shown_without_a_test(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain", "other"], seeds=[0, 1])
    for seed in (0, 1):
        write_cell(out, "toys", "other", seed, [0.5, 0.6])
    other = tabulate(out).ranking["toys"][0]
    assert (other.label, other.difference, other.note) == ("other", None, "no test: no finished run of the baseline")


def test_images_of_all_cells_are_in_one_table(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain"], datasets=("toys", "cells"), seeds=[0, 1])
    write_cell(out, "toys", "plain", 0, [0.25, float("nan")])
    write_cell(out, "toys", "plain", 1, [0.5, 0.75])
    write_cell(out, "cells", "plain", 0, [0.125], classes=("rim", "bulk"))
    tabulate(out)
    assert [list(row.values()) for row in read(out / "images.csv")] == [
        ["toys", "plain", "0", "0", "0.25", "0.25", ""],
        ["toys", "plain", "0", "1", "", "", ""],
        ["toys", "plain", "1", "0", "0.5", "0.5", ""],
        ["toys", "plain", "1", "1", "0.75", "0.75", ""],
        ["cells", "plain", "0", "0", "0.125", "", "0.125"],
    ]
    assert list(read(out / "images.csv")[0]) == ["dataset", "model", "seed", "id", "mean_iou", "iou_ring", "iou_rim"]


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


def test_the_leaderboard_says_what_the_numbers_mean_and_where_they_come_from(tmp_path):
    out = fill(tmp_path / "out")
    found = "[widths.toys.better]\nfilters = 19\n[notes.toys]\nlone = 'keeps its size'\n"
    with (out / "benchmark.toml").open("a") as file:
        file.write(found)
    tabulate(out)
    page = (out / "leaderboard.md").read_text()
    for words in (
        "- Models: 4. Datasets: 1. Seeds: 0, 1, 2. Cells: 12, of which 7 are done.",
        "- Baseline: plain.",
        "- Machine: Abacus 3000, 8 GiB, Linux.",
        "- Trainer: keras.\n- Loss: dice.\n",
        "- Threads of a cell: 2.",
        "- Versions: Python 3.12.1, segmentation-zoo 0.1.0, keras 3.12.",
        "- **GFLOPs an image** (`flops`): multiply-add = 2",
        "Budget: 3 epochs.",
        "| plain | 3 | 0.4000 ± 0.1000 | \\[0.1516, 0.6484\\] | baseline |",
        "| lone | 1 | 0.3500 | - | no test: one seed |",
        "| broken | 0 | - | - | no test: no finished run |",
        "| plain | 100 | 1 | 5 | 6 | 80 | 3 | 30 | 25 | 1 |",
        "by a factor of 1.010",
        "- better: filters = 19.",
        "- lone: keeps its size.",
        "| toys | lone | 1 | failed | out of memory |",
        "\nsegzoo run --config cells/toys/better/seed-2/config.toml\n",
    ):
        assert words in page
    assert page.index("| better |") < page.index("| plain |") < page.index("| lone |")


def test_every_figure_has_a_definition(tmp_path):
    out = fill(tmp_path / "out")
    tabulate(out)
    found = json.loads((out / "results.json").read_text())
    rows = [*found["rows"], *found["cells"], *found["timings"]["rows"], *found["timings"]["cells"]]
    rows += [row["comparison"] for row in found["rows"] if row["comparison"]]
    facts = {"seed", "images", "low", "high"}
    figures = {name for row in rows for name, value in row.items() if isinstance(value, int | float)} - facts
    of_classes = {f"{name}_ring" for name in found["definitions"]}
    # The phase's own definitions are in its file, of which the tests have one line.
    assert figures - of_classes - found["definitions"].keys() - timing.DEFINITIONS.keys() == set()


def test_every_heading_of_the_page_is_defined_at_its_top(tmp_path):
    out = fill(tmp_path / "out")
    phase = json.loads((out / "timing.json").read_text())
    write(out / "timing.json", phase | {"definitions": timing.DEFINITIONS})
    tabulate(out)
    page = (out / "leaderboard.md").read_text()
    headings = {cell.strip() for line in re.findall(r"(.*)\n\| --- ", page) for cell in cells_of(line)[2:-1]}
    plain = {"seeds", "95 % interval", "beside the baseline", "IoU ring", "IoU sky"} | {"model", "seed", "what", "why"}
    defined = set(re.findall(r"^- \*\*(.*?)\*\* \(`", page, re.MULTILINE))
    assert headings - plain - defined == set()
    assert defined - headings - {"IoU", "Dice", "boundary IoU", "HD95, pixels", "noise floor"} == set()
    assert {"latency p95, ms", "mean IoU", "effect size"} <= headings


def cells_of(line):
    return re.split(r"(?<!\\)\|", line)


def test_what_is_to_be_known_of_models_is_a_list_below_their_costs(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain", "odd"], seeds=[0], match="parameters")
    (out / "benchmark.toml").open("a").write("[widths.toys.odd]\nfilters = 5\n")
    write_cell(out, "toys", "plain", 0, [0.5])
    write_timing(out, "toys", ["plain"])
    timed = json.loads((out / "timing.json").read_text())
    timed["datasets"]["toys"]["left_out"] = {"odd": "KeyError: a_key"}
    write(out / "timing.json", timed)
    tabulate(out)
    assert (
        "Smaller differences mean nothing.\n\n- odd: filters = 5.\n- odd was not timed: KeyError: a\\_key.\n\n## "
        in (out / "leaderboard.md").read_text()
    )


def test_names_with_signs_of_markdown_leave_the_tables_whole(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain"], seeds=[0, 1])
    write_cell(out, "toys", "plain", 0, [0.5], classes=("a|b", "*c*"))
    folder = write_cell(out, "toys", "plain", 1)
    record = json.loads((folder / "cell.json").read_text())
    write(folder / "cell.json", record | {"reason": "killed | by\nsignal_9_"})
    tabulate(out)
    page = (out / "leaderboard.md").read_text()
    assert "| IoU a\\|b | IoU \\*c\\* |" in page
    assert "| failed | killed \\| by signal\\_9\\_ |" in page


def test_tables_need_neither_tensorflow_nor_a_plugin(tmp_path):
    out = fill(tmp_path / "out")
    code = (
        "import sys; from pathlib import Path; from segzoo.benchmarking.result_files import tabulate\n"
        f"tabulate(Path({str(out)!r}))\n"
        "heavy = [m for m in sys.modules if m in ('tensorflow', 'keras') or m.startswith('segzoo_')]\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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
