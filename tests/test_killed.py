"""Real processes that are killed, again and again, and end with the bits of one that never was."""

import os
import random
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import keras
import pytest

pytestmark = pytest.mark.slow

NETWORKS = {
    "unet": ("unet", {"model.filters": 2, "model.depth": 2, "trainer.precision": "float32"}),
    "unet-dropout": (
        "unet",
        {"model.filters": 2, "model.depth": 2, "model.dropout": 0.3, "trainer.precision": "mixed_bfloat16"},
    ),
    "unet-planned": (
        "unet",
        {
            "model.filters": 2,
            "model.depth": 2,
            "trainer.precision": "float32",
            "trainer.schedule": "cosine",
            "trainer.warmup": 0.1,
            "trainer.batch_size": 2,
            "trainer.accumulate": 2,
            "trainer.ema": 0.9,
            "trainer.patience": 12,
        },
        "--augmentation",
        "standard",
    ),
    "unet-crops": (
        "unet",
        {"model.filters": 2, "model.depth": 2, "trainer.precision": "float32", "dataset.size": 40},
        "--augmentation",
        "standard",
        "--view",
        "crop",
        "--image-size",
        "20",
    ),
    "dense_unet": (
        "dense_unet",
        {"model.layers": 56, "model.growth_rate": 2, "dataset.size": 32, "trainer.precision": "float32"},
    ),
}
SETTINGS = {
    "dataset.size": 16,
    "dataset.train": 10,
    "dataset.val": 4,
    "dataset.test": 4,
    "trainer.batch_size": 4,
}
SAME = ("config.toml", "history.csv", "metrics.json", "images.csv", "README.md")
DRIVER = f"""
import sys
from types import SimpleNamespace

import psutil

from segzoo.cli import main
from segzoo_keras import checkpoint

sys.path.append({str(Path(__file__).parent)!r})
from dying import die_at

signal, place, calls, memory, *arguments = sys.argv[1:]
checkpoint.PERIOD, checkpoint.SHARE = 0, float("inf")  # a checkpoint after each step
if memory == "full":
    psutil.virtual_memory = lambda: SimpleNamespace(available=0, total=0)
die_at(place, int(calls), int(signal))
main(arguments)
"""

BUILDING = [
    (
        "segzoo.training.store:Store.decode_alike",
        9,
    ),  # some samples of the second split are in files
    ("segzoo.training.disk_cache:write_text", 2),  # the second split has its arrays, but is not declared whole
]
TRAINING = [
    ("segzoo_keras.checkpoint:Progress.end_step", 1),  # the first step, nothing saved
    ("segzoo.training.checkpoints:_write", 6),  # the second checkpoint is half written
    ("segzoo.training.checkpoints:_sync_folder", 4),  # the second checkpoint is swapped in
]
MIDDLE = ("segzoo_keras.checkpoint:Progress.end_step", 5)  # of an epoch
ENDING = [
    ("segzoo_keras.engine:validate", 1),
    ("segzoo_keras.checkpoint:Keeper.end_epoch", 1),  # history.csv is ahead of the checkpoint
    MIDDLE,
    ("segzoo.runs.folder:write_text", 4),  # history.csv is ahead of timings.csv
    ("segzoo.runs.experiment:score_split", 1),
    ("segzoo.runs.results:_draw", 1),
    ("segzoo.runs.folder:remove_folder", 1),  # all is there, and the checkpoint still
]


def process(folder, cache, network, place="", calls=0, signal=9, memory="enough"):
    model, options, *others = NETWORKS[network]
    words = [word for key, value in (SETTINGS | options).items() for word in ("--set", f"{key}={value}")]
    driver = [sys.executable, "-c", DRIVER, str(signal), place, str(calls), memory]
    run = ["run", model, "shapes", *words, *others, "--epochs", "16", "--out", str(folder), "--resume"]
    environment = os.environ | {"SEGZOO_CACHE": str(cache)}
    return subprocess.Popen(driver + run, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)


def end(process):
    """Exit code and messages."""
    message = process.communicate()[1]
    return process.returncode, message


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run that was never stopped, by network, and the seconds that it takes."""
    known = {}

    def run(network):
        if network not in known:
            folder = tmp_path_factory.mktemp("unbroken")
            start = perf_counter()
            code, message = end(process(folder / "run", folder / "cache", network))
            assert code == 0, message
            known[network] = folder / "run", perf_counter() - start
        return known[network]

    return run


def assert_same(reference, other):
    for name in SAME:
        assert (reference / name).read_text() == (other / name).read_text(), name
    models = [keras.saving.load_model(folder / "model.keras") for folder in (reference, other)]
    first, second = ([weight.tobytes() for weight in model.get_weights()] for model in models)
    assert first == second
    assert names(reference) == names(other)


def names(folder):
    """Of all files but checkpoints, whose numbers depend on how many there were."""
    return {path.relative_to(folder) for path in folder.rglob("*") if "checkpoints" not in path.parts}


@pytest.mark.parametrize(
    ("network", "memory", "places"),
    [
        ("unet", "enough", [*TRAINING, MIDDLE]),
        ("unet-dropout", "full", BUILDING + TRAINING + ENDING),
        ("unet-crops", "full", [*BUILDING, *TRAINING, *ENDING]),
        ("unet-planned", "enough", [*TRAINING, MIDDLE, ENDING[1]]),
        ("dense_unet", "enough", [TRAINING[1], MIDDLE]),
    ],
)
def test_killed_at_every_event_a_run_ends_with_the_same_bits(tmp_path, unbroken, network, memory, places):
    folder, cache = tmp_path / "run", tmp_path / "cache"
    for place, calls in places:
        code, message = end(process(folder, cache, network, place, calls, memory=memory))
        assert code == -9, (place, message)
    code, message = end(process(folder, cache, network, memory=memory))
    assert code == 0, message
    assert_same(folder, unbroken(network)[0])
    assert not list(tmp_path.rglob("*part"))


@pytest.mark.parametrize("network", ["unet", "unet-dropout"])
def test_killed_at_random_moments_a_run_ends_with_the_same_bits(tmp_path, unbroken, network):
    expected, seconds = unbroken(network)
    rng = random.Random(network)
    for _ in range(3):
        killed = process(tmp_path / "run", tmp_path / "cache", network)
        try:
            killed.wait(rng.uniform(0.3, 1) * seconds)  # before that, it would still import TensorFlow
        except subprocess.TimeoutExpired:
            killed.kill()
        end(killed)
    code, message = end(process(tmp_path / "run", tmp_path / "cache", network))
    assert code == 0, message
    assert_same(tmp_path / "run", expected)


def test_ctrl_c_ends_with_130_and_a_hint_and_costs_no_bits(tmp_path, unbroken):
    folder, cache = tmp_path / "run", tmp_path / "cache"
    code, message = end(
        process(folder, cache, "unet-dropout", "segzoo_keras.checkpoint:Progress.end_step", 5, signal=2)
    )
    assert code == 130
    last = message.splitlines()[-1]
    assert last == f"segzoo: interrupted: to go on, repeat the command with --resume --out {folder}"
    assert "Traceback" not in message
    code, message = end(process(folder, cache, "unet-dropout"))
    assert code == 0, message
    assert_same(folder, unbroken("unet-dropout")[0])
