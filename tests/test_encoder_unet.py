"""A U-Net on any encoder: its stages, its sizes, its options."""

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from segzoo import registry
from segzoo.errors import ConfigError
from segzoo.plugin import Encoder, Model
from segzoo_efficientnet_lite import EfficientNetLite0
from segzoo_encoder_unet import EncoderUNet


class Coarse(Encoder):
    """An encoder that begins with a stride of 4, as some do."""

    @property
    def strides(self) -> tuple[int, ...]:
        return (4, 8)

    def build(self, image_shape):
        inputs = keras.Input(image_shape)
        first = keras.layers.Conv2D(4, 4, 4, name="first")(inputs)
        return keras.Model(inputs, [first, keras.layers.Conv2D(8, 2, 2, name="second")(first)], name="encoder")


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def test_parameters_are_those_of_the_encoder_and_of_the_decoder():
    network = EncoderUNet(encoder={"name": "efficientnet_lite0", "weights": "none"}).build((None, None, 3), 3)
    inputs = [320 + 112, 256 + 40, 128 + 24, 64 + 16, 32 + 3]
    decoder = sum(
        9 * (before + width) * width + 2 * width + 4 * width
        for before, width in zip(inputs, (256, 128, 64, 32, 16), strict=True)
    )
    assert trainable(network) == 2_958_848 + decoder + 16 * 3 + 3


def test_each_stage_joins_the_map_of_its_size():
    network = EncoderUNet().build((64, 64, 3), 3)
    joined = [network.get_layer(f"decoder{stage}_skip").output.shape for stage in range(1, 6)]
    assert [shape[1] for shape in joined] == [4, 8, 16, 32, 64]
    assert joined[-1][-1] == 32 + 3  # the image itself


def test_an_encoder_that_begins_at_stride_4_has_a_stage_without_a_map():
    network = EncoderUNet(encoder=Coarse(), decoder_filters=(8, 6, 4)).build((None, None, 3), 2)
    assert network(np.zeros((1, 16, 24, 3), np.float32)).shape == (1, 16, 24, 2)
    assert {layer.name for layer in network.layers} >= {"decoder1_skip", "decoder3_skip"}
    assert "decoder2_skip" not in {layer.name for layer in network.layers}


def test_of_the_filters_the_last_count():
    network = EncoderUNet(encoder={"depth": 2}).build((None, None, 3), 3)
    assert [network.get_layer(f"decoder{stage}_conv1").filters for stage in (1, 2)] == [32, 16]


def test_too_few_filters_are_refused():
    with pytest.raises(ValidationError, match="decoder_filters has 2 numbers, but the encoder has 5 stages; give"):
        EncoderUNet(decoder_filters=(8, 4))


def test_the_stride_is_that_of_the_coarsest_map():
    assert EncoderUNet().stride == 32
    assert EncoderUNet(encoder=EfficientNetLite0(depth=3)).stride == 8


def test_an_unknown_encoder_is_named():
    with pytest.raises(ConfigError, match="no encoder 'efficientnet_lite1'; did you mean 'efficientnet_lite0'"):
        registry.create(Model, "encoder_unet", {"encoder": "efficientnet_lite1"})


def test_an_option_of_the_encoder_is_checked():
    with pytest.raises(ConfigError, match=r"encoder 'efficientnet_lite0', option 'depth': .* not 9"):
        registry.create(Model, "encoder_unet", {"encoder": {"depth": 9}})


def test_it_sees_the_whole_image_if_its_encoder_does():
    def net(encoder):
        return EncoderUNet.model_validate({"encoder": {"name": encoder, "weights": "none"}})

    assert not net("efficientnet_lite0").global_context
    assert net("mobilenet_v3_large").global_context  # by squeeze-and-excitation
