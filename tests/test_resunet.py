"""The Deep Residual U-Net: its parameters beside the published ones, and its units."""

import keras
import numpy as np
import pytest

from segzoo_resunet import ResUNet

IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 16, 24, 3)).astype("float32")
UNITS = ("encoder1", "encoder2", "encoder3", "bridge", "decoder3", "decoder2", "decoder1")


@pytest.fixture
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return ResUNet(filters=4).build((None, None, 3), 3)


def predict(network: keras.Model) -> np.ndarray:
    return keras.ops.convert_to_numpy(network(IMAGES, training=False))


def trainable(network: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def kernels(network: keras.Model, *names: str) -> int:
    return sum(int(np.prod(network.get_layer(name).kernel.shape)) for name in names)


def test_parameters_are_the_published_ones_and_the_projections() -> None:
    network = ResUNet().build((None, None, 3), 1)
    published = kernels(network, "logits", *(f"{unit}_conv{i}" for unit in UNITS for i in (1, 2)))
    projections = kernels(network, *(f"{unit}_project" for unit in UNITS))
    assert published == 7_780_096
    assert f"{published / 1e6:.1f} M" == "7.8 M"
    assert projections == 430_272
    biases_and_normalizations = trainable(network) - published - projections
    assert biases_and_normalizations == 9_217
    assert f"{trainable(network) / 1e6:.1f} M" == "8.2 M"


def test_parameters_at_three_classes() -> None:
    network = ResUNet().build((None, None, 3), 3)
    assert network.count_params() == 8_226_115
    assert trainable(network) == ResUNet.parameters.trainable == 8_219_715


def test_sizes_and_widths_are_those_of_the_papers_table() -> None:
    network = ResUNet().build((224, 224, 3), 1)
    shapes = [network.get_layer(f"{unit}_add").output.shape[1:] for unit in UNITS]
    encoder = [(224, 224, 64), (112, 112, 128), (56, 56, 256)]
    assert shapes == [*encoder, (28, 28, 512), *reversed(encoder)]


def test_strided_convolutions_stand_in_the_place_of_pooling(network: keras.Model) -> None:
    strided = {layer.name for layer in network.layers if getattr(layer, "strides", (1, 1)) != (1, 1)}
    halving = ("encoder2", "encoder3", "bridge")
    assert strided == {f"{unit}{part}" for unit in halving for part in ("_conv1", "_project")}
    assert not any("Pooling" in type(layer).__name__ for layer in network.layers)


@pytest.mark.parametrize("unit", UNITS[1:])
def test_units_are_fully_preactivated(network: keras.Model, unit: str) -> None:
    for i in (1, 2):
        relu = network.get_layer(f"{unit}_relu{i}")
        assert network.get_layer(f"{unit}_conv{i}").input is relu.output
        assert relu.input is network.get_layer(f"{unit}_norm{i}").output
    shortcut, residual = network.get_layer(f"{unit}_add").input
    assert shortcut is network.get_layer(f"{unit}_project").output
    assert residual is network.get_layer(f"{unit}_conv2").output
    assert network.get_layer(f"{unit}_project").input is network.get_layer(f"{unit}_norm1").input


def test_the_image_is_neither_normalized_nor_activated(network: keras.Model) -> None:
    assert network.get_layer("encoder1_conv1").input is network.input
    assert network.get_layer("encoder1_project").input is network.input


def test_dropout_is_there_only_where_asked_for() -> None:
    without, with_it = (ResUNet(filters=4, depth=2, dropout=rate).build((None, None, 3), 2) for rate in (0.0, 0.5))
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in without.layers)
    assert with_it.get_layer("bridge_dropout").rate == 0.5


def test_momentum_reaches_every_batch_normalization() -> None:
    network = ResUNet(filters=4, bn_momentum=0.5).build((None, None, 3), 2)
    momenta = [layer.momentum for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert momenta == [0.5] * 13
