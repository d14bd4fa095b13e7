"""Optimizers as the options want them, held to plain arithmetic, and learning rates that follow the training."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from test_keras_trainer import CLASSES, Recorder

from segzoo_keras import KerasTrainer, engine
from segzoo_keras.optimizing import learning_rate
from segzoo_keras.steps import Phase

RATE = 0.01


def network_of_ones():
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(CLASSES, 1, kernel_initializer="ones", bias_initializer="ones")
    return keras.Model(inputs, layer(inputs))


def after_a_step(folder, **options):
    """Kernel and bias, which were all 1 before."""
    recorder = Recorder(folder, epochs=1)
    model = recorder.fit(network_of_ones, learning_rate=RATE, **options)
    assert recorder.images == [6]
    return model.get_weights()


@pytest.mark.parametrize(("optimizer", "share"), [("sgd", 0.5), ("adam", 0.5), ("adamw", 0.004)])
def test_kernels_decay_and_biases_do_not(tmp_path, optimizer, share):
    plain = after_a_step(tmp_path, optimizer=optimizer, weight_decay=0)
    kernel, bias = after_a_step(tmp_path, optimizer=optimizer, weight_decay=share)
    np.testing.assert_allclose(plain[0] - kernel, RATE * share, rtol=2e-3)
    np.testing.assert_array_equal(bias, plain[1])


@pytest.mark.parametrize("factor", [0.25, 4])
def test_the_norm_of_all_gradients_together_is_clipped(tmp_path, factor):
    plain = [value - 1 for value in after_a_step(tmp_path, optimizer="sgd")]
    # With Nesterov momentum of 0.9, the first step is 1.9 times the gradient.
    norm = np.sqrt(sum((step**2).sum() for step in plain)) / (1.9 * RATE)
    clipped = [value - 1 for value in after_a_step(tmp_path, optimizer="sgd", clip_norm=factor * float(norm))]
    for step, expected in zip(clipped, plain, strict=True):
        np.testing.assert_allclose(step, min(1, factor) * expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("constant", 0, {0: 1, 0.5: 1, 1: 1}),
        ("constant", 0.2, {0: 0, 0.05: 0.25, 0.2: 1, 1: 1}),
        ("cosine", 0, {0: 1, 1 / 3: 0.75, 0.5: 0.5, 2 / 3: 0.25, 1: 0}),
        ("cosine", 0.2, {0.1: 0.5, 0.2: 1, 0.6: 0.5, 1: 0}),
        ("polynomial", 0, {0: 1, 0.5: 0.5**0.9, 1: 0, 1.1: 0}),
    ],
)
def test_the_rate_is_a_function_of_the_share_that_is_done(schedule, warmup, expected):
    options = KerasTrainer(schedule=schedule, warmup=warmup, learning_rate=0.02)
    rates = {done: learning_rate(options, done) / 0.02 for done in expected}
    assert rates == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("budget", "shares"),
    [
        ({"epochs": 3}, [2.5 / 9, 5.5 / 9, 8.5 / 9]),  # of three steps each; the last step of each is told
        ({"epochs": None, "steps": 5}, [0.5, 0.9]),
        ({"epochs": 3, "steps": 5}, [0.5, 0.9]),
        ({"epochs": 1, "steps": 5}, [2.5 / 3]),
    ],
)
def test_the_schedule_spans_what_ends_first(tmp_path, budget, shares):
    recorder = Recorder(tmp_path)
    recorder.job = replace(recorder.job, **budget)
    recorder.fit(schedule="cosine", batch_size=2, learning_rate=RATE)
    expected = [RATE * (1 + np.cos(np.pi * share)) / 2 for share in shares]
    assert [row["learning_rate"] for row in recorder.rows] == pytest.approx(expected, rel=1e-5)


def test_the_steps_are_as_large_as_the_rate_says(tmp_path):
    """With warmup over nearly all of the only step, its middle has half of the rate."""
    whole = after_a_step(tmp_path, optimizer="sgd")
    half = after_a_step(tmp_path, optimizer="sgd", warmup=1 - 1e-9)
    for step, expected in zip(half, whole, strict=True):
        np.testing.assert_allclose(step - 1, (expected - 1) / 2, rtol=1e-3, atol=1e-7)


def test_in_a_budget_of_seconds_the_rate_follows_the_clock(tmp_path, monkeypatch):
    now, compiled = [0.0], engine.compile_steps
    monkeypatch.setattr(engine, "perf_counter", lambda: now[0])

    def slow(*words):
        steps = compiled(*words)

        def call(*batch):
            now[0] += 10
            return steps.train[Phase()](*batch)

        return steps._replace(train={Phase(): call})

    monkeypatch.setattr(engine, "compile_steps", slow)
    recorder = Recorder(tmp_path)
    recorder.job = replace(recorder.job, epochs=None, seconds=80)
    recorder.fit(schedule="polynomial", batch_size=2, learning_rate=RATE)
    expected = [RATE * left**0.9 for left in (60 / 80, 30 / 80, 10 / 80)]  # three steps an epoch, and the last two
    assert [row["learning_rate"] for row in recorder.rows] == pytest.approx(expected, rel=1e-5)


def test_a_constant_rate_is_told_nowhere(tmp_path):
    recorder = Recorder(tmp_path, epochs=1)
    recorder.fit()
    assert set(recorder.rows[0]) == {"loss", "val_loss", "val_mean_iou"}
