"""FC-DenseNet against the numbers of its paper (arXiv:1611.09326) and of its authors' code."""

import keras
import numpy as np
import pytest
from keras import layers

from segzoo_dense_unet import DenseUNet


@pytest.fixture(scope="module")
def small() -> keras.Model:
    keras.utils.set_random_seed(0)
    return DenseUNet.example().build((None, None, 3), 3)


@pytest.fixture(scope="module")
def largest() -> keras.Model:
    return DenseUNet().build((None, None, 3), 11)


@pytest.mark.parametrize(
    ("depth", "growth_rate", "parameters", "published", "explained"),
    [
        # Of 56 layers the paper says 1.5 M, but what its tables describe has 1.40 M (SimJeg/FC-DenseNet#31).
        (56, 12, 1_397_963, 1.5e6, 0.11e6),
        pytest.param(67, 16, 3_502_923, 3.5e6, 0.05e6, marks=pytest.mark.slow),
        # With the moving statistics, as the authors' code counts.
        pytest.param(103, 16, 9_425_163, 9.4e6, 0.05e6, marks=pytest.mark.slow),
    ],
)
def test_parameters_of_the_paper(depth, growth_rate, parameters, published, explained):
    model = DenseUNet(layers=depth, growth_rate=growth_rate).build((None, None, 3), 11)

    assert model.count_params() == parameters
    assert abs(parameters - published) < explained
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose)]
    assert len(convolutions) == depth


def test_parameters_as_stated():
    stated = DenseUNet.parameters
    model = DenseUNet().build((None, None, stated.channels), stated.classes)

    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == stated.trainable == 9_320_035
    assert model.count_params() == 9_423_107
    assert "9,425,163, 3,502,923 and 1,397,963 (growth rate 12)" in stated.published


def test_maps_of_each_stage(largest):
    """Table 2, with the correction by 16 that the authors' README makes from the bottom up."""
    down = [largest.get_layer(f"encoder{stage}_block").output.shape[-1] for stage in range(1, 6)]
    skips = [largest.get_layer(f"decoder{stage}_skip").output.shape[-1] for stage in range(1, 6)]
    up = [skip + 16 * length for skip, length in zip(skips, (4, 5, 7, 10, 12), strict=True)]

    assert down == [112, 192, 304, 464, 656]
    assert up == [256, 384, 576, 816, 1088]
    assert largest.get_layer("decoder1_block").output.shape[-1] == 256


def test_only_new_maps_are_upsampled(largest):
    upsampled = [largest.get_layer(f"decoder{stage}_up").input.shape[-1] for stage in range(1, 6)]

    assert upsampled == [16 * length for length in (5, 7, 10, 12, 15)]


def test_a_layer_sees_all_layers_of_its_block_before_it(small):
    stack = small.get_layer("encoder2_stack4")

    assert [tensor.shape[-1] for tensor in stack.input] == [48 + 4 * 2, 2, 2, 2]


def test_dropout_follows_every_convolution_but_the_first_and_the_logits():
    rates = [layer.rate for layer in DenseUNet.example().build((32, 32, 1), 2).layers if type(layer) is layers.Dropout]

    assert rates == [0.2] * (11 * 4 + 5)  # the layers of eleven dense blocks, and five transitions down


def test_options_reach_the_graph():
    model = DenseUNet(layers=56, growth_rate=3, dropout=0, bn_momentum=0.8).build((32, 32, 1), 2)

    assert not [layer for layer in model.layers if isinstance(layer, layers.Dropout)]
    assert {layer.momentum for layer in model.layers if isinstance(layer, layers.BatchNormalization)} == {0.8}
    assert model.get_layer("bottom_layer1_conv").filters == 3
