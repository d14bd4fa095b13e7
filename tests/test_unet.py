"""The U-Net against its paper and its published counts."""

import numpy as np
import pytest

from segzoo_unet import UNet

TINY = {"filters": 2, "depth": 2}


def count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def test_the_published_parameter_count():
    network = UNet().build((160, 160, 3), 3)
    assert network.count_params() == 31_055_427
    assert count(network.trainable_variables) == 31_043_651
    assert network.output_shape == (None, 160, 160, 3)


def test_unpadded_it_is_the_network_of_the_paper():
    model = UNet(padding="valid", batch_norm=False)
    assert (model.stride, model.offset, model.margin) == (16, 12, 92)
    network = model.build((572, 572, 1), 2)
    assert network.output_shape == (None, 388, 388, 2)
    bottom = [layer.output.shape[1:3] for layer in network.layers if layer.name.startswith("bottom_conv")]
    assert bottom == [(30, 30), (28, 28)]  # figure 1 of the paper
    assert count(network.weights) == 31_030_658


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_the_margin_holds_at_every_depth_and_legal_size(depth):
    model = UNet(filters=1, depth=depth, padding="valid", batch_norm=False)
    least = -(-(2 * model.margin + 1 - model.offset) // model.stride)
    for k in (least, least + 3):
        side = model.stride * k + model.offset
        network = model.build((side, side, 1), 2)
        assert network.output_shape[1:3] == (side - 2 * model.margin,) * 2


def test_options_reach_the_graph():
    def names(**options):
        return [layer.name for layer in UNet(**TINY, **options).build((None, None, 3), 2).layers]

    assert not [name for name in names(batch_norm=False) if "norm" in name]
    assert [name for name in names(dropout=0.5) if "dropout" in name] == ["encoder2_dropout", "bottom_dropout"]
    network = UNet(**TINY, bn_momentum=0.7).build((None, None, 3), 2)
    assert network.get_layer("bottom_norm1").momentum == 0.7
