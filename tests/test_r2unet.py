"""The R2U-Net: its parameters, its shared weights and its recurrence."""

import keras
import numpy as np
import pytest

from segzoo_r2unet import R2UNet

IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 16, 24, 3)).astype("float32")


@pytest.fixture
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return R2UNet(filters=4, depth=3).build((None, None, 3), 3)


def predict(network: keras.Model) -> np.ndarray:
    return keras.ops.convert_to_numpy(network(IMAGES, training=False))


def trainable(network: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def calls(network: keras.Model) -> dict[str, int]:
    """How often the graph calls each of its layers."""
    return {layer["name"]: len(layer["inbound_nodes"]) for layer in network.get_config()["layers"]}


def test_parameters_are_exactly_those_of_the_reference_port() -> None:
    network = R2UNet().build((None, None, 3), 1)
    assert trainable(network) == R2UNet.parameters.trainable == 39_091_393
    assert network.count_params() == 39_105_089


def test_parameters_of_the_port_add_up() -> None:
    def unit(inputs: int, width: int) -> int:
        return inputs * width + width + 2 * (9 * width * width + 3 * width)  # 1x1; twice 3x3, bias, normalization

    def up(width: int) -> int:
        return 9 * 2 * width * width + 3 * width

    widths = (64, 128, 256, 512)
    encoder = unit(3, 64) + sum(unit(w, 2 * w) for w in widths)
    assert encoder + sum(up(w) + unit(2 * w, w) for w in widths) + 65 == 39_091_393


@pytest.mark.parametrize("batch_norm", [True, False])
def test_parameters_do_not_depend_on_t(batch_norm: bool) -> None:
    counts = {
        R2UNet(filters=4, depth=2, t=t, batch_norm=batch_norm).build((None, None, 3), 3).count_params()
        for t in (1, 2, 3, 6)
    }
    assert len(counts) == 1


@pytest.mark.parametrize("t", [1, 2, 3])
def test_each_recurrent_convolution_is_one_layer_called_in_every_step(t: int) -> None:
    network = R2UNet(filters=4, depth=2, t=t).build((None, None, 3), 3)
    recurrent = {name: n for name, n in calls(network).items() if "_recurrent" in name and name.endswith("_conv")}
    assert len(recurrent) == 2 * 5
    assert set(recurrent.values()) == {t + 1}
    assert sum(type(layer) is keras.layers.Conv2D for layer in network.layers) == 10 + 5 + 2 + 1  # units, 1x1, up, last


def test_each_batch_normalization_is_called_once_so_that_its_statistics_fit(network: keras.Model) -> None:
    counts = calls(network)
    assert {counts[name] for name in counts if name.endswith("_norm")} == {1}


def test_steps_change_the_output_with_the_same_weights() -> None:
    keras.utils.set_random_seed(0)
    single, triple = (R2UNet(filters=4, depth=2, t=t).build((None, None, 3), 3) for t in (1, 3))
    for layer in single.layers:
        triple.get_layer(layer.name).set_weights(layer.get_weights())
    assert np.abs(predict(single) - predict(triple)).max() > 1e-2


def test_a_recurrent_convolution_computes_the_recurrence() -> None:
    network = R2UNet(filters=2, depth=1, t=2, batch_norm=False).build((None, None, 3), 2)
    first = network.get_layer("encoder1_recurrent1_conv")
    names = ("encoder1_project", "encoder1_recurrent1_relu")
    probe = keras.Model(network.input, [network.get_layer(name).output for name in names])
    x, result = probe(IMAGES)
    state = keras.ops.relu(first(x))
    for _ in range(2):
        state = keras.ops.relu(first(x + state))
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (result, state)), rtol=1e-5, atol=1e-6)


def test_a_unit_adds_its_projection_to_its_recurrent_convolutions(network: keras.Model) -> None:
    terms = network.get_layer("bottom_add").input
    assert terms[0] is network.get_layer("bottom_project").output
    assert terms[1] is network.get_layer("bottom_recurrent2_relu").output


def test_options_take_batch_normalization_and_dropout() -> None:
    network = R2UNet(filters=4, depth=2, batch_norm=False, dropout=0.5).build((None, None, 3), 2)
    kinds = [type(layer) for layer in network.layers]
    assert keras.layers.BatchNormalization not in kinds
    assert kinds.count(keras.layers.Dropout) == 2


def test_momentum_reaches_every_batch_normalization() -> None:
    network = R2UNet(filters=4, depth=2, bn_momentum=0.5).build((None, None, 3), 2)
    momenta = [layer.momentum for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert momenta == [0.5] * 12
