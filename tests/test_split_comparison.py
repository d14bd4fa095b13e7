"""Splits are unlike only where chance, the images' own differences and small differences do not explain it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from segzoo.inspection.split_comparison import CHANCE, DEVIATIONS, Moments, shifted


def moments(figures):
    result = Moments(1)
    for figure in figures:
        result.add(np.array([figure]))
    return result


def differ(first, second):
    return bool(shifted(moments(first), moments(second))[0])


@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(2, 40), st.floats(0, 100))
def test_it_is_a_test_of_means_with_a_common_variance(seed, first, second, distance):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(100, 10, first), rng.normal(100 + distance, 10, second)
    variance = (one.var() * first + other.var() * second) / (first + second - 2)
    expected = ttest_ind(one, other).pvalue < CHANCE and abs(one.mean() - other.mean()) > DEVIATIONS * variance**0.5
    assert differ(one, other) == expected


@pytest.mark.slow
@pytest.mark.parametrize("counts", [(1000, 1000), (20, 5), (8, 2), (2, 1)])
def test_random_splits_hardly_ever_differ(counts):
    rng = np.random.default_rng(0)
    drawn = rng.normal(100, 30, (1000, sum(counts)))
    assert sum(differ(values[: counts[0]], values[counts[0] :]) for values in drawn) <= 3


def test_many_images_alone_make_no_difference():
    rng = np.random.default_rng(0)
    assert not differ(rng.normal(100, 30, 10_000), rng.normal(110, 30, 10_000))
    assert differ(rng.normal(100, 30, 10_000), rng.normal(140, 30, 10_000))


def test_images_without_variance_differ_and_single_ones_say_nothing():
    assert differ([24, 24], [133])
    assert not differ([24, 24], [24])
    assert not differ([24], [133])
    assert not differ([24, 25], [])
