"""Benchmarks from the definition to the tables: every cell once, and on again from where they stopped."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import psutil
import pytest
from lab_benchmarks import DATA, RESULTS, define, files, gone, net, once_it_hangs, record, start
from stored_runs import read_rows

import segzoo
from segzoo.benchmarking import benchmark as module

pytestmark = pytest.mark.usefixtures("lab")


def test_each_cell_is_a_run_and_none_is_run_twice(tmp_path, untimed, capsys):
    file, out = define(tmp_path), tmp_path / "out"
    results = segzoo.benchmark(file, out=out)
    assert [(str(result.cell), result.status) for result in results.cells] == [
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
    assert again.row() == results.row()


@pytest.mark.slow
def test_failed_cells_are_tried_again_when_wanted_and_go_on_where_they_were(tmp_path, untimed, monkeypatch, capsys):
    file, out = define(tmp_path, f"{net('crash')}, {net('learn')}", "[0]"), tmp_path / "out"
    segzoo.benchmark(file, out=out)
    monkeypatch.setenv("SEGZOO_TEST_MENDED", "1")
    before = files(out)
    segzoo.benchmark(file, out=out)
    assert files(out) == before
    assert "cells that failed before: 1; --retry tries them again" in capsys.readouterr().err
    results = segzoo.benchmark(file, out=out, retry=True)
    assert [cell.status for cell in results.cells] == ["done", "done"]
    assert (record(out, "crash")["attempts"], record(out, "learn")["attempts"]) == (2, 1)
    assert "going on with epoch 2/2" in (out / "cells/shapes/crash/seed-0/log.txt").read_text()


def test_data_that_are_refused_are_a_cell_that_failed_and_what_is_doubtful_a_warning(tmp_path, untimed, install):
    data, trainer = (f"segzoo_test_flawed:{name}" for name in ("Flawed", "Scripted"))
    install("segzoo-test-flawed", {"segzoo.datasets": f"flawed = {data}", "segzoo.trainers": f"scripted = {trainer}"})
    faults = ("ignored", "absent class")
    datasets = ", ".join(f'{{label = "{fault[:6]}", name = "flawed", fault = "{fault}"}}' for fault in faults)
    file, out = define(tmp_path, seeds="[0]", datasets=datasets, trainer="scripted"), tmp_path / "out"
    segzoo.benchmark(file, out=out)
    refused, doubtful = read_rows(out / "results.csv")
    assert (refused["status"], doubtful["status"]) == ("failed", "done")
    dataset = "dataset 'flawed' of segzoo-test-flawed"
    assert refused["reason"].startswith(f"{dataset}: every pixel of the split 'train' is left out, by the label 255")
    assert doubtful["warnings"].startswith("the class 'high' occurs in no training mask")


def test_what_is_added_is_run_and_nothing_else(tmp_path, untimed):
    out = tmp_path / "out"
    segzoo.benchmark(define(tmp_path, seeds="[0]"), out=out)
    before = files(out)
    more = DATA + ", " + DATA.replace("name", 'label = "few", name', 1)
    results = segzoo.benchmark(define(tmp_path, f'"net", {net("learn")}', "[0]", datasets=more), out=out)
    assert len(results.cells) == 4
    assert all(cell.status == "done" for cell in results.cells)
    assert before.items() <= files(out).items()


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


@pytest.fixture
def hanging(tmp_path):
    """A benchmark of which one cell is done and the other hangs after its first epoch."""
    file, out = define(tmp_path, f"{net('learn')}, {net('hang')}", "[0]"), tmp_path / "out"
    process = start(file, out)
    yield process, file, out, once_it_hangs(process, out)
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_killed_a_benchmark_takes_its_cell_along_and_goes_on_within_it(hanging, untimed):
    process, file, out, cell = hanging
    process.kill()
    process.wait()
    assert gone(cell)
    done = record(out, "learn")
    assert record(out, "hang")["status"] == "begun"
    results = segzoo.benchmark(file, out=out)
    assert [cell.status for cell in results.cells] == ["done", "done"]
    assert record(out, "learn") == done
    assert record(out, "hang")["attempts"] == 2
    log = (out / "cells/shapes/hang/seed-0/log.txt").read_text()
    assert (log.count("training epoch 1"), log.count("training epoch 2")) == (1, 1)


@pytest.mark.slow
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


def test_workers_of_two_kinds_are_refused(tmp_path, command):
    workers = ("--jobs", "2", "--dask", "tcp://127.0.0.1:9")
    done = command("benchmark", define(tmp_path), "--out", tmp_path / "out", *workers)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "leave out one of them" in done.err


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
        for name in RESULTS:
            assert (broken / cell.relative_to(whole) / name).read_text() == (cell / name).read_text()


@pytest.mark.slow
def test_a_benchmark_of_networks_is_tabulated_with_their_speed(tmp_path, monkeypatch, command):
    monkeypatch.setattr(module.timing, "SECONDS", 0.5)
    models = '{name = "unet", filters = 4, depth = 1}, {name = "resunet", filters = 2}'
    file = define(tmp_path, models, "[0, 1]", 'match = "parameters"', trainer="keras")
    done = command("benchmark", file, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    printed = json.loads(done.out)
    sizes = {row["model"]: row["parameters"] for row in printed["rows"]}
    assert sizes["resunet"] == pytest.approx(sizes["unet"], rel=0.5)
    assert {row["status"] for row in read_rows(tmp_path / "out" / "results.csv")} == {"done"}
    timed = json.loads((tmp_path / "out" / "timing.json").read_text())
    assert set(timed["datasets"]["shapes"]["models"]) == {"unet", "resunet"}
    assert "resunet" in (tmp_path / "out" / "leaderboard.md").read_text()
    before = files(tmp_path / "out"), (tmp_path / "out" / "timing.json").stat().st_mtime_ns
    again = command("benchmark", file, "--out", tmp_path / "out")
    assert again.code == 0
    assert "│ resunet" in again.out
    assert (files(tmp_path / "out"), (tmp_path / "out" / "timing.json").stat().st_mtime_ns) == before
