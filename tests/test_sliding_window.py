"""The window classifier (Ciresan et al. 2012): computed densely, it is the window network run pixel by pixel."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.lib.stride_tricks import sliding_window_view

from segzoo_sliding_window import SlidingWindow
from segzoo_sliding_window.network import patch_network

WINDOWS = pytest.mark.parametrize("window", [95, 65])


def image(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (1, height, width, channels)).astype("float32")


def tiny(window: int) -> SlidingWindow:
    return SlidingWindow(window=window, filters=4, hidden=8)


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return ops.convert_to_numpy(model(images, training=False))


@WINDOWS
def test_equals_the_window_network_run_pixel_by_pixel(window):
    """Over more pixels than the strides of all poolings together, so that every phase of every pooling occurs."""
    keras.utils.set_random_seed(0)
    dense, patches = tiny(window).build((None, None, 3), 3), patch_network(3, 3, tiny(window))
    patches.set_weights(dense.get_weights())
    pixels = image(window + 16, window + 1)

    windows = sliding_window_view(pixels[0], (window, window), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    expected = predict(patches, windows.reshape(-1, window, window, 3)).reshape(1, 17, 2, 3)

    np.testing.assert_allclose(predict(dense, pixels), expected, rtol=1e-4, atol=1e-5)
    assert 2 * tiny(window).margin == window - 1
    assert expected.std(axis=(0, 1, 2)).min() > 1e-3  # pixels that all look alike would prove nothing


@WINDOWS
def test_a_pixel_sees_its_window_and_no_more(window):
    """Brightening pixels next to the window leaves the logits as they are; brightening any of its corners does not."""
    model = tiny(window).build((None, None, 1), 2)
    model.set_weights([np.abs(weight) for weight in model.get_weights()])  # no ReLU or maximum hides a bright pixel
    pixels = image(window + 2, window + 2, 1)

    def centre_with_bright(*places: tuple[int, int]) -> np.ndarray:
        brightened = pixels.copy()
        for row, column in places:
            brightened[0, row, column] = 1e6
        return predict(model, brightened)[0, 1, 1]

    next_to_it = [(0, 0), (0, window // 2), (window // 2, window + 1), (window + 1, window + 1)]
    before = centre_with_bright()
    np.testing.assert_allclose(centre_with_bright(*next_to_it), before, rtol=1e-5)
    for corner in [(1, 1), (1, window), (window, 1), (window, window)]:
        assert (centre_with_bright(corner) > 1.01 * before).all()


def test_layers_are_those_of_the_papers_table():
    """Table 1: 95 -> 92, 46, 42, 21, 18, 9, 6, 3 pixels, 48 maps throughout, 200 neurons."""
    model = patch_network(1, 2, SlidingWindow())

    counted = [layer for layer in model.layers if isinstance(layer, layers.Conv2D | layers.MaxPooling2D)]
    shapes = [layer.output.shape[1:] for layer in counted]
    assert shapes[:-2] == [(side, side, 48) for side in (92, 46, 42, 21, 18, 9, 6, 3)]
    assert shapes[-2:] == [(1, 1, 200), (1, 1, 2)]


@pytest.mark.parametrize(
    ("options", "channels", "classes", "parameters"),
    [
        (SlidingWindow(), 3, 3, 221_027),
        # The paper gives no counts: these follow from its layers, here by hand.
        (SlidingWindow(), 1, 2, 48 * 17 + 48 * (48 * (25 + 16 + 16) + 3) + 200 * (9 * 48 + 1) + 2 * 201),
        (SlidingWindow(window=65, hidden=100), 1, 2, 48 * 10 + 2 * 48 * (48 * 16 + 1) + 100 * (9 * 48 + 1) + 2 * 101),
    ],
)
def test_parameters(options, channels, classes, parameters):
    model = options.build((None, None, channels), classes)

    assert model.count_params() == patch_network(channels, classes, options).count_params() == parameters


def test_parameters_as_stated():
    stated = SlidingWindow.parameters

    assert (stated.trainable, stated.classes, stated.channels) == (221_027, 3, 3)
    assert "219,290 for 2 classes and 1 channel" in stated.published


def test_trains_in_mixed_precision():
    """Gradients of dilated convolutions are the part of a backend that is missing first."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny(65).build((None, None, 3), 3)
    finally:
        keras.config.set_dtype_policy(before)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    weights = model.get_weights()

    assert np.isfinite(model.train_on_batch(image(68, 68), np.ones((1, 4, 4), "int32")))
    assert all(not np.array_equal(new, old) for new, old in zip(model.get_weights(), weights, strict=True))
