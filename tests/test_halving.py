"""Images at half their size in the first part of a training."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from test_keras_trainer import PLAIN, Blocks, Recorder, linear_network
from test_resume import EndedError, Stopping, dropout_network, weights

from segzoo.networks.frame import Frame
from segzoo.plugin import IGNORE
from segzoo.training import clean_state, prepare
from segzoo_keras import KerasTrainer, checkpoint, engine, halving
from segzoo_keras.averaging import Averages
from segzoo_keras.freezing import Trainable
from segzoo_keras.halving import half_of, halved
from segzoo_keras.optimizing import make_optimizer
from segzoo_keras.steps import Phase, compile_steps, with_pixels


def test_a_pixel_of_the_half_is_the_mean_of_four_and_has_the_label_of_one():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (2, 8, 12, 5)).astype(np.float32)
    labels, maps = rng.choice([0, 1, 2, IGNORE], (2, 8, 12)), rng.random((2, 8, 12))
    half, fewer, weights = map(np.asarray, halved(images, labels, maps, (4, 6)))
    np.testing.assert_allclose(half, images.reshape(2, 4, 2, 6, 2, 5).mean((2, 4)), rtol=1e-5)
    assert fewer.shape == weights.shape == (2, 4, 6)
    corners = [(labels[:, y::2, x::2], maps[:, y::2, x::2]) for y in (0, 1) for x in (0, 1)]
    assert any((fewer == values).all() and (weights == theirs).all() for values, theirs in corners)


def test_a_pixel_is_the_mean_of_the_area_that_it_covers_and_has_the_label_in_the_middle_of_it():
    image = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1) ** 2
    labels = np.arange(25).reshape(1, 5, 5)
    smaller, fewer, weights = halved(image, labels, labels / 25, (3, 3))
    # Each row of the three covers 5/3 rows of the five.
    covered = np.array([[1, 2 / 3, 0, 0, 0], [0, 1 / 3, 1, 1 / 3, 0], [0, 0, 0, 2 / 3, 1]]) * 3 / 5
    np.testing.assert_allclose(smaller[0, ..., 0], covered @ image[0, ..., 0] @ covered.T, rtol=1e-5)
    np.testing.assert_array_equal(fewer[0], labels[0, ::2, ::2])
    np.testing.assert_array_equal(weights[0], labels[0, ::2, ::2] / 25)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (Frame((128, 160)), (64, 80)),
        (Frame((128, 160), stride=16), (64, 80)),
        (Frame((120, 160), stride=16), (64, 80)),  # the network sees 128x160
        (Frame((129, 160)), (65, 80)),
        (Frame((160, 160), stride=32), (96, 96)),
        (Frame((96, 96), stride=32), (64, 64)),
        (Frame((126, 160)), None),  # the half has 63 rows
        (Frame((128, 128), stride=128), None),  # the next legal size is the whole
        (Frame((160, 160), stride=16, margin=4), None),
        (Frame((160, 160), view="crop"), None),
    ],
)
def test_at_which_size_images_are_halved(frame, expected):
    assert half_of(frame, linear_network()) == expected


def test_a_network_of_a_fixed_size_sees_all_images_at_that():
    inputs = keras.Input((160, 160, 3))
    fixed = keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs))
    assert half_of(Frame((160, 160)), fixed) is None


@pytest.fixture
def small(monkeypatch):
    """Images of 16x16 are large enough."""
    monkeypatch.setattr(halving, "LEAST", 8)


@pytest.mark.parametrize("more", [{}, pytest.param({"accumulate": 2, "batch_size": 2}, marks=pytest.mark.slow)])
def test_its_step_is_that_of_images_which_are_small_already(tmp_path, small, more):
    large, half = Recorder(tmp_path), Recorder(tmp_path, frame=Frame((8, 8)))
    data = prepare(Blocks(4), large.job)
    batch, options, results = data.batch(data.epoch(0, 0)), KerasTrainer(**PLAIN | more), []
    for recorder in (large, half):
        with clean_state(3):
            model = with_pixels(linear_network(), options.pixels, data)
            trainable = Trainable(options, model)
            parts = trainable, make_optimizer(options, trainable), Averages(model, options.ema)
            steps = compile_steps(*parts, prepare(Blocks(4), recorder.job), options, recorder.job)
        given = batch if recorder is large else halved(*batch, (8, 8))
        loss = steps.train[Phase(halved=recorder is large)](*given)
        results.append([float(loss), *model.get_weights()])
    for value, expected in zip(*results, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def phases_of_steps(monkeypatch):
    """A list that the phase of each step is added to that is made."""
    phases, compiled = [], engine.compile_steps

    def noted(*words):
        steps = compiled(*words)

        def noting(phase, step):
            return lambda *batch: phases.append(phase) or step(*batch)

        return steps._replace(train={phase: noting(phase, step) for phase, step in steps.train.items()})

    monkeypatch.setattr(engine, "compile_steps", noted)
    return phases


@pytest.fixture
def seen(monkeypatch):
    """The phases of the steps that are made."""
    return phases_of_steps(monkeypatch)


def test_images_are_halved_in_the_first_part_of_a_training(tmp_path, small, seen):
    recorder = Recorder(tmp_path, epochs=5)
    recorder.fit(batch_size=3, half_size=0.4)
    assert seen == [Phase(halved=True)] * 4 + [Phase()] * 6
    assert len(recorder.rows) == 5


def test_in_crops_none_is(tmp_path, small, seen):
    Recorder(tmp_path, epochs=2, frame=Frame((16, 16), view="crop")).fit(batch_size=3, half_size=0.4)
    assert set(seen) == {Phase()}


def test_with_pretrained_weights_none_is(tmp_path, small, seen):
    recorder = Recorder(tmp_path, epochs=2)
    recorder.job = replace(recorder.job, pretrained=("conv2d*",))
    recorder.fit(batch_size=3, half_size=0.4)
    assert set(seen) == {Phase()}


@pytest.mark.parametrize("steps", [2, 5])
def test_a_training_goes_on_with_images_of_the_same_size_to_the_same_bits(tmp_path, monkeypatch, small, steps):
    monkeypatch.setattr(checkpoint, "PERIOD", 0)
    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))  # a checkpoint after each step
    options = {"batch_size": 2, "half_size": 0.5, "schedule": "cosine", "ema": 0.9}
    whole = Recorder(tmp_path / "whole", epochs=2)
    plain = weights(whole.fit(dropout_network, **options))
    with pytest.raises(EndedError):
        Stopping(tmp_path / "run", steps, epochs=2).fit(dropout_network, **options)
    second = Recorder(tmp_path / "run", epochs=2, resume=True)
    assert weights(second.fit(dropout_network, **options)) == plain
    assert [*second.earlier[0], *second.rows] == whole.rows
