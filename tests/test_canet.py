"""CANet against what is known of its size, and what its parts are there for."""

import math

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from segzoo.testing.models import check_smallest_legal_size_fits
from segzoo_canet import CANet

TINY = {"filters": 4, "encoder": "resnet18", "flows": 1}


def trainable(layers):
    return sum(math.prod(weight.shape) for layer in layers for weight in layer.trainable_weights)


def images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def layer_classes(model):
    return {type(layer) for layer in model.layers}


@pytest.fixture(scope="module")
def default():
    return CANet().build((None, None, 3), 3)


def test_parameters_at_the_defaults_are_the_stated_ones(default):
    assert trainable(default.layers) == CANet.parameters.trainable == 33_765_155
    assert default.count_params() == 33_854_595


def test_encoder_is_the_published_resnet50_with_three_convolutions_for_a_stem(default):
    published = 25_557_032 - (2048 * 1000 + 1000)  # torchvision's ResNet-50 less its classifier
    stem = (9 * 3 + 9 * 64 + 9 * 128) * 64 + 2 * (64 + 64 + 128) - (49 * 3 * 64 + 2 * 64)
    wider_input_of_the_first_block = 64 * 64 + 64 * 256
    encoder = [layer for layer in default.layers if layer.name.startswith(("stem", "stage"))]
    assert trainable(encoder) == published + stem + wider_input_of_the_first_block


def test_everything_behind_the_encoder_counts_as_in_the_code_of_the_authors(default):
    def norm(width):
        return 2 * width

    def separable(inputs):
        return 9 * inputs + norm(inputs) + inputs * 512 + norm(512)

    global_flow = 2048 * 512 + norm(512)
    context_flow = separable(2048 + 512) + separable(512)
    selection = 9 * 512 * 256 + norm(256) + 256 * 256 + norm(256)
    decoder = 9 * 256 * 48 + norm(48) + 9 * (256 + 48) * 256 + norm(256)
    head = 9 * 256 * 256 + norm(256) + 256 * 3 + 3
    behind = [layer for layer in default.layers if not layer.name.startswith(("stem", "stage"))]
    assert trainable(behind) == global_flow + 4 * context_flow + selection + decoder + head


def test_small_setting_has_the_count_of_the_documentation():
    model = CANet(filters=20, encoder="resnet18", flows=2).build((None, None, 3), 3)
    assert model.count_params() == 1_558_423


@pytest.mark.parametrize(
    ("encoder", "convolutions"), [("resnet34", 32), pytest.param("resnet101", 99, marks=pytest.mark.slow)]
)
def test_encoders_have_the_depth_of_their_name(encoder, convolutions):
    model = CANet(filters=4, encoder=encoder, flows=1).build((None, None, 3), 3)
    names = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    stages = [name for name in names if name.startswith("stage") and "shortcut" not in name]
    assert len(stages) == convolutions  # the two that are missing are the stem and the classifier


@pytest.mark.parametrize(("output_stride", "flows"), [(8, 1), (16, 1), (32, 2)])
def test_stride_is_the_smallest_legal_size_with_other_flows(output_stride, flows):
    model = CANet(filters=4, encoder="resnet18", output_stride=output_stride, flows=flows)
    assert model.stride == output_stride * 2**flows
    check_smallest_legal_size_fits(model)


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_deepest_map_has_the_output_stride_and_dilation_makes_up_for_it(output_stride):
    model = CANet(**TINY, output_stride=output_stride).build((128, 64, 3), 3)
    rates = {}
    for stage in range(1, 5):
        height, width = model.get_layer(f"stage{stage}_block2_out").output.shape[1:3]
        dilation = model.get_layer(f"stage{stage}_block2_first_conv").dilation_rate[0]
        assert (height, width) == (128 // (128 // height), 64 // (128 // height))
        rates[stage] = (128 // height, dilation)
    assert rates[4][0] == output_stride
    # A tap of a 3x3 kernel reaches as many pixels of the image as in the network that halves at every stage.
    assert [stride * dilation for stride, dilation in rates.values()] == [4, 8, 16, 32]


def test_output_stride_changes_no_weight():
    shapes = [
        [weight.shape for weight in CANet(**TINY, output_stride=stride).build((None, None, 3), 3).weights]
        for stride in (8, 16, 32)
    ]
    assert shapes[0] == shapes[1] == shapes[2]


def test_context_flows_pool_the_deepest_map_ever_coarser():
    model = CANet(filters=4, encoder="resnet18", flows=3).build((128, 64, 3), 3)
    pooled = [model.get_layer(f"context{k}_pool").output.shape[1:3] for k in (1, 2, 3)]
    assert pooled == [(8, 4), (4, 2), (2, 1)]
    assert {model.get_layer(f"context{k}_flow").output.shape[1:3] for k in (1, 2, 3)} == {(16, 8)}


@pytest.mark.parametrize("layer", ["global_norm", "context1_separable2_pointwise_norm", "selection_gate_norm"])
def test_global_flow_context_flow_and_attention_matter(layer):
    model = CANet(**TINY).build((None, None, 3), 3)
    x = images(2, 32, 32, 3)
    before = np.asarray(model(x))
    norm = model.get_layer(layer)
    norm.beta.assign(norm.beta + 1.0)
    assert np.abs(np.asarray(model(x)) - before).max() > 1e-3


def test_every_pixel_sees_the_whole_image():
    model = CANet(**TINY).build((None, None, 3), 3)
    x = images(1, 32, 1024, 3)  # twice as wide as the convolutions of the encoder reach
    before = np.asarray(model(x))[0, 0, 0]
    x[0, :, -16:] += 1.0
    assert CANet.global_context
    assert np.abs(np.asarray(model(x))[0, 0, 0] - before).max() > 0


def test_dropout_of_zero_leaves_no_dropout_layer():
    assert keras.layers.Dropout in layer_classes(CANet(**TINY).build((None, None, 3), 3))
    assert keras.layers.Dropout not in layer_classes(CANet(**TINY, dropout=0.0).build((None, None, 3), 3))


def test_momentum_reaches_every_batch_normalization():
    model = CANet(**TINY, bn_momentum=0.5).build((None, None, 3), 3)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert {norm.momentum for norm in norms} == {0.5}


@pytest.mark.parametrize("option", [{"output_stride": 4}, {"encoder": "resnet20"}, {"flows": 0}, {"filters": 3}])
def test_options_outside_their_range_are_refused(option):
    with pytest.raises(ValidationError):
        CANet(**option)
