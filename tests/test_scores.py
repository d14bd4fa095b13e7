"""Scores of one image and of many, by the same code, and those of a dataset's own."""

import json
from itertools import chain
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.errors import PluginError
from segzoo.plugin import IGNORE, Metric, Score
from segzoo.scoring import boundary, calibration, overlap
from segzoo.scoring.scores import DEFINITIONS, KEYS, METRICS, Scoring, explained, gain, title
from segzoo.scoring.segmentation import LabelsOnly, Segmentation

CLASSES = ("ground", "cat", "dog")


@st.composite
def images(draw):
    """A mask, predicted classes and their probabilities."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.tuples(st.integers(2, 9), st.integers(2, 9)))
    probabilities = rng.dirichlet(np.full(3, 0.3), shape).astype(np.float32)
    return rng.choice(np.array([0, 1, IGNORE], np.uint8), shape), probabilities.argmax(-1), probabilities


def scored(*cases, own=None, classes=CLASSES):
    """The scores of all images, and the row of each."""
    scoring = Scoring(classes, own)
    total, rows = scoring.summed(scoring.count(Segmentation(*case)) for case in cases)
    return scoring.split_scores(total, rows), rows


def perfect(shape=(4, 4), num_classes=2):
    mask = np.zeros(shape, np.uint8)
    return mask, mask, np.eye(num_classes, dtype=np.float32)[mask]


@given(st.lists(images(), min_size=1, max_size=4))
def test_scores_of_a_split_follow_from_all_its_images(cases):
    scores, rows = scored(*cases)
    assert set(scores["definitions"]) == set(scores) - {"definitions", "better"}
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
    assert scores["image_mean_iou"] == overlap.number(overlap.mean(np.array([row["mean_iou"] for row in rows])))
    json.dumps(scores, allow_nan=False)


@given(images())
def test_scores_of_an_image_are_those_of_a_split_of_it_alone(case):
    scores, (row,) = scored(case)
    by_class = [name for name, value in scores.items() if isinstance(value, dict)]
    flat = {f"{key}_{name}": scores[key][name] for key in by_class for name in CLASSES if f"{key}_{name}" in row}
    flat |= {key: scores[key] for key in row.keys() - flat.keys()}
    assert {key: overlap.number(value) for key, value in row.items()} == flat


def test_the_columns_of_an_image():
    row = scored(perfect(), classes=("a", "b"))[1][0]
    names = "mean_iou iou_a iou_b boundary_iou_a boundary_iou_b mean_boundary_iou hd95_a hd95_b mean_hd95"
    later = [(f"mean_{name}", f"{name}_a", f"{name}_b") for name in ("precision", "recall", "specificity")]
    assert list(row) == [*names.split(), "expected_calibration_error", *chain(*later)]
    assert (row["mean_iou"], row["mean_boundary_iou"], row["mean_hd95"]) == (1, 1, 0)
    assert row["expected_calibration_error"] == 0


def test_the_keys_of_a_split_stand_as_they_always_have():
    scores, _ = scored(perfect(num_classes=3), own=Constant(rand_score=1))
    assert tuple(scores)[: len(KEYS)] == KEYS
    assert list(scores["definitions"])[-1] == "rand_score"


def test_which_way_is_better_stands_beside_every_score_and_no_other_figure():
    scores, _ = scored(perfect(num_classes=3), own=Constant(rand_score=1))
    facts = {"absent_classes", "confusion", "hd95_images"}
    assert scores["better"].keys() == scores["definitions"].keys() - facts
    assert {name for name, better in scores["better"].items() if better == "lower"} == {
        "hd95",
        "mean_hd95",
        "expected_calibration_error",
    }


@given(st.lists(images(), min_size=3, max_size=3))
def test_counts_add_up_in_any_grouping_and_stay_as_they_are(cases):
    for metric in METRICS:
        one, two, three = (metric.count(Segmentation(*case)) for case in cases)
        kept = one.copy()
        first, second = metric.add(metric.add(one, two), three), metric.add(one, metric.add(two, three))
        np.testing.assert_allclose(first, second)
        np.testing.assert_array_equal(one, kept)


def test_the_confusion_matrix_is_counted_once_for_all_metrics(monkeypatch):
    asked = []
    real = overlap.confusion
    monkeypatch.setattr(overlap, "confusion", lambda *image: asked.append(1) or real(*image))
    Scoring(CLASSES).count(Segmentation(*perfect(num_classes=3)))
    assert asked == [1]


class Confident(Metric):
    """The mean probability of the class that is predicted, of all pixels and of each image."""

    definitions: ClassVar = {
        "confidence": Score("Of all pixels.", "higher"),
        "image_confidence": Score("The mean over images.", "higher"),
        "pixels": Score("How many.", None),
    }
    image_means: ClassVar = {"image_confidence": "confidence"}

    def count(self, image):
        values = image.probabilities.max(-1)
        return np.array([values.sum(), values.size])

    def scores(self, counts, classes):
        return {"confidence": counts[0] / counts[1], "pixels": int(counts[1])}


@given(st.lists(images(), min_size=1, max_size=3))
def test_masks_without_probabilities_have_all_scores_but_those_that_ask_for_them(cases):
    scoring = Scoring(CLASSES, Confident())
    expected, expected_rows = scored(*cases, own=Confident())
    total, rows = scoring.summed(scoring.count(LabelsOnly(mask, labels, 3)) for mask, labels, _ in cases)
    scores = scoring.split_scores(total, rows)
    assert scores["dataset_scores"] == {"confidence": None, "image_confidence": None}
    assert scores["expected_calibration_error"] is None
    for asking in ("dataset_scores", "expected_calibration_error"):
        del scores[asking], expected[asking]
    assert scores == expected
    assert [list(row) for row in rows] == [list(row) for row in expected_rows]
    for row, other in zip(rows, expected_rows, strict=True):
        assert np.isnan([row.pop("confidence"), row.pop("expected_calibration_error")]).all()
        np.testing.assert_array_equal([*row.values()], [other[name] for name in row])


def test_a_gain_is_less_of_what_is_better_low():
    assert gain("mean_iou", 0.5) == gain("hd95", -0.5) == 0.5


def test_titles_and_definitions_as_a_reader_sees_them():
    titles = {"mean_boundary_iou": "mean boundary IoU", "dice": "Dice", "hd95": "HD95", "rand_score": "rand score"}
    assert {name: title(name) for name in titles} == titles
    assert explained("Pixels.", "lower") == "Pixels. Lower is better."
    assert explained("Pixels.", "higher") == explained("Pixels.", None) == "Pixels."


class Constant(Metric):
    """A metric that says what it is told to."""

    def __init__(self, **scores):
        self.given, self.definitions = scores, dict.fromkeys(scores, Score("A number.", "higher"))

    def count(self, image):
        return 0

    def scores(self, counts, classes):
        return self.given


def test_scores_of_a_dataset_s_own_are_its_definitions_in_numbers():
    metric = Constant(rand_score=np.float32(0.5), lost=np.nan, of={"cat": np.nan, "dog": 1})
    scores, (row,) = scored(perfect(num_classes=3), own=metric)
    assert scores["dataset_scores"] == {"rand_score": 0.5, "lost": None, "of": {"cat": None, "dog": 1}}
    assert list(row)[-4:] == ["rand_score", "lost", "of_cat", "of_dog"]
    metric = Constant(rand_score=1)
    metric.definitions = {"rand": Score("A number.", "higher")}
    with pytest.raises(PluginError, match="defines the scores rand, but gives rand_score"):
        scored(perfect(num_classes=3), own=metric)


def test_of_an_image_there_may_be_fewer_scores_but_of_a_split_all(monkeypatch):
    metric = Constant(rand_score=1, area=2)
    monkeypatch.setattr(metric, "image_scores", lambda counts, classes: {"area": 3}, raising=False)
    scores, (row,) = scored(perfect(num_classes=3), own=metric)
    assert (row["area"], scores["dataset_scores"]["area"], "rand_score" in row) == (3, 2, False)
    metric.given = {"area": 2}
    with pytest.raises(PluginError, match="defines the scores rand_score, area, but gives area"):
        scored(perfect(num_classes=3), own=metric)


def test_the_mean_over_images_of_a_score_that_no_image_has_is_refused():
    metric = Constant(rand_score=1)
    metric.definitions |= {"image_area": Score("A mean.", "higher")}
    metric.image_means = {"image_area": "area"}
    with pytest.raises(PluginError, match="the mean over images of 'area', which is no score of an image"):
        scored(perfect(num_classes=3), own=metric)


@pytest.mark.parametrize("name", ["id", "mean_iou", "hd95"])
def test_the_name_of_another_figure_is_refused(name):
    assert name == "id" or name in DEFINITIONS
    with pytest.raises(PluginError, match=f"a score '{name}', which is the name of another figure"):
        scored(perfect(num_classes=3), own=Constant(**{name: 1}))
