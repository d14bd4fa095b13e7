"""Cells in their turn: one at a time, several at once, and on a Dask cluster."""

import os
import signal
import sys

import psutil
import pytest
from lab_benchmarks import RESULTS, define, gone, net, once_it_hangs, record, start

import segzoo
from segzoo.benchmarking.cells import Record, Task
from segzoo.benchmarking.scheduling import on_this_machine

pytestmark = pytest.mark.usefixtures("lab")


@pytest.mark.slow
def test_ctrl_c_ends_all_cells_that_run_at_once(tmp_path):
    file, out = define(tmp_path, net("hang"), "[0, 1, 2]"), tmp_path / "out"
    process = start(file, out, "--jobs", "2")
    cells = [once_it_hangs(process, out, seed) for seed in (0, 1)]
    process.send_signal(signal.SIGINT)
    message = process.communicate()[1]
    assert (process.returncode, message) == (130, "segzoo: interrupted: to go on, repeat the command\n")
    assert all(map(gone, cells))
    assert [record(out, "hang", seed)["status"] for seed in (0, 1)] == ["begun", "begun"]
    assert not (out / "cells/shapes/hang/seed-2/cell.json").exists()


@pytest.mark.slow
def test_jobs_at_once_leave_the_same_files_and_need_no_dask(tmp_path, untimed, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    alone, together = tmp_path / "alone", tmp_path / "together"
    models = f"{net('learn')}, {net('crash')}"
    segzoo.benchmark(define(tmp_path, models, "[0]"), out=alone)
    segzoo.benchmark(define(tmp_path, models, "[0]"), out=together, jobs=2)
    for name in ("results.csv", "images.csv", "benchmark.toml"):
        assert (alone / name).read_text() == (together / name).read_text(), name


@pytest.fixture
def cluster(monkeypatch):
    """Two workers of one thread, that find the plugins."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.mark.slow
def test_a_worker_that_dies_has_its_cell_run_elsewhere(tmp_path, cluster):
    models = f"{net('learn')}, {net('hang')}"
    file, out = define(tmp_path, models, "[0]"), tmp_path / "out"
    process = start(file, out, "--dask", cluster)
    cell = once_it_hangs(process, out)
    psutil.Process(cell).parent().kill()
    assert gone(cell)
    process.communicate()
    assert record(out, "learn")["status"] == record(out, "hang")["status"] == "done"
    assert record(out, "hang")["attempts"] == 2
    alone = tmp_path / "alone"
    start(define(tmp_path, f"{net('learn')}", "[0]"), alone).communicate()
    for name in RESULTS:
        places = (out / "cells/shapes/learn/seed-0", alone / "cells/shapes/learn/seed-0")
        assert places[0].joinpath(name).read_text() == places[1].joinpath(name).read_text()


@pytest.mark.slow
def test_when_the_benchmark_ends_workers_end_its_cells(tmp_path, cluster):
    file, out = define(tmp_path, net("hang"), "[0]"), tmp_path / "out"
    process = start(file, out, "--dask", cluster)
    cell = once_it_hangs(process, out)
    process.kill()
    process.communicate()
    assert gone(cell)


def test_without_dask_it_says_what_to_install(tmp_path, command, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = command("benchmark", define(tmp_path), "--out", tmp_path / "out", "--dask", "tcp://127.0.0.1:9")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "pip install 'segmentation-zoo[dask]', or leave out --dask" in done.err
    assert not (tmp_path / "out").exists()


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, command, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("segzoo.benchmarking.scheduling.PATIENCE", 1)
    done = command("benchmark", define(tmp_path), "--out", tmp_path / "out", "--dask", "tcp://127.0.0.1:9")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.err
    assert not (tmp_path / "out").exists()


def test_each_cell_is_given_back_with_its_record(tmp_path):
    tasks = [Task(tmp_path / str(number), tmp_path, 1, None) for number in range(5)]
    for number, task in enumerate(tasks):
        task.folder.mkdir()
        Record("done", None, f"command {number}", 1.0, None, threads=1, attempts=1).write(task.folder)
    records = dict(on_this_machine(tasks, 2))
    assert [records[task].command for task in tasks] == [f"command {number}" for number in range(5)]
