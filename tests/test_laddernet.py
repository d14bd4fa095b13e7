"""LadderNet against its paper (arXiv:1810.07810) and the author's code."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from segzoo.testing.models import check_smallest_legal_size_fits
from segzoo_laddernet import LadderNet

IMAGE = np.random.default_rng(0).uniform(-1, 1, (2, 16, 24, 3)).astype("float32")

RUNGS = ["unet2_encoder1_rung", "unet2_encoder2_rung"]
SKIPS = [f"unet{unet}_decoder{stage}_skip" for unet in (1, 2) for stage in (1, 2)]


@pytest.fixture(scope="module")
def small() -> keras.Model:
    keras.utils.set_random_seed(0)
    return LadderNet.example().build((None, None, 3), 3)


def test_parameters_of_the_authors_code():
    """`LadderNetv6(layers=4, filters=10, num_classes=2, inplanes=1)` of juntang-zhuang/LadderNet, counted by hand."""
    model = LadderNet(batch_norm=False).build((None, None, 1), 2)

    assert model.count_params() == 1_381_652


def test_parameters_as_stated():
    stated = LadderNet.parameters
    model = LadderNet().build((None, None, stated.channels), stated.classes)

    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == stated.trainable == 1_385_563
    # Beside the author's code: two more channels into 10 filters of 3x3, one more class out of 10 maps and its bias,
    # and scale and shift of two normalizations in every block: 160 maps at each bottom, 150 on each of four ways down
    # or up, and 10 on the bridge.
    assert stated.trainable - 1_381_652 == 2 * 90 + 11 + 4 * (2 * 160 + 4 * 150 + 10)
    assert "1,381,652" in stated.published


def test_both_convolutions_of_a_block_are_one_layer(small):
    shared = [layer for layer in small.layers if layer.name.endswith("_shared_conv")]

    assert len(shared) == 11  # five blocks in each U-Net, and the bridge
    for layer in shared:
        block = layer.name.removesuffix("_shared_conv")
        first, second = (small.get_layer(f"{block}_norm{i}") for i in (1, 2))
        producers = [node.input._keras_history.operation for node in (first, second)]
        assert producers == [layer, layer]
        assert first is not second
        assert first.gamma is not second.gamma


def test_skips_are_sums(small):
    adders = {layer.name for layer in small.layers if isinstance(layer, layers.Add)}

    assert adders == {*SKIPS, *RUNGS} | {name for name in adders if name.endswith("_add")}
    assert not [layer for layer in small.layers if isinstance(layer, layers.Concatenate)]


def test_whole_maps_are_dropped_between_the_two_convolutions():
    model = LadderNet.example().build((16, 16, 1), 2)
    drops = [layer for layer in model.layers if isinstance(layer, layers.SpatialDropout2D)]

    assert [layer.rate for layer in drops] == [0.25] * 11
    assert not [x for x in LadderNet(filters=2, depth=1, dropout=0).build((16, 16, 1), 2).layers if "dropout" in x.name]


def test_convolutions_of_one_shape_start_from_different_weights(small):
    first, second = (small.get_layer(f"{name}_shared_conv").kernel for name in ("unet1_encoder1", "unet2_encoder1"))

    assert not np.allclose(ops.convert_to_numpy(first), ops.convert_to_numpy(second))


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", [True, False])
def test_logits_of_the_new_network_are_small(batch_norm):
    """Added skips must not blow up what a training starts from."""
    keras.utils.set_random_seed(0)
    model = LadderNet(batch_norm=batch_norm).build((None, None, 3), 3)

    assert ops.convert_to_numpy(model(np.tile(IMAGE, (1, 2, 2, 1)), training=True)).std() < 5


@pytest.mark.parametrize("depth", [1, 3])
def test_stride_is_the_smallest_legal_size_at_other_depths(depth):
    model = LadderNet(filters=2, depth=depth)

    assert model.stride == 2**depth
    check_smallest_legal_size_fits(model)
