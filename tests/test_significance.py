"""Intervals and tests of a benchmark: worked by hand, SciPy's where they meet, laws, and the level by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segzoo.benchmarking.significance import difference, holm, mean_interval

pytestmark = pytest.mark.filterwarnings("error")

ZEROS = np.zeros((2, 3))


@st.composite
def benchmarks(draw):
    """Scores (seeds, images) of a model and of a baseline, with every effect there is, and 2 to 5 seeds each."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    images = draw(st.integers(2, 40))
    sd = draw(st.sampled_from([0.0, 0.01, 0.2]))
    image = rng.normal(0.7, 0.1, images)
    return tuple(scores(rng, draw(st.integers(2, 5)), image, sd) for _ in range(2))


def scores(rng, seeds, image, seed_sd, model_image_sd=0.05, noise_sd=0.05):
    """Scores (seeds, images) of one model on images of that difficulty."""
    of_model = image + rng.normal(0, model_image_sd, image.size)
    return of_model + rng.normal(0, seed_sd, (seeds, 1)) + rng.normal(0, noise_sd, (seeds, image.size))


def same(first, other):
    """Whether two comparisons agree but for rounding; no test is a p of NaN."""
    figures = [np.array(list(vars(result).values()), np.float64) for result in (first, other)]
    return figures[0] == pytest.approx(figures[1], rel=1e-6, abs=1e-12, nan_ok=True)


def test_seeds_and_images_both_count_worked_by_hand():
    """Seeds: means 8 and 10, variance 2 over 2 seeds. Images: differences 2, 3, 4, variance 1 over 3 images."""
    result = difference(np.array([[6, 8, 10], [8, 10, 12]]), np.array([[5, 6, 7], [5, 6, 7]]))
    variance, df = 1 + 1 / 3, (4 / 3) ** 2 / (1 / 1 + (1 / 3) ** 2 / 2)
    assert result.mean == pytest.approx(3)
    assert result.df == pytest.approx(df) == pytest.approx(32 / 19)
    assert result.p == pytest.approx(2 * stats.t.sf(3 / math.sqrt(variance), df))
    assert (result.low, result.high) == pytest.approx(stats.t.interval(0.95, df, 3, math.sqrt(variance)))
    assert result.effect_size == pytest.approx(3)  # the pooled variance between seeds is (2 + 0) / 2
    assert result.wilcoxon_p == pytest.approx(0.25)  # all of 3 images on one side: 2 of 8 signs are as extreme


def test_the_noise_of_seed_and_image_counts_once_worked_by_hand():
    """Noise: residuals 0, -1, 1 and 0, 1, -1, mean square 4 / 2 over 2 seeds x 3 images. Seeds 2 / 2, images 1 / 3."""
    result = difference(np.array([[1, 2, 3], [3, 6, 3]]), ZEROS)
    df = 1 / ((1 / 3) ** 2 / 2 + 1**2 / 1 + (1 / 3) ** 2 / 2)
    assert result.df == pytest.approx(df)
    assert result.p == pytest.approx(2 * stats.t.sf(3 / math.sqrt(1 / 3 + 1 - 1 / 3), df))


def test_estimates_below_zero_count_as_zero_worked_by_hand():
    """Seeds and images have equal means, so both variances are estimated as -1 times the noise: the noise is left."""
    result = difference(np.array([[0, 2], [2, 0]]), ZEROS[:, :2])
    assert (result.mean, result.df) == (1, 1)
    assert result.p == pytest.approx(0.5)  # Student's t of 1 with 1 degree of freedom


def test_without_an_effect_of_seeds_it_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    first, other = rng.random((2, 30))
    result = difference(np.tile(first, (3, 1)), np.tile(other, (5, 1)))
    expected = stats.ttest_rel(first, other)
    interval = expected.confidence_interval(0.95)
    assert (result.p, result.df) == pytest.approx((expected.pvalue, 29))
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert math.isnan(result.effect_size)


def test_where_all_images_agree_it_is_welch_s_t_test_over_seeds():
    rng = np.random.default_rng(0)
    image, first, other = rng.random(30), rng.random(3), rng.random(5)
    result = difference(image + first[:, None], image + other[:, None])
    expected = stats.ttest_ind(first, other, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert (result.p, result.df) == pytest.approx((expected.pvalue, expected.df))
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))


def test_it_is_restricted_maximum_likelihood_where_no_estimate_is_below_zero():
    """Of the whole covariance of all scores: its equations are solved, and variance and degrees of freedom are equal.

    The variance of an estimated variance is by the expected information (Giesbrecht & Burns 1985, Biometrics 41:477).
    """
    rng = np.random.default_rng(1)
    image = rng.normal(0, 1, 8)
    pair = [scores(rng, seeds, image, sd, 0.6, noise) for seeds, sd, noise in ((3, 0.9, 0.4), (4, 0.5, 0.6))]
    estimates, parts = variances(*pair)
    assert min(estimates) > 0
    y = np.concatenate([part.ravel() for part in pair])
    x = np.repeat(np.eye(2), [part.size for part in pair], axis=0)
    inverse = np.linalg.inv(np.tensordot(estimates, parts, axes=1))
    covariance = np.linalg.inv(x.T @ inverse @ x)
    projection = inverse - inverse @ x @ covariance @ x.T @ inverse
    for part in parts:
        assert np.trace(projection @ part) == pytest.approx(y @ projection @ part @ projection @ y)
    information = [[np.trace(projection @ first @ projection @ other) / 2 for other in parts] for first in parts]
    weights = inverse @ x @ covariance @ [1, -1]
    slopes = np.array([weights @ part @ weights for part in parts])
    variance = np.array([1, -1]) @ covariance @ [1, -1]
    result = difference(*pair)
    assert result.df == pytest.approx(2 * variance**2 / (slopes @ np.linalg.solve(information, slopes)))
    assert result.p == pytest.approx(2 * stats.t.sf(abs(result.mean) / math.sqrt(variance), result.df))


def variances(*pair):
    """The random effects of two models: estimates from mean squares, and what each adds to the covariance of scores."""
    images = pair[0].shape[1]
    model = np.repeat([0, 1], [part.size for part in pair])
    place, run = np.tile(np.arange(images), model.size // images), np.arange(model.size) // images
    image, seed = (labels[:, None] == labels for labels in (place, run))
    shared = np.cov(*(part.mean(axis=0) for part in pair))
    estimates, parts = [shared[0, 1]], [image]
    for label, part in enumerate(pair):
        of_model = np.outer(model == label, model == label)
        left = part - part.mean(axis=0) - part.mean(axis=1, keepdims=True) + part.mean()
        noise = (left**2).sum() / ((len(part) - 1) * (images - 1))
        estimates += [shared[label, label] - shared[0, 1] - noise / len(part)]
        estimates += [part.mean(axis=1).var(ddof=1) - noise / images, noise]
        parts += [of_model & image, of_model & seed, of_model & image & seed]
    return np.array(estimates), np.array(parts, np.float64)


@given(benchmarks())
def test_swapping_the_models_turns_the_sign(pair):
    there, back = difference(*pair), difference(*reversed(pair))
    assert (there.mean, there.low, there.high) == pytest.approx(
        (-back.mean, -back.high, -back.low), rel=1e-6, abs=1e-12
    )
    assert (there.p, there.df, there.wilcoxon_p) == pytest.approx((back.p, back.df, back.wilcoxon_p))
    assert there.effect_size == pytest.approx(-back.effect_size)


@given(benchmarks(), st.integers(0, 2**32))
def test_what_an_image_adds_to_both_models_changes_nothing(pair, seed):
    first, other = pair
    more = np.random.default_rng(seed).normal(0, 1, first.shape[1])
    assert same(difference(first + more, other + more), difference(first, other))


@given(benchmarks(), st.randoms(use_true_random=False))
def test_the_order_of_seeds_and_of_images_does_not_matter(pair, random):
    first, other = pair
    images = random.sample(range(first.shape[1]), first.shape[1])
    shuffled = [part[random.sample(range(len(part)), len(part))][:, images] for part in pair]
    assert same(difference(*shuffled), difference(first, other))


@given(benchmarks(), st.floats(0.01, 100))
def test_the_unit_of_the_score_does_not_matter(pair, unit):
    result, scaled = difference(*pair), difference(*(unit * part for part in pair))
    assert (scaled.mean, scaled.low, scaled.high) == pytest.approx(
        tuple(unit * value for value in (result.mean, result.low, result.high)), rel=1e-6, abs=1e-12
    )
    assert (scaled.p, scaled.df, scaled.effect_size) == pytest.approx((result.p, result.df, result.effect_size))


@given(benchmarks(), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_the_interval_leaves_out_zero_just_when_the_test_rejects(pair, level):
    result = difference(*pair, level=level)
    assert result.low <= result.mean <= result.high
    assert (result.low > 0 or result.high < 0) == (result.p < 1 - level)


@given(benchmarks(), st.data())
def test_an_image_without_a_score_anywhere_is_left_out_everywhere(pair, data):
    first, other = pair
    kept = data.draw(st.lists(st.booleans(), min_size=first.shape[1], max_size=first.shape[1]).map(np.array))
    holed = [part.copy() for part in pair]
    for image in np.flatnonzero(~kept):
        part = data.draw(st.sampled_from(holed))
        part[data.draw(st.integers(0, len(part) - 1)), image] = np.nan
    result, expected = difference(*holed), difference(first[:, kept], other[:, kept])
    assert same(result, expected)
    assert (result.p is None) == (kept.sum() < 2)


@given(benchmarks(), st.randoms(use_true_random=False))
def test_a_model_does_not_differ_from_itself(pair, random):
    first, _ = pair
    copy = first[random.sample(range(len(first)), len(first))]
    result = difference(first, copy)
    assert (result.mean, result.p, result.effect_size, result.wilcoxon_p) == (0, 1, 0, 1)
    assert result.low == -result.high < 0


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_constant_scores_do_not_differ_whatever_rounding_leaves(value):
    result = difference(np.full((3, 20), value), np.full((5, 20), value))
    assert (result.mean, result.p, result.wilcoxon_p) == (0, 1, 1)
    assert (result.low, result.high) == pytest.approx((0, 0))
    assert math.isnan(result.effect_size)


def test_a_constant_difference_is_certain():
    result = difference(np.full((3, 20), 0.3), np.full((5, 20), 0.1))
    assert (result.mean, result.low, result.high) == pytest.approx((0.2, 0.2, 0.2))
    assert result.p < 1e-9


@pytest.mark.parametrize(("seeds", "baseline_seeds"), [(1, 1), (1, 5), (5, 1)])
def test_with_one_seed_there_is_no_test_but_of_these_weights(seeds, baseline_seeds):
    rng = np.random.default_rng(0)
    first, other = rng.random((seeds, 30)), rng.random((baseline_seeds, 30))
    result = difference(first, other)
    assert result.p is None
    assert np.isnan([result.low, result.high, result.df, result.effect_size]).all()
    assert result.mean == pytest.approx(first.mean() - other.mean())
    assert result.wilcoxon_p == pytest.approx(stats.wilcoxon(first.mean(0), other.mean(0)).pvalue)


@pytest.mark.parametrize("images", [0, 1])
def test_with_fewer_than_two_images_there_is_no_test(images):
    result = difference(np.full((3, images), 0.5), np.full((3, images), 0.25))
    assert result.p is None
    assert (result.mean, result.wilcoxon_p) == pytest.approx((0.25, 1) if images else (math.nan, math.nan), nan_ok=True)


@pytest.mark.parametrize("shapes", [((3, 4), (3, 5)), ((3,), (3,)), ((0, 4), (3, 4)), ((3, 4), (0, 4))])
def test_shapes_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="of the same images"):
        difference(*(np.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("seeds", [2, 3, 10])
@pytest.mark.parametrize("images", [2, 20, 4000])
@pytest.mark.parametrize("digits", [1, 15], ids=["ties", "distinct"])
def test_bounded_scores_with_heavy_tails_always_have_a_test(seeds, images, digits):
    rng = np.random.default_rng(0)
    pair = (np.round(np.clip(0.9 + 0.1 * rng.standard_t(1, (seeds + k, images)), 0, 1), digits) for k in (0, 1))
    result = difference(*pair)
    assert 0 <= result.p <= 1
    assert 0 <= result.wilcoxon_p <= 1
    assert np.isfinite([result.mean, result.low, result.high, result.df]).all()


def test_the_interval_of_a_mean_is_student_s():
    scores = np.array([0.6, 0.7, 0.8])
    result = mean_interval(scores)
    assert (result.mean, result.sd) == pytest.approx((0.7, 0.1))
    assert (result.low, result.high) == pytest.approx(stats.t.interval(0.95, 2, 0.7, stats.sem(scores)))
    assert result.high - result.mean == pytest.approx(4.303 * 0.1 / math.sqrt(3), rel=1e-4)
    assert mean_interval(np.array([0.6, np.nan, 0.7, 0.8])) == result
    assert mean_interval(scores, level=0.5).high < result.high


def test_one_seed_has_a_mean_and_no_interval():
    result = mean_interval(np.array([0.5]))
    assert result.mean == 0.5
    assert np.isnan([result.sd, result.low, result.high]).all()
    assert np.isnan(list(vars(mean_interval(np.array([]))).values())).all()


def test_holm_worked_by_hand():
    """Sorted: .005 x 4, .01 x 3, .03 x 2, and .04, which may not be less than the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, None, 0.8, 0.01]) == [1.0, None, 1.0, pytest.approx(0.03)]
    assert holm([None]) == [None]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1)))
def test_holm_raises_every_p_and_keeps_their_order(p):
    adjusted = holm(p)
    assert all(before <= after <= 1 for before, after in zip(p, adjusted, strict=True))
    assert sorted(adjusted) == [adjusted[place] for place in np.argsort(p, kind="stable")]


@pytest.mark.parametrize("seed_sd", [0, 0.005, 0.01, 0.02])
def test_the_test_keeps_its_level_and_one_over_images_alone_does_not(seed_sd):
    """200 comparisons of equal models on 300 images, three seeds each; `benchmarks/significance.py` has more."""
    rng = np.random.default_rng(1)
    tests = []
    for _ in range(200):
        image = rng.normal(0.7, 0.1, 300)
        tests.append(difference(*(scores(rng, 3, image, seed_sd) for _ in range(2))))
    rejected = sum(test.p < 0.05 for test in tests)
    assert 4 <= rejected <= 16
    assert sum(test.low <= 0 <= test.high for test in tests) == 200 - rejected
    if seed_sd >= 0.01:
        assert sum(test.wilcoxon_p < 0.05 for test in tests) > 50


def test_a_difference_of_two_sd_is_found_in_most_comparisons_of_five_seeds():
    rng = np.random.default_rng(2)
    tests = []
    for _ in range(200):
        image = rng.normal(0.7, 0.1, 300)
        tests.append(difference(0.04 + scores(rng, 5, image, 0.02), scores(rng, 5, image, 0.02)))
    assert sum(test.p < 0.05 for test in tests) > 120
    assert 184 <= sum(test.low <= 0.04 <= test.high for test in tests) <= 196
