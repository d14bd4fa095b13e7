"""The expected calibration error, against numbers worked by hand and a walk over pixels."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segzoo.plugin import IGNORE
from segzoo.scoring import calibration

error, reliability = calibration.expected_calibration_error, calibration.reliability


@st.composite
def predictions(draw):
    """A mask, some of it ignored, predicted classes and their probabilities."""
    shape = draw(arrays.array_shapes(min_dims=2, max_dims=2, max_side=8))
    mask = draw(arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, IGNORE])))
    classes = draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 2)))
    confidences = draw(arrays.arrays(np.float32, shape, elements=st.floats(0.34375, 1, width=32)))
    return mask, classes, confidences


def walk(mask, classes, confidences):
    """The error as its paper states it, bin by bin: the mth is ((m - 1) / 15, m / 15]."""
    pixels = [(float(c), t == p) for t, p, c in zip(mask.flat, classes.flat, confidences.flat, strict=True) if t != 255]
    total = 0.0
    for m in range(1, 16):
        inside = [(c, right) for c, right in pixels if (m - 1) / 15 < c <= m / 15]
        if inside:
            accuracy = sum(right for _, right in inside) / len(inside)
            confidence = sum(c for c, _ in inside) / len(inside)
            total += len(inside) / len(pixels) * abs(accuracy - confidence)
    return total if pixels else math.nan


@given(predictions())
def test_the_error_is_that_of_a_walk_over_the_pixels(case):
    np.testing.assert_allclose(error(reliability(*case)), walk(*case), atol=1e-12)


@given(st.lists(predictions(), min_size=1, max_size=4))
def test_the_error_of_a_split_is_that_of_all_its_pixels(cases):
    total = np.sum([reliability(*case) for case in cases], axis=0)
    pixels = (np.concatenate([case[i].ravel() for case in cases]) for i in range(3))
    np.testing.assert_allclose(error(total), walk(*pixels), atol=1e-12)


def test_by_hand():
    mask = np.array([[0, 0, 1, 1, IGNORE]], np.uint8)
    classes = np.array([[0, 1, 1, 0, 0]], np.uint8)
    confidences = np.array([[0.875, 0.875, 0.5, 0.5, 1]], np.float32)
    # Two bins of two pixels, each half right: |0.5 - 0.875| and |0.5 - 0.5|, weighing the same.
    assert error(reliability(mask, classes, confidences)) == 0.1875


def test_sure_and_right_is_none_and_sure_and_wrong_is_one():
    mask, sure = np.zeros((5, 6), np.uint8), np.ones((5, 6), np.float32)
    assert error(reliability(mask, mask, sure)) == 0
    assert error(reliability(mask, mask + 1, sure)) == 1


def test_bins_are_closed_above():
    bins = reliability(*np.zeros((2, 1, 3), np.uint8), np.array([[0.5, 1, 2 / 3]]))
    assert np.flatnonzero(bins[0]).tolist() == [7, 9, 14]
    assert bins.shape == (3, calibration.BINS)


def test_a_network_that_gives_no_number_has_no_error():
    mask, lost = np.zeros((2, 2), np.uint8), np.full((2, 2), np.nan, np.float32)
    assert np.isnan(error(reliability(mask, mask, lost)))
