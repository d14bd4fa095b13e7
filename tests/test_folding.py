"""Convolutions that do the work of the batch normalization behind them."""

import keras
import numpy as np
import pytest
from keras import layers

from segzoo.networks.folding import fold

IMAGES = np.random.default_rng(0).normal(size=(2, 9, 12, 3)).astype(np.float32)


def stirred(network):
    """The network with weights that differ from those at the beginning."""
    rng = np.random.default_rng(1)
    network.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in network.get_weights()])
    return network


def chain(*made):
    inputs = values = keras.Input((None, None, 3))
    for layer in made:
        values = layer(values)
    return keras.Model(inputs, values)


def passes(network, monkeypatch):
    """How many layers still normalize when a network predicts."""
    done, original = [], layers.BatchNormalization.call
    count = lambda layer, *given, **words: done.append(layer.name) or original(layer, *given, **words)  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(layers.BatchNormalization, "call", count)
        network(IMAGES)
    return len(done)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_a_normalization_becomes_part_of_the_convolution_before_it(bias, options, monkeypatch):
    norm = layers.BatchNormalization(epsilon=0.01, **options)
    network = stirred(chain(layers.Conv2D(4, 3, strides=2, use_bias=bias), norm, layers.ReLU(), layers.Conv2D(2, 1)))
    expected = network(IMAGES)
    assert passes(network, monkeypatch) == 1
    fold(network)
    np.testing.assert_allclose(network(IMAGES), expected, rtol=1e-5)
    assert passes(network, monkeypatch) == 0


def test_networks_in_networks_are_folded_too(monkeypatch):
    inner = chain(layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU())
    network = stirred(chain(layers.Rescaling(0.5), inner, layers.Conv2D(2, 1)))
    expected = network.predict_on_batch(IMAGES)
    fold(network)
    network.predict_function = None
    np.testing.assert_allclose(network.predict_on_batch(IMAGES), expected, rtol=1e-5)
    assert passes(network, monkeypatch) == 0


def shared_convolution(values):
    convolution = layers.Conv2D(4, 1)
    return layers.Concatenate()([layers.BatchNormalization()(convolution(values)), convolution(-values)])


def shared_normalization(values):
    norm = layers.BatchNormalization()
    return layers.Concatenate()([norm(layers.Conv2D(4, 1)(values)), norm(layers.Conv2D(4, 1)(values))])


def read_twice(values):
    values = layers.Conv2D(4, 1)(values)
    return layers.Concatenate()([layers.BatchNormalization()(values), values])


def activated(values):
    return layers.BatchNormalization()(layers.Conv2D(4, 1, activation="relu")(values))


def along_rows(values):
    return layers.BatchNormalization(axis=1)(layers.Conv2D(4, 1)(values))


@pytest.mark.parametrize("branch", [shared_convolution, shared_normalization, read_twice, activated, along_rows])
def test_what_cannot_be_folded_stays(branch, monkeypatch):
    inputs = keras.Input(IMAGES.shape[1:])
    network = stirred(keras.Model(inputs, branch(inputs)))
    expected, before = network(IMAGES), passes(network, monkeypatch)
    fold(network)
    np.testing.assert_array_equal(network(IMAGES), expected)
    assert passes(network, monkeypatch) == before > 0


def test_a_network_of_its_own_class_stays():
    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm = layers.Conv2D(4, 1), layers.BatchNormalization()

        def call(self, images):
            return self.norm(self.convolution(images))

    network = Network()
    expected = network(IMAGES)
    fold(network)
    np.testing.assert_array_equal(network(IMAGES), expected)
