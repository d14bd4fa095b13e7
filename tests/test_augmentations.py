"""The augmentations that ship: pixels, labels and weights move together, nothing is invented, and nothing is a lot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from segzoo.plugin import IGNORE
from segzoo_augmentations import NoAugmentation, Standard
from segzoo_augmentations.levels import LEVELS, Strengths, strengths

NOTHING = {
    "flips": "none",
    "scale": (1, 1),
    "aspect": 0,
    "rotation": 0,
    "elastic": 0,
    "brightness": 0,
    "contrast": 0,
    "saturation": 0,
    "blur": 0,
    "noise": 0,
}
STEP = 100
"""Difference between the values of neighbouring pixels in images that tell where each pixel is."""

seeds = st.integers(0, 2**64 - 1)
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
geometry = st.fixed_dictionaries(
    {
        "flips": st.sampled_from(["none", "horizontal", "both"]),
        "scale": st.tuples(st.floats(0.4, 1), st.floats(1, 3)),
        "aspect": st.floats(0, 1),
        "rotation": st.floats(0, 180),
        "elastic": st.floats(0, 0.1),
    }
).map(lambda parts: Standard(**{**NOTHING, **parts}))
quick = settings(max_examples=40)


def drawn(size, channels=3, dtype=np.uint8, seed=0):
    """An image, a mask and weights of random pixels."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, np.iinfo(dtype).max, (*size, channels), dtype, endpoint=True)
    return image, rng.integers(0, 4, size, np.uint8), rng.uniform(0.5, 2, size).astype(np.float32)


def located(size):
    """An image whose two channels tell row and column of each pixel, with random labels and weights."""
    rows, columns = np.indices(size)
    _, mask, weights = drawn(size)
    return (STEP * np.stack([rows, columns], axis=-1)).astype(np.uint16), mask, weights


def augment(augmentation, sample, size=None, seed=0):
    return augmentation.augment(*sample, size or sample[1].shape, np.random.default_rng(seed))


@quick
@given(sizes, st.integers(0, 5), st.sampled_from([1, 2, 3, 5]), st.sampled_from([np.uint8, np.uint16]), seeds)
def test_parts_without_strength_change_no_bit(size, margin, channels, dtype, seed):
    sample = drawn([side + 2 * margin for side in size], channels, dtype)
    part = slice(margin, margin + size[0]), slice(margin, margin + size[1])
    for result, array in zip(augment(Standard(**NOTHING), sample, size, seed), sample, strict=True):
        assert result.dtype == array.dtype
        np.testing.assert_array_equal(result, array[part])
    assert augment(NoAugmentation(), sample) == sample


@quick
@given(sizes, st.sampled_from(sorted(LEVELS)), seeds)
def test_no_label_is_invented_and_forms_stay(size, level, seed):
    image, mask, weights = drawn(size, 4, np.uint16)
    mask[0, 0] = 77
    result = augment(Standard(level=level, elastic=0.1, flips="both"), (image, mask, weights), seed=seed)
    assert set(np.unique(result[1])) <= {*np.unique(mask), IGNORE}
    assert [(a.shape, a.dtype) for a in result] == [(a.shape, a.dtype) for a in (image, mask, weights)]
    assert set(np.unique(result[2])) <= {*np.unique(weights), 0}


@quick
@given(geometry, sizes, seeds)
def test_mask_and_weights_move_with_the_image(augmentation, size, seed):
    image, mask, weights = located(size)
    pixels, labels, weighted = augment(augmentation, (image, mask, weights), seed=seed)
    places = pixels / STEP
    rows, columns = (axis.clip(0, side - 1) for axis, side in zip(np.rint(places).T.astype(int), size, strict=True))
    rows, columns = rows.T, columns.T
    clear = (np.abs(places % 1 - 0.5) > 0.02).all(axis=-1) & (labels != IGNORE)  # else either neighbour is as near
    np.testing.assert_array_equal(labels[clear], mask[rows, columns][clear])
    np.testing.assert_array_equal(weighted[clear], weights[rows, columns][clear])


def test_what_is_outside_of_the_image_is_mirrored_ignored_and_weighs_nothing():
    image, mask, weights = drawn((21, 31), 3)
    half = Standard(**{**NOTHING, "scale": (0.5, 0.5)})
    pixels, labels, weighted = augment(half, (image, mask, weights))
    mirrored = np.pad(image, ((10, 10), (15, 15), (0, 0)), "reflect")
    np.testing.assert_array_equal(pixels, mirrored[::2, ::2])
    np.testing.assert_array_equal(labels, np.pad(mask, ((10, 10), (15, 15)), constant_values=IGNORE)[::2, ::2])
    np.testing.assert_array_equal(weighted, np.pad(weights, ((10, 10), (15, 15)))[::2, ::2])


@quick
@given(geometry, sizes, seeds)
def test_with_its_margin_nothing_outside_of_a_crop_is_seen(augmentation, size, seed):
    margin = augmentation.margin(size)
    whole = [side + 2 * margin for side in size]
    sample = np.zeros((*whole, 1), np.uint8), np.ones(whole, np.uint8), None
    pixels, labels, _ = augment(augmentation, sample, size, seed)
    assert pixels.shape == (*size, 1)
    assert (labels == 1).all()


def test_a_margin_is_as_wide_as_needed_and_not_much_wider():
    assert Standard(**NOTHING).margin((64, 64)) == 0
    assert Standard(**{**NOTHING, "scale": (0.5, 1)}).margin((64, 64)) == 32
    assert Standard(**{**NOTHING, "scale": (1, 3), "flips": "both"}).margin((64, 64)) == 0
    assert Standard(**{**NOTHING, "rotation": 90}).margin((21, 101)) == 41  # half of the diagonal less half of the side
    assert Standard(level="medium").margin((160, 160)) == 59


def test_flips_give_each_of_the_mirrored_images_as_often():
    image, mask, _ = drawn((6, 8))
    forms = {(a, b): image[::a, ::b] for a in (1, -1) for b in (1, -1)}

    def seen(flips):
        results = [augment(Standard(**{**NOTHING, "flips": flips}), (image, mask, None), seed=i)[0] for i in range(100)]
        return {form: sum(np.array_equal(found, result) for result in results) for form, found in forms.items()}

    both, horizontal = seen("both"), seen("horizontal")
    assert sum(both.values()) == 100
    assert min(both.values()) > 10
    assert horizontal[1, 1] + horizontal[1, -1] == 100
    assert min(horizontal[1, 1], horizontal[1, -1]) > 30


def test_an_enlarged_image_is_seen_in_parts_that_lie_everywhere_in_it():
    image, mask, _ = located((41, 61))
    twice = Standard(**{**NOTHING, "scale": (2, 2)})
    corners = [augment(twice, (image, mask, None), seed=seed)[0][0, 0] / STEP for seed in range(200)]
    assert np.min(corners) >= 0
    assert np.max(corners, axis=0).tolist() == pytest.approx([20, 30], abs=1)
    assert np.min(corners, axis=0).tolist() == pytest.approx([0, 0], abs=1)
    assert np.ptp(augment(twice, (image, mask, None))[0][..., 1]) == pytest.approx(30 * STEP, abs=1)


def test_scales_and_aspects_are_as_often_large_as_small_and_stay_in_their_range():
    image, mask, _ = located((65, 65))

    def factors(**parts):
        results = [augment(Standard(**{**NOTHING, **parts}), (image, mask, None), seed=i)[0] for i in range(200)]
        steps = [np.gradient(found[32:34, 32:34] / STEP, axis=(0, 1)) for found in results]
        return np.array([[1 / down[0, 0, 0], 1 / right[0, 0, 1]] for down, right in steps])

    scales = factors(scale=(0.5, 2))
    np.testing.assert_allclose(scales[:, 0], scales[:, 1], atol=0.05)
    assert (scales > 0.48).all()
    assert (scales < 2.05).all()
    assert 0.4 < (scales[:, 0] > 1).mean() < 0.6
    ratios = np.divide(*factors(aspect=0.5).T)
    assert 1 / 1.52 < ratios.min() < 0.75
    assert 1.35 < ratios.max() < 1.52


def test_a_turn_is_a_rotation_about_the_middle():
    image, mask, _ = located((101, 101))
    turned, _, _ = augment(Standard(**{**NOTHING, "rotation": 20}), (image, mask, None), seed=4)
    middle = turned[50, 50] / STEP
    down, right = turned[60, 50] / STEP - middle, turned[50, 60] / STEP - middle
    assert middle.tolist() == [50, 50]
    assert np.linalg.norm(down) == pytest.approx(10, abs=0.02)
    assert down @ right == pytest.approx(0, abs=0.2)
    assert 0 < abs(np.degrees(np.arctan2(down[1], down[0]))) <= 20


def test_a_fifth_of_the_images_is_bent_smoothly():
    image, mask, _ = located((161, 121))
    bending = Standard(**{**NOTHING, "elastic": 0.02})
    results = [augment(bending, (image, mask, None), seed=seed)[0] for seed in range(100)]
    bent = [pixels / STEP for pixels in results if not np.array_equal(pixels, image)]
    assert 8 <= len(bent) <= 35
    shifts = [(places - image / STEP)[10:-10, 10:-10] for places in bent]  # there nothing is mirrored
    assert np.abs(shifts).max() <= 3 * 0.02 * 121 + 0.01
    assert np.abs(np.diff(shifts, axis=1)).max() < 0.5
    assert 0.5 < np.std(shifts) / (0.02 * 121) < 1.1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_change_by_no_more_than_they_should(dtype):
    most = np.iinfo(dtype).max
    image = np.linspace(0.3 * most, 0.7 * most, 30 * 30 * 3).reshape(30, 30, 3).astype(dtype)
    mask = np.zeros((30, 30), np.uint8)

    def results(**parts):
        augmentation = Standard(**{**NOTHING, **parts})
        return [augment(augmentation, (image, mask, None), seed=seed)[0].astype(float) for seed in range(60)]

    shifts = [(found - image).mean() / most for found in results(brightness=0.2)]
    assert -0.2 <= min(shifts) < -0.15
    assert 0.15 < max(shifts) <= 0.2
    slopes = [np.ptp(found) / np.ptp(image) for found in results(contrast=0.25)]
    assert 0.79 < min(slopes) < 0.85
    assert 1.2 < max(slopes) < 1.26
    assert np.ptp([found.mean() / most for found in results(contrast=0.25)]) < 0.01


def test_saturation_leaves_greys_and_images_of_other_channels():
    rng = np.random.default_rng(0)
    grey = np.repeat(rng.integers(0, 256, (9, 9, 1), np.uint8), 3, axis=-1)
    mask = np.zeros((9, 9), np.uint8)
    vivid = Standard(**{**NOTHING, "saturation": 1})
    for image in (grey, drawn((9, 9), 4)[0]):
        np.testing.assert_array_equal(augment(vivid, (image, mask, None))[0], image)
    red = np.broadcast_to(np.array([160, 90, 90], np.uint8), (9, 9, 3))
    spreads = [np.ptp(augment(vivid, (red, mask, None), seed=seed)[0][0, 0].astype(int)) for seed in range(60)]
    assert 35 <= min(spreads) < 45
    assert 120 < max(spreads) <= 140


@pytest.mark.parametrize(("part", "most"), [("blur", 3), ("noise", 0.2)])
def test_a_fifth_of_the_images_is_blurred_or_gets_noise(part, most):
    image, mask, _ = drawn((30, 30))
    sample = (image if part == "blur" else np.full_like(image, 128)), mask, None
    results = [augment(Standard(**{**NOTHING, part: most}), sample, seed=seed)[0] for seed in range(100)]
    deviations = np.array([found.std() for found in results])
    changed = deviations < image.std() * 0.99 if part == "blur" else deviations > 0
    assert 8 <= changed.sum() <= 35
    assert deviations.max() <= (image.std() * 1.001 if part == "blur" else 0.21 * 255)


def test_the_same_seed_gives_the_same_bytes_and_others_do_not():
    sample = drawn((40, 30))
    first, again, other = (augment(Standard(level="strong"), sample, seed=seed) for seed in (1, 1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, different)


def test_an_option_counts_more_than_the_level():
    assert strengths(Standard(level="strong", rotation=0)) == LEVELS["strong"]._replace(rotation=0)
    assert strengths(Standard(**NOTHING)) == Strengths(flips="none")
    assert set(Strengths._fields) == set(Standard.model_fields) - {"level"}
    for part in Strengths._fields:
        if part not in ("flips", "scale"):
            values = [getattr(LEVELS[level], part) for level in ("light", "medium", "strong")]
            assert values == sorted(values), part


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": (2, 0.5)}, "give the smaller factor first"),
        ({"scale": (0, 1)}, "greater than or equal to 0.1"),
        ({"rotation": 181}, "less than or equal to 180"),
        ({"level": "extreme"}, "'light', 'medium' or 'strong'"),
        ({"noise": -1}, "greater than or equal to 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        Standard(**options)
