import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segzoo.errors import DataError
from segzoo.plugin import IGNORE
from segzoo.scoring import overlap
from segzoo.scoring.overlap import Overlap

CLASSES = ("cat", "dog", "sky")


@st.composite
def segmentations(draw):
    """Labels (some ignored) and predictions of one shape and any integer type, with the number of classes."""
    num_classes = draw(st.integers(1, 5))
    shape = draw(arrays.array_shapes(max_dims=4, max_side=6))
    dtypes = st.sampled_from([np.uint8, np.uint16, np.int32, np.int64])
    classes = st.integers(0, num_classes - 1)
    labels = draw(arrays.arrays(draw(dtypes), shape, elements=st.one_of(classes, st.just(IGNORE))))
    predictions = draw(arrays.arrays(draw(dtypes), shape, elements=classes))
    return labels, predictions, num_classes


def brute_force(labels, predictions, num_classes):
    """IoU and Dice of each class and the accuracy, by walking over the pixels once a class."""
    pairs = [(t, p) for t, p in zip(labels.flat, predictions.flat, strict=True) if t != IGNORE]
    iou, dice = [], []
    for c in range(num_classes):
        both = sum(t == c and p == c for t, p in pairs)
        either = sum(t == c or p == c for t, p in pairs)
        sizes = sum(t == c for t, _ in pairs) + sum(p == c for _, p in pairs)
        iou.append(both / either if either else math.nan)
        dice.append(2 * both / sizes if sizes else math.nan)
    return iou, dice, sum(t == p for t, p in pairs) / len(pairs) if pairs else math.nan


def known_mean(values):
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


@given(segmentations())
def test_scores_are_those_of_a_walk_over_the_pixels(case):
    iou, dice, accuracy = brute_force(*case)
    counts = overlap.confusion(*case)
    assert counts.dtype == np.int64
    np.testing.assert_allclose(overlap.iou(counts), iou)
    np.testing.assert_allclose(overlap.dice(counts), dice)
    np.testing.assert_allclose(overlap.pixel_accuracy(counts), accuracy)
    np.testing.assert_allclose(overlap.mean_iou(counts), known_mean(iou))
    np.testing.assert_allclose(overlap.mean_dice(counts), known_mean(dice))
    assert overlap.absent(counts).tolist() == [math.isnan(value) for value in iou]


@given(segmentations(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_neither_batches_nor_order_matter(case, random, batch):
    labels, predictions, num_classes = case
    order = random.sample(range(labels.size), labels.size)
    truth, predicted = labels.ravel()[order], predictions.ravel()[order]
    parts = [slice(start, start + batch) for start in range(0, labels.size, batch)]
    total = sum(overlap.confusion(truth[part], predicted[part], num_classes) for part in parts)
    np.testing.assert_array_equal(total, overlap.confusion(labels, predictions, num_classes))


@given(segmentations())
def test_ignored_pixels_count_for_nothing_whatever_is_predicted_there(case):
    labels, predictions, num_classes = case
    wild = np.where(labels == IGNORE, 200, predictions)
    counts = overlap.confusion(labels, wild, num_classes)
    np.testing.assert_array_equal(counts, overlap.confusion(labels, predictions, num_classes))
    assert counts.sum() == np.count_nonzero(labels != IGNORE)


@given(segmentations())
def test_dice_is_a_function_of_iou(case):
    counts = overlap.confusion(*case)
    iou = overlap.iou(counts)
    np.testing.assert_allclose(overlap.dice(counts), 2 * iou / (1 + iou))


@given(segmentations())
def test_a_perfect_prediction_scores_one(case):
    _, predictions, num_classes = case
    perfect = overlap.confusion(predictions, predictions, num_classes)
    assert overlap.mean_iou(perfect) == overlap.mean_dice(perfect) == overlap.pixel_accuracy(perfect) == 1


@given(segmentations())
def test_renaming_the_classes_renames_the_scores(case):
    labels, predictions, num_classes = case
    renamed = np.where(labels == IGNORE, labels, num_classes - 1 - labels)
    counts = overlap.confusion(renamed, num_classes - 1 - predictions, num_classes)
    np.testing.assert_array_equal(counts[::-1, ::-1], overlap.confusion(labels, predictions, num_classes))


def test_numbers_worked_by_hand():
    labels = np.array([[0, 0, 0, 1], [1, 1, 255, 255]], np.uint8)
    predictions = np.array([[0, 0, 1, 1], [1, 0, 2, 0]], np.uint8)
    counts = overlap.confusion(labels, predictions, 3)
    assert counts.tolist() == [[2, 1, 0], [1, 2, 0], [0, 0, 0]]  # rows are the truth
    assert overlap.iou(counts).tolist()[:2] == [2 / 4, 2 / 4]
    assert overlap.dice(counts).tolist()[:2] == [4 / 6, 4 / 6]
    assert overlap.pixel_accuracy(counts) == 4 / 6
    assert overlap.mean_iou(counts) == 0.5


def test_rows_are_truth_and_columns_prediction():
    assert overlap.confusion(np.array([0, 0, 0]), np.array([1, 1, 0]), 2).tolist() == [[1, 2], [0, 0]]


def test_a_class_only_predicted_scores_zero_and_is_in_the_mean():
    counts = overlap.confusion(np.array([0, 0]), np.array([0, 1]), 3)
    np.testing.assert_array_equal(overlap.iou(counts), [0.5, 0, np.nan])
    assert overlap.mean_iou(counts) == 0.25
    assert overlap.absent(counts).tolist() == [False, False, True]


def test_a_stack_of_images_has_scores_of_each():
    right, wrong = np.array([[4, 0], [0, 0]]), np.array([[0, 2], [2, 0]])
    nothing = np.zeros((2, 2), np.int64)
    stack = np.stack([right, wrong, nothing])
    np.testing.assert_array_equal(overlap.mean_iou(stack), [1, 0, np.nan])
    np.testing.assert_array_equal(overlap.pixel_accuracy(stack), [1, 0, np.nan])
    assert overlap.image_mean_iou(stack) == 0.5  # the image without a labelled pixel has no say
    np.testing.assert_allclose(overlap.mean_iou(stack.sum(0)), (4 / 8 + 0 / 4) / 2)


def test_counts_beyond_32_bits_stay_exact():
    part = np.array([[2**33 + 1, 1], [0, 2**33]])
    counts = sum([part] * 4)
    result = Overlap().scores(counts, ("a", "b"))
    assert result["confusion"] == [[2**35 + 4, 4], [0, 2**35]]
    assert result["iou"]["a"] == (2**35 + 4) / (2**35 + 8)


def test_255_classes_fit_in_labels_of_eight_bits():
    labels = np.arange(256, dtype=np.uint8)
    counts = overlap.confusion(labels, labels, 255)
    assert np.array_equal(counts, np.eye(255))


def test_all_scores_of_a_matrix():
    counts = overlap.confusion(np.array([0, 1, 1, 1]), np.array([0, 1, 1, 0]), 3)
    result, of_image = Overlap().scores(counts, CLASSES), Overlap().image_scores(counts, CLASSES)
    assert result["iou"] == pytest.approx({"cat": 1 / 2, "dog": 2 / 3, "sky": math.nan}, nan_ok=True)
    assert result["dice"] == pytest.approx({"cat": 2 / 3, "dog": 4 / 5, "sky": math.nan}, nan_ok=True)
    assert result["mean_iou"] == pytest.approx(7 / 12)
    assert result["mean_dice"] == pytest.approx(11 / 15)
    assert result["pixel_accuracy"] == 3 / 4
    assert result["absent_classes"] == ["sky"]
    assert result["confusion"] == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
    assert set(Overlap.definitions) == set(result) | {"image_mean_iou"}
    assert list(of_image) == ["mean_iou", "iou"]
    assert of_image["mean_iou"] == result["mean_iou"]
    assert of_image["iou"] == pytest.approx(result["iou"], nan_ok=True)


def test_with_everything_ignored_there_are_no_scores(recwarn):
    counts = overlap.confusion(np.full((2, 3), IGNORE, np.uint8), np.zeros((2, 3), np.uint8), 3)
    result = Overlap().scores(counts, CLASSES)
    assert all(math.isnan(result[name]) for name in ("mean_iou", "mean_dice", "pixel_accuracy"))
    assert result["absent_classes"] == list(CLASSES)
    assert not recwarn


def test_every_definition_is_one_sentence():
    for sentence in (score.definition for score in Overlap.definitions.values()):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert sentence.count(". ") == 0


def test_no_pixels_are_no_counts():
    assert overlap.confusion(np.empty((0, 4, 4), np.uint8), np.empty((0, 4, 4), np.uint8), 2).tolist() == [[0, 0]] * 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint64])
def test_labels_that_are_no_class_are_named(dtype):
    labels = np.array([[0, 7], [9, 255]], dtype)
    with pytest.raises(DataError, match=r"labels 7, 9; with 3 classes they must be 0 to 2, or 255"):
        overlap.confusion(labels, np.zeros((2, 2), np.uint8), 3)


def test_negative_labels_are_no_class():
    with pytest.raises(DataError, match="-1"):
        overlap.confusion(np.array([-1, 0]), np.array([0, 0]), 3)


def test_a_long_list_of_wrong_labels_is_cut():
    with pytest.raises(DataError, match=r"3, 4, .*12, …;"):
        overlap.confusion(np.arange(100), np.zeros(100, np.int64), 3)


def test_predictions_that_are_no_class_are_named():
    with pytest.raises(ValueError, match="3 are not among 0 to 2"):
        overlap.confusion(np.array([0, 1]), np.array([0, 3]), 3)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(1, 2\), predictions \(2,\)"):
        overlap.confusion(np.zeros((1, 2), np.uint8), np.zeros(2, np.uint8), 3)


def test_probabilities_are_not_taken_for_classes():
    with pytest.raises(TypeError):
        overlap.confusion(np.array([0, 1]), np.array([0.2, 0.9]), 2)


def test_class_names_must_fit_the_matrix():
    with pytest.raises(ValueError, match="zip"):
        Overlap().scores(np.eye(2, dtype=np.int64), CLASSES)
