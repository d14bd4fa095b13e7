"""The fused batch normalization against Keras' own: the same step from the same weights, in less time."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from segzoo_keras.normalization import FusedBatchNormalization
from segzoo_keras.stand_ins import with_stand_ins
from segzoo_unet import UNet

CLASSES = 3


def maps(size=16, channels=3, batch=4):
    return np.random.default_rng(0).normal(0.3, 1, (batch, size, size, channels)).astype(np.float32)


def unet():
    return UNet(filters=4, depth=1).build((None, None, 3), CLASSES)


def shared():
    """One batch normalization called at two places, and in a network inside at a third."""
    norm = layers.BatchNormalization(momentum=0.8, epsilon=1e-2)
    inside = keras.Input((None, None, 4))
    again = keras.Model(inside, norm(layers.Conv2D(4, 1)(inside)))
    inputs = keras.Input((None, None, 3))
    x = layers.ReLU()(norm(layers.Conv2D(4, 3, padding="same")(inputs)))
    x = layers.ReLU()(norm(layers.Conv2D(4, 3, padding="same")(x)))
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1)(again(x)))


def nested():
    """A functional block called twice, a sequential one that holds another, and penalties of their own."""
    inside = keras.Input((None, None, 4))
    penalty = keras.regularizers.L2(0.1)
    x = layers.BatchNormalization(gamma_regularizer=penalty)(layers.Conv2D(4, 3, padding="same")(inside))
    block = keras.Model(inside, layers.ReLU()(x))
    chain = keras.Sequential([layers.Conv2D(4, 1), keras.Sequential([layers.BatchNormalization(), layers.ReLU()])])
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 1)(inputs)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1)(chain(block(block(x)))))


def frozen():
    """Of three batch normalizations one is frozen, and one is called as if not in training; and dropout."""
    inputs = keras.Input((None, None, 3))
    x = layers.BatchNormalization(trainable=False)(layers.Dropout(0.3)(layers.Conv2D(4, 3)(inputs)))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3)(x), training=False)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1)(layers.BatchNormalization()(layers.Conv2D(4, 3)(x))))


def masked():
    """The first batch normalization sees a mask, by which it leaves out pixels."""
    inputs = keras.Input((None, None, 3))
    x = layers.BatchNormalization()(layers.Masking()(inputs))
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1)(layers.BatchNormalization()(layers.Conv2D(4, 1)(x))))


NETWORKS = {
    "unet": (unet, 6),
    "shared": (shared, 1),
    "nested": (nested, 2),
    "frozen": (frozen, 3),
    "masked": (masked, 2),
}


def build(name, policy="float32"):
    """The network with biases and statistics that are not 0 and 1, so that it matters where they are used."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        keras.utils.set_random_seed(0)
        network = NETWORKS[name][0]()
    finally:
        keras.config.set_dtype_policy(before)
    rng = np.random.default_rng(1)
    network.set_weights([w + rng.uniform(0, 0.2, w.shape) if w.ndim == 1 else w for w in network.get_weights()])
    return network


def train(network, variables, optimizer, steps=1):
    """The loss of each step, and the gradients of the last."""
    images = maps()
    images[:, :4] = 0  # what is masked, where there are masks
    labels = np.random.default_rng(2).integers(0, CLASSES, images.shape[:3])
    losses = []

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            outputs = tf.cast(network(images, training=True), tf.float32)
            labels_now = labels[:, : outputs.shape[1], : outputs.shape[2]]
            errors = keras.losses.sparse_categorical_crossentropy(labels_now, outputs, from_logits=True)
            loss = tf.add_n([tf.reduce_mean(errors), *network.losses])
        gradients = tape.gradient(loss, variables)
        optimizer.apply(gradients, variables)
        return loss, gradients

    optimizer.build(variables)
    for _ in range(steps):
        loss, gradients = step()
        losses.append(float(loss))
    return losses, [np.asarray(gradient, np.float32) for gradient in gradients]


def compare(name, optimizer, steps=1, policy="float32"):
    """What Keras' own operations and the kernel make of the same weights: losses, gradients, all weights after it."""
    network = build(name, policy)
    fused, start = with_stand_ins(network), [variable.numpy() for variable in network.variables]
    for model in (network, fused):
        for variable, value in zip(network.variables, start, strict=True):  # the seeds of dropout included
            variable.assign(value)
        losses, gradients = train(model, network.trainable_variables, optimizer(), steps)
        yield losses, gradients, network.get_weights()


def largest_difference(ones, others):
    return max(np.abs(value - other).max() for value, other in zip(ones, others, strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_one_step_agrees_with_keras(name):
    (loss, gradients, weights), (fused_loss, fused_gradients, fused_weights) = compare(
        name, lambda: keras.optimizers.SGD(0.1)
    )
    assert fused_loss == pytest.approx(loss, rel=1e-6)
    assert largest_difference(gradients, fused_gradients) < 1e-5
    assert largest_difference(weights, fused_weights) < 1e-5  # moving statistics included


@pytest.mark.parametrize(
    "name", ["unet", *(pytest.param(name, marks=pytest.mark.slow) for name in ("shared", "nested"))]
)
def test_five_steps_of_adam_have_the_same_losses(name):
    (losses, *_), (fused_losses, *_) = compare(name, lambda: keras.optimizers.Adam(1e-3), steps=5)
    assert len(set(losses)) == 5
    assert fused_losses == pytest.approx(losses, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("unet", "mixed_bfloat16"),
        ("nested", "mixed_float16"),
        pytest.param("unet", "mixed_float16", marks=pytest.mark.slow),
        pytest.param("nested", "mixed_bfloat16", marks=pytest.mark.slow),
        pytest.param("shared", "mixed_bfloat16", marks=pytest.mark.slow),
        pytest.param("shared", "mixed_float16", marks=pytest.mark.slow),
    ],
)
def test_in_sixteen_bits_it_is_as_near_to_float32_as_keras_is(name, policy):
    def optimizer():
        return keras.optimizers.SGD(0.1)

    _, (exact_loss, *exact) = compare(name, optimizer)
    (_, *plain), (loss, *fused) = compare(name, optimizer, policy=policy)
    assert loss == pytest.approx(exact_loss, rel=2**-7)
    for values, keras_values, exact_values in zip(fused, plain, exact, strict=True):
        assert distance(values, exact_values) < 1.1 * distance(keras_values, exact_values) + 1e-6


def distance(ones, others):
    return float(np.sqrt(sum(np.square(value - other).sum() for value, other in zip(ones, others, strict=True))))


@pytest.mark.parametrize("name", NETWORKS)
def test_everything_replaceable_is_replaced_once_and_predicts_the_same(name):
    network = build(name)
    fused = with_stand_ins(network)
    fused_layers = {id(layer) for layer in leaves(fused) if isinstance(layer, FusedBatchNormalization)}
    assert len(fused_layers) == NETWORKS[name][1]
    assert {id(v) for v in fused.variables} == {id(v) for v in network.variables}
    np.testing.assert_allclose(fused(maps()), network(maps()), atol=1e-5)


def leaves(network):
    for layer in network.layers:
        yield from leaves(layer) if isinstance(layer, keras.Model) else [layer]


def test_a_single_pixel_has_no_variance():
    inputs = keras.Input((1, 1, 2))
    network = keras.Model(inputs, layers.BatchNormalization(momentum=0.5)(inputs))
    with_stand_ins(network)(np.ones((1, 1, 1, 2), np.float32), training=True)
    assert network.get_weights()[3].tolist() == [0.5, 0.5]


class Own(layers.BatchNormalization):
    """A third party's."""


ALONE = {
    "another axis": lambda: layers.BatchNormalization(axis=1),
    "no center": lambda: layers.BatchNormalization(center=False),
    "no scale": lambda: layers.BatchNormalization(scale=False),
    "synchronized": lambda: layers.BatchNormalization(synchronized=True),
    "of another class": Own,
    "float64": lambda: layers.BatchNormalization(dtype="float64"),
    "bfloat16 variables": lambda: layers.BatchNormalization(dtype="bfloat16"),
    "penalized output": lambda: layers.BatchNormalization(activity_regularizer="l2"),
    "rank 3": lambda: keras.Sequential([layers.Reshape((-1, 3)), layers.BatchNormalization()]),
    "in another layer": lambda: layers.TimeDistributed(layers.BatchNormalization()),
}


@pytest.mark.parametrize("layer", ALONE.values(), ids=ALONE)
def test_what_the_kernel_does_not_do_is_left_alone(layer, caplog):
    inputs = keras.Input((4, 4, 3))
    network = keras.Model(inputs, layer()(inputs))
    caplog.set_level("INFO")
    assert with_stand_ins(network) is network
    assert "batch normalizations left to Keras' own operations: 1 (" in caplog.text
    assert "moving_variance" in caplog.text
