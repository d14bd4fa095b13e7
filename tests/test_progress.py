"""What is shown while a benchmark runs: a line for each cell that ends."""

import pytest
from stored_runs import write_run

from segzoo.benchmarking import progress
from segzoo.benchmarking.cells import Record
from segzoo.benchmarking.progress import CellsBar

DONE = Record("done", None, "segzoo run", 61.4, 2**30, threads=2, attempts=1)


@pytest.fixture
def clock(monkeypatch):
    """The time of the bar, in a list, where tests change it."""
    now = [0.0]
    monkeypatch.setattr(progress, "perf_counter", lambda: now[0])
    return now


def test_a_cell_that_is_done_shows_its_score_and_the_time_that_is_left(tmp_path, clock, capsys):
    folder = write_run(tmp_path / "run", [0.25, 0.5])
    with CellsBar(12, 8) as bar:
        clock[0] = 90.0
        bar.ended("toys/net/seed-0", folder, DONE)
        clock[0] = 100.0
        bar.ended("toys/net/seed-1", folder, DONE)
    assert capsys.readouterr().err.splitlines() == [
        " 9/12   toys/net/seed-0   mean IoU 0.3750   61 s   about 0:04:30 left",  # three more, of 90 s each
        "10/12   toys/net/seed-1   mean IoU 0.3750   61 s   about 0:01:40 left",
    ]


def test_a_cell_that_failed_shows_its_reason(tmp_path, capsys):
    with CellsBar(1, 0) as bar:
        bar.ended("toys/net/seed-0", tmp_path, Record("failed", "out of memory", "", 5.0, None, threads=2, attempts=1))
    assert capsys.readouterr().err == "1/1   toys/net/seed-0   FAILED: out of memory   5 s\n"


def test_a_score_that_is_not_defined_is_called_absent(tmp_path, capsys):
    folder = write_run(tmp_path / "run", [0.5])
    metrics = (folder / "metrics.json").read_text().replace('"mean_iou": 0.5', '"mean_iou": null')
    (folder / "metrics.json").write_text(metrics)
    with CellsBar(1, 0) as bar:
        bar.ended("toys/net/seed-0", folder, DONE)
    assert "mean IoU absent" in capsys.readouterr().err
