"""Boundary IoU and the 95 % Hausdorff distance, against scikit-image, SciPy and distances worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist
from skimage.metrics import hausdorff_distance
from skimage.segmentation import find_boundaries

from segzoo.plugin import IGNORE
from segzoo.scoring import boundary

CLASSES = 4


@st.composite
def segmentations(draw):
    """A mask, some of it ignored, and predictions, in patches of some pixels."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    scale = draw(st.sampled_from([1, 3, 10]))
    labels = st.integers(0, CLASSES - 1)
    mask = draw(arrays.arrays(np.uint8, shape, elements=st.one_of(labels, st.just(IGNORE))))
    predictions = draw(arrays.arrays(np.uint8, shape, elements=labels))
    return np.kron(mask, np.ones((scale, scale), np.uint8)), np.kron(predictions, np.ones((scale, scale), np.uint8))


def disc(height, width, row, column, radius):
    rows, columns = np.ogrid[:height, :width]
    return ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).astype(np.uint8)


def edge_points(labels, label):
    """Pixels of a class that lose it when it is eroded once."""
    return np.argwhere((labels == label) & ~binary_erosion(labels == label))


@given(segmentations())
def test_bands_are_what_erosion_takes_away(case):
    mask, predictions = case
    seen = np.where(mask == IGNORE, IGNORE, predictions)
    width = max(1, round(0.02 * np.hypot(*mask.shape)))
    square = np.ones((3, 3))
    counts = boundary.band_counts(mask, predictions, CLASSES)
    assert counts.dtype == np.int64
    for label, (both, either) in enumerate(counts):
        true, predicted = (
            (labels == label) & ~binary_erosion(labels == label, square, iterations=width) for labels in (mask, seen)
        )
        assert (both, either) == ((true & predicted).sum(), (true | predicted).sum())


def test_boundary_iou_by_hand():
    mask = np.zeros((60, 80), np.uint8)  # a diagonal of 100 pixels, so the band is 2 pixels wide
    mask[20:40, 20:40] = 1
    prediction = np.zeros_like(mask)
    prediction[20:40, 21:41] = 1
    counts = boundary.band_counts(mask, prediction, 3)
    ring = 20**2 - 16**2
    # One column further: two horizontal bars share 19 of 20 columns, two vertical ones one of two, 16 rows high.
    both = 2 * 2 * 19 + 2 * 16
    assert counts[1].tolist() == [both, 2 * ring - both]
    np.testing.assert_allclose(boundary.boundary_iou(counts)[1:], [both / (2 * ring - both), np.nan])


def test_the_band_is_two_per_cent_of_the_diagonal_but_a_pixel_at_least():
    for height, width, expected in ((300, 400, 10), (12, 16, 1), (2, 2, 1)):
        counts = boundary.band_counts(*[np.zeros((height, width), np.uint8)] * 2, 1)
        inner = max(0, height - 2 * expected) * max(0, width - 2 * expected)
        assert counts.tolist() == [[height * width - inner] * 2]


def test_a_boundary_is_where_boundary_iou_looks():
    """A shape moved by four pixels: nearly the same to the IoU of its area, not to that of its boundary."""
    mask, prediction = disc(300, 400, 150, 200, 120), disc(300, 400, 154, 200, 120)
    boundary_iou = boundary.boundary_iou(boundary.band_counts(mask, prediction, 2))[1]
    iou = (mask & prediction).sum() / (mask | prediction).sum()
    assert boundary_iou < 0.7 < 0.95 < iou


@given(segmentations())
def test_distances_are_those_of_all_pairs_of_edge_pixels(case):
    mask, predictions = case
    seen = np.where(mask == IGNORE, IGNORE, predictions)
    distances = boundary.hd95(mask, predictions, CLASSES)
    for label in range(CLASSES):
        ours, theirs = edge_points(mask, label), edge_points(seen, label)
        if not len(ours) or not len(theirs):
            assert np.isnan(distances[label])
            continue
        pairs = cdist(ours, theirs)
        expected = max(np.percentile(pairs.min(1), 95), np.percentile(pairs.min(0), 95))
        np.testing.assert_allclose(distances[label], expected)


def test_with_few_outliers_less_and_with_many_the_distance_of_scikit_image():
    mask, prediction = disc(90, 120, 45, 40, 20), disc(90, 120, 45, 40, 20)
    prediction[45, 110] = 1  # one pixel of more than a hundred along the edge
    assert boundary.hd95(mask, prediction, 2)[1] == 0
    prediction[20:70, 90:110] = 1
    images = [find_boundaries(np.pad(image, 1), mode="inner", connectivity=1) for image in (mask, prediction)]
    whole = hausdorff_distance(*images)
    assert 0.9 * whole < boundary.hd95(mask, prediction, 2)[1] <= whole


@given(segmentations())
def test_to_swap_truth_and_prediction_changes_nothing(case):
    mask, predictions = case
    seen = np.where(mask == IGNORE, IGNORE, predictions)
    np.testing.assert_array_equal(boundary.hd95(mask, seen, CLASSES), boundary.hd95(seen, mask, CLASSES))
    np.testing.assert_array_equal(boundary.band_counts(mask, seen, CLASSES), boundary.band_counts(seen, mask, CLASSES))


@given(segmentations())
def test_a_perfect_prediction_is_perfect(case):
    mask = case[0]
    occurs = np.isin(range(CLASSES), mask)
    np.testing.assert_array_equal(boundary.hd95(mask, mask, CLASSES), np.where(occurs, 0, np.nan))
    counts = boundary.band_counts(mask, mask, CLASSES)
    np.testing.assert_array_equal(boundary.boundary_iou(counts), np.where(occurs, 1, np.nan))


@given(segmentations(), st.integers(0, CLASSES - 1))
def test_what_is_predicted_at_ignored_pixels_changes_nothing(case, label):
    mask, predictions = case
    other = np.where(mask == IGNORE, np.uint8(label), predictions)
    for count in (boundary.band_counts, boundary.hd95):
        np.testing.assert_array_equal(count(mask, predictions, CLASSES), count(mask, other, CLASSES))


@pytest.mark.parametrize("step", [(0, 1), (0, 7), (5, 0), (3, 4)])
def test_a_shape_moved_by_some_pixels_is_that_far_away(step):
    mask = np.zeros((60, 60), np.uint8)
    mask[20:30, 20:30] = 1
    moved = np.roll(mask, step, (0, 1))
    distance = boundary.hd95(mask, moved, 2)[1]
    # Of a square moved along an axis, more than 5 % of the edge pixels are the whole step away.
    assert distance == max(step) if 0 in step else max(step) <= distance <= np.hypot(*step)


def test_a_class_that_is_missed_or_made_up_has_no_distance_and_no_boundary_right():
    mask, prediction = np.zeros((2, 20, 30), np.uint8)
    mask[5:9, 5:9], prediction[12:15, 12:15] = 1, 2
    assert np.isnan(boundary.hd95(mask, prediction, 4)).tolist() == [False, True, True, True]
    iou = boundary.boundary_iou(boundary.band_counts(mask, prediction, 4))
    np.testing.assert_array_equal(iou[1:], [0, 0, np.nan])


def test_an_image_without_a_labelled_pixel_has_no_score():
    mask = np.full((8, 9), IGNORE, np.uint8)
    prediction = np.zeros_like(mask)
    assert np.isnan(boundary.hd95(mask, prediction, 2)).all()
    assert not boundary.band_counts(mask, prediction, 2).any()
