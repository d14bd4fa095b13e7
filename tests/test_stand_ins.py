"""The graph that is trained: which layers have stand-ins, in which networks, and what the log says of it."""

import keras
import numpy as np
import pytest
from keras import layers

import segzoo
from segzoo_keras.stand_ins import with_stand_ins

CLASSES = 3


def maps():
    return np.random.default_rng(0).normal(0.3, 1, (4, 8, 8, 3)).astype(np.float32)


class Subclassed(keras.Model):
    """A network without a graph."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = layers.BatchNormalization(), layers.Conv2D(CLASSES, 1)

    def call(self, images):
        return self.head(self.norm(images))


class OwnCall(keras.Model):
    """A functional network with a `call` of its own, which a clone of its graph would not have."""

    def call(self, images, training=None, mask=None):
        return super().call(images, training=training, mask=mask) + 1


def own_call():
    inside = keras.Input((None, None, 3))
    return OwnCall(inside, layers.BatchNormalization()(inside))


@pytest.mark.parametrize("kind", [Subclassed, own_call])
def test_networks_with_a_call_of_their_own_are_left_alone(kind, caplog):
    caplog.set_level("INFO")
    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, layers.BatchNormalization()(kind()(inputs)))
    fused = with_stand_ins(network)
    assert "fused kernel: 1" in caplog.text
    assert "own operations: 1 (" in caplog.text
    np.testing.assert_allclose(fused(maps()), network(maps()), atol=1e-5)


def test_a_run_keeps_the_word_in_its_log_and_off_the_terminal(tmp_path, capfd):
    small = {"model.filters": 2, "model.depth": 1, "dataset.size": 16, "dataset.train": 4, "dataset.val": 2}
    segzoo.run("unet", "shapes", settings=small | {"dataset.test": 1}, epochs=1, out=tmp_path / "run")
    told = "segzoo_keras.stand_ins: batch normalizations through TensorFlow's fused kernel: 6\n"
    assert told in (tmp_path / "run" / "log.txt").read_text()
    assert "fused" not in "".join(capfd.readouterr())
