"""Trained networks, opened by the folder of a run or by a file of Keras."""

import hashlib

import keras
import numpy as np
import pytest
from keras import layers

from segzoo.data.pixels import Pixels
from segzoo.errors import ConfigError, DataError
from segzoo.inference.trained import open_trained
from segzoo.networks.frame import Frame
from segzoo.testing.processes import elsewhere

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3)).astype(np.float32)


def test_a_run_knows_all_of_its_network(trained):
    opened = open_trained(trained)
    assert opened == open_trained(trained.folder) == open_trained(str(trained.folder))
    assert (opened.frame, opened.classes) == (trained.frame, trained.info.classes)
    assert (opened.channels, opened.pixels) == (3, Pixels(3))
    assert opened.fingerprint() == hashlib.sha256((trained.folder / "model.keras").read_bytes()).hexdigest()
    expected = trained.network().predict_on_batch(PIXELS)
    np.testing.assert_array_equal(opened.network().predict_on_batch(PIXELS), expected)


def test_of_a_file_it_is_said(trained):
    frame = Frame((40, 32), stride=4, view="crop")
    opened = open_trained(trained.folder / "model.keras", frame)
    assert (opened.frame, opened.pixels) == (frame, Pixels(3))
    assert opened.classes == ("class 0", "class 1", "class 2", "class 3")
    expected = trained.network().predict_on_batch(PIXELS)
    np.testing.assert_array_equal(opened.network().predict_on_batch(PIXELS), expected)
    assert open_trained(trained.folder / "model.keras", frame, ["a", "b", "c", "d"]).classes == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("names", "message"), [(["a", "b", "a", "d"], "'a' is given twice"), (["a", "", "b", "d"], "a name is empty")]
)
def test_classes_have_names_of_which_no_two_are_the_same(trained, names, message):
    with pytest.raises(ConfigError, match=f"{message}; give each of the 4 classes another name"):
        open_trained(trained.folder / "model.keras", Frame((40, 32), stride=4), names)


def test_a_run_is_not_told_what_it_knows(trained):
    with pytest.raises(ConfigError, match=r"unet-shapes knows how it sees images .*; leave out --image-size, .*names$"):
        open_trained(trained.folder, Frame((20, 24)))
    with pytest.raises(ConfigError, match="leave out"):
        open_trained(trained, classes=["a"])


def test_a_file_of_a_run_leads_to_the_run(trained, tmp_path):
    with pytest.raises(ConfigError, match=rf"say how .*model.keras sees .*, or name the run that .*: {trained.folder}"):
        open_trained(trained.folder / "model.keras")
    (tmp_path / "net.keras").touch()
    with pytest.raises(
        ConfigError, match=r"say how the network in .*net.keras sees images, with --image-size .* differ$"
    ):
        open_trained(tmp_path / "net.keras")


class Twice(layers.Layer):
    def call(self, values):
        return 2 * values


def saved(path, shape, *chain):
    inputs = values = keras.Input(shape)
    for layer in chain:
        values = layer(values)
    keras.Model(inputs, values).save(path)
    return path


@pytest.mark.parametrize(
    ("shape", "chain", "message"),
    [
        ((10,), [layers.Dense(2)], r"takes \(None, 10\), not images \(batch, height, width, channels\)"),
        ((16, 16, 3), [layers.Conv2D(2, 1)], r"cannot take images of 20x24; give another --image-size"),
        (
            (None, None, 1),
            [layers.Conv2D(2, 3)],
            r"makes \(1, 18, 22, 2\) .* not logits \(1, 20, 24, classes\).*--margin",
        ),
        ((None, None, 3), [layers.Conv2D(1, 1)], r"makes \(1, 20, 24, 1\) .* of two classes or more"),
        ((None, None, 3), [layers.GlobalAveragePooling2D()], r"makes \(1, 3\)"),
        (
            (None, None, 3),
            [Twice(), layers.Conv2D(2, 1)],
            r"layers that Keras does not know; name the folder of the run",
        ),
    ],
)
def test_what_is_no_network_for_images_is_named(tmp_path, shape, chain, message):
    with pytest.raises(ConfigError, match=rf"net.keras .*{message}"):
        open_trained(saved(tmp_path / "net.keras", shape, *chain), Frame((20, 24)))


def test_names_are_as_many_as_classes(tmp_path):
    path = saved(tmp_path / "net.keras", (None, None, 1), layers.Conv2D(3, 3))
    assert open_trained(path, Frame((20, 24), margin=1)).channels == 1
    with pytest.raises(ConfigError, match=r"net.keras has 3 classes, but 2 names"):
        open_trained(path, Frame((20, 24), margin=1), ["cell", "wall"])


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the network .*net.keras: no such file"):
        open_trained(tmp_path / "net.keras", Frame((20, 24)))
    with pytest.raises(DataError, match=r"cannot read the network .*net.keras: no such file"):
        open_trained(tmp_path / "net.keras")
    with pytest.raises(ConfigError, match="is no run"):
        open_trained(tmp_path)
    (tmp_path / "net.keras").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"net.keras is damaged"):
        open_trained(tmp_path / "net.keras", Frame((20, 24)))


def test_opening_a_run_imports_no_tensorflow(trained):
    code = "from segzoo.inference.trained import open_trained\nprint(open_trained(values[0]).frame.view)"
    assert elsewhere(f"{code}\nassert 'tensorflow' not in sys.modules", str(trained.folder)) == b"resize\n"
