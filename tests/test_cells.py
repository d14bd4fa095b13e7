"""Cells of a benchmark: each a run in a process, whatever becomes of it, and read from its folder."""

import re
import shutil
from pathlib import Path

import psutil
import pytest
from lab_benchmarks import RESULTS, define, net, record
from stored_runs import read_rows, write_example

import segzoo
from segzoo.benchmarking.cells import Record, Task, attempt, read_record
from segzoo.benchmarking.result_files import tabulate

pytestmark = pytest.mark.usefixtures("lab", "untimed")


def test_the_command_of_a_cell_repeats_it(tmp_path, command, monkeypatch):
    out = tmp_path / "out"
    segzoo.benchmark(define(tmp_path), out=out)
    variable, program, *words = record(out, seed=1)["command"].split()
    assert (variable.partition("=")[0], program) == ("TF_NUM_INTRAOP_THREADS", "segzoo")
    monkeypatch.chdir(out)
    assert command(*words).code == 0
    for name in RESULTS:
        repeated = Path("repeated/shapes/net/seed-1") / name
        assert repeated.read_text() == Path("cells/shapes/net/seed-1", name).read_text()


@pytest.mark.slow
def test_a_cell_of_a_network_has_the_bits_of_a_run(tmp_path):
    model = '{name = "unet", filters = 2, depth = 1, batch_norm = false}'
    out = tmp_path / "out"
    segzoo.benchmark(define(tmp_path, model, "[7]", trainer="keras", epochs=1), out=out)
    cell = out / "cells/shapes/unet/seed-7"
    segzoo.run(config=cell / "config.toml", out=tmp_path / "run")
    for name in RESULTS:
        assert (tmp_path / "run" / name).read_text() == (cell / name).read_text(), name


def test_a_cell_that_fails_is_a_row_with_its_reason(tmp_path, command):
    models = ("refuse", "crash", "fault", "swell", "bloat", "die", "learn")
    file, out = define(tmp_path, ", ".join(map(net, models)), "[3]"), tmp_path / "out"
    done = command("benchmark", file, "--out", out)
    assert done.code == 1
    reasons = {model: record(out, model, 3)["reason"] for model in models}
    assert reasons["refuse"] == "the loss became nan in epoch 1"
    crash = r"trainer 'quick' of segzoo-test-lab: `fit` raised KeyError: 'a key' \(segzoo_test_lab.py:\d+\)$"
    assert re.match(crash, reasons["crash"])
    assert reasons["fault"] == "it crashed: SIGSEGV"
    assert reasons["swell"] == "out of memory: MemoryError: "
    assert reasons["bloat"] == "out of memory: MemoryError: a tensor"
    assert reasons["die"].startswith("killed, as the system does when memory runs out; it had 0.")
    assert reasons["learn"] is None
    rows = read_rows(out / "results.csv")
    assert [row["reason"] for row in rows] == [reasons[row["model"]] or "" for row in rows]
    assert "shapes/refuse/seed-3   FAILED: the loss became nan in epoch 1" in done.err
    assert "Traceback" not in done.err
    assert "KeyError" in (out / "cells/shapes/crash/seed-3/log.txt").read_text()
    assert "in happen" in (out / "cells/shapes/fault/seed-3/log.txt").read_text()


def test_a_cell_ends_at_its_time_limit(tmp_path):
    file, out = define(tmp_path, net("hang"), "[0]", "time_limit = 8"), tmp_path / "out"
    segzoo.benchmark(file, out=out)
    assert record(out, "hang")["reason"] == "out of time: it was not done after 8 s"
    hanging = out / "cells/shapes/hang/seed-0/hanging"  # not there if 8 s did not suffice to begin
    assert not (hanging.exists() and psutil.pid_exists(int(hanging.read_text() or -1)))


@pytest.mark.parametrize("text", ["{", '{"status": "done"}'])
def test_a_cell_whose_record_is_damaged_goes_on_where_its_run_is(tmp_path, text):
    file, out = define(tmp_path, seeds="[0]"), tmp_path / "out"
    segzoo.benchmark(file, out=out)
    cell = out / "cells/shapes/net/seed-0"
    trained = (cell / "history.csv").stat().st_mtime_ns
    (cell / "cell.json").write_text(text)
    (result,) = segzoo.benchmark(file, out=out).cells
    assert result.status == record(out, "net")["status"] == "done"
    assert (cell / "history.csv").stat().st_mtime_ns == trained


def test_a_cell_that_was_done_when_the_benchmark_ended_is_not_run_again(tmp_path):
    out = tmp_path / "out"
    segzoo.benchmark(define(tmp_path, seeds="[0]"), out=out)
    folder = out / "cells/shapes/net/seed-0"
    unwritten = read_record(folder)
    (folder / "cell.json").unlink()
    log = (folder / "log.txt").read_bytes()
    result = attempt(Task(folder, tmp_path / "cache", unwritten.threads, None))
    assert (result.status, result.command, result.attempts) == ("done", unwritten.command, 0)
    assert (folder / "log.txt").read_bytes() == log


def test_a_cell_whose_files_are_damaged_has_failed(tmp_path):
    out = write_example(tmp_path / "out")
    (out / "cells" / "toys" / "plain" / "seed-1" / "metrics.json").write_text('{"split"')
    (out / "cells" / "toys" / "plain" / "seed-2" / "manifest.json").unlink()
    shutil.rmtree(out / "cells" / "toys" / "better" / "seed-0")
    tabulate(out)
    rows = read_rows(out / "results.csv")
    assert [row["status"] for row in rows[:4]] == ["done", "failed", "failed", "missing"]
    assert "damaged" in rows[1]["reason"]
    assert "not finished" in rows[2]["reason"]


@pytest.mark.parametrize("text", [None, "{", "[]", '{"status": "done"}', '{"stat": 1}'])
def test_a_record_that_is_missing_or_damaged_is_none(tmp_path, text):
    if text:
        (tmp_path / "cell.json").write_text(text)
    assert read_record(tmp_path) is None


def test_a_record_reads_back(tmp_path):
    record = Record("failed", "out of memory", "segzoo run", 1.5, 2**30, threads=2, attempts=3)
    assert record.write(tmp_path) is record
    assert read_record(tmp_path) == record


def test_a_task_says_how_many_threads_every_library_may_use():
    environment = Task(Path("cells"), Path("cache"), 3, None).environment
    assert environment.pop("SEGZOO_CACHE") == "cache"
    assert set(environment.values()) == {"3"}
    assert {"TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"} <= environment.keys()
