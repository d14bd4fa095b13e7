"""What TensorBoard reads of a run."""

from importlib.util import find_spec

import numpy as np
import pytest
import tensorflow as tf

import segzoo
import segzoo_tensorboard
from segzoo.testing.trackers import CONFIG, FIGURES, METRICS, TIMES, Tables, finish, follow, run_folder
from segzoo_tensorboard import TensorBoard

installed = pytest.mark.skipif(find_spec("tensorboard") is None, reason="TensorBoard is not installed")


@pytest.fixture
def folder():
    with run_folder() as folder:
        yield folder


def read(folder):
    """All that TensorBoard finds below a run, by tag: steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), {"tensors": 0})
    events.Reload()
    return {
        tag: [(event.step, tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


@installed
def test_curves_scores_pictures_and_options_of_a_run(folder):
    follow(TensorBoard().subscriber(), folder, Tables())
    found = read(folder)
    assert [step for step, _ in found["epoch/loss"]] == [1, 2, 3]
    np.testing.assert_allclose([value for _, value in found["epoch/val_loss"]], [row["val_loss"] for row in FIGURES])
    assert [float(value) for _, value in found["time/seconds"]] == [row["seconds"] for row in TIMES]
    assert [(step, float(value)) for step, value in found["score/mean_iou"]] == [(3, METRICS["mean_iou"])]
    assert [float(value) for _, value in found["score/iou.thing"]] == [0.75]
    assert "score/iou.the other" not in found  # it has none
    ((step, picture),) = found["samples/sample 1"]
    assert (step, tf.io.decode_png(picture[2]).shape) == (3, (12, 31, 3))
    ((_, text),) = found["config"]
    assert '    name = "net"\n' in text.item().decode()
    assert "_hparams_/session_start_info" in found


@installed
def test_a_run_that_goes_on_has_each_epoch_once(folder):
    first = TensorBoard().subscriber()
    first.run_started(CONFIG, folder)
    first.epoch_ended(FIGURES[0], TIMES[0])
    second = TensorBoard().subscriber()
    second.run_started(CONFIG, folder)
    second.resumed(FIGURES[:1], TIMES[:1])
    finish(second, folder, Tables(), 1)
    assert [step for step, _ in read(folder)["epoch/loss"]] == [1, 2, 3]


@installed
def test_an_epoch_can_be_seen_while_the_run_goes_on(folder):
    subscriber = TensorBoard().subscriber()
    subscriber.run_started(CONFIG, folder)
    subscriber.epoch_ended(FIGURES[0], TIMES[0])
    assert [step for step, _ in read(folder)["epoch/loss"]] == [1]


@installed
@pytest.mark.slow
def test_a_run_is_the_same_with_it_and_without(tmp_path):
    sizes = {"model.filters": 2, "model.depth": 1, "dataset.size": 16, "dataset.train": 4, "dataset.val": 2}
    options = {"settings": sizes | {"dataset.test": 2}, "epochs": 1}
    plain = segzoo.run("unet", "shapes", out=tmp_path / "plain", **options)
    followed = segzoo.run("unet", "shapes", out=tmp_path / "followed", trackers=["tensorboard"], **options)
    assert (followed.metrics, followed.history) == (plain.metrics, plain.history)
    assert {name for name in read(followed.folder) if name.startswith("samples/")}


def test_where_it_is_not_installed_it_is_said_how_it_is(tmp_path, command, monkeypatch):
    monkeypatch.setattr(segzoo_tensorboard, "find_spec", lambda name: None)
    refused = command("run", "unet", "shapes", "--tracker", "tensorboard", "--out", tmp_path / "run")
    assert refused.code == 2
    assert refused.err.endswith("needs the package tensorboard; type: pip install 'segmentation-zoo[tensorboard]'\n")
    assert not (tmp_path / "run").exists()
