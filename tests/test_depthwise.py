"""Depthwise convolutions with quicker gradients: the same step as Keras'."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from segzoo_keras import stand_ins
from segzoo_keras.depthwise import COLUMNS, DepthwiseConvolution, convolved, narrow
from segzoo_keras.stand_ins import with_stand_ins

CHANNELS = 20  # more than a vector of 16, and no multiple of it
SHAPES = [
    *itertools.product([(5, 5), (7, 7), (4, 4), (2, 6)], [1, 2], ["SAME", "VALID"], [(9, 8), (7, 12)]),
    *itertools.product([(5, 5), (7, 7)], [1, 2], ["SAME"], [(2, 3), (1, 1)]),  # maps smaller than the kernel
]
"""Kernel, stride, padding and size of maps."""


@pytest.fixture(autouse=True)
def onednn(monkeypatch):
    """As on a processor on which TensorFlow computes by oneDNN."""
    monkeypatch.setattr(stand_ins, "computes_with_onednn", lambda: True)


def draws(*shapes, dtype="float32"):
    """Tensors of normal numbers that are exact in a precision."""
    rng = np.random.default_rng(0)
    return [tf.cast(tf.constant(rng.normal(size=shape).astype(np.float32)), dtype) for shape in shapes]


def gradients(convolve, maps, kernel, slopes):
    """Outputs, and the gradients of maps and kernel, as a compiled step computes them."""

    @tf.function
    def work(maps, kernel, slopes):
        with tf.GradientTape() as tape:
            tape.watch([maps, kernel])
            outputs = convolve(maps, kernel)
        return outputs, *tape.gradient(outputs, [maps, kernel], slopes)

    return work(maps, kernel, slopes)


@pytest.mark.parametrize(("kernel", "stride", "padding", "size"), SHAPES)
def test_gradients_are_tensorflows_in_double_precision(kernel, stride, padding, size):
    maps, weights = draws((2, *size, CHANNELS), (*kernel, CHANNELS, 1), dtype="float64")

    def plain(maps, kernel):
        return tf.nn.depthwise_conv2d(maps, kernel, (1, stride, stride, 1), padding)

    (slopes,) = draws(plain(maps, weights).shape, dtype="float64")
    expected = gradients(plain, maps, weights, slopes)
    given = [tf.cast(values, "float32") for values in (maps, weights, slopes)]
    found = gradients(lambda maps, kernel: convolved(maps, kernel, stride, padding), *given)
    for values, others in zip(found, expected, strict=True):
        assert values.dtype == tf.float32
        np.testing.assert_allclose(values, others, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(("size", "stride"), [(5, 1), (5, 2), (3, 2)])
def test_in_sixteen_bits_they_are_as_near_to_exact_ones_as_tensorflows(size, stride, dtype):
    maps, weights, slopes = draws(
        (4, 20, 20, CHANNELS), (size, size, CHANNELS, 1), (4, 20 // stride, 20 // stride, CHANNELS), dtype=dtype
    )

    def plain(maps, kernel):
        return tf.nn.depthwise_conv2d(maps, kernel, (1, stride, stride, 1), "SAME")

    exact = gradients(plain, *[tf.cast(values, "float64") for values in (maps, weights, slopes)])
    expected = gradients(plain, maps, weights, slopes)
    found = gradients(lambda maps, kernel: convolved(maps, kernel, stride, "SAME"), maps, weights, slopes)
    for values, others, right in zip(found, expected, exact, strict=True):
        assert values.dtype == dtype
        assert distance(values, right) <= 1.1 * distance(others, right)


def distance(values, others):
    return np.linalg.norm(tf.cast(values, "float64") - others)


def test_sizes_may_be_open_and_differ():
    maps, weights, slopes = draws((2, 10, 6, CHANNELS), (5, 5, CHANNELS, 1), (2, 5, 3, CHANNELS))
    open_maps = tf.TensorSpec((None, None, None, CHANNELS))

    @tf.function(input_signature=[open_maps, tf.TensorSpec(weights.shape), open_maps])
    def work(maps, kernel, slopes):
        with tf.GradientTape() as tape:
            tape.watch([maps, kernel])
            outputs = convolved(maps, kernel, 2, "SAME")
        return outputs, *tape.gradient(outputs, [maps, kernel], slopes)

    expected = gradients(lambda maps, kernel: convolved(maps, kernel, 2, "SAME"), maps, weights, slopes)
    for values, others in zip(work(maps, weights, slopes), expected, strict=True):
        np.testing.assert_allclose(values, others, atol=1e-5)


@pytest.mark.parametrize("columns", range(1, 20))
def test_parts_are_narrow_and_make_up_the_kernel(columns):
    parts = list(narrow(columns))
    assert [place for start, width in parts for place in range(start, start + width)] == list(range(columns))
    assert max(width for _, width in parts) <= COLUMNS
    assert min(width for _, width in parts) >= min(columns, COLUMNS - 1)


def network(policy="float32", **options):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, CHANNELS))
    layer = layers.DepthwiseConv2D(**{"kernel_size": 5, "padding": "same", "name": "depthwise"} | options, dtype=policy)
    return keras.Model(inputs, layer(inputs))


def step(model, jit_compile=None):
    """Outputs, loss and gradients of one step."""
    (maps,) = draws((2, 13, 16, CHANNELS))

    @tf.function(jit_compile=jit_compile)
    def work():
        with tf.GradientTape() as tape:
            tape.watch(maps)
            outputs = tf.cast(model(maps, training=True), tf.float32)
            loss = tf.add_n([tf.reduce_mean(outputs**2), *model.losses])
        return outputs, loss, *tape.gradient(loss, [maps, *model.trainable_variables])

    return [np.asarray(value, np.float32) for value in work()]


@pytest.mark.parametrize("jit_compile", [None, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "options",
    [
        {"bias_initializer": "ones"},
        {"strides": 2, "use_bias": False, "padding": "valid"},
        {"kernel_size": 7, "activation": "relu", "depthwise_regularizer": "l2"},
    ],
)
@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 2e-2)])
def test_a_step_is_that_of_keras(options, policy, tolerance, jit_compile):
    plain = network(policy, **options)
    other = with_stand_ins(plain)
    assert isinstance(other.get_layer("depthwise"), DepthwiseConvolution)
    assert [id(v) for v in other.variables] == [id(v) for v in plain.variables]
    for value, expected in zip(step(other, jit_compile), step(plain), strict=True):
        np.testing.assert_allclose(value, expected, atol=tolerance, rtol=tolerance)


def test_in_sixteen_bits_strided_ones_have_a_stand_in_with_any_kernel():
    plain = network("mixed_bfloat16", kernel_size=3, strides=2)
    other = with_stand_ins(plain)
    assert isinstance(other.get_layer("depthwise"), DepthwiseConvolution)
    for value, expected in zip(step(other), step(plain), strict=True):
        np.testing.assert_allclose(value, expected, atol=2e-2, rtol=2e-2)


def test_two_steps_have_the_same_bits():
    other = with_stand_ins(network())
    for value, again in zip(step(other), step(other), strict=True):
        np.testing.assert_array_equal(value, again)


class Own(layers.DepthwiseConv2D):
    """A third party's."""


ALONE = {
    "narrow": {"kernel_size": (7, 3)},
    "narrow and strided, in float32": {"kernel_size": 3, "strides": 2},
    "narrow, in bfloat16": {"kernel_size": 3, "policy": "mixed_bfloat16"},
    "several outputs of a channel": {"depth_multiplier": 2},
    "strides of three": {"strides": 3},
    "dilated": {"dilation_rate": 2},
    "penalized output": {"activity_regularizer": "l2"},
    "float64": {"policy": "float64"},
    "bfloat16 variables": {"policy": "bfloat16"},
}


@pytest.mark.parametrize("options", ALONE.values(), ids=ALONE)
def test_all_else_is_left_alone(options):
    plain = network(**options)
    assert with_stand_ins(plain) is plain


def test_layers_of_other_classes_are_left_alone():
    inputs = keras.Input((None, None, CHANNELS))
    plain = keras.Model(inputs, layers.SeparableConv2D(4, 5)(Own(5)(inputs)))
    assert with_stand_ins(plain) is plain


def test_without_onednn_the_layers_stay(monkeypatch):
    monkeypatch.setattr(stand_ins, "computes_with_onednn", lambda: False)
    plain = network()
    assert with_stand_ins(plain) is plain


def test_the_log_says_how_many(caplog):
    caplog.set_level("INFO")
    with_stand_ins(network())
    assert "depthwise convolutions with quicker gradients: 1" in caplog.text
