"""GPUs, as far as that can be seen without one: copies of batches, and operations that give the same bits."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism, is_op_determinism_enabled
from test_keras_trainer import CLASSES, Blocks, Recorder, linear_network

from segzoo.errors import TrainingError
from segzoo.training import ahead, prepare
from segzoo_keras.devices import computes_with_onednn, fastest_device, placed

ASK = "from segzoo_keras.devices import computes_with_onednn; print(computes_with_onednn())"


@pytest.fixture
def batches(tmp_path):
    data = prepare(Blocks(5), Recorder(tmp_path).job)
    return list(data.batches(3, data.epoch(0, 0)))


class Drawing(keras.layers.Layer):
    """Adds a random number that has no seed."""

    def call(self, x):
        return x + tf.random.uniform(())


def drawing_network():
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, Drawing()(keras.layers.Conv2D(CLASSES, 1)(inputs)))


def test_without_a_gpu_batches_stay_the_arrays_that_they_are(batches, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    assert fastest_device() is None
    assert all(given is batch for batch, given in placed(iter(batches), fastest_device()))


def test_a_gpu_does_not_compute_with_onednn(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    assert not computes_with_onednn()


@pytest.mark.slow
@pytest.mark.parametrize(("told", "answer"), [("0", "False"), ("1", "True")])
def test_tensorflow_can_be_told_whether_to_compute_with_onednn(told, answer):
    settings = os.environ | {"TF_ENABLE_ONEDNN_OPTS": told, "CUDA_VISIBLE_DEVICES": ""}
    asked = subprocess.run([sys.executable, "-c", ASK], env=settings, capture_output=True, text=True, check=True)
    assert asked.stdout == f"{answer}\n"


def test_with_one_a_batch_is_copied_to_it_while_another_is_trained_on(batches, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    assert fastest_device() == "GPU:0"
    for place, (batch, given) in enumerate(ahead(placed(iter(batches), "CPU:0"))):
        assert batch is batches[place]
        for copy, values in zip(given, batch, strict=True):
            assert copy.device.endswith("CPU:0")
            np.testing.assert_array_equal(copy, values, strict=True)


def test_deterministic_operations_are_asked_for_in_the_training_alone(tmp_path):
    seen = []

    def build():
        seen.append(is_op_determinism_enabled())
        return linear_network()

    first, second = Recorder(tmp_path / "a"), Recorder(tmp_path / "b")
    first.fit(build, precision="float32", deterministic=True)
    assert seen == [True]
    assert not is_op_determinism_enabled()
    second.fit(build, precision="float32")
    assert first.rows == second.rows  # a processor gives the same bits in either case


def test_what_is_not_deterministic_ends_with_advice_where_that_is_asked_for(tmp_path):
    tf.random.set_seed(None)  # with the seed of an earlier test the draw would be deterministic
    Recorder(tmp_path / "a").fit(drawing_network, precision="float32")
    with pytest.raises(TrainingError, match=r"take --set trainer.deterministic=false \(.*seed"):
        Recorder(tmp_path / "b").fit(drawing_network, precision="float32", deterministic=True)
    assert not is_op_determinism_enabled()


def test_who_trains_deterministically_by_themselves_still_do_after_a_run(tmp_path):
    tf.config.experimental.enable_op_determinism()
    try:
        Recorder(tmp_path).fit(linear_network, precision="float32", deterministic=True)
        assert is_op_determinism_enabled()
    finally:
        disable_op_determinism()
