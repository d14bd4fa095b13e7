"""The challenge's scores, against pairs of pixels counted one by one and scikit-image."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import gaussian_filter, label
from skimage.metrics import adapted_rand_error, variation_of_information
from skimage.segmentation import watershed

from segzoo.plugin import IGNORE
from segzoo.scoring.segmentation import Segmentation
from segzoo_isbi_em import IsbiEM
from segzoo_isbi_em.challenge import THRESHOLDS, Challenge, agreement, thin

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=7)
SLICES = arrays.arrays(bool, SHAPES)


@st.composite
def segmentations(draw):
    """True cells, 0 for membranes, and predicted segments, 0 for the lines between them."""
    shape = draw(SHAPES)
    return [draw(arrays.arrays(np.int64, shape, elements=st.integers(0, 3))) for _ in range(2)]


def walk(cells, segments):
    """V^Rand by all ordered pairs of pixels, each with itself too, and V^Info by the names of segments."""
    pixels = [
        (cell, segment or ("alone", place))
        for place, (cell, segment) in enumerate(zip(cells.ravel().tolist(), segments.ravel().tolist(), strict=True))
        if cell
    ]
    if not pixels:
        return math.nan, math.nan
    pairs = list(itertools.product(pixels, repeat=2))
    both = sum(a == b for a, b in pairs)
    precision = both / sum(a[1] == b[1] for a, b in pairs)
    recall = both / sum(a[0] == b[0] for a, b in pairs)

    def entropy(names):
        shares = [names.count(name) / len(names) for name in dict.fromkeys(names)]
        return -sum(share * math.log(share) for share in shares)

    h, k, joint = entropy([c for c, _ in pixels]), entropy([s for _, s in pixels]), entropy(pixels)
    return 2 * precision * recall / (precision + recall), 2 * (h + k - joint) / (h + k) if h + k else 1.0


@given(segmentations())
def test_agreement_is_that_of_a_walk_over_pairs_of_pixels(case):
    np.testing.assert_allclose(agreement(*case), walk(*case), atol=1e-12)


@given(segmentations())
def test_agreement_is_that_of_scikit_image_where_every_pixel_is_in_a_segment(case):
    cells, segments = case[0], case[1] + 1
    inside = cells > 0
    if inside.sum() < 2:
        return
    rand, information = agreement(cells, segments)
    split, merge = variation_of_information(segments[inside], cells[inside])
    entropies = [-sum(p * np.log2(p) for p in np.unique(x[inside], return_counts=True)[1] / inside.sum()) for x in case]
    expected = 1 - (split + merge) / sum(entropies) if sum(entropies) else 1  # 2 I = H + K - VI
    np.testing.assert_allclose(information, expected, atol=1e-12)
    # Theirs leaves out the pairs of a pixel with itself.
    n, (true, predicted) = inside.sum(), [np.sum(np.bincount(x[inside]) ** 2) - inside.sum() for x in (cells, segments)]
    if true and predicted:
        together = (1 - adapted_rand_error(cells, segments)[0]) * (true + predicted) / 2
        np.testing.assert_allclose(rand, (together + n) / ((true + predicted) / 2 + n))


@given(SLICES)
def test_thinning_keeps_cells_apart_and_leaves_no_room(cells):
    segments, count = thin(cells), label(cells)[1]
    assert segments.max() == max(count, 1)
    for number in range(1, count + 1):
        assert label(segments == number)[1] == 1
        assert len(np.unique(label(cells)[0][(segments == number) & cells])) == 1
    assert (segments[cells] > 0).all()
    for after, before in ((segments[1:], segments[:-1]), (segments[:, 1:], segments[:, :-1])):
        assert (after == before)[(after > 0) & (before > 0)].all()
    # A pixel of a line is beside two segments, or beside lines and the end of the image only.
    padded = np.pad(segments, 1)
    for row, column in np.argwhere(segments == 0) + 1:
        beside = {padded[row + i, column + j] for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0))}
        assert len(beside - {0}) != 1


def test_a_thick_membrane_becomes_a_line():
    cells = np.zeros((4, 11), bool)
    cells[:, :2], cells[:, 9:] = True, True
    assert thin(cells).tolist() == [[1] * 5 + [0] + [2] * 5] * 4
    cells[:, 2] = True  # two that meet without a pixel between them
    segments = thin(cells)
    assert (segments == 0).sum(axis=1).tolist() == [1] * 4
    assert set(np.argwhere(segments == 0)[:, 1].tolist()) <= {5, 6}


def test_a_slice_without_a_predicted_cell_is_one_segment():
    assert (thin(np.zeros((3, 4), bool)) == 1).all()


def two_cells():
    mask = np.ones((8, 9), np.uint8)
    mask[:, 4] = 0
    return mask


CLASSES = ("membrane", "cell")


def counted(mask, cell):
    """The counts of a slice, from its mask and the probability of cell."""
    probabilities = np.stack([1 - cell, cell], -1).astype(np.float32)
    return Challenge().count(Segmentation(mask, probabilities.argmax(-1), probabilities))


def score(*slices):
    return Challenge().scores(sum(counted(*slice_) for slice_ in slices), CLASSES)


def test_truth_is_perfect_and_one_segment_is_not():
    mask = two_cells()
    assert score((mask, mask)) == {"rand_score": 1, "information_score": 1}
    merged = score((mask, np.ones(mask.shape)))
    # Half the pairs of the one segment are of one cell: precision 1/2, recall 1; it tells nothing of the cells.
    assert merged == {"rand_score": pytest.approx(2 / 3), "information_score": 0}


def test_the_width_of_membranes_does_not_matter():
    mask, thick = two_cells(), two_cells()
    thick[:, 3:6] = 0
    assert score((mask, thick)) == {"rand_score": 1, "information_score": 1}


def test_one_threshold_serves_all_slices_and_is_the_best():
    mask = two_cells()
    low, high = (np.where(mask, cell, membrane) for cell, membrane in ((0.35, 0.05), (0.95, 0.65)))
    for alone in (low, high):
        assert score((mask, alone))["rand_score"] == 1
    # Where one is right, the other is one segment.
    assert score((mask, low), (mask, high))["rand_score"] == pytest.approx((1 + 2 / 3) / 2)
    assert score((mask, low), (mask, low))["rand_score"] == 1
    assert len(THRESHOLDS) == 11


def test_slices_without_a_cell_have_no_score_and_are_in_no_mean():
    mask, empty = two_cells(), np.zeros((8, 9), np.uint8)
    assert all(math.isnan(value) for value in score((empty, empty)).values())
    assert score((empty, empty), (mask, mask)) == {"rand_score": 1, "information_score": 1}


def test_the_sum_of_slices_is_their_mean_to_the_bit():
    rng, empty = np.random.default_rng(0), np.zeros((8, 9), np.uint8)
    slices = [(two_cells(), rng.random((8, 9))) for _ in range(300)] + [(empty, rng.random((8, 9)))]
    tables = [counted(*slice_)[:, :2] for slice_ in slices[:-1]]
    assert list(score(*slices).values()) == np.mean(tables, axis=0).max(axis=0).tolist()


def test_ignored_pixels_count_as_no_cell():
    mask = two_cells()
    mask[:, :3] = IGNORE
    cell = (two_cells() == 1).astype(float)
    other = cell.copy()
    other[2:5, :3] = 0.4
    assert score((mask, cell)) == score((mask, other))


def test_the_real_slices(test_data, cache):
    dataset = IsbiEM(root=test_data / "isbi2012")
    mask = dataset.open(cache, "test")[2][1]
    assert score((mask, mask)) == {"rand_score": 1, "information_score": 1}
    rng = np.random.default_rng(0)
    cell = gaussian_filter(mask.astype(float), 2) + gaussian_filter(rng.normal(0, 0.4, mask.shape), 2)
    cells, blurred = label(mask == 1)[0], cell > 0.5
    line = watershed(~blurred, label(blurred)[0], watershed_line=True)
    np.testing.assert_allclose(agreement(cells, thin(blurred)), agreement(cells, line), atol=0.001)
    scores = score((mask, np.clip(cell, 0, 1)))
    assert 0.9 < scores["rand_score"] < 1
    assert 0.9 < scores["information_score"] < 1
