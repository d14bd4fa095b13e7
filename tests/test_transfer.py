"""Weights of one network for another: by names and shapes, whatever is around the network."""

import keras
import numpy as np

from segzoo.networks.transfer import named_weights, take, values_of


def network(classes=3, name="net", filters=4):
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(filters, 3, name="first")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, keras.layers.Conv2D(classes, 1, name="logits")(x), name=name)


def wrapped(inner):
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, inner(keras.layers.Rescaling(1 / 127.5, -1)(inputs)))


def nested():
    inputs = keras.Input((None, None, 3))
    encoder = network(name="encoder")
    return keras.Model(inputs, keras.layers.Conv2D(2, 1, name="logits")(encoder(inputs)))


class Subclassed(keras.Model):
    """A network with a weight that is in no layer."""

    def __init__(self):
        super().__init__(name="subclassed")
        self.first = keras.layers.Conv2D(4, 3, name="first")
        self.scale = self.add_weight(shape=(), name="scale")

    def call(self, images):
        return self.first(images) * self.scale


def test_names_are_those_of_layers_and_weights():
    assert [*named_weights(network())] == [
        "first/kernel",
        "first/bias",
        "norm/gamma",
        "norm/beta",
        "norm/moving_mean",
        "norm/moving_variance",
        "logits/kernel",
        "logits/bias",
    ]


def test_what_is_around_a_network_changes_no_names():
    assert [*named_weights(wrapped(network()))] == [*named_weights(network())]
    assert [*named_weights(wrapped(wrapped(network())))] == [*named_weights(network())]


def test_layers_of_a_network_within_have_its_name_too():
    names = [*named_weights(nested())]
    assert names[0] == "encoder/first/kernel"
    assert names[-1] == "logits/bias"
    assert len(names) == 10


def test_weights_of_subclassed_networks_are_among_them():
    model = Subclassed()
    model(np.zeros((1, 5, 5, 3), np.float32))
    assert {*named_weights(model)} == {"first/kernel", "first/bias", "scale"}


def test_equal_names_and_shapes_are_taken_and_others_kept():
    source, target = network(classes=5), network(classes=3)
    logits = np.asarray(target.get_layer("logits").kernel)
    kept = take(values_of(wrapped(source)), target)
    assert kept == ["logits/kernel (1x1x4x3, where it is 1x1x4x5)", "logits/bias (3, where it is 5)"]
    np.testing.assert_array_equal(target.get_layer("first").kernel, source.get_layer("first").kernel)
    np.testing.assert_array_equal(target.get_layer("logits").kernel, logits)


def test_weights_that_are_not_there_are_kept():
    values = {name: array for name, array in values_of(network()).items() if not name.startswith("first")}
    assert take(values, network()) == ["first/kernel (3x3x3x4)", "first/bias (4)"]


def unnamed():
    inner = keras.Sequential([keras.Input((None, None, 4)), keras.layers.Conv2D(4, 1), keras.layers.Dense(4)])
    return keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1), inner, keras.layers.Conv2D(2, 1)])


def test_layers_that_keras_has_named_are_numbered_within_their_network():
    names = [*named_weights(unnamed())]
    assert names == [*named_weights(unnamed())]
    assert names[::2] == [
        "conv2d/kernel",
        "sequential/conv2d/kernel",
        "sequential/dense/kernel",
        "conv2d_2/kernel",
    ]
