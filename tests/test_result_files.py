"""The files of results: the same however the cells came to be, and made anew whenever they are wanted."""

import json
import subprocess
import sys

from stored_runs import read_rows, write, write_benchmark, write_cell, write_example

from segzoo.benchmarking.result_files import tabulate


def test_results_are_the_same_wherever_whenever_and_however_fast_the_cells_were_run(tmp_path):
    here = write_example(tmp_path / "here")
    elsewhere = write_example(tmp_path / "deep" / "elsewhere", slice(None, None, -1))
    for path in elsewhere.rglob("timings.csv"):
        path.write_text(path.read_text().replace("4", "7"))
    for path in elsewhere.rglob("cell.json"):
        write(path, json.loads(path.read_text()) | {"seconds": 99.5, "attempts": 4, "peak_memory_bytes": 7})
    for path in elsewhere.rglob("manifest.json"):
        write(path, json.loads(path.read_text()) | {"finished": "2031-01-01T00:00:00+00:00"})
    tabulate(here)
    tabulate(elsewhere)
    for name in ("results.csv", "images.csv"):
        assert (here / name).read_bytes() == (elsewhere / name).read_bytes()
    first, second = (json.loads((out / "results.json").read_text()) for out in (here, elsewhere))
    assert first.pop("timings") != second.pop("timings")
    assert first == second
    assert (here / "timings.csv").read_text() != (elsewhere / "timings.csv").read_text()


def test_tables_are_made_anew_from_the_cells(tmp_path):
    out = write_example(tmp_path / "out")
    tabulate(out)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    (out / "results.csv").write_text("half of it")
    tabulate(out)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_images_of_all_cells_are_in_one_table(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain"], datasets=("toys", "cells"), seeds=[0, 1])
    write_cell(out, "toys", "plain", 0, [0.25, float("nan")])
    write_cell(out, "toys", "plain", 1, [0.5, 0.75])
    write_cell(out, "cells", "plain", 0, [0.125], classes=("rim", "bulk"))
    tabulate(out)
    rows = read_rows(out / "images.csv")
    assert [list(row.values()) for row in rows] == [
        ["toys", "plain", "0", "0", "0.25", "0.25", ""],
        ["toys", "plain", "0", "1", "", "", ""],
        ["toys", "plain", "1", "0", "0.5", "0.5", ""],
        ["toys", "plain", "1", "1", "0.75", "0.75", ""],
        ["cells", "plain", "0", "0", "0.125", "", "0.125"],
    ]
    assert list(rows[0]) == [
        "dataset",
        "model",
        "seed",
        "id",
        "mean_iou",
        "iou_ring",
        "iou_rim",
    ]


def test_tables_need_neither_tensorflow_nor_a_plugin(tmp_path):
    out = write_example(tmp_path / "out")
    code = (
        "import sys; from pathlib import Path; from segzoo.benchmarking.result_files import tabulate\n"
        f"tabulate(Path({str(out)!r}))\n"
        "heavy = [m for m in sys.modules if m in ('tensorflow', 'keras') or m.startswith('segzoo_')]\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
