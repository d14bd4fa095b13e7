"""The law of splits by name: nobody moves, groups stay together, shares are right in the long run, folds partition."""

from itertools import pairwise
from unicodedata import normalize

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segzoo.splits import Folds, Shares, better_seed, divide, empty, in_blocks, position, require_one_way

NAMES = st.lists(st.text(max_size=8), min_size=1, max_size=30, unique=True)
SEEDS = st.integers(0, 2**32 - 1)
RULES = st.one_of(
    st.builds(Shares, st.floats(0.01, 0.45), st.floats(0, 0.45)),
    st.integers(3, 20).flatmap(lambda folds: st.builds(Folds, st.just(folds), st.integers(0, folds - 1))),
)
MANY = [f"photo_{number}" for number in range(20_000)]
PLACES = [0.570371, 0.454583, 0.661196]


@given(NAMES, NAMES, RULES, SEEDS, st.randoms(use_true_random=False))
def test_a_sample_that_is_added_moves_no_other(names, added, rule, seed, random):
    before = dict(zip(names, divide(names, rule, seed), strict=True))
    everything = [*{*names, *added}]
    random.shuffle(everything)
    after = dict(zip(everything, divide(everything, rule, seed), strict=True))
    assert {name: after[name] for name in names} == before


@given(st.lists(st.sampled_from("abcdef"), min_size=1), RULES, SEEDS)
def test_a_group_stays_together(groups, rule, seed):
    splits = divide(groups, rule, seed)
    assert len(splits) == len(groups)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))


@pytest.mark.parametrize("rule", [Shares(0.15, 0.15), Shares(0.3, 0), Shares(0.01, 0.5), Folds(5, 4)])
@pytest.mark.parametrize("seed", [0, 7])
def test_of_many_samples_the_shares_come_out_right(rule, seed):
    splits = divide(MANY, rule, seed)
    found = {split: splits.count(split) / len(MANY) for split in set(splits)}
    assert found == pytest.approx(rule.shares, abs=0.012)  # more than three standard deviations


@given(NAMES, st.integers(3, 12), SEEDS)
def test_each_sample_is_tested_in_one_fold_and_validated_in_the_one_before_it(names, folds, seed):
    columns = [divide(names, Folds(folds, fold), seed) for fold in range(folds)]
    for own in zip(*columns, strict=True):
        assert sorted(own) == ["test", *["train"] * (folds - 2), "val"]
        assert own[own.index("test") - 1] == "val"


@given(NAMES, st.floats(0, 0.4), st.floats(0, 0.4), SEEDS)
def test_what_is_scored_does_not_depend_on_the_share_for_validation(names, val, test, seed):
    one, other = (divide(names, Shares(share, test), seed) for share in (val, 0.1))
    assert [split == "test" for split in one] == [split == "test" for split in other]


def test_a_place_is_the_same_on_every_machine():
    assert [round(position(name, 3), 6) for name in ("a", "é", "dir/ü_1")] == PLACES
    assert position("é") == position(normalize("NFD", "é"))


def test_another_seed_is_another_split():
    one, other = (divide(MANY[:100], Shares(0.3, 0.3), seed) for seed in (0, 1))
    assert 20 < sum(a != b for a, b in zip(one, other, strict=True)) < 95


def test_a_split_without_a_share_is_not_missed():
    assert empty(["train"], Shares(0.2, 0)) == ["val"]
    assert empty(["train", "val"], Shares(0.2, 0)) == []
    assert empty(["train"], Folds(3, 0)) == ["test", "val"]


@given(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=40), RULES)
def test_a_better_seed_fills_every_split_and_none_is_nearer_to_the_shares(groups, rule):
    def off(seed):
        splits = divide(groups, rule, seed)
        return sum((splits.count(split) / len(groups) - share) ** 2 for split, share in rule.shares.items())

    seed = better_seed(groups, rule)
    if len(set(groups)) < len(rule.shares):
        assert seed is None
    assume(seed is not None)
    assert not empty(divide(groups, rule, seed), rule)
    whole = [other for other in range(20) if not empty(divide(groups, rule, other), rule)]
    assert all(off(seed) <= off(other) for other in whole)


@pytest.mark.parametrize("count", [6, 10, 20, 30])
def test_for_few_samples_there_is_a_seed_with_the_shares_that_were_asked_for(count):
    groups = MANY[:count]
    splits = divide(groups, Shares(0.15, 0.15), better_seed(groups, Shares(0.15, 0.15)))
    assert all(abs(splits.count(split) - 0.15 * count) < 1 for split in ("val", "test"))


@given(st.integers(1, 60), RULES)
def test_blocks_are_of_consecutive_samples_and_have_their_shares(count, rule):
    splits = in_blocks(count, rule)
    changes = sum(one != other for one, other in pairwise(splits))
    assert changes <= len(rule.shares)  # the part for validation may be the first, and training on both sides
    for split, share in rule.shares.items():
        assert abs(splits.count(split) - share * count) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("folds", "fold", "size", "message"),
    [
        (None, 1, None, "fold needs folds, the number of parts"),
        (3, 3, None, "fold is 3, but the 3 parts are numbered 0 to 2"),
        (3, 0, 0.0, "val and test do not go with folds, which makes all parts of one size"),
    ],
)
def test_parts_and_sizes_are_not_said_at_once(folds, fold, size, message):
    with pytest.raises(ValueError, match=message):
        require_one_way(folds, fold, {"val": None, "test": size}, "part")
    require_one_way(3, 2, {"val": None}, "part")
    require_one_way(None, 0, {"val": 0.1}, "part")
