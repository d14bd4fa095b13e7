"""Precision, recall and specificity, against a walk over pixels, each other, and the scores of overlap."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segzoo.plugin import IGNORE
from segzoo.scoring import overlap
from segzoo.scoring.rates import Rates, precision, recall, specificity


@st.composite
def matrices(draw):
    """Confusion matrices, of which many have an empty row or column."""
    classes = draw(st.integers(1, 5))
    counts = st.one_of(st.just(0), st.integers(0, 2**40))
    return draw(arrays.arrays(np.int64, (classes, classes), elements=counts))


@st.composite
def labelled(draw):
    """True classes, some ignored, and predicted ones."""
    truth = draw(arrays.arrays(np.uint8, 12, elements=st.sampled_from([0, 1, 2, IGNORE])))
    return truth, draw(arrays.arrays(np.uint8, 12, elements=st.integers(0, 2)))


def share(part, total):
    return part / total if total else math.nan


@given(labelled())
def test_rates_are_those_of_a_walk_over_the_pixels(case):
    pixels = [(t, p) for t, p in zip(*map(np.ndarray.tolist, case), strict=True) if t != IGNORE]
    counts = overlap.confusion(*case, num_classes=3)
    for label in range(3):
        true_positive = sum(t == label and p == label for t, p in pixels)
        false_positive = sum(t != label and p == label for t, p in pixels)
        false_negative = sum(t == label and p != label for t, p in pixels)
        true_negative = len(pixels) - true_positive - false_positive - false_negative
        absent = true_negative == len(pixels)
        expected = [
            share(true_positive, true_positive + false_positive),
            share(true_positive, true_positive + false_negative),
            math.nan if absent else share(true_negative, true_negative + false_positive),
        ]
        found = [rate(counts)[label] for rate in (precision, recall, specificity)]
        np.testing.assert_array_equal(found, expected)


@given(matrices())
def test_dice_is_the_harmonic_mean_of_precision_and_recall(counts):
    p, r, dice = precision(counts), recall(counts), overlap.dice(counts)
    hit = np.diagonal(counts) > 0
    np.testing.assert_allclose((2 * p * r)[hit] / (p + r)[hit], dice[hit])
    np.testing.assert_allclose(1 / (1 / p[hit] + 1 / r[hit] - 1), overlap.iou(counts)[hit])
    assert (dice[~hit & ~np.isnan(p + r)] == 0).all()


@given(matrices())
def test_precision_is_recall_with_truth_and_prediction_swapped(counts):
    np.testing.assert_array_equal(precision(counts), recall(counts.T))


@given(matrices())
def test_pixel_accuracy_is_recall_weighted_by_the_pixels_of_the_truth(counts):
    pixels = counts.sum(1)
    if pixels.sum():
        weighted = np.nansum(recall(counts) * pixels) / pixels.sum()
        np.testing.assert_allclose(weighted, overlap.pixel_accuracy(counts))


@given(arrays.arrays(np.int64, (2, 2), elements=st.integers(1, 2**40)))
def test_of_two_classes_the_specificity_of_either_is_the_recall_of_the_other(counts):
    np.testing.assert_allclose(specificity(counts), recall(counts)[::-1])


@given(matrices())
def test_rates_are_shares_and_a_class_that_occurs_nowhere_has_none(counts):
    absent = overlap.absent(counts)
    for rate in (precision, recall, specificity):
        values = rate(counts)
        assert np.isnan(values[absent]).all()
        known = values[~np.isnan(values)]
        assert ((known >= 0) & (known <= 1)).all()


def test_where_there_is_nothing_to_take_a_share_of_there_is_no_rate():
    missed = np.array([[3, 0, 0], [2, 0, 0], [0, 0, 0]])  # class 1 is never predicted, class 2 is nowhere
    np.testing.assert_array_equal(precision(missed), [0.6, np.nan, np.nan])
    np.testing.assert_array_equal(recall(missed), [1, 0, np.nan])
    np.testing.assert_array_equal(specificity(missed), [0, 1, np.nan])
    made_up = missed.T
    np.testing.assert_array_equal(precision(made_up), [1, 0, np.nan])
    np.testing.assert_array_equal(recall(made_up), [0.6, np.nan, np.nan])
    np.testing.assert_array_equal(specificity(made_up), [np.nan, 0.6, np.nan])  # all pixels are of class 0


def test_a_stack_of_images_has_rates_of_each():
    stack = np.stack([np.diag([4, 4]), np.array([[0, 2], [2, 0]]), np.zeros((2, 2), np.int64)])
    for rate in (precision, recall, specificity):
        np.testing.assert_array_equal(rate(stack), [[1, 1], [0, 0], [np.nan, np.nan]])


def test_means_are_over_the_classes_that_have_a_rate():
    scores = Rates().scores(np.array([[3, 0, 0], [2, 0, 0], [0, 0, 0]]), ("ground", "cat", "dog"))
    assert scores.keys() == Rates.definitions.keys()
    assert (scores["mean_precision"], scores["mean_recall"], scores["mean_specificity"]) == (0.6, 0.5, 0.5)
    assert scores["precision"] == pytest.approx({"ground": 0.6, "cat": math.nan, "dog": math.nan}, nan_ok=True)
    assert scores["recall"] == pytest.approx({"ground": 1, "cat": 0, "dog": math.nan}, nan_ok=True)
