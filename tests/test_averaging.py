"""Moving averages of weights: their values, and that they are what is validated and saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_keras_trainer import Blocks, Recorder, linear_network, val_loss

from segzoo_keras.averaging import Averages


def normalized():
    """Weights, and moving statistics that no gradient changes."""
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.BatchNormalization()(keras.layers.Dense(3)(inputs)))


def test_all_weights_are_averaged_quickly_at_first_and_then_with_the_momentum():
    model, rng = normalized(), np.random.default_rng(0)
    averages, expected = Averages(model, 0.5), model.get_weights()
    update = tf.function(averages.update)
    for steps in range(1, 14):
        model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
        update(tf.constant(steps, tf.int64))
        momentum = min(0.5, (1 + steps) / (10 + steps))
        expected = [
            momentum * old + (1 - momentum) * new for old, new in zip(expected, model.get_weights(), strict=True)
        ]
    assert len(averages.variables) == 6
    for average, value in zip(averages.variables, expected, strict=True):
        np.testing.assert_allclose(average.numpy(), value, rtol=1e-5)


def test_in_their_place_they_are_the_weights_and_afterwards_no_more():
    model = normalized()
    averages, first = Averages(model, 0.9), model.get_weights()
    second = [weight + 1 for weight in first]
    model.set_weights(second)
    with averages.in_place():
        inside = model.get_weights()
    for values, expected in zip((inside, model.get_weights()), (first, second), strict=True):
        for value, weight in zip(values, expected, strict=True):
            np.testing.assert_array_equal(value, weight)


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_averages_are_validated_and_saved_and_change_nothing_in_the_training(tmp_path, precision):
    plain, averaged = Recorder(tmp_path, epochs=4), Recorder(tmp_path, epochs=4)
    for recorder, ema in ((plain, 0.0), (averaged, 0.9)):
        model = recorder.fit(linear_network, batch_size=2, learning_rate=0.05, ema=ema, precision=precision)
    assert [row["loss"] for row in averaged.rows] == [row["loss"] for row in plain.rows]
    losses = [row["val_loss"] for row in averaged.rows]
    assert losses != [row["val_loss"] for row in plain.rows]
    assert val_loss(model, averaged, Blocks(3)) == pytest.approx(
        min(losses), rel=1e-5 if precision == "float32" else 0.01
    )
