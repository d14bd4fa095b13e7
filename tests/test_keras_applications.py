"""Encoders of `keras.applications`: their maps, and the weights that they begin with."""

import inspect
import shutil
import sys
from pathlib import Path
from urllib.error import URLError

import keras
import numpy as np
import pytest

import segzoo_keras_applications as applications
from segzoo.errors import DataError
from segzoo.files.stamps import sha256
from segzoo.networks.transfer import named_weights
from segzoo.plugin import StartingWeights
from segzoo.testing.encoders import build, maps_of

MAPS = {
    applications.MobileNetV2: {
        2: ("expanded_conv_project_BN", 16),
        4: ("block_2_add", 24),
        8: ("block_5_add", 32),
        16: ("block_12_add", 96),
        32: ("block_16_project_BN", 320),
    },
    applications.MobileNetV3Large: {
        2: ("expanded_conv_add", 16),
        4: ("expanded_conv_2_add", 24),
        8: ("expanded_conv_5_add", 40),
        16: ("expanded_conv_11_add", 112),
        32: ("expanded_conv_14_add", 160),
    },
    applications.EfficientNetV2B0: {
        2: ("block1a_project_activation", 16),
        4: ("block2b_add", 32),
        8: ("block3b_add", 48),
        16: ("block5e_add", 112),
        32: ("block6h_add", 192),
    },
    applications.EfficientNetV2B1: {
        2: ("block1b_add", 16),
        4: ("block2c_add", 32),
        8: ("block3c_add", 48),
        16: ("block5f_add", 112),
        32: ("block6i_add", 192),
    },
    applications.EfficientNetV2B2: {
        2: ("block1b_add", 16),
        4: ("block2c_add", 32),
        8: ("block3c_add", 56),
        16: ("block5f_add", 120),
        32: ("block6j_add", 208),
    },
    applications.EfficientNetV2B3: {
        2: ("block1b_add", 16),
        4: ("block2c_add", 40),
        8: ("block3c_add", 56),
        16: ("block5g_add", 136),
        32: ("block6l_add", 232),
    },
    applications.EfficientNetV2S: {
        2: ("block1b_add", 24),
        4: ("block2d_add", 48),
        8: ("block3d_add", 64),
        16: ("block5i_add", 160),
        32: ("block6o_add", 256),
    },
    applications.ResNet50: {
        2: ("conv1_relu", 64),
        4: ("conv2_block3_out", 256),
        8: ("conv3_block4_out", 512),
        16: ("conv4_block6_out", 1024),
        32: ("conv5_block3_out", 2048),
    },
    applications.DenseNet121: {
        2: ("conv1_relu", 64),
        4: ("pool2_conv", 128),
        8: ("pool3_conv", 256),
        16: ("pool4_conv", 512),
        32: ("relu", 1024),
    },
    # The sums after these layers, which have no names but those that Keras counts.
    applications.ConvNeXtTiny: {
        4: ("convnext_tiny_stage_0_block_2_identity", 96),
        8: ("convnext_tiny_stage_1_block_2_identity", 192),
        16: ("convnext_tiny_stage_2_block_8_identity", 384),
        32: ("convnext_tiny_stage_3_block_2_identity", 768),
    },
}
"""The layers that make the maps, with their channels, by stride."""
PREPROCESSING = {
    applications.MobileNetV2: keras.applications.mobilenet_v2,
    applications.ResNet50: keras.applications.resnet,
    applications.DenseNet121: keras.applications.densenet,
}
"""The modules of Keras that say what images are to be; the other networks see to it themselves."""
QUICK = applications.MobileNetV2
EVERY = [pytest.param(cls, marks=() if cls is QUICK else pytest.mark.slow, id=cls.__name__) for cls in MAPS]


def layer_of(tensor):
    """The layer that made a tensor, or the last one before a sum."""
    operation = tensor._keras_history.operation
    if isinstance(operation, keras.Layer):
        return operation.name
    return operation.input[1]._keras_history.operation.name


@pytest.mark.parametrize("cls", EVERY)
def test_maps_are_those_at_the_ends_of_blocks(cls):
    encoder = cls(weights="none")
    network = build(encoder)
    found = {stride: (layer_of(x), x.shape[-1]) for stride, x in zip(encoder.strides, network.outputs, strict=True)}
    assert found == MAPS[cls]
    channels = [str(number) for _, number in MAPS[cls].values()]
    assert f"maps of {', '.join(channels[:-1])} and {channels[-1]} channels" in cls.__doc__


def saved(cls, path):
    """The network of Keras with random weights of every kind, its classifier left out, in a file of its weights."""
    network = getattr(keras.applications, cls(weights="none").application.function)(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    rng = np.random.default_rng(0)
    for weight in network.weights:
        values = np.asarray(weight)
        scale = 0.1 * values.std() or 0.05
        weight.assign(values + np.abs(rng.normal(0, scale, values.shape)))
    path.parent.mkdir(parents=True, exist_ok=True)
    network.save(path)
    return network


@pytest.fixture(scope="module")
def mobile_net(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobile_net.h5"
    return saved(QUICK, path), path


@pytest.mark.parametrize("cls", EVERY)
def test_with_weights_of_a_file_it_makes_the_maps_of_keras_of_the_same_pixels(cls, mobile_net, tmp_path, cache):
    network, path = mobile_net if cls is QUICK else (saved(cls, tmp_path / "x.h5"), tmp_path / "x.h5")
    encoder = cls(weights=path)
    assert encoder.prepare(cache) == StartingWeights(path.name, sha256(path))
    ours = build(encoder)
    encoder.load(ours, cache)
    images = np.random.default_rng(1).uniform(-1, 1, (2, 64, 96, 3)).astype(np.float32)
    pixels = 127.5 * (images + 1)
    if cls in PREPROCESSING:
        pixels = PREPROCESSING[cls].preprocess_input(pixels.copy())
    names = [layer for layer, _ in MAPS[cls].values()]
    theirs = [network.get_layer(name).output for name in names]
    if cls is applications.ConvNeXtTiny:  # the sums after the layers
        sums = [operation for operation in network.operations if operation.name.startswith("add")]
        theirs = [next(x.output for x in sums if x.input[1] is output) for output in theirs]
    for map_, expected in zip(maps_of(ours, images), keras.Model(network.input, theirs)(pixels), strict=True):
        expected = np.asarray(expected)
        np.testing.assert_allclose(map_, expected, atol=2e-3 * np.ptp(expected))


def test_a_grey_image_has_the_maps_of_the_same_image_in_red_green_and_blue(mobile_net, cache):
    encoder = QUICK(weights=mobile_net[1], depth=1)
    images = np.random.default_rng(1).uniform(-1, 1, (1, 32, 64, 1)).astype(np.float32)
    grey, coloured = build(encoder, 1), build(encoder, 3)
    for network in (grey, coloured):
        encoder.load(network, cache)
    (values,), (expected,) = maps_of(grey, images), maps_of(coloured, np.repeat(images, 3, axis=-1))
    np.testing.assert_allclose(values, expected, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize("cls", EVERY)
def test_names_of_weights_are_the_same_whatever_was_built_before(cls):
    first, second = (named_weights(build(cls.example())) for _ in range(2))
    assert list(first) == list(second)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder of Keras with nothing in it, and no internet."""

    def unreachable(*_):
        raise URLError("no route to it")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    (tmp_path / "keras").mkdir()
    return tmp_path / "keras"


def test_without_a_network_the_file_and_where_to_put_it_are_named(home, cache):
    file = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    address = f"https://storage.googleapis.com/tensorflow/keras-applications/resnet/{file}"
    with pytest.raises(DataError) as error:
        applications.ResNet50().prepare(cache)
    assert str(error.value) == (
        f"cannot download {address}, the weights of ResNet50 from ImageNet (no route to it): put that file into "
        f"{home / 'models'}, or take random ones with --set model.encoder.weights=none"
    )
    assert not (home / "models" / file).exists()


def test_what_is_in_the_folder_of_keras_is_not_downloaded(home, mobile_net, cache):
    network, path = mobile_net
    encoder = QUICK(depth=1)
    file = home / "models" / Path(encoder.application.file).name
    file.parent.mkdir()
    file.write_bytes(path.read_bytes())
    assert encoder.prepare(cache) == StartingWeights("ImageNet, by keras.applications", sha256(file))
    ours = build(encoder)
    encoder.load(ours, cache)
    np.testing.assert_array_equal(ours.get_layer("Conv1").kernel, network.get_layer("Conv1").kernel)


def test_what_a_killed_download_has_left_is_not_taken_for_the_file(home, mobile_net, cache, monkeypatch):
    _, source = mobile_net
    file = home / "models" / Path(QUICK().application.file).name
    file.parent.mkdir()
    (part := file.with_name(f"{file.name}.part")).write_bytes(b"half of it")
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", lambda _, place, *more: shutil.copy(source, place))
    assert QUICK().prepare(cache).sha256 == sha256(source) == sha256(file)
    assert not part.exists()


def test_a_damaged_file_in_the_folder_of_keras_is_named_and_left_there(home, cache):
    encoder = applications.ConvNeXtTiny()
    file = home / "models" / "convnext_tiny_notop.h5"
    file.parent.mkdir()
    file.write_bytes(b"half of it")
    with pytest.raises(DataError, match=r"is damaged, or another file: its digest is [0-9a-f]{64}, not d547c096"):
        encoder.prepare(cache)
    assert file.exists()


@pytest.mark.parametrize("cls", EVERY)
def test_files_and_digests_are_those_that_keras_asks_for(cls, monkeypatch):
    class AskedError(Exception):
        pass

    def get_file(name, address, cache_subdir, file_hash=None):
        raise AskedError(name, address, cache_subdir, file_hash or "")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    application = cls().application
    with pytest.raises(AskedError) as asked:
        getattr(keras.applications, application.function)(include_top=False, input_shape=(224, 224, 3))
    address = f"https://storage.googleapis.com/tensorflow/keras-applications/{application.file}"
    assert asked.value.args == (Path(application.file).name, address, "models", application.digest)


def test_files_of_other_weights_are_refused(mobile_net, tmp_path, cache):
    lost, other = tmp_path / "lost.h5", tmp_path / "other.h5"
    with pytest.raises(DataError, match=r"cannot read the weights .*lost.h5: no such file"):
        QUICK(weights=lost).prepare(cache)
    other.write_bytes(b"no HDF5")
    network = build(QUICK(weights="none", depth=1))
    before = network.get_weights()
    message = r"other.h5 holds other weights than those of keras.applications.MobileNetV2\(include_top=False\)"
    with pytest.raises(DataError, match=message):
        QUICK(weights=other, depth=1).load(network, cache)
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)]).save(other)
    with pytest.raises(DataError, match=message):
        QUICK(weights=other, depth=1).load(network, cache)
    assert all(map(np.array_equal, before, network.get_weights()))


def test_the_depth_says_which_maps_there_are():
    assert QUICK(depth=3).strides == (2, 4, 8)
    assert applications.ConvNeXtTiny(depth=3).strides == (4, 8)
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        applications.ConvNeXtTiny(depth=1)
    shallow = build(QUICK(weights="none", depth=1))
    assert shallow.layers[-1].name == "expanded_conv_project_BN"
    assert QUICK(weights="none").prepare(Path()) is None


def test_moving_statistics_follow_within_hundreds_of_steps():
    momenta = {
        layer.momentum
        for layer in build(QUICK(weights="none", depth=1)).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert momenta == {0.99}


def test_every_network_is_tested():
    classes = {cls for _, cls in inspect.getmembers(sys.modules["segzoo_keras_applications"], inspect.isclass)}
    assert {cls for cls in classes if getattr(cls, "application", None) and not inspect.isabstract(cls)} == set(MAPS)
