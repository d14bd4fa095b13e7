"""Whose turn it is, what is counted of it, and real networks timed by the real command."""

import json
import subprocess
import sys
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from segzoo.benchmarking import timing
from segzoo.benchmarking.cells import Record
from segzoo.benchmarking.timing import BATCH, DEFINITIONS, Network, Times, load, measure, time_rounds
from segzoo.errors import SegzooError
from segzoo.runs.config import compose
from segzoo.runs.folder import RunFolder
from segzoo.runs.manifest import manifest
from segzoo.runs.planning import resolve

SMALL = {"dataset.size": 16, "dataset.train": 4, "dataset.val": 2, "dataset.test": 2}


def cell(out, model, settings, label=None, status="done", seed=0):
    """The folder of a run in a benchmark, with all that timing reads of it."""
    folder = out / "cells" / "shapes" / (label or model) / f"seed-{seed}"
    folder.mkdir(parents=True)
    words = {"model": model, "dataset": "shapes", "image_size": (16, 16)}
    experiment, files = resolve(compose(None, words, SMALL | settings)), RunFolder(folder)
    files.write_config(experiment.config)
    scored = {"split": "test", "selected_on_this_split": False, "images": 2}
    files.write_metrics(scored | {"iou": dict.fromkeys(experiment.info.classes, 0.5), "definitions": {}})
    files.write_manifest(manifest(seed, {}, experiment.info, experiment.frame))
    Record(status, None, "segzoo run", 1.0, None, 2, 1).write(folder)
    return folder


UNET = {"model.filters": 2, "model.depth": 1, "model.batch_norm": False}


class Clock:
    """A clock that only the calls of networks move, and what they were called in which order."""

    def __init__(self, monkeypatch):
        self.now, self.calls = 0.0, []
        monkeypatch.setattr(timing, "perf_counter", lambda: self.now)

    def network(self, name, *seconds, batch=1.0):
        """Its calls with one input take these seconds in turn, the last one again and again."""
        taken = iter(seconds)

        def single():
            self.calls.append(name)
            self.now += next(taken, seconds[-1])

        def many():
            self.now += batch

        return Network({}, single, many)


def turns(calls):
    """The order of turns in a list of calls."""
    return [name for i, name in enumerate(calls) if i == 0 or calls[i - 1] != name]


def test_every_network_has_its_turn_in_each_round_and_every_other_round_goes_backwards(monkeypatch):
    clock = Clock(monkeypatch)
    time_rounds([clock.network("a", 1.0), clock.network("b", 1.0), clock.network("c", 1.0)], rounds=3, seconds=12)
    assert turns(clock.calls) == ["a", "b", "c", "b", "a", "b", "c"]  # at each end two turns follow each other
    assert clock.calls == [*"aaa", *"bbb", *"ccc", *"ccc", *"bbb", *"aaa", *"aaa", *"bbb", *"ccc"]


def test_the_first_call_of_a_turn_is_not_counted(monkeypatch):
    clock = Clock(monkeypatch)
    (times,) = time_rounds([clock.network("a", 9.0, 1.0, 1.0, 7.0, 2.0, 2.0)], rounds=2, seconds=8)
    assert times.latencies == [[1.0, 1.0], [2.0]]


def test_a_network_has_its_share_of_the_time_and_one_call_at_least(monkeypatch):
    clock = Clock(monkeypatch)
    quick, slow = time_rounds(
        [clock.network("quick", 0.25), clock.network("slow", 100.0, batch=400.0)], rounds=2, seconds=8
    )
    assert [len(calls) for calls in quick.latencies] == [8, 8]
    assert slow.latencies == [[100.0], [100.0]]
    assert slow.rates == [BATCH / 400, BATCH / 400]


def test_figures_are_medians_over_rounds_which_one_bad_round_does_not_move():
    rounds = [[0.010, 0.011, 0.012]] * 4
    calm, disturbed = Times([*rounds, rounds[0]], [50.0] * 5), Times([*rounds, [0.5] * 3], [50.0] * 4 + [1.0])
    assert calm.figures()["latency_p50_ms"] == disturbed.figures()["latency_p50_ms"] == pytest.approx(11)
    assert calm.figures()["throughput_images_per_s"] == disturbed.figures()["throughput_images_per_s"] == 50
    assert calm.figures()["latency_p95_ms"] == pytest.approx(12)
    assert disturbed.figures()["latency_p95_ms"] == pytest.approx(500)  # but its tail is seen


def test_a_network_is_built_as_in_its_run_and_takes_inputs_of_its_size(tmp_path):
    network = load(cell(tmp_path, "unet", UNET | {"model.padding": "valid"}))
    frame = resolve(compose(tmp_path / "cells/shapes/unet/seed-0/config.toml")).frame
    assert network.facts["input_shape"] == [*frame.input_size, 3]
    assert network.single().shape == (1, *frame.output_size, 4)
    assert network.batch().shape == (BATCH, *frame.output_size, 4)
    assert np.array_equal(network.single()[0], network.single()[0])
    assert network.facts["parameters"] > 0
    assert network.facts["flops"] > 0


def test_a_subclassed_network_of_a_third_party_is_timed(tmp_path, install):
    install("segzoo-test-subclassed", {"segzoo.models": "subclassed = segzoo_test_subclassed:Net"})
    network = load(cell(tmp_path, "subclassed", {}))
    assert network.facts == {"parameters": 4 * 3 + 4, "flops": 2 * 16 * 16 * 3 * 4, "input_shape": [16, 16, 3]}
    assert network.single().shape == (1, 16, 16, 4)


def compared(folders, **options):
    return timing._compared(folders, options.get("rounds", 2), options.get("baseline"), 0.01)


def test_the_baseline_is_timed_as_two_networks_at_both_ends(tmp_path, monkeypatch):
    folders = {name: cell(tmp_path, "unet", UNET, name) for name in ("a", "b")}
    timed = []
    monkeypatch.setattr(
        timing, "time_rounds", lambda networks, *rest: timed.append(networks) or time_rounds(networks, *rest)
    )
    figures = compared(folders, baseline="b")
    (networks,) = timed
    assert len(networks) == len(set(map(id, networks))) == 3
    assert list(figures["models"]) == ["b", "a"]
    assert figures["noise_floor"] >= 1
    assert figures["left_out"] == {}


def test_where_memory_is_short_networks_are_timed_in_groups_with_the_baseline_in_each(tmp_path, monkeypatch):
    folders = {name: cell(tmp_path, "unet", UNET, name) for name in "abcd"}
    timed = []
    monkeypatch.setattr(
        timing, "time_rounds", lambda networks, *rest: timed.append(networks) or time_rounds(networks, *rest)
    )
    free = (2**30 / (1 + taken) for taken in count())
    monkeypatch.setattr(timing.psutil, "virtual_memory", lambda: SimpleNamespace(available=next(free)))
    figures = compared(folders, baseline="c")
    assert [len(networks) for networks in timed] == [3, 3, 3]
    assert len({id(networks[0]) for networks in timed}) == len({id(networks[-1]) for networks in timed}) == 1
    assert set(figures["models"]) == set("abcd")


def test_a_network_that_is_gone_is_left_out_with_the_reason(tmp_path):
    folders = {name: cell(tmp_path, "unet", UNET, name) for name in ("kept", "gone")}
    config = folders["gone"] / "config.toml"
    config.write_text(config.read_text().replace('"unet"', '"nonet"'))
    for baseline in ("kept", "gone"):
        timed = compared(folders, baseline=baseline)
        assert list(timed["models"]) == ["kept"]
        assert timed["left_out"]["gone"].startswith("ConfigError: no model 'nonet'")
    assert compared({"gone": folders["gone"]})["noise_floor"] is None


def test_one_finished_run_of_each_model_is_found(tmp_path):
    cell(tmp_path, "unet", UNET, status="failed")
    second = cell(tmp_path, "unet", UNET, seed=1)
    cell(tmp_path, "unet", UNET, seed=2)
    cell(tmp_path, "unet", UNET, "other", status="failed")
    (cell(tmp_path, "unet", UNET, "damaged") / "cell.json").write_text('{"status": "done"')
    assert timing.finished(tmp_path) == {"shapes": {"unet": second}}


def test_threads_that_are_fixed_already_are_not_taken_for_others(tmp_path):
    tf.constant(1)  # TensorFlow is at work in this process
    with pytest.raises(SegzooError, match="measure in a process of its own"):
        measure({}, 1, 97)


@pytest.mark.slow
def test_the_command_writes_figures_for_each_network(tmp_path):
    for label, filters in {"narrow": 2, "wide": 4}.items():
        cell(tmp_path, "unet", UNET | {"model.filters": filters}, label)
    (tmp_path / "benchmark.toml").write_text('threads = 1\nbaseline = "wide"\n')
    command = [sys.executable, "-m", "segzoo.benchmarking.timing", tmp_path, "--rounds", "2", "--seconds", "0.2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "shapes: noise floor " in done.stderr
    timed = json.loads((tmp_path / "timing.json").read_text())
    assert (timed["threads"], timed["rounds"]) == (1, 2)
    shapes = timed["datasets"]["shapes"]
    assert shapes["noise_floor"] >= 1
    assert shapes["models"]["narrow"]["flops"] < shapes["models"]["wide"]["flops"]
    for figures in shapes["models"].values():
        assert figures["throughput_batch"] == BATCH
        assert figures["latency_p50_ms"] > 0
        assert figures["latency_p95_ms"] > 0
        assert figures["throughput_images_per_s"] > 0
        assert set(figures) - {"throughput_batch"} <= set(DEFINITIONS)


def test_a_folder_without_a_benchmark_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        timing.main([str(tmp_path)])
    assert ended.value.code == 2
    assert f"segzoo: there is no benchmark in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--seconds", "-1"]])
def test_times_that_are_none_are_refused(tmp_path, capsys, words):
    with pytest.raises(SystemExit) as ended:
        timing.main([str(tmp_path), *words])
    assert ended.value.code == 2
    assert "--rounds and --seconds must be positive" in capsys.readouterr().err
