"""The weight map of the loss `border_weighted_cross_entropy`, beside its definition computed without any shortcut."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from scipy import ndimage

import segzoo
from segzoo.errors import ConfigError
from segzoo.plugin import IGNORE
from segzoo_losses import BorderWeightedCrossEntropy

masks = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.sampled_from([0, 0, 0, 1, 2, IGNORE])
)
losses = st.builds(
    BorderWeightedCrossEntropy,
    w0=st.sampled_from([0.0, 0.5, 10.0]),
    sigma=st.sampled_from([0.4, 1.0, 5.0]),
    separator=st.sampled_from([0, 1, 7]),
)


def scene(*rows):
    """A mask drawn in characters: `.` the class 0, `#` an ignored pixel."""
    return np.array(
        [[{".": 0, "#": IGNORE}.get(pixel) or int(pixel.replace(".", "0")) for pixel in row] for row in rows], np.uint8
    )


def border(mask, **options):
    """The border term alone."""
    return BorderWeightedCrossEntropy(**options).weight_map(mask) - BorderWeightedCrossEntropy(w0=0).weight_map(mask)


def definition(mask, loss):
    """Equation 2 of the paper, with a distance transform of the whole image for each cell."""
    cells = []
    for label in set(np.unique(mask).tolist()) - {loss.separator, IGNORE}:
        regions, count = ndimage.label(mask == label, [[0, 1, 0], [1, 1, 1], [0, 1, 0]])
        cells += [regions == number for number in range(1, count + 1)]
    distances = np.sort([ndimage.distance_transform_edt(~cell) for cell in cells], axis=0)
    classes = set(np.unique(mask).tolist()) - {IGNORE}
    weights = np.zeros(mask.shape)
    for label in classes:
        weights[mask == label] = (mask != IGNORE).sum() / (len(classes) * (mask == label).sum())
    if len(cells) > 1:
        term = loss.w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * loss.sigma**2))
        weights[mask == loss.separator] += term[mask == loss.separator]
    return weights


@given(masks, losses)
def test_it_is_the_definition(mask, loss):
    weights = loss.weight_map(mask)
    assert (weights.dtype, weights.shape) == (np.float32, mask.shape)
    np.testing.assert_allclose(weights, definition(mask, loss), rtol=1e-6, atol=2e-6)


@given(masks, losses, st.integers(0, 3), st.booleans())
def test_turned_and_mirrored_masks_have_turned_and_mirrored_weights(mask, loss, turns, mirrored):
    def moved(array):
        return np.rot90(array[::-1] if mirrored else array, turns)

    np.testing.assert_array_equal(loss.weight_map(moved(mask)), moved(loss.weight_map(mask)))


@given(masks)
def test_class_balance_is_one_in_the_mean_and_equal_in_the_sums(mask):
    weights = BorderWeightedCrossEntropy(w0=0).weight_map(mask)
    counted = mask != IGNORE
    if counted.any():
        assert weights[counted].mean() == pytest.approx(1, rel=1e-5)
    sums = [weights[mask == label].sum() for label in np.unique(mask[counted])]
    np.testing.assert_allclose(sums, np.mean(sums) if sums else 0, rtol=1e-5)


@given(masks, losses)
def test_ignored_pixels_weigh_nothing_and_all_others_something(mask, loss):
    np.testing.assert_array_equal(loss.weight_map(mask) > 0, mask != IGNORE)


@given(masks, st.permutations([1, 2, 3]))
def test_which_class_a_cell_is_of_does_not_matter_to_the_border(mask, labels):
    renamed = np.array([0, *labels])[np.where(mask == IGNORE, 0, mask)].astype(np.uint8)
    renamed[mask == IGNORE] = IGNORE
    np.testing.assert_allclose(border(renamed), border(mask), atol=1e-4)  # a difference of rounded numbers


@pytest.mark.parametrize(
    "mask", [scene("...", "..."), scene("11."), scene(".....", "..1..", ".111."), scene("##", "##")]
)
def test_no_cell_or_one_has_no_border(mask):
    assert not border(mask).any()


def test_the_border_is_heaviest_where_the_gap_is_narrowest():
    term = border(scene("11.11", "1...1", "....."), sigma=1)
    assert term[0, 2] == pytest.approx(10 * math.exp(-2))  # one pixel from each: d1 + d2 = 2
    assert term[1, 2] == pytest.approx(10 * math.exp(-((2 * math.sqrt(2)) ** 2) / 2))
    assert term[0, 2] > term[1, 2] > term[2, 2] > 0
    assert not term[0, [0, 1, 3, 4]].any()  # inside of the cells


def test_a_diagonal_line_one_pixel_wide_separates_cells():
    line = np.where(np.eye(12, dtype=bool), 0, 1).astype(np.uint8)
    np.testing.assert_allclose(border(line)[np.eye(12, dtype=bool)], 10 * math.exp(-(2**2) / 50), rtol=1e-6)


def test_cells_of_different_classes_that_touch_are_two():
    assert border(scene("12", ".."))[1].min() > 5
    assert not border(scene("11", "..")).any()


def test_an_ignored_band_is_no_border_but_separates():
    term = border(scene("1#1", "..."))
    assert not term[0].any()
    assert term[1, 1] == pytest.approx(10 * math.exp(-((2 * math.sqrt(2)) ** 2) / 50))


def test_another_class_may_separate():
    mask = scene("0100", "0100")
    assert border(mask, separator=1)[:, 1].min() > 5
    assert not border(mask).any()


def test_hundreds_of_cells_are_as_their_definition():
    y, x = np.indices((120, 150))
    mask = ((y % 8 > 1) & (x % 10 > 2)).astype(np.uint8)
    loss = BorderWeightedCrossEntropy(sigma=2)
    np.testing.assert_allclose(loss.weight_map(mask), definition(mask, loss), rtol=1e-6, atol=2e-6)


def test_a_separator_that_is_no_class_is_named():
    loss = BorderWeightedCrossEntropy(separator=2)
    with pytest.raises(ConfigError, match="option 'separator': 2 is no class; those of the dataset are 0 to 1"):
        loss(np.zeros((1, 2, 2), np.int32), np.zeros((1, 2, 2, 2), np.float32), np.ones((1, 2, 2), np.float32))


def test_a_run_with_a_separator_that_is_no_class_stops_with_that_message(command, tmp_path):
    small = (
        "dataset.size=16",
        "dataset.train=2",
        "dataset.val=1",
        "dataset.test=1",
        "model.filters=2",
        "model.depth=1",
    )
    settings = [word for setting in (*small, "loss.separator=9") for word in ("--set", setting)]
    words = ("run", "unet", "shapes", "--loss", "border_weighted_cross_entropy", "--epochs", "1")
    done = command(*words, *settings, "--out", tmp_path / "run")
    assert done.code == 2
    assert "9 is no class" in done.err


def test_it_trains(tmp_path):
    settings = {"dataset.size": 16, "dataset.train": 4, "dataset.val": 2, "dataset.test": 2}
    settings |= {"model.filters": 2, "model.depth": 1, "model.batch_norm": False}
    loss = "border_weighted_cross_entropy"
    result = segzoo.run("unet", "shapes", loss=loss, settings=settings, epochs=1, out=tmp_path / "run")
    assert math.isfinite(result.history[0]["loss"])


def test_the_membranes_of_a_real_slice_are_as_their_definition(test_data):
    with Image.open(test_data / "isbi2012" / "train" / "label" / "3.png") as image:
        mask = (np.asarray(image)[:256, :256] > 0).astype(np.uint8)
    loss = BorderWeightedCrossEntropy()
    np.testing.assert_allclose(loss.weight_map(mask), definition(mask, loss), rtol=1e-6, atol=2e-6)
