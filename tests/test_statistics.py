"""What is counted in a dataset is exact, and is the same as NumPy makes of all of it at once."""

import json
from fractions import Fraction

import numpy as np
import pytest

import segzoo
from segzoo.inspection.counts import SampleCounts
from segzoo.inspection.reading import create_dataset
from segzoo.plugin import IGNORE, Info

SETTINGS = {"dataset.size": 24, "dataset.train": 70, "dataset.val": 5, "dataset.test": 5}


@pytest.mark.parametrize("processes", [1, 2])
def test_the_figures_are_those_of_all_pixels_at_once(tmp_path, processes):
    statistics = segzoo.stats("shapes", settings=SETTINGS, processes=processes)
    samples = list(create_dataset("shapes", SETTINGS)[1].open(tmp_path, "train"))
    images, masks = (np.stack(arrays) for arrays in zip(*samples, strict=True))
    figures = statistics.splits["train"]
    assert (figures["images"], figures["wrong"], figures["ignored_pixels"]) == (70, 0, 0)
    assert figures["labelled_pixels"] == masks.size
    assert figures["types"] == {"uint8": 70}
    for channel, moments in enumerate(figures["channels"]):
        assert moments["mean"] == pytest.approx(images[..., channel].mean(), rel=1e-12)
        assert moments["std"] == pytest.approx(images[..., channel].std(), rel=1e-12)
    for label, name in enumerate(statistics.classes):
        counted = figures["classes"][name]
        assert counted["pixels"] == (masks == label).sum()
        assert counted["share"] == counted["pixels"] / masks.size
        assert counted["images"] == (masks == label).any(axis=(1, 2)).sum()
    sides = {"least": 24, "median": 24, "most": 24}
    common = [{"height": 24, "width": 24, "images": 70}]
    assert figures["sizes"] == {"different": 1, "height": sides, "width": sides, "most_common": common}


def test_one_process_and_two_agree():
    assert segzoo.stats("shapes", settings=SETTINGS, processes=1) == segzoo.stats(
        "shapes", settings=SETTINGS, processes=2
    )


def sample(image, mask):
    return np.array(image), np.array(mask, np.uint8)


def test_counts_add_up_over_types_sizes_and_ignored_pixels():
    joint, parts = SampleCounts(), [SampleCounts(), SampleCounts()]
    for part, (image, mask) in zip(
        parts,
        [
            sample(np.full((2, 3, 1), 255, np.uint8), [[0, 0, 1], [IGNORE, 1, 1]]),
            sample(np.full((1, 2, 1), 65535, np.uint16), [[2, 2]]),
        ],
        strict=True,
    ):
        part.add_sample(image, mask)
        joint.add_sample(image, mask)
    parts[0].add(parts[1])
    assert parts[0] == joint
    assert joint.pixels == {0: 2, 1: 3, 2: 2, IGNORE: 1}
    assert joint.present == {0: 1, 1: 1, 2: 1, IGNORE: 1}
    assert (joint.labelled[0], joint.labelled[1], joint.labelled[2]) == (5, 5, 2)
    assert [joint.values[0, power] for power in range(3)] == [8, 8 * 65535, 8 * 65535**2]
    assert joint.sizes == {(2, 3): 1, (1, 2): 1}


def test_large_counts_stay_exact():
    counts = SampleCounts()
    image, mask = np.full((1000, 1000, 1), 65535, np.uint16), np.zeros((1000, 1000), np.uint8)
    image[0, 0] = 65534
    counts.add_sample(image, mask)
    total = SampleCounts()
    for _ in range(5000):
        total.add(counts)
    count, first, second = (total.values[0, power] for power in range(3))
    assert (count, first, second) == (5 * 10**9, 5000 * (10**6 * 65535 - 1), 5000 * ((10**6 - 1) * 65535**2 + 65534**2))
    variance = Fraction(count * second - first**2, count**2)
    assert float(variance) == pytest.approx(1e-6 * (1 - 1e-6), rel=1e-12)  # 1 in a million is one step lower


@pytest.fixture
def odd(install):
    """A dataset some of whose samples are wrong."""
    install("segzoo-test-odd", {"segzoo.datasets": "odd = segzoo_test_odd:Odd"})


@pytest.mark.usefixtures("odd")
def test_images_that_are_wrong_are_counted_apart(command):
    figures = segzoo.stats("odd").splits["val"]
    assert (figures["images"], figures["wrong"]) == (2, 3)
    assert figures["sizes"]["width"] == {"least": 4, "median": 4, "most": 6}
    assert figures["classes"]["b"] == {"pixels": 0, "share": 0.0, "images": 0, "weight": None}
    done = command("data", "stats", "odd")
    assert "3 images more are unreadable or wrong, and not counted: `segzoo data verify` names them" in done.out
    assert "absent" in done.out


@pytest.mark.usefixtures("odd")
def test_a_split_that_cannot_be_opened_is_an_error(command):
    done = command("data", "stats", "odd", "--set", "dataset.unopened=val")
    assert done.code == 2
    assert done.err.startswith(
        "segzoo: dataset 'odd' of segzoo-test-odd: `open` raised OSError: no such disk (segzoo_test"
    )


def test_the_command_prints_tables_or_json(command):
    settings = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    done = command("data", "stats", "shapes", *settings)
    assert done.code == 0
    for words in ("train: 70 images", "24 x 24 (70 images)", "background", "median frequency balancing", "uint8"):
        assert words in done.out
    report = json.loads(command("data", "stats", "shapes", *settings, "--json").out)
    assert report == json.loads(json.dumps(segzoo.stats("shapes", settings=SETTINGS).row()))
    assert set(report["definitions"]) == {"share", "images", "weight", "mean", "std", "range"}


def test_an_empty_split_has_no_figures():
    figures = segzoo.inspection.statistics._figures(SampleCounts(wrong=2), Info(("a", "b"), 2, ("train", "val")))
    assert figures["channels"] == [{"mean": None, "std": None}] * 2
    assert figures["classes"]["a"] == {"pixels": 0, "share": None, "images": 0, "weight": None}
    assert figures["sizes"]["height"] is None
