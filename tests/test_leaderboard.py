"""The page of results: where the numbers come from, what they mean, and names that Markdown would misread."""

import json
import re

from stored_runs import read_rows, write, write_benchmark, write_cell, write_example, write_timing

from segzoo.benchmarking import timing
from segzoo.benchmarking.result_files import tabulate


def test_the_leaderboard_says_what_the_numbers_mean_and_where_they_come_from(tmp_path):
    out = write_example(tmp_path / "out")
    tables = "[widths.toys.better]\nfilters = 19\n[notes.toys]\nlone = 'keeps its size'\n"
    with (out / "benchmark.toml").open("a") as file:
        file.write(tables)
    tabulate(out)
    page = (out / "leaderboard.md").read_text()
    assert "are in `results.csv`.\n\n### Cost\n" in page  # and no warnings
    for words in (
        "- Models: 4. Datasets: 1. Seeds: 0, 1, 2. Cells: 12, of which 7 are done.",
        "- Baseline: plain.",
        "- Machine: Abacus 3000, 8 GiB, Linux.",
        "- Augmentation: none.\n- Trainer: keras.\n- Loss: dice.\n",
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


def test_every_heading_of_the_page_is_defined_at_its_top(tmp_path):
    out = write_example(tmp_path / "out")
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


def test_warnings_of_runs_stand_below_their_tables_with_model_and_seeds(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain", "odd"], seeds=[0, 1])
    for seed, sentences in enumerate((["it predicts 'a_b' only", "longer may help"], ["it predicts 'a_b' only"])):
        write_cell(out, "toys", "plain", seed, [0.5], warnings=sentences)
        write_cell(out, "toys", "odd", seed, [0.6], warnings=None if seed else [])
    tabulate(out)
    page = (out / "leaderboard.md").read_text()
    warned = "- plain, seeds 0, 1: it predicts 'a\\_b' only.\n- plain, seed 0: longer may help.\n\n### Cost\n"
    assert f"are in `results.csv`.\n\n### Warnings\n\n{warned}" in page
    rows = [row["warnings"] for row in read_rows(out / "results.csv")]
    assert rows == ["it predicts 'a_b' only; longer may help", "it predicts 'a_b' only", "", ""]


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
