"""Weights of classes by how rare they are, and crops that lie around rare classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_keras_trainer import CLASSES, Blocks, Recorder

from segzoo.errors import ConfigError
from segzoo.inspection.statistics import DEFINITIONS, stats
from segzoo.networks.frame import Frame
from segzoo.plugin import IGNORE, Dataset
from segzoo.registry import create
from segzoo.runs.config import Choice
from segzoo.runs.opening import open_splits
from segzoo.training import class_weights
from segzoo.training.balance import median_frequency
from segzoo.training.pipeline import decode

CROP = Frame((8, 8), view="crop")


def test_weights_are_by_median_frequency():
    # Shares within the images that have the class: 1/2, 1/4 and 1/8.
    assert median_frequency([50, 25, 10], [100, 100, 80]) == [0.5, 1.0, 2.0]
    assert median_frequency([50, 0, 10], [100, 0, 80]) == [0.625, None, 2.5]
    assert median_frequency([0, 0], [0, 0]) == [None, None]
    assert "median" in DEFINITIONS["weight"]


def test_the_weights_of_a_run_are_those_that_are_printed_though_it_resizes(tmp_path):
    options = {"size": 24, "train": 6, "val": 1, "test": 1}
    dataset = create(Dataset, "shapes", options)
    samples = open_splits(dataset, Choice(name="shapes", options=options), dataset.describe(tmp_path), None)["train"]
    masks = decode(samples, Frame((7, 9))).kept.masks
    figures = stats("shapes", settings={f"dataset.{key}": value for key, value in options.items()}, processes=1)
    printed = [row["weight"] for row in figures.splits["train"]["classes"].values()]
    assert class_weights(samples, masks, 4) == [weight or 0 for weight in printed]


class Specks(list):
    """Images of several sizes, of one class but for a few pixels of another, and for some that are left out."""

    def __init__(self, count=4):
        for index in range(count):
            mask = np.zeros((30 + 7 * index, 6 + 20 * index), np.uint8)
            mask[5 * index + 2 : 5 * index + 4, -4:] = 1
            mask[-1] = IGNORE
            self.append((np.zeros((*mask.shape, 3), np.uint8), mask))
        self.ids = [str(index) for index in range(count)]


def with_specks(data, picks):
    return np.array([(data.batch(picks[i : i + 1]).labels == 1).any() for i in range(len(picks))])


def test_a_share_of_the_crops_lies_around_classes_that_are_seldom_hit_by_chance():
    data = decode(Specks(), CROP)
    chance, half, all_ = (
        np.mean([with_specks(data, data.epoch(0, epoch, share)).mean() for epoch in range(3)]) for share in (0, 0.5, 1)
    )
    assert chance < 0.1
    assert 0.2 < half < 0.4  # of the half, one in two is laid around one of two classes
    assert 0.45 < all_ < 0.7


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(0, 1000))
def test_these_crops_lie_in_their_image_and_are_functions_of_seed_epoch_and_sample(seed, epoch):
    few, many = (decode(Specks(count), CROP).epoch(seed, epoch, 0.7) for count in (2, 4))
    rows = [list(zip(picks.samples.tolist(), picks.corners.tolist(), strict=True)) for picks in (few, many)]
    assert sorted(rows[0]) == sorted(row for row in rows[1] if row[0] < 2)
    for index, corner in rows[1]:
        for start, side in zip(corner, (30 + 7 * index, 6 + 20 * index), strict=True):
            assert 0 <= start <= side - 8 if side >= 8 else start == -1


def test_no_pixels_are_looked_for_where_images_are_resized():
    data = decode(Specks(), Frame((8, 8)))
    assert not data.epoch(0, 0, 1.0).corners.any()


def test_pixels_weigh_by_their_class_in_training_and_not_in_validation(tmp_path):
    plain, weighed, one = (Recorder(tmp_path, epochs=1) for _ in range(3))
    common = {"learning_rate": 1e-12, "val": Blocks()}
    plain.fit(**common)
    weighed.fit(**common, class_weights=[3, 1, 0, 0])
    one.fit(**common, class_weights=[1, 0, 0, 0])
    other = Recorder(tmp_path, epochs=1)
    other.fit(**common, class_weights=[0, 1, 0, 0])
    for recorder in (weighed, one, other):
        assert recorder.rows[0]["val_loss"] == plain.rows[0]["val_loss"]
    shares = [(mask == 0).mean() for _, mask in Blocks()]
    assert len({*shares}) == 6
    # Of each image, the mean over the pixels of a class; all images differ in how many there are.
    assert weighed.rows[0]["loss"] != pytest.approx(plain.rows[0]["loss"], rel=1e-3)
    bounds = sorted((one.rows[0]["loss"], other.rows[0]["loss"]))
    assert bounds[0] < weighed.rows[0]["loss"] < bounds[1]


def test_automatic_weights_are_those_of_the_masks(tmp_path):
    data = decode(Blocks(), Frame((16, 16)))
    weights = class_weights(Blocks(), data.kept.masks, CLASSES)
    assert weights[2:] == [0, 0]
    rows = []
    for given_weights in ("auto", weights):
        recorder = Recorder(tmp_path, epochs=1)
        recorder.fit(class_weights=given_weights)
        rows.append(recorder.rows)
    assert rows[0] == rows[1]


def test_each_class_needs_a_weight(tmp_path):
    with pytest.raises(ConfigError, match="'class_weights': 2 weights for 4 classes; give 4, or auto"):
        Recorder(tmp_path).fit(class_weights=[1, 2])
