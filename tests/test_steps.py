"""The compiled training step: in parts it is the same step, and a distribution strategy can run it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_keras_trainer import CLASSES, PLAIN, Blocks, Recorder

from segzoo.training import clean_state, prepare
from segzoo_keras import KerasTrainer
from segzoo_keras.averaging import Averages
from segzoo_keras.freezing import Trainable
from segzoo_keras.optimizing import make_optimizer
from segzoo_keras.steps import Phase, compile_steps, with_pixels

pytestmark = pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")


def penalized_network():
    """A network whose loss has penalties of its own, of weights and of activities, and a layer without a gradient."""
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", activity_regularizer="l2", name="body")(inputs)
    unused = keras.layers.Dense(2, kernel_initializer="ones")(x)
    x = x + keras.ops.stop_gradient(keras.ops.mean(unused, axis=-1, keepdims=True))
    return keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1, kernel_regularizer=keras.regularizers.L1(0.01))(x))


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_accumulated_batches_are_the_large_batch_also_at_the_end_of_an_epoch(tmp_path, precision):
    """Eleven images: steps of six and of five, which are 3 and 3, and 3 and 2."""
    large, small = Recorder(tmp_path, epochs=2), Recorder(tmp_path, epochs=2)
    common = {"train": Blocks(11), "optimizer": "sgd", "learning_rate": 0.05, "precision": precision}
    first = large.fit(penalized_network, batch_size=6, **common)
    second = small.fit(penalized_network, batch_size=3, accumulate=2, **common)
    assert small.images == large.images == [6, 5, 6, 5]
    rounding = 1e-4 if precision == "float32" else 0.02
    for row, expected in zip(small.rows, large.rows, strict=True):
        assert row == pytest.approx(expected, rel=rounding, abs=1e-4)
    for weight, expected in zip(second.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("accumulate", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_compiled_by_xla_it_is_the_same_step_also_at_the_end_of_an_epoch(tmp_path, accumulate):
    plain, compiled = Recorder(tmp_path, epochs=2), Recorder(tmp_path, epochs=2)
    options = {"batch_size": 3, "accumulate": accumulate, "optimizer": "sgd", "precision": "float32"}
    first = plain.fit(penalized_network, **options, train=Blocks(5))
    second = compiled.fit(penalized_network, **options, train=Blocks(5), jit_compile=True)
    for row, expected in zip(compiled.rows, plain.rows, strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    for weight, expected in zip(second.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("more", "phases"),
    [
        ({}, [Phase()] * 2),
        ({"accumulate": 2}, [Phase()] * 2),
        (
            {"freeze": ("body",), "unfreeze_after": 0.5, "lr_multipliers": {"body": 0.5}, "optimizer": "adamw"},
            [Phase(frozen=True), Phase(), Phase()],
        ),
    ],
)
def test_a_strategy_can_run_the_step(tmp_path, more, phases):
    recorder = Recorder(tmp_path)
    data = prepare(Blocks(), recorder.job)
    options = KerasTrainer(**PLAIN | {"ema": 0.9, "clip_norm": 0.1, "weight_decay": 0.1, "batch_size": 3} | more)
    batch = data.batch(data.epoch(0, 0))
    results = []
    for strategy in (None, tf.distribute.MirroredStrategy(["/cpu:0"])):
        with clean_state(3), strategy.scope() if strategy else tf.init_scope():
            model = with_pixels(penalized_network(), options.pixels, data)
            trainable = Trainable(options, model)
            parts = trainable, make_optimizer(options, trainable), Averages(model, options.ema)
            train = compile_steps(*parts, data, options, recorder.job).train
        steps = [train[phase] for phase in phases]
        losses = [float(strategy.run(step, batch) if strategy else step(*batch)) for step in steps]
        results.append([losses, *model.get_weights(), *(average.numpy() for average in parts[2].variables)])
    for values, expected in zip(*results, strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
