import math
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from segzoo.plugin import IGNORE
from segzoo_losses import BorderWeightedCrossEntropy, CrossEntropy, CrossEntropyDice, Dice, Focal, Lovasz, Tversky

PLAIN = (CrossEntropy(), BorderWeightedCrossEntropy())
LOSSES = [*PLAIN, Dice(), Focal(), Focal(gamma=0.5), CrossEntropyDice(), CrossEntropyDice(dice_weight=0.2)]
LOSSES += [Tversky(), Tversky(alpha=0.6, beta=0.2, exponent=0.75), Tversky(exponent=2), Lovasz()]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def batch(shape=(3, 4, 5), num_classes=3, seed=0):
    """Labels, logits and uneven weights; one pixel in six is ignored, and the last image lacks the last class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=shape).astype(np.int32)
    labels[-1] = np.minimum(labels[-1], num_classes - 2)
    ignored = rng.random(shape) < 1 / 6
    labels[ignored] = IGNORE
    logits = rng.normal(scale=2, size=(*shape, num_classes)).astype(np.float32)
    weights = np.where(ignored, 0, rng.uniform(0.1, 3, shape)).astype(np.float32)
    return labels, logits, weights


def gradient(loss, labels, logits, weights):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(labels, logits, weights)
    return value.numpy(), tape.gradient(value, logits).numpy()


def reference(loss, labels, logits, weights):
    """The losses of one image (H, W), in loops and double precision, by the formulas of the papers."""
    logits, weights = logits.astype(float), weights.astype(float)
    pixels = [p for p in np.ndindex(labels.shape) if weights[p] > 0]
    probability = {p: np.exp(logits[p]) / np.exp(logits[p]).sum() for p in pixels}
    total = sum(weights[p] for p in pixels)
    entropy = sum(weights[p] * -math.log(probability[p][labels[p]]) for p in pixels) / total
    if loss in PLAIN:
        return entropy
    if isinstance(loss, Focal):
        fade = {p: (1 - probability[p][labels[p]]) ** loss.gamma for p in pixels}
        return sum(weights[p] * fade[p] * -math.log(probability[p][labels[p]]) for p in pixels) / total
    classes = sorted({labels[p] for p in pixels})
    if isinstance(loss, Tversky):
        return sum((1 - tversky_index(loss, c, labels, probability, weights)) ** loss.exponent for c in classes) / len(
            classes
        )
    if isinstance(loss, Lovasz):
        return sum(lovasz_extension(c, labels, probability, weights) for c in classes) / len(classes)
    scores = []
    for c in classes:
        overlap = sum(weights[p] * probability[p][c] for p in pixels if labels[p] == c)
        area = sum(weights[p] for p in pixels if labels[p] == c)
        scores.append(2 * overlap / (sum(weights[p] * probability[p][c] ** 2 for p in pixels) + area))
    dice = 1 - sum(scores) / len(scores)
    share = 1 if isinstance(loss, Dice) else loss.dice_weight
    return (1 - share) * entropy + share * dice


def tversky_index(loss, c, labels, probability, weights):
    """Equation 3 of Salehi et al., of one class."""
    hit = sum(weights[p] * odds[c] for p, odds in probability.items() if labels[p] == c)
    too_much = sum(weights[p] * odds[c] for p, odds in probability.items() if labels[p] != c)
    missed = sum(weights[p] * (1 - odds[c]) for p, odds in probability.items() if labels[p] == c)
    return hit / (hit + loss.alpha * too_much + loss.beta * missed)


def lovasz_extension(c, labels, probability, weights):
    """The Jaccard loss of the pixels whose error exceeds a threshold, integrated over all thresholds.

    That is the extension's definition as a Choquet integral; nothing is sorted by pixels, and there is no gradient.
    """
    error = {p: 1 - odds[c] if labels[p] == c else odds[c] for p, odds in probability.items()}
    bounds = sorted({0.0, *error.values()})
    value = 0
    for low, high in pairwise(bounds):
        wrong = {p for p in error if error[p] > low}
        truth = {p for p in error if labels[p] == c}
        value += (high - low) * sum(weights[p] for p in wrong) / sum(weights[p] for p in wrong | truth)
    return value


@every_loss
def test_values_are_those_of_the_formulas(loss):
    labels, logits, weights = batch()
    expected = [reference(loss, *image) for image in zip(labels, logits, weights, strict=True)]
    value = loss(labels, logits, weights)
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, expected, rtol=1e-5)


@every_loss
def test_gradients_are_finite_differences_of_the_formulas(loss):
    labels, logits, weights = batch((1, 2, 3))
    _, actual = gradient(loss, labels, logits, weights)
    expected = np.zeros(logits.shape)
    for index in np.ndindex(logits.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = logits.astype(float)
            moved[index] += step
            ends.append(reference(loss, labels[0], moved[0], weights[0]))
        expected[index] = (ends[0] - ends[1]) / 2e-6
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (CrossEntropy(), math.log(2)),
        (BorderWeightedCrossEntropy(), math.log(2)),
        (Focal(gamma=2), math.log(2) / 4),
        (Focal(gamma=1), math.log(2) / 2),
        (Dice(), 1 / 3),  # of each class: overlap 0.5, areas 1 and 0.25 + 0.25, so 1 - 2 * 0.5 / 1.5
        (CrossEntropyDice(), (math.log(2) + 1 / 3) / 2),
        (CrossEntropyDice(dice_weight=0.25), 0.75 * math.log(2) + 0.25 / 3),
        (Tversky(), 0.5),  # of each class: 0.5 right, 0.5 too much, 0.5 missed
        (Tversky(alpha=0.2, beta=0.4), 0.3 / 0.8),
        (Tversky(exponent=2), 0.25),
        (Lovasz(), 0.5),  # all errors are 0.5, and without a right pixel the Jaccard loss is 1
    ],
    ids=repr,
)
def test_two_pixels_of_two_classes_with_even_odds(loss, expected):
    value = loss(np.array([[[0, 1]]], np.int32), np.zeros((1, 1, 2, 2), np.float32), np.ones((1, 1, 2), np.float32))
    np.testing.assert_allclose(value, [expected], rtol=1e-6)


def test_cross_entropy_is_that_of_keras_where_all_pixels_weigh_the_same():
    labels, logits, _ = batch()
    labels[labels == IGNORE] = 0
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    value = CrossEntropy()(labels, logits, np.ones(labels.shape, np.float32))
    np.testing.assert_allclose(np.mean(value), expected, rtol=1e-6)


def test_cross_entropy_is_linear_in_weights_of_equal_sum():
    labels, logits, weights = batch()
    labels[labels == IGNORE] = 1
    even = weights / weights.sum((1, 2), keepdims=True)
    other = np.full_like(even, 1 / 20)
    mixed = CrossEntropy()(labels, logits, 0.25 * even + 0.75 * other)
    expected = 0.25 * CrossEntropy()(labels, logits, even) + 0.75 * CrossEntropy()(labels, logits, other)
    np.testing.assert_allclose(mixed, expected, rtol=1e-5)


def test_focal_without_fading_is_cross_entropy():
    case = batch()
    np.testing.assert_allclose(Focal(gamma=0)(*case), CrossEntropy()(*case), rtol=1e-6)


def test_the_tversky_index_with_even_weights_is_that_of_dice_with_certain_predictions():
    labels, _, weights = batch()
    logits = 60 * np.eye(3, dtype=np.float32)[np.roll(np.minimum(labels, 2), 1, axis=2)]
    case = labels, logits, weights
    np.testing.assert_allclose(Tversky(alpha=0.5, beta=0.5)(*case), Dice()(*case), rtol=1e-5)


def test_lovasz_of_certain_predictions_is_one_minus_the_mean_iou_of_the_classes_there():
    labels, _, weights = batch()
    predicted = np.roll(np.minimum(labels, 2), 1, axis=2)
    value = Lovasz()(labels, 60 * np.eye(3, dtype=np.float32)[predicted], weights)
    for image in range(3):
        ious = []
        for c in {*labels[image].ravel()} - {IGNORE}:
            truth, guess = labels[image] == c, (predicted[image] == c) & (labels[image] != IGNORE)
            ious.append(weights[image][truth & guess].sum() / weights[image][truth | guess].sum())
        assert float(value[image]) == pytest.approx(1 - np.mean(ious), rel=1e-5)


def test_focal_fades_the_pixel_predicted_well():
    labels, weights = np.zeros((2, 1, 1), np.int32), np.ones((2, 1, 1), np.float32)
    logits = np.array([[[[4.0, 0.0]]], [[[0.0, 4.0]]]], np.float32)
    good, bad = np.asarray(Focal()(labels, logits, weights) / CrossEntropy()(labels, logits, weights))
    assert good < 0.001
    assert bad > 0.96


def test_a_trace_of_an_absent_class_costs_a_trace_of_dice():
    logits = np.full((1, 4, 4, 3), -30, np.float32)
    logits[..., 0] = 30
    logits[0, 0, 0] = [0, -4, -30]  # 2 % for class 1 on one pixel of sixteen; the truth is class 0 alone
    value = Dice()(np.zeros((1, 4, 4), np.int32), logits, np.ones((1, 4, 4), np.float32))
    assert 0 <= float(value[0]) < 0.001


@every_loss
def test_each_image_has_its_own_loss(loss):
    labels, logits, weights = batch()
    value = loss(labels, logits, weights)
    assert value.shape == (3,)
    alone = [loss(labels[i : i + 1], logits[i : i + 1], weights[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(value, alone, rtol=1e-6)


@every_loss
@pytest.mark.parametrize("wild", [6e4, 3e38, math.inf, math.nan])
def test_pixels_of_weight_zero_change_neither_value_nor_gradient(loss, wild):
    labels, logits, weights = batch()
    value, slope = gradient(loss, labels, logits, weights)
    ignored = weights == 0
    logits[ignored] = [wild, -wild, 0]
    labels[ignored] = 2
    wild_value, wild_slope = gradient(loss, labels, logits, weights)
    np.testing.assert_array_equal(wild_value, value)
    np.testing.assert_array_equal(wild_slope, slope)
    assert ignored.any()
    assert not slope[ignored].any()


@every_loss
def test_an_image_without_weight_costs_nothing_and_moves_nothing(loss):
    labels, logits, weights = batch()
    labels[1], weights[1] = IGNORE, 0
    value, slope = gradient(loss, labels, logits, weights)
    assert value[1] == 0
    assert not slope[1].any()
    assert value[0] > 0
    assert slope[0].any()


@every_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_extreme_logits_have_finite_values_and_gradients(loss, dtype):
    labels = np.array([[[0, 1, 2, 0]]], np.int32)
    extreme = [[6e4, -6e4, 0], [6e4, -6e4, -6e4], [0, 0, 0], [6e4, 6e4, 6e4]]
    logits = tf.cast(tf.reshape(tf.constant(extreme), (1, 1, 4, 3)), dtype)
    value, slope = gradient(loss, labels, logits, np.ones((1, 1, 4), np.float32))
    assert value.dtype == np.float32
    assert np.isfinite(value).all()
    assert value[0] > 0
    assert np.isfinite(slope.astype(np.float32)).all()


@every_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_computed_in_single(loss, dtype):
    labels, logits, weights = batch()
    half = tf.cast(logits, dtype)
    np.testing.assert_array_equal(loss(labels, half, weights), loss(labels, tf.cast(half, "float32"), weights))


@every_loss
def test_the_order_of_pixels_does_not_matter(loss):
    labels, logits, weights = batch()
    value = loss(labels, logits, weights)
    order = np.random.default_rng(1).permutation(20)
    moved = [
        array.reshape(3, 20, *array.shape[3:])[:, order].reshape(array.shape) for array in (labels, logits, weights)
    ]
    np.testing.assert_allclose(loss(*moved), value, rtol=1e-5)


@every_loss
@pytest.mark.parametrize("factor", [1e-6, 0.5, 1e6])
def test_weights_are_relative(loss, factor):
    labels, logits, weights = batch()
    scaled = loss(labels, logits, weights * np.float32(factor))
    np.testing.assert_allclose(scaled, loss(labels, logits, weights), rtol=1e-5)


@every_loss
def test_a_pixel_of_weight_two_counts_like_two(loss):
    labels, logits, _ = batch((1, 1, 3))
    labels[:] = [0, 1, 1]
    logits[0, 0, 2] = logits[0, 0, 1]
    twice = loss(labels, logits, np.array([[[1, 1, 1]]], np.float32))
    np.testing.assert_allclose(loss(labels, logits, np.array([[[1, 2, 0]]], np.float32)), twice, rtol=1e-5)


@every_loss
def test_a_perfect_prediction_costs_nothing(loss):
    labels, _, weights = batch()
    logits = 50 * np.eye(3, dtype=np.float32)[np.minimum(labels, 2)]
    value, slope = gradient(loss, labels, logits, weights)
    np.testing.assert_allclose(value, 0, atol=1e-6)
    np.testing.assert_allclose(slope, 0, atol=1e-6)


@every_loss
def test_a_wrong_prediction_costs_more_than_a_right_one(loss):
    labels, _, weights = batch()
    truth = np.eye(3, dtype=np.float32)[np.minimum(labels, 2)]
    assert (loss(labels, -3 * truth, weights) > loss(labels, 3 * truth, weights)).numpy().all()


@every_loss
def test_graphs_take_batches_and_sizes_not_known_beforehand(loss):
    signature = [tf.TensorSpec((None, None, None), tf.int32), tf.TensorSpec((None, None, None, 3), tf.float16)]
    graph = tf.function(loss.__call__, input_signature=[*signature, tf.TensorSpec((None, None, None), tf.float32)])
    for shape in [(1, 4, 4), (3, 2, 5)]:
        labels, logits, weights = batch(shape)
        half = tf.cast(logits, tf.float16)
        np.testing.assert_allclose(graph(labels, half, weights), loss(labels, half, weights), rtol=1e-5, atol=1e-7)


@every_loss
def test_autograph_can_read_it_and_so_has_nothing_to_warn_of(loss):
    tf.autograph.to_graph(type(loss).__call__)


@pytest.mark.parametrize(
    ("plugin", "options"),
    [
        (Focal, {"gamma": -1}),
        (Focal, {"gamma": math.nan}),
        (CrossEntropyDice, {"dice_weight": 1.5}),
        (Dice, {"gama": 2}),
        (Tversky, {"alpha": 0}),  # no loss at all where nothing is missed
        (Tversky, {"exponent": 0}),
        (BorderWeightedCrossEntropy, {"sigma": 0}),
        (BorderWeightedCrossEntropy, {"w0": math.inf}),
        (BorderWeightedCrossEntropy, {"separator": IGNORE}),
    ],
)
def test_options_out_of_range_are_refused(plugin, options):
    with pytest.raises(ValidationError):
        plugin(**options)
