"""Networks in the files of Keras: saved and loaded, whatever classes they are made of."""

from zipfile import ZipFile

import keras
import numpy as np
import pytest

from segzoo.errors import DataError, PluginError
from segzoo.networks.saved import load, save

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 6, 7, 3)).astype(np.float32)


class Twice(keras.layers.Layer):
    """A layer that Keras does not know."""

    def call(self, values):
        return 2 * values


class Network(keras.Model):
    """A network that cannot tell how it was made."""

    def __init__(self, filters, classes=4):
        super().__init__()
        self.stages = [keras.layers.Conv2D(filters, 3, padding="same"), keras.layers.BatchNormalization()]
        self.head = keras.layers.Conv2D(classes, 1)

    def call(self, images, training=False):
        first, norm = self.stages
        return self.head(norm(first(images), training=training))


def subclassed(filters=5):
    network = Network(filters)
    network(np.zeros((1, 6, 7, 3), np.float32))
    return network


def graph(layer):
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, keras.layers.Conv2D(4, 3, padding="same")(layer()(inputs)))


NETWORKS = {
    "of a class that cannot tell its arguments": subclassed,
    "with a layer that Keras does not know": lambda: graph(Twice),
    "of layers of Keras": lambda: graph(keras.layers.BatchNormalization),
}


def wrapped(network):
    """A network behind a layer that scales pixel values, as trainers give it back."""
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, network(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)))


def never():
    raise PluginError("it is not installed")


@pytest.mark.parametrize("around", [wrapped, lambda network: network], ids=["wrapped", "bare"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_any_network_is_the_same_after_it_was_saved(tmp_path, kind, around):
    model = around(NETWORKS[kind]())
    model.set_weights([np.random.default_rng(1).uniform(0, 1, weight.shape) for weight in model.get_weights()])
    expected = model.predict_on_batch(PIXELS)
    save(model, tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict_on_batch(PIXELS), expected)
    loaded = load(tmp_path / "model.keras", NETWORKS[kind])
    np.testing.assert_array_equal(loaded.predict_on_batch(PIXELS), expected)
    assert not loaded.compiled


def test_layers_of_keras_need_no_plugin_and_other_classes_do(tmp_path):
    save(wrapped(graph(keras.layers.BatchNormalization)), tmp_path / "plain.keras")
    load(tmp_path / "plain.keras", never)
    save(wrapped(subclassed()), tmp_path / "other.keras")
    with pytest.raises(PluginError, match="it is not installed"):
        load(tmp_path / "other.keras", never)


@pytest.mark.parametrize("build", [lambda: subclassed(filters=6), lambda: graph(Twice)], ids=["wider", "another"])
def test_a_plugin_that_makes_another_network_now_is_named(tmp_path, build):
    save(wrapped(subclassed()), tmp_path / "model.keras")
    with pytest.raises(PluginError, match=r"model\.keras holds another network than its plugin builds today"):
        load(tmp_path / "model.keras", build)


@pytest.mark.parametrize(("content", "message"), [(b"PK", "is damaged"), (None, "no such file")])
def test_a_file_that_is_damaged_or_missing_is_named(tmp_path, content, message):
    path = tmp_path / "model.keras"
    if content:
        save(graph(keras.layers.BatchNormalization), path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=f"{path}.*{message}"):
        load(path, never)


def test_a_file_with_changed_bytes_is_damaged_or_holds_the_same_network(tmp_path):
    path = tmp_path / "model.keras"
    network = graph(keras.layers.BatchNormalization)
    save(network, path)
    content, expected = path.read_bytes(), network.predict_on_batch(PIXELS)
    with ZipFile(path) as archive:
        begin = [member.header_offset for member in archive.infolist()]
    directory, last = content.rindex(b"PK\1\2"), content.rindex(b"PK\5\6")
    inside = {start + 80 for start in begin} | set(range(begin[-1] + 80, content.index(b"PK\1\2"), 1500))
    headers = {
        start + byte for start in (*begin, directory, last) for byte in range(0, 46, 5) if start + byte < len(content)
    }
    for position in sorted(inside | headers):
        changed = bytearray(content)
        changed[position] ^= 255
        path.write_bytes(changed)
        loaded = network_or_refusal(path)
        if isinstance(loaded, str):
            assert loaded.startswith(f"the network {path} is damaged ("), position
        else:
            assert position not in inside, position
            np.testing.assert_array_equal(loaded.predict_on_batch(PIXELS), expected)


def network_or_refusal(path):
    """The network of a file, or the words with which it is refused."""
    try:
        return load(path, never)
    except DataError as error:
        return str(error)


def test_loading_leaves_the_global_state_as_it_was(tmp_path):
    save(wrapped(subclassed()), tmp_path / "model.keras")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        np.random.seed(3)
        expected = np.random.random()
        np.random.seed(3)
        loaded = load(tmp_path / "model.keras", subclassed)
        assert np.random.random() == expected
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert loaded.predict_on_batch(PIXELS).dtype == np.float32
    finally:
        keras.config.set_dtype_policy("float32")
