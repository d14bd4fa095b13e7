"""Benchmarks: every cell once, whatever becomes of it, and on again from where they stopped."""

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import segzoo
from segzoo.benchmarking import benchmark as module
from segzoo.benchmarking.cells import Task, attempt, read_record

HASTY = "from segzoo.benchmarking import timing; timing.SECONDS = 0.1; from segzoo.cli import main; main()"
DATA = '{name = "shapes", size = 16, train = 4, val = 2, test = 2}'


@pytest.fixture(autouse=True)
def lab(install):
    """A network and trainers for tests, here and in the processes of cells."""
    trainers = "quick = segzoo_test_lab:Quick\nwary = segzoo_test_lab:Wary"
    install("segzoo-test-lab", {"segzoo.models": "net = segzoo_test_lab:Net", "segzoo.trainers": trainers})


@pytest.fixture
def untimed(monkeypatch):
    """Without the phase that times networks: those here cannot be built."""
    monkeypatch.setattr(module, "_time", lambda plan, out: None)


def define(folder, models='"net"', seeds="[0, 1]", more="", trainer="quick", datasets=DATA, epochs=2):
    path = folder / "lab.toml"
    lines = [f"models = [{models}]", f"datasets = [{datasets}]", f"seeds = {seeds}", f"epochs = {epochs}"]
    path.write_text("\n".join([*lines, f'trainer = "{trainer}"', more]) + "\n")
    return path


def net(what):
    return f'{{name = "net", label = "{what}", what = "{what}"}}'


def record(out, model="net", seed=0):
    return json.loads((out / "cells" / "shapes" / model / f"seed-{seed}" / "cell.json").read_text())


def files(out):
    """The content and the time of every file of the cells."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.glob("cells/**/*") if path.is_file()}


def rows(out):
    with (out / "results.csv").open() as file:
        return list(csv.DictReader(file))


def test_each_cell_is_a_run_and_none_is_run_twice(tmp_path, untimed, capsys):
    file, out = define(tmp_path), tmp_path / "out"
    found = segzoo.benchmark(file, out=out)
    assert [(str(one.cell), one.status) for one in found.cells] == [
        ("shapes/net/seed-0", "done"),
        ("shapes/net/seed-1", "done"),
    ]
    first = record(out)
    assert (first["status"], first["reason"], first["attempts"]) == ("done", None, 1)
    assert first["threads"] == module.decide(module.read_definition(file)).definition.threads
    assert first["seconds"] > 0
    assert 2e7 < first["peak_memory_bytes"] < 2e9
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("1/2   shapes/net/seed-0   mean IoU 0.")
    assert lines[0].endswith(" left")
    before = files(out)
    again = segzoo.benchmark(file, out=out)
    assert files(out) == before
    assert again.row() == found.row()


def test_the_command_of_a_cell_repeats_it(tmp_path, untimed, command, monkeypatch):
    out = tmp_path / "out"
    segzoo.benchmark(define(tmp_path), out=out)
    variable, program, *words = record(out, seed=1)["command"].split()
    assert (variable.partition("=")[0], program) == ("TF_NUM_INTRAOP_THREADS", "segzoo")
    monkeypatch.chdir(out)
    assert command(*words).code == 0
    for name in ("config.toml", "history.csv", "metrics.json", "images.csv"):
        repeated = Path("repeated/shapes/net/seed-1") / name
        assert repeated.read_text() == Path("cells/shapes/net/seed-1", name).read_text()


def test_a_cell_that_fails_is_a_row_with_its_reason(tmp_path, untimed, command):
    models = ("refuse", "crash", "fault", "swell", "bloat", "die", "learn")
    file, out = define(tmp_path, ", ".join(map(net, models)), "[3]"), tmp_path / "out"
    done = command("benchmark", file, "--out", out)
    assert done.code == 1
    reasons = {model: record(out, model, 3)["reason"] for model in models}
    assert reasons["refuse"] == "the loss became nan in epoch 1"
    crash = r"trainer 'quick' of segzoo-test-lab: `fit` raised KeyError: 'a key' \(segzoo_test_lab.py:\d+\); the trace"
    assert re.match(crash, reasons["crash"])
    assert "KeyError: 'a key'" in (out / "cells/shapes/crash/seed-3/log.txt").read_text("utf-8")
    assert reasons["fault"] == "it crashed: SIGSEGV"
    assert reasons["swell"] == "out of memory: MemoryError: "
    assert reasons["bloat"] == "out of memory: MemoryError: a tensor"
    assert reasons["die"].startswith("killed, as the system does when memory runs out; it had 0.")
    assert reasons["learn"] is None
    assert [row["reason"] for row in rows(out)] == [reasons[row["model"]] or "" for row in rows(out)]
    assert "shapes/refuse/seed-3   FAILED: the loss became nan in epoch 1" in done.err
    assert "Traceback" not in done.err
    assert "KeyError" in (out / "cells/shapes/crash/seed-3/log.txt").read_text()
    assert "in happen" in (out / "cells/shapes/fault/seed-3/log.txt").read_text()


def test_failed_cells_are_tried_again_when_wanted_and_go_on_where_they_were(tmp_path, untimed, monkeypatch, capsys):
    file, out = define(tmp_path, f"{net('crash')}, {net('learn')}", "[0]"), tmp_path / "out"
    segzoo.benchmark(file, out=out)
    monkeypatch.setenv("SEGZOO_TEST_MENDED", "1")
    before = files(out)
    segzoo.benchmark(file, out=out)
    assert files(out) == before
    assert "cells that failed before: 1; --retry tries them again" in capsys.readouterr().err
    found = segzoo.benchmark(file, out=out, retry=True)
    assert [cell.status for cell in found.cells] == ["done", "done"]
    assert (record(out, "crash")["attempts"], record(out, "learn")["attempts"]) == (2, 1)
    assert "going on with epoch 2/2" in (out / "cells/shapes/crash/seed-0/log.txt").read_text()


def test_a_cell_ends_at_its_time_limit(tmp_path, untimed):
    file, out = define(tmp_path, net("hang"), "[0]", "time_limit = 8"), tmp_path / "out"
    segzoo.benchmark(file, out=out)
    assert record(out, "hang")["reason"] == "out of time: it was not done after 8 s"
    hanging = out / "cells/shapes/hang/seed-0/hanging"  # not there if 8 s did not suffice to begin
    assert not (hanging.exists() and psutil.pid_exists(int(hanging.read_text() or -1)))


def test_what_is_added_is_run_and_nothing_else(tmp_path, untimed):
    out = tmp_path / "out"
    segzoo.benchmark(define(tmp_path, seeds="[0]"), out=out)
    before = files(out)
    more = DATA + ", " + DATA.replace("name", 'label = "few", name', 1)
    found = segzoo.benchmark(define(tmp_path, f'"net", {net("learn")}', "[0]", datasets=more), out=out)
    assert len(found.cells) == 4
    assert all(cell.status == "done" for cell in found.cells)
    assert before.items() <= files(out).items()


@pytest.mark.parametrize("text", ["{", '{"status": "done"}'])
def test_a_cell_whose_record_is_damaged_goes_on_where_its_run_is(tmp_path, untimed, text):
    file, out = define(tmp_path, seeds="[0]"), tmp_path / "out"
    segzoo.benchmark(file, out=out)
    cell = out / "cells/shapes/net/seed-0"
    trained = (cell / "history.csv").stat().st_mtime_ns
    (cell / "cell.json").write_text(text)
    (found,) = segzoo.benchmark(file, out=out).cells
    assert found.status == record(out, "net")["status"] == "done"
    assert (cell / "history.csv").stat().st_mtime_ns == trained


def test_a_changed_definition_is_noticed_in_one_line(tmp_path, untimed, command, capsys):
    out = tmp_path / "out"
    segzoo.benchmark(define(tmp_path, seeds="[0]"), out=out)
    before = files(out), (out / "benchmark.toml").read_bytes()
    capsys.readouterr()
    changed = command("benchmark", define(tmp_path, seeds="[0]", epochs=3), "--out", out)
    assert (changed.code, changed.out, changed.err.count("\n")) == (2, "", 1)
    assert "begun with another definition: dataset 'shapes', epochs is 2 there, 3 here; models, datasets" in changed.err
    assert (files(out), (out / "benchmark.toml").read_bytes()) == before


@pytest.mark.parametrize(
    ("models", "datasets", "message"),
    [
        ('"nat"', DATA, "no model 'nat'; did you mean 'net'?"),
        ('"net"', '{name = "oxford_pets", root = "/gone"}', "/gone"),
        ('"net"', '{name = "shapes", leave_out = ["x"]}', "leave_out: 1 of 1 ids are in no split of the dataset"),
    ],
)
def test_what_cannot_begin_leaves_nothing(tmp_path, command, models, datasets, message):
    done = command("benchmark", define(tmp_path, models, datasets=datasets), "--out", tmp_path / "out")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert message in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_empty_folder_that_cannot_be_written_is_named(tmp_path, command):
    place = tmp_path / "place"
    (place / "out").mkdir(parents=True)
    for folder in (place / "out", place):
        folder.chmod(0o500)
    done = command("benchmark", define(tmp_path), "--out", place / "out")
    place.chmod(0o700)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"cannot write to {place / 'out'} (Permission denied); choose another --out" in done.err


def test_a_folder_of_something_else_is_left_alone(tmp_path, command):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "photo.jpg").touch()
    done = command("benchmark", define(tmp_path), "--out", tmp_path / "out")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "holds other files and no benchmark; choose another --out" in done.err


def test_without_out_the_folder_has_the_name_of_the_file(tmp_path, untimed, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert segzoo.benchmark(define(tmp_path, seeds="[0]")).folder == tmp_path / "runs" / "lab"


# Benchmarks in processes of their own, which are ended from outside


def start(file, out, *more):
    words = [sys.executable, "-c", HASTY, "benchmark", str(file), "--out", str(out), *more]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def once_it_hangs(process, out, seed=0):
    """The id of the process of the cell that hangs, as soon as it does."""
    path = out / f"cells/shapes/hang/seed-{seed}/hanging"
    while not (path.exists() and path.read_text()):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    return int(path.read_text())


def gone(pid):
    """Waits until a process is gone."""
    try:
        psutil.Process(pid).wait(120)
    except psutil.NoSuchProcess:
        return True
    return not psutil.pid_exists(pid)


@pytest.fixture
def hanging(tmp_path):
    """A benchmark of which one cell is done and the other hangs after its first epoch."""
    file, out = define(tmp_path, f"{net('learn')}, {net('hang')}", "[0]"), tmp_path / "out"
    process = start(file, out)
    yield process, file, out, once_it_hangs(process, out)
    process.kill()
    process.communicate()


def test_killed_a_benchmark_takes_its_cell_along_and_goes_on_within_it(hanging, untimed):
    process, file, out, cell = hanging
    process.kill()
    process.wait()
    assert gone(cell)
    done = record(out, "learn")
    assert record(out, "hang")["status"] == "begun"
    found = segzoo.benchmark(file, out=out)
    assert [cell.status for cell in found.cells] == ["done", "done"]
    assert record(out, "learn") == done
    assert record(out, "hang")["attempts"] == 2
    log = (out / "cells/shapes/hang/seed-0/log.txt").read_text()
    assert (log.count("training epoch 1"), log.count("training epoch 2")) == (1, 1)


def test_ctrl_c_ends_the_cell_and_says_how_to_go_on(hanging):
    process, _, out, cell = hanging
    process.send_signal(signal.SIGINT)
    message = process.communicate()[1]
    assert process.returncode == 130
    assert message.splitlines()[-1] == "segzoo: interrupted: to go on, repeat the command"
    assert "Traceback" not in message
    assert gone(cell)
    assert record(out, "hang")["status"] == "begun"


def test_two_do_not_work_in_one_folder(hanging, command):
    _, file, out, cell = hanging
    refused = command("benchmark", file, "--out", out)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"another process is at work in {out}" in refused.err
    assert psutil.pid_exists(cell)


def test_a_cell_that_was_done_when_the_benchmark_ended_is_not_run_again(tmp_path, untimed):
    out = tmp_path / "out"
    segzoo.benchmark(define(tmp_path, seeds="[0]"), out=out)
    folder = out / "cells/shapes/net/seed-0"
    unwritten = read_record(folder)
    (folder / "cell.json").unlink()
    log = (folder / "log.txt").read_bytes()
    found = attempt(Task(folder, tmp_path / "cache", unwritten.threads, None))
    assert (found.status, found.command, found.attempts) == ("done", unwritten.command, 0)
    assert (folder / "log.txt").read_bytes() == log


# Several at once


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


# On a cluster


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
    for name in ("config.toml", "history.csv", "metrics.json", "images.csv"):
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


def test_workers_of_two_kinds_are_refused(tmp_path, command):
    workers = ("--jobs", "2", "--dask", "tcp://127.0.0.1:9")
    done = command("benchmark", define(tmp_path), "--out", tmp_path / "out", *workers)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "leave out one of them" in done.err


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, command, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("segzoo.benchmarking.scheduling.PATIENCE", 1)
    done = command("benchmark", define(tmp_path), "--out", tmp_path / "out", "--dask", "tcp://127.0.0.1:9")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.err
    assert not (tmp_path / "out").exists()


# Networks


def test_a_cell_of_a_network_has_the_bits_of_a_run(tmp_path, untimed):
    model = '{name = "unet", filters = 2, depth = 1}'
    out = tmp_path / "out"
    segzoo.benchmark(define(tmp_path, model, "[7]", trainer="keras", epochs=1), out=out)
    cell = out / "cells/shapes/unet/seed-7"
    segzoo.run(config=cell / "config.toml", out=tmp_path / "run")
    for name in ("config.toml", "history.csv", "metrics.json", "images.csv"):
        assert (tmp_path / "run" / name).read_text() == (cell / name).read_text(), name


@pytest.mark.slow
def test_killed_at_random_moments_again_and_again_a_benchmark_has_the_same_results(tmp_path):
    models = '{name = "unet", filters = 2, depth = 1, dropout = 0.2}, {name = "resunet", filters = 2}'
    file = define(tmp_path, models, "[0, 1]", trainer="wary", epochs=8)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    begun = time.perf_counter()
    start(file, whole).communicate()
    seconds = time.perf_counter() - begun
    rng, kills = random.Random(0), 0
    while kills < 3:
        process = start(file, broken)
        try:
            process.wait(rng.uniform(0.1, 0.35) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        else:  # it was sooner at its end than it has been killed often enough: from the beginning
            shutil.rmtree(broken)
        process.communicate()
    done = {path: path.stat().st_mtime_ns for path in broken.glob("cells/*/*/*/manifest.json")}
    last = start(file, broken)
    assert last.communicate()[0].endswith(f"\nresults in {broken}\n")
    assert last.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in done} == done
    for name in ("benchmark.toml", "results.csv", "images.csv"):
        assert (broken / name).read_text() == (whole / name).read_text(), name
    for cell in whole.glob("cells/*/*/*"):
        for name in ("config.toml", "history.csv", "metrics.json", "images.csv"):
            assert (broken / cell.relative_to(whole) / name).read_text() == (cell / name).read_text()


@pytest.mark.slow
def test_a_benchmark_of_networks_is_tabulated_with_their_speed(tmp_path, monkeypatch, command):
    monkeypatch.setattr(module.timing, "SECONDS", 0.5)
    models = '{name = "unet", filters = 4, depth = 1}, {name = "resunet", filters = 2}'
    file = define(tmp_path, models, "[0, 1]", 'match = "parameters"', trainer="keras")
    done = command("benchmark", file, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    sizes = {row["model"]: row["parameters"] for row in found["rows"]}
    assert sizes["resunet"] == pytest.approx(sizes["unet"], rel=0.5)
    assert {row["status"] for row in rows(tmp_path / "out")} == {"done"}
    timed = json.loads((tmp_path / "out" / "timing.json").read_text())
    assert set(timed["datasets"]["shapes"]["models"]) == {"unet", "resunet"}
    assert "resunet" in (tmp_path / "out" / "leaderboard.md").read_text()
    before = files(tmp_path / "out"), (tmp_path / "out" / "timing.json").stat().st_mtime_ns
    again = command("benchmark", file, "--out", tmp_path / "out")
    assert again.code == 0
    assert "│ resunet" in again.out
    assert (files(tmp_path / "out"), (tmp_path / "out" / "timing.json").stat().st_mtime_ns) == before
