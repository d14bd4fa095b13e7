"""What cells and models cost: medians over epochs and seeds, unknown where nothing was measured."""

import pytest
from stored_runs import read_rows, write_benchmark, write_cell, write_example

from segzoo.benchmarking.costs import read_timing, together
from segzoo.benchmarking.result_files import tabulate


def test_costs_are_medians_without_the_first_epoch(tmp_path):
    results = tabulate(write_example(tmp_path / "out"))
    row = read_rows(tmp_path / "out" / "timings.csv")[1]
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
    assert results.costs("toys", "plain")["peak_memory_bytes"] == 2**30 + 2  # the most of three seeds
    assert results.costs("toys", "broken") == {}


def test_without_times_of_epochs_a_cell_is_a_row_all_the_same(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain"], seeds=[0])
    write_cell(out, "toys", "plain", 0, [0.5], times=False)
    tabulate(out)
    assert read_rows(out / "timings.csv")[0]["training_seconds_per_epoch"] == ""


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_timing_phase_that_is_missing_or_damaged_has_measured_nothing(tmp_path, text):
    if text:
        (tmp_path / "timing.json").write_text(text)
    timing = read_timing(tmp_path)
    assert (timing.of("toys", "plain"), timing.noise_floor("toys"), timing.left_out("toys")) == ({}, None, {})


def test_the_timing_phase_is_read_by_dataset_and_model(tmp_path):
    timing = read_timing(write_example(tmp_path / "out"))
    assert timing.of("toys", "better")["flops"] == 2 * 10**9
    assert timing.of("toys", "broken") == timing.of("others", "better") == {}
    assert timing.noise_floor("toys") == 1.01


def test_seeds_together_are_their_median_and_of_memory_the_most():
    rows = [{"waiting_share": share, "peak_memory_bytes": size} for share, size in ((0.1, 5), (0.5, 9), (None, None))]
    assert together(rows) == {"waiting_share": pytest.approx(0.3), "peak_memory_bytes": 9}
    assert together([{"waiting_share": None, "peak_memory_bytes": None}]) == dict.fromkeys(rows[0])
    assert together([]) == {}
