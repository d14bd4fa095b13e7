"""Strided 1x1 convolutions in training: the same step as Keras', where that does not end the process."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from segzoo_keras.pointwise import SubsampledConvolution
from segzoo_keras.stand_ins import with_stand_ins
from segzoo_resunet import ResUNet

STEPS = """
import numpy as np, keras, tensorflow as tf
from segzoo_keras.stand_ins import with_stand_ins
inputs = keras.Input((96, 96, 8))
network = with_stand_ins(keras.Model(inputs, keras.layers.Conv2D(16, 1, strides=2)(inputs)))
maps = tf.constant(np.random.default_rng(0).normal(size=(8, 96, 96, 8)).astype("float32"))

@tf.function
def step():
    with tf.GradientTape() as tape:
        tape.watch(maps)
        loss = tf.reduce_mean(network(maps, training=True) ** 2)
    return tape.gradient(loss, [maps, *network.trainable_variables])

for _ in range(20):
    step()
print("done")
"""


def network(policy="float32", **options):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 32))
    layer = layers.Conv2D(16, 1, bias_initializer="ones", name="project", dtype=policy, **options)
    return keras.Model(inputs, layer(inputs))


def step(model):
    """Outputs, loss and gradients of one step."""
    maps = tf.constant(np.random.default_rng(0).normal(size=(2, 13, 16, 32)).astype(np.float32))

    @tf.function
    def work():
        with tf.GradientTape() as tape:
            tape.watch(maps)
            outputs = tf.cast(model(maps, training=True), tf.float32)
            loss = tf.add_n([tf.reduce_mean(outputs**2), *model.losses])
        return outputs, loss, *tape.gradient(loss, [maps, *model.trainable_variables])

    return [np.asarray(value, np.float32) for value in work()]


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2},
        {"strides": (3, 1), "padding": "same", "use_bias": False},
        {"strides": 2, "groups": 4, "activation": "relu", "kernel_regularizer": "l2"},
    ],
)
@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 2e-2)])
def test_a_step_is_that_of_keras(options, policy, tolerance):
    plain = network(policy, **options)
    subsampled = with_stand_ins(plain)
    assert isinstance(subsampled.get_layer("project"), SubsampledConvolution)
    assert [id(v) for v in subsampled.variables] == [id(v) for v in plain.variables]
    for value, other in zip(step(subsampled), step(plain), strict=True):
        np.testing.assert_allclose(value, other, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("options", [{}, {"strides": 2, "activity_regularizer": "l2"}])
def test_all_else_is_left_alone(options):
    plain = network(**options)
    assert with_stand_ins(plain) is plain


def test_a_residual_network_trains_without_strides_in_its_projections():
    trained = with_stand_ins(ResUNet(filters=4).build((None, None, 3), 3))
    names = {layer.name for layer in trained.layers if isinstance(layer, SubsampledConvolution)}
    assert names == {"encoder2_project", "encoder3_project", "bridge_project"}


@pytest.mark.slow
def test_few_channels_do_not_crash_the_process():
    """Without the stand-in the process ends with a segmentation fault, on processors with AVX-512."""
    ended = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr[-2000:]
