"""The law of splits by name: nobody moves among many, few have their shares, groups stay together, folds partition."""

from itertools import pairwise
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.data.splits import FEW, Folds, Shares, different, divide, position, require_one_way

NAMES = st.lists(st.text(max_size=8), min_size=1, max_size=30, unique=True)
SEEDS = st.integers(0, 2**32 - 1)
RULES = st.one_of(
    st.builds(Shares, st.floats(0.01, 0.45), st.floats(0, 0.45)),
    st.integers(3, 20).flatmap(lambda folds: st.builds(Folds, st.just(folds), st.integers(0, folds - 1))),
)
MANY = [f"photo_{number}" for number in range(20_000)]
PLACES = [0.570371, 0.454583, 0.661196]


@given(NAMES, NAMES, RULES, SEEDS, st.randoms(use_true_random=False))
def test_a_sample_that_is_added_to_many_moves_no_other(names, added, rule, seed, random):
    names = [*MANY[:FEW], *names]
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
    shares = {split: splits.count(split) / len(MANY) for split in set(splits)}
    assert shares == pytest.approx(rule.shares, abs=0.012)  # more than three standard deviations


@given(NAMES, st.integers(3, 12), SEEDS)
def test_each_sample_is_tested_in_one_fold_and_validated_in_the_one_before_it(names, folds, seed):
    columns = [divide(names, Folds(folds, fold), seed) for fold in range(folds)]
    for roles in zip(*columns, strict=True):
        assert sorted(roles) == ["test", *["train"] * (folds - 2), "val"]
        assert roles[roles.index("test") - 1] == "val"


@given(NAMES, st.floats(0, 0.4), st.floats(0, 0.4), SEEDS)
def test_what_is_scored_does_not_depend_on_the_share_for_validation(names, val, test, seed):
    divided, again = (divide(names, Shares(share, test), seed) for share in (val, 0.1))
    assert [split == "test" for split in divided] == [split == "test" for split in again]


def test_a_place_is_the_same_on_every_machine():
    assert [round(position(name, 3), 6) for name in ("a", "é", "dir/ü_1")] == PLACES
    assert position("é") == position(normalize("NFD", "é"))


def test_another_seed_is_another_split():
    divided, again = (divide(MANY[:100], Shares(0.3, 0.3), seed) for seed in (0, 1))
    assert 20 < sum(a != b for a, b in zip(divided, again, strict=True)) < 95


@given(NAMES, RULES, SEEDS, st.randoms(use_true_random=False))
def test_of_few_samples_each_split_has_its_share_and_at_least_one(names, rule, seed, random):
    splits = divide(names, rule, seed)
    if len(names) >= (rule.folds if isinstance(rule, Folds) else len(rule.shares)):
        assert set(splits) == set(rule.shares)
    for split in set(splits) - {"train"}:
        assert splits.count(split) == 1 or abs(splits.count(split) - rule.shares[split] * len(names)) < 1
    placed = dict(zip(names, splits, strict=True))
    random.shuffle(names)  # the order in which they come is of no concern
    assert dict(zip(names, divide(names, rule, seed), strict=True)) == placed


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (1, (1, 0, 0)),
        (2, (1, 1, 0)),
        (3, (1, 1, 1)),
        (4, (2, 1, 1)),
        (10, (6, 2, 2)),
        (20, (14, 3, 3)),
        (30, (20, 5, 5)),
    ],
)
def test_how_many_of_few_each_split_gets(count, sizes):
    splits = divide(MANY[:count], Shares(0.15, 0.15))
    assert tuple(map(splits.count, ("train", "val", "test"))) == sizes
    assert divide(MANY[:count], Shares(0.15, 0)).count("test") == 0


def test_few_groups_have_their_share_of_the_groups_whatever_their_sizes():
    groups = [MANY[number] for number in range(20) for _ in range(1 + 10 * (number % 2))]
    owners = dict(zip(groups, divide(groups, Shares(0.15, 0.15)), strict=True))
    assert [list(owners.values()).count(split) for split in ("train", "val", "test")] == [14, 3, 3]


def test_from_how_many_groups_on_the_name_alone_decides():
    rule = Shares(0.3, 0.3)
    for count, alone in ((FEW - 1, False), (FEW, True)):
        splits = divide(MANY[:count] * 2, rule)
        assert splits[:count] == splits[count:]
        assert (splits[:count] == [rule.split(position(name)) for name in MANY[:count]]) == alone


def test_groups_are_counted_up_to_a_bound():
    assert different(["a", "b", "a"]) == 2
    assert different(MANY) == FEW
    assert different(MANY, 7) == 7
    assert different(["\u00e9", "e\u0301"]) == 1


@given(st.integers(1, 300), RULES)
def test_samples_in_a_row_are_split_in_blocks_that_have_their_shares(count, rule):
    splits = rule.spread(count)
    assert len(splits) == count
    changes = sum(split != changed for split, changed in pairwise(splits))
    assert changes <= len(rule.shares)  # the part for validation may be the first, and training on both sides
    for split in {*rule.shares} - {"train"}:
        assert splits.count(split) <= 1 or abs(splits.count(split) - rule.shares[split] * count) < 1


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
