"""Test-time augmentation: the mean of what a network says of mirrored and turned images."""

import keras
import numpy as np
import pytest

from segzoo.errors import ConfigError
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import predict, softmax
from segzoo.networks.symmetries import Symmetric
from segzoo.testing.networks import build, stirred
from segzoo_unet import UNet

FLIPS = {
    "as it is": lambda image: image,
    "up and down": lambda image: image[::-1],
    "left and right": lambda image: image[:, ::-1],
    "both": lambda image: image[::-1, ::-1],
}
TURNS = {f"{name}, turned": lambda image, flip=flip: flip(image).swapaxes(0, 1) for name, flip in FLIPS.items()}


@pytest.fixture(scope="module")
def network():
    """It sees other things up and down, left and right, and in rows and columns."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, keras.layers.Conv2D(3, 5, padding="same")(keras.layers.Rescaling(1 / 99)(inputs)))


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)


@pytest.mark.parametrize(("symmetries", "views"), [("flips", FLIPS), ("d4", FLIPS | TURNS)])
def test_the_prediction_is_the_mean_of_the_probabilities_in_all_symmetries(network, symmetries, views):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 12, 20, 3)).astype(np.float32)
    result = Symmetric(network, symmetries).predict_on_batch(pixels)
    for image, logarithms in zip(pixels, result, strict=True):
        probabilities = [
            softmax(network.predict_on_batch(np.ascontiguousarray(view(image))[None])[0]) for view in views.values()
        ]
        # Back by the same view, or for the turned ones by the view that undoes it.
        back = [
            views[name](p) if "turned" not in name else FLIPS[name.removesuffix(", turned")](p.swapaxes(0, 1))
            for name, p in zip(views, probabilities, strict=True)
        ]
        np.testing.assert_allclose(softmax(logarithms), np.mean(back, axis=0), atol=1e-6)
        np.testing.assert_allclose(np.exp(logarithms), np.mean(back, axis=0), atol=1e-6)


@pytest.mark.parametrize("frame", [Frame((12, 12)), Frame((20, 31), view="crop")])
def test_a_mirrored_image_has_the_mirrored_prediction(network, image, frame):
    symmetric = Symmetric(network, "flips")
    (expected,) = predict(symmetric, frame, [image])
    for name, view in FLIPS.items():
        (found,) = predict(symmetric, frame, [np.ascontiguousarray(view(image))])
        np.testing.assert_allclose(found, view(expected), atol=1e-4, err_msg=name)


def test_a_turned_image_has_the_turned_prediction(network, image):
    symmetric = Symmetric(network, "d4")
    (expected,) = predict(symmetric, Frame((12, 12)), [image])
    for name, view in TURNS.items():
        (found,) = predict(symmetric, Frame((12, 12)), [np.ascontiguousarray(view(image))])
        np.testing.assert_allclose(found, view(expected), atol=1e-4, err_msg=name)


def test_margins_and_frames_are_those_of_the_network(image):
    options = UNet(filters=2, depth=1, padding="valid", batch_norm=False)
    frame = Frame.around((20, 31), options, "crop")
    assert frame.margin
    assert frame.output_size != frame.image_size
    network = stirred(build(options, frame))
    (found,) = predict(Symmetric(network, "d4"), frame, [image])
    (turned,) = predict(Symmetric(network, "d4"), Frame.around((31, 20), options, "crop"), [image.swapaxes(0, 1)])
    assert found.shape == (20, 31, 3)
    np.testing.assert_allclose(found, turned.swapaxes(0, 1), atol=1e-4)


def test_impossible_classes_have_finite_logarithms():
    class Certain:
        def predict_on_batch(self, images):
            return np.stack([images[..., 0] * 1e4, -images[..., 0] * 1e4], axis=-1)

    result = Symmetric(Certain(), "flips").predict_on_batch(np.ones((1, 4, 4, 1), np.float32))
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(result.argmax(-1), 0)


def test_a_network_of_a_fixed_oblong_size_cannot_be_turned():
    def fixed(*size):
        inputs = keras.Input((*size, 3))
        return keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs))

    Symmetric(fixed(8, 12), "flips")
    Symmetric(fixed(8, 8), "d4")
    with pytest.raises(ConfigError, match=r"8x12 alone, which cannot be turned.*take `--tta flips`"):
        Symmetric(fixed(8, 12), "d4")
