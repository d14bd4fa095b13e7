"""Predictions at the size of the image, whatever the network saw."""

import tracemalloc
from typing import ClassVar

import keras
import numpy as np
import pytest

from segzoo.data.resizing import ResizedSamples, resize_channels, resize_image
from segzoo.data.rows import Rows
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import classify, predict, predict_rows, predicted, softmax
from segzoo.plugin import Metric
from segzoo.scoring import evaluation
from segzoo.scoring.evaluation import evaluate
from segzoo.scoring.scores import Scoring
from segzoo.scoring.segmentation import Segmentation

SCORING = Scoring(("dark", "bright"))


def brightness_network(margin=0):
    """Logits (-x, x - 256) for pixel value x: class 1 where a pixel is brighter than 128; loses its margin."""
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Cropping2D(margin)(inputs) if margin else inputs
    first = keras.layers.Conv2D(2, 1, name="logits")
    model = keras.Model(inputs, first(x))
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, 0] = -1, 1
    first.set_weights([kernel, np.array([0, -256], np.float32)])
    return model


def half_bright(height, width):
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = 255
    return image, (image[..., 0] > 128).astype(np.uint8)


@pytest.mark.parametrize("margin", [0, 5])
@pytest.mark.parametrize("size", [(16, 16), (20, 12), (7, 9)])
def test_a_pixelwise_network_is_right_at_any_size_up_to_the_resized_edge(margin, size):
    frame = Frame(size, stride=8, offset=2, margin=margin)
    image, mask = half_bright(61, 90)
    logits = predict(brightness_network(margin), frame, [image])[0]
    assert logits.shape == (61, 90, 2)
    assert logits.dtype == np.float32
    wrong = classify(logits) != mask
    edge = 90 // size[1] + 1
    assert not wrong[:, : 45 - edge].any()
    assert not wrong[:, 45 + edge :].any()


@pytest.mark.parametrize("margin", [0, 5])
def test_crops_are_right_to_the_pixel_and_images_in_a_batch_may_differ_in_size(margin):
    frame = Frame((20, 12), stride=8, offset=2, margin=margin, view="crop")
    pairs = [half_bright(61, 90), half_bright(20, 12), half_bright(5, 100)]
    found = predict(brightness_network(margin), frame, [image for image, _ in pairs])
    for (image, mask), logits in zip(pairs, found, strict=True):
        assert logits.shape == (*image.shape[:2], 2)
        np.testing.assert_array_equal(classify(logits), mask)


def test_an_image_of_the_tiles_size_is_predicted_alike_in_both_views():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 7, padding="same")(inputs))
    image = np.random.default_rng(0).integers(0, 256, (30, 22, 3), np.uint8)
    whole, tiled = (predict(model, Frame((30, 22), 8, 0, 0, view), [image])[0] for view in ("resize", "crop"))
    np.testing.assert_array_equal(whole, tiled)


def evaluated(model, frame, samples, scoring=SCORING):
    """The counts of samples, seen as the frame says."""
    return evaluate(predicted(model, frame, ResizedSamples(samples, frame.resized_to)), scoring)


class Photos(list):
    """Samples of growing sizes."""

    ids = [str(i) for i in range(11)]  # noqa: RUF012


@pytest.fixture
def photos():
    return Photos(half_bright(10 + i, 20 + 2 * i) for i in range(11))


def test_each_sample_is_counted_at_its_own_size(photos):
    matrices = [counts[0] for counts in evaluated(brightness_network(), Frame((32, 32)), photos)]
    assert [matrix.sum() for matrix in matrices] == [image.shape[0] * image.shape[1] for image, _ in photos]
    for matrix in matrices:
        assert np.trace(matrix) >= 0.85 * matrix.sum()


class Seen(Metric):
    """Counts nothing, and keeps the image."""

    definitions: ClassVar = {}

    def count(self, image):
        return image

    def scores(self, counts, classes):
        raise AssertionError


def test_a_metric_of_the_dataset_sees_each_sample(photos):
    found = evaluated(brightness_network(), Frame((32, 32)), photos, Scoring(("dark", "bright"), Seen()))
    for (*counts, image), (_, truth) in zip(found, photos, strict=True):
        np.testing.assert_array_equal(image.mask, truth)
        assert image.probabilities.dtype == np.float32
        np.testing.assert_allclose(image.probabilities.sum(-1), 1, rtol=1e-6)
        np.testing.assert_array_equal(image.predictions, image.probabilities.argmax(-1))
        right = (image.predictions == truth).sum()
        assert right == np.trace(image.confusion)
        assert image.confusion is counts[0]


def many_classes(num_classes, height, width, count):
    """A network that sees a neighbourhood of 3x3, and photos of one size with masks of as many classes."""
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(num_classes, 3, padding="same")(inputs))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, height, width, 3), np.uint8)
    masks = rng.integers(0, num_classes, (count, height, width), np.uint8)
    return model, Photos(zip(images, masks, strict=True))


@pytest.mark.parametrize("view", ["resize", "crop"])
def test_memory_is_that_of_the_largest_image_however_many_are_read_at_a_time(view, monkeypatch):
    monkeypatch.setattr(evaluation, "TOGETHER", 1)
    model, photos = many_classes(40, 160, 240, 8)
    logits = 160 * 240 * 40 * 4  # bytes
    predict(model, Frame((32, 32), view=view), [photos[0][0]])
    tracemalloc.start()
    for _ in evaluated(model, Frame((32, 32), view=view), photos):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 2 * logits < peak < 4 * logits


@pytest.mark.parametrize("view", ["resize", "crop"])
@pytest.mark.parametrize("together", [1, 15_000, 2**27])
def test_no_count_depends_on_how_many_images_are_counted_together(view, together, monkeypatch):
    monkeypatch.setattr(evaluation, "TOGETHER", together)
    model, photos = many_classes(5, 45, 70, 11)
    frame = Frame((32, 40), view=view)
    expected = []
    for some in (photos[:8], photos[8:]):
        for (_, mask), logits in zip(some, predict(model, frame, [image for image, _ in some]), strict=True):
            powers = np.exp(logits - logits.max(-1, keepdims=True))
            # Added up class by class: NumPy adds along the last axis in another order.
            probabilities = powers / sum(np.moveaxis(powers, -1, 0))[..., None]
            expected.append(SCORING.count(Segmentation(mask, classify(logits), probabilities)))
    found = list(evaluated(model, frame, photos))
    assert len(found) == len(expected)
    for counts, expected_counts in zip(found, expected, strict=True):
        for count, expected_count in zip(counts, expected_counts, strict=True):
            np.testing.assert_array_equal(count, expected_count)


def test_logits_stay_as_they_are_when_probabilities_are_made_of_them():
    for shape in ((3, 4, 1), (1, 1, 5), (3, 4, 5)):
        logits = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        kept = logits.copy()
        softmax(logits)
        np.testing.assert_array_equal(logits, kept)


def test_probabilities_of_large_logits_are_finite():
    np.testing.assert_allclose(softmax(np.array([[[1000, 1000, 0]]], np.float32)), [[[0.5, 0.5, 0]]])


@pytest.mark.parametrize("view", ["resize", "crop"])
def test_images_that_come_by_rows_are_predicted_as_arrays_are(view):
    model, photos = many_classes(3, 45, 70, 9)
    images, frame = [image for image, _ in photos], Frame((32, 40), view=view)
    by_rows = predict_rows(model, frame, (Rows.of(image).in_chunks(7) for image in images))
    for rows, expected in zip(by_rows, predict(model, frame, images), strict=True):
        assert rows.size == (45, 70)
        np.testing.assert_array_equal(rows.array(), expected)


@pytest.mark.parametrize("view", ["resize", "crop"])
def test_with_a_scale_images_of_either_view_are_resized_and_tiled(view):
    model, photos = many_classes(3, 61, 90, 2)
    images = [image for image, _ in photos]
    found = predict_rows(model, Frame((20, 12), view=view), map(Rows.of, images), scale=0.5)
    for image, rows in zip(images, found, strict=True):
        (small,) = predict(model, Frame((20, 12), view="crop"), [resize_image(image, (30, 45))])
        np.testing.assert_array_equal(rows.array(), resize_channels(small, (61, 90)))


def test_no_scale_makes_an_image_smaller_than_a_pixel():
    (rows,) = predict_rows(brightness_network(), Frame((8, 8)), [Rows.of(half_bright(40, 50)[0])], scale=0.001)
    assert rows.array().shape == (40, 50, 2)
