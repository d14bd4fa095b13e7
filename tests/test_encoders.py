"""Encoders as options of models: by name, as tables, in any order; and what encoders share."""

import keras
import numpy as np
import pytest
from pydantic import Field, ValidationError

from segzoo.networks.encoders import EncoderOption, encoders_of, first_kernel, normalized, with_resolved_encoders
from segzoo.plugin import Encoder, Model
from segzoo.runs.config import compose, parse_setting
from segzoo_efficientnet_lite import EfficientNetLite0


class Net(Model):
    """A model that takes any encoder."""

    encoder: EncoderOption = Field("efficientnet_lite0", description="What makes the maps.")
    filters: int = Field(4, description="Of its end.")

    def build(self, image_shape, num_classes):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, EfficientNetLite0()),
        ({"encoder": "efficientnet_lite0"}, EfficientNetLite0()),
        ({"encoder": {"name": "efficientnet_lite0", "depth": 3}}, EfficientNetLite0(depth=3)),
        ({"encoder": {"weights": "none"}}, EfficientNetLite0(weights="none")),
        ({"encoder": EfficientNetLite0(depth=2)}, EfficientNetLite0(depth=2)),
    ],
)
def test_an_encoder_is_given_by_name_as_a_table_or_as_it_is(given, expected):
    net = Net.model_validate(given)
    assert net.encoder == expected
    assert Net.model_validate(net.model_dump()) == net
    assert Net.model_validate_json(net.model_dump_json()) == net
    assert encoders_of(net) == {"encoder": expected}


def test_what_is_no_encoder_is_refused():
    for wrong in (3, {"name": 3}):
        with pytest.raises(ValidationError):
            Net(encoder=wrong)


@pytest.mark.parametrize("swapped", [False, True])
def test_name_and_options_are_set_in_either_order(swapped):
    settings = ["model.encoder=efficientnet_lite0", "model.encoder.weights=none", "model.encoder.depth=3"]
    config = compose(
        words={"model": "encoder_unet", "dataset": "shapes"},
        settings=dict(map(parse_setting, settings[::-1] if swapped else settings)),
    )
    assert config.model.options == {"encoder": {"name": "efficientnet_lite0", "weights": "none", "depth": 3}}


def test_the_kernel_for_a_grey_image_is_the_sum_over_colours():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 5)).astype(np.float32)
    image = np.random.default_rng(1).normal(size=(1, 8, 8, 1)).astype(np.float32)
    grey = keras.ops.conv(image, first_kernel(kernel, 1))
    np.testing.assert_allclose(grey, keras.ops.conv(np.repeat(image, 3, -1), kernel), atol=1e-5)


@pytest.mark.parametrize("channels", [2, 4, 6, 7])
def test_the_kernel_for_more_channels_keeps_its_sum_in_the_mean(channels):
    kernel = np.ones((3, 3, 3, 5), np.float32)
    more = first_kernel(kernel, channels)
    assert more.shape == (3, 3, channels, 5)
    np.testing.assert_allclose(more.sum(axis=2), kernel.sum(axis=2), rtol=1e-6)
    assert first_kernel(kernel, 3) is not None
    np.testing.assert_array_equal(first_kernel(kernel, 3), kernel)


@pytest.mark.parametrize(("channels", "means"), [(3, [0.2, 0.4, 0.6]), (1, [0.4]), (5, [0.2, 0.4, 0.6, 0.2, 0.4])])
def test_images_are_normalized_by_channel(channels, means):
    inputs = keras.Input((None, None, channels))
    network = keras.Model(inputs, normalized(inputs, (0.2, 0.4, 0.6), (0.5, 0.5, 0.5)))
    values = np.random.default_rng(0).uniform(-1, 1, (1, 2, 3, channels)).astype(np.float32)
    expected = ((values + 1) / 2 - np.array(means)) / 0.5
    np.testing.assert_allclose(network(values), expected, atol=1e-6)


class LeavesItsDepth(Encoder):
    """Decides on a machine how deep it is."""

    depth: int = Field(0, description="Halvings; 0: as the machine has it.")

    @property
    def strides(self):
        return tuple(2**number for number in range(1, self.depth + 1))

    def build(self, image_shape):
        raise NotImplementedError

    def resolved(self):
        return self.model_copy(update={"depth": 2})


def test_what_an_encoder_leaves_to_the_machine_is_decided_with_the_model():
    net = Net.model_validate({"encoder": LeavesItsDepth(), "filters": 3})
    assert with_resolved_encoders(net) == Net.model_validate({"encoder": LeavesItsDepth(depth=2), "filters": 3})
