"""Scores of one image and of many, by the same code, and those of a dataset's own."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.errors import PluginError
from segzoo.plugin import IGNORE
from segzoo.scoring.scores import (
    DEFINITIONS,
    Tally,
    boundary,
    calibration,
    image_scores,
    overlap,
    own_scores,
    split_scores,
)

CLASSES = ("ground", "cat", "dog")


@st.composite
def images(draw):
    """A mask, predicted classes and their probabilities."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.tuples(st.integers(2, 9), st.integers(2, 9)))
    probabilities = rng.dirichlet(np.full(3, 0.3), shape).astype(np.float32)
    return rng.choice(np.array([0, 1, IGNORE], np.uint8), shape), probabilities.argmax(-1), probabilities


@given(st.lists(images(), min_size=1, max_size=4))
def test_scores_of_a_split_follow_from_all_its_images(cases):
    tallies = [Tally.of(*case) for case in cases]
    scores = split_scores(sum(tallies, Tally.none(3)), CLASSES)
    assert set(scores["definitions"]) == set(scores) - {"definitions"} | {"image_mean_iou"}
    confusion = sum(overlap.confusion(mask, classes, 3) for mask, classes, _ in cases)
    bands = sum(boundary.band_counts(mask, classes, 3) for mask, classes, _ in cases)
    bins = sum(calibration.reliability(mask, classes, p.max(-1)) for mask, classes, p in cases)
    distances = np.array([boundary.hd95(mask, classes, 3) for mask, classes, _ in cases])
    assert scores["confusion"] == confusion.tolist()
    expected = overlap.number(calibration.expected_calibration_error(bins))
    assert scores["expected_calibration_error"] == expected
    for label, name in enumerate(CLASSES):
        known = distances[~np.isnan(distances[:, label]), label]
        assert scores["hd95_images"][name] == len(known)
        assert scores["hd95"][name] == (pytest.approx(known.mean()) if len(known) else None)
        both, either = bands[label]
        assert scores["boundary_iou"][name] == (both / either if either else None)
    for mean in ("boundary_iou", "hd95"):
        values = [value for value in scores[mean].values() if value is not None]
        assert scores[f"mean_{mean}"] == (pytest.approx(np.mean(values)) if values else None)
    json.dumps(scores, allow_nan=False)


@given(images())
def test_scores_of_an_image_are_those_of_a_split_of_it_alone(case):
    tally = Tally.of(*case)
    row, scores = image_scores(tally, CLASSES), split_scores(tally, CLASSES)
    flat = {f"{key}_{name}": scores[key][name] for key in ("iou", "boundary_iou", "hd95") for name in CLASSES}
    flat |= {key: scores[key] for key in row.keys() - flat.keys()}
    assert {key: overlap.number(value) for key, value in row.items()} == flat


def test_the_columns_of_an_image():
    mask = np.zeros((4, 4), np.uint8)
    row = image_scores(Tally.of(mask, mask, np.eye(2, dtype=np.float32)[mask]), ("a", "b"))
    names = "mean_iou iou_a iou_b boundary_iou_a boundary_iou_b mean_boundary_iou hd95_a hd95_b mean_hd95"
    assert list(row) == [*names.split(), "expected_calibration_error"]
    assert (row["mean_iou"], row["mean_boundary_iou"], row["mean_hd95"]) == (1, 1, 0)
    assert row["expected_calibration_error"] == 0


class Constant:
    """A judge that says what it is told to."""

    def __init__(self, **scores):
        self.given, self.definitions = scores, dict.fromkeys(scores, "A number.")

    def count(self, mask, probabilities):
        return None

    def scores(self, counts):
        return self.given


def test_scores_of_a_dataset_s_own_are_its_definitions_in_numbers():
    assert own_scores(Constant(rand_score=np.float32(0.5)), [None]) == {"rand_score": 0.5}
    judge = Constant(rand_score=1)
    judge.definitions = {"rand": "A number."}
    with pytest.raises(PluginError, match="defines the scores rand, but gives rand_score"):
        own_scores(judge, [None])


@pytest.mark.parametrize("name", ["id", "mean_iou", "hd95"])
def test_the_name_of_another_figure_is_refused(name):
    assert name == "id" or name in DEFINITIONS
    with pytest.raises(PluginError, match=f"a score '{name}', which is the name of another figure"):
        own_scores(Constant(**{name: 1}), [None])
