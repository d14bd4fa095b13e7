"""The Attention U-Net: its parameters, where its gates sit and what they do."""

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from segzoo_attention_unet import AttentionUNet
from segzoo_unet import UNet

IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 16, 24, 3)).astype("float32")
GATED = (2, 3)
"""The stages with a gate, at depth 3."""


@pytest.fixture
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return AttentionUNet(filters=4, depth=3).build((None, None, 3), 3)


def predict(network: keras.Model) -> np.ndarray:
    return keras.ops.convert_to_numpy(network(IMAGES, training=False))


def outputs(network: keras.Model, *names: str) -> list[np.ndarray]:
    """What the layers of these names give for the images."""
    probe = keras.Model(network.input, [network.get_layer(name).output for name in names])
    return [keras.ops.convert_to_numpy(output) for output in probe(IMAGES, training=False)]


def trainable(network: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def cut(network: keras.Model, stage: int) -> None:
    """Deafen the decoder to the skip connection of a stage: the first channels of what it concatenates."""
    kernel = network.get_layer(f"decoder{stage}_conv1").kernel
    values = keras.ops.convert_to_numpy(kernel).copy()
    values[:, :, : network.get_layer(f"decoder{stage}_skip").input[0].shape[-1]] = 0
    kernel.assign(values)


def test_parameters_are_those_of_the_unet_and_of_three_gates() -> None:
    network = AttentionUNet().build((None, None, 3), 3)
    gates = sum(4 * w * w + 2 * w * w + w + w + 1 for w in (128, 256, 512))  # W_x, then W_g with b_g, psi with b_psi
    assert gates == 2_066_179
    assert network.count_params() == UNet().build((None, None, 3), 3).count_params() + gates == 33_121_606
    assert trainable(network) == AttentionUNet.parameters.trainable == 33_109_830


def test_the_port_for_images_differs_by_its_gates_and_its_upsampling() -> None:
    network = AttentionUNet().build((None, None, 3), 1)
    widths = (64, 128, 256, 512)
    ours = 2_066_179 + sum(4 * 2 * w * w + w for w in widths)  # gates, transposed convolutions
    upsampling = sum(9 * 2 * w * w + w + 2 * w for w in widths)  # 3x3 convolutions, batch normalizations
    gates = sum(2 * (w * w // 2 + w // 2 + w) + w // 2 + 1 + 2 for w in widths)  # half as wide, batch normalizations
    assert trainable(network) - ours + upsampling + gates == 34_878_573


@pytest.mark.parametrize("stage", GATED)
def test_a_gate_sits_on_the_skip_before_the_concatenation(network: keras.Model, stage: int) -> None:
    concatenated = network.get_layer(f"decoder{stage}_skip").input
    encoded = network.get_layer(f"encoder{stage}_relu2").output
    assert concatenated[0] is network.get_layer(f"gate{stage}").output
    assert network.get_layer(f"gate{stage}").input[0] is encoded
    assert network.get_layer(f"gate{stage}_skip").input is encoded


@pytest.mark.parametrize(("stage", "coarser"), [(2, "decoder3_relu2"), (3, "bottom_relu2")])
def test_a_gate_is_signalled_by_the_coarser_stage(network: keras.Model, stage: int, coarser: str) -> None:
    assert network.get_layer(f"gate{stage}_signal").input is network.get_layer(coarser).output


def test_the_finest_skip_is_not_gated(network: keras.Model) -> None:
    assert network.get_layer("decoder1_skip").input[0] is network.get_layer("encoder1_relu2").output


def test_names_of_gates_are_stable(network: keras.Model) -> None:
    parts = ("_map", "_psi", "_relu", "_signal", "_skip", "_sum")
    names = {layer.name for layer in network.layers if layer.name.startswith("gate")}
    assert names == {f"gate{stage}{part}" for stage in GATED for part in ("", *parts)}
    again = AttentionUNet(filters=4, depth=3).build((None, None, 3), 3)
    assert [layer.name for layer in again.layers] == [layer.name for layer in network.layers]


@pytest.mark.parametrize(("stage", "size"), [(2, (8, 12)), (3, (4, 6))])
def test_a_map_weighs_the_skip_pixel_by_pixel(network: keras.Model, stage: int, size: tuple[int, int]) -> None:
    weights, skip, gated = outputs(network, f"gate{stage}_map", f"encoder{stage}_relu2", f"gate{stage}")
    assert weights.shape == (2, *size, 1)
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert weights.std() > 0
    np.testing.assert_allclose(gated, skip * weights, rtol=1e-6)


@pytest.mark.parametrize("stage", GATED)
def test_skip_and_signal_both_move_the_map(network: keras.Model, stage: int) -> None:
    before = outputs(network, f"gate{stage}_map")[0]
    for part in ("skip", "signal"):
        kernel = network.get_layer(f"gate{stage}_{part}").kernel
        values = keras.ops.convert_to_numpy(kernel)
        kernel.assign(0 * values)
        assert np.abs(outputs(network, f"gate{stage}_map")[0] - before).max() > 1e-3
        kernel.assign(values)


@pytest.mark.parametrize("stage", GATED)
def test_a_closed_gate_cuts_the_skip(network: keras.Model, stage: int) -> None:
    network.get_layer(f"gate{stage}_psi").bias.assign([-1e4])
    closed = predict(network)
    cut(network, stage)
    np.testing.assert_allclose(closed, predict(network), rtol=1e-5, atol=1e-6)


def test_options_take_batch_normalization_and_dropout() -> None:
    network = AttentionUNet(filters=4, depth=2, batch_norm=False, dropout=0.5).build((None, None, 3), 2)
    kinds = [type(layer) for layer in network.layers]
    assert keras.layers.BatchNormalization not in kinds
    assert kinds.count(keras.layers.Dropout) == 2


def test_momentum_reaches_every_batch_normalization() -> None:
    network = AttentionUNet(filters=4, depth=2, bn_momentum=0.5).build((None, None, 3), 2)
    momenta = [layer.momentum for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert momenta == [0.5] * 10


def test_a_network_without_any_gate_is_refused() -> None:
    with pytest.raises(ValidationError, match="depth"):
        AttentionUNet(depth=1)
