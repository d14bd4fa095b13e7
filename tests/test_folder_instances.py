"""Masks that tell objects apart, as classes: objects by number or by colour, and the border between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from own_folders import classes, opened, photo, refusal, save, with_masks
from PIL import Image
from pydantic import ValidationError
from scipy.ndimage import distance_transform_edt

import segzoo
from segzoo.errors import DataError
from segzoo.plugin import IGNORE
from segzoo_folder import ImageFolder
from segzoo_folder.masks import Instances, border, marked_values

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=12)
NUMBERS = arrays(np.int64, SHAPES, elements=st.sampled_from([0] * 12 + [1, 1, 2, 2, 3, 255, 256, 2**53]))
DRAWN = SHAPES.flatmap(lambda shape: st.lists(arrays(bool, shape), min_size=1, max_size=4))


def second_nearest(objects):
    """Distance (H, W) to the second nearest of objects (N, H, W), each measured across the image."""
    there = [one for one in objects if one.any()]
    if len(there) < 2:
        return np.full(objects[0].shape, np.inf)
    return np.sort([distance_transform_edt(~one) for one in there], axis=0)[1]


def masks_of(root, cache, **options):
    return {
        name: mask
        for samples in opened(root, cache, **options).values()
        for name, (_, mask) in zip(samples.ids, samples, strict=True)
    }


@given(NUMBERS)
def test_the_border_is_what_is_at_most_two_pixels_from_the_second_nearest_object(numbers):
    objects = [numbers == number for number in np.unique(numbers) if number] or [numbers > 0]
    np.testing.assert_array_equal(border(numbers, numbers), second_nearest(objects) <= 2)


@given(DRAWN)
def test_objects_may_overlap_in_files_of_their_own(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("masks")
    paths = [save(folder / f"{number}.png", one * np.uint8(255)) for number, one in enumerate(drawn)]
    labels = Instances(("background", "cell", "border"), separate=True).read(paths, 0)
    expected = np.where(second_nearest(drawn) <= 2, 2, np.any(drawn, axis=0))
    np.testing.assert_array_equal(labels, expected)
    labels = Instances(("background", "cell"), separate=True).read(paths, 0)
    np.testing.assert_array_equal(labels, np.any(drawn, axis=0))


def test_objects_that_touch_are_kept_apart_and_all_others_left_whole(tmp_path):
    row = [1, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0, 3, 3, 3, 0, 0, 0, 0, 3, 0, 4, 4, 4, 4]
    read = Instances(("background", "cell", "border"), separate=False).read
    labels = read([save(tmp_path / "row.png", np.array([row], np.uint8))], 0)
    assert labels.tolist() == [[1, 1, 1, 2, 2, 2, 2, 1, 1, 0, 2, 0, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 1, 1, 1]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_any_number_is_an_object(tmp_path, own_cache, dtype, suffix):
    numbers = np.resize(np.array([0, 1, 7, 254, 255, 256, 512, 65280, 65535]), (6, 8)).astype(dtype)
    root = with_masks(tmp_path, numbers, suffix=suffix)
    assert classes(root, own_cache, instances="foreground") == ("background", "foreground")
    for mask in masks_of(root, own_cache, instances="foreground").values():
        np.testing.assert_array_equal(mask, numbers > 0)


@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.int64, np.float32])
def test_arrays_of_any_type_hold_numbers(tmp_path, own_cache, dtype):
    numbers = np.resize(np.array([0, 1, 0, 3, 40_000]), (6, 8)).astype(dtype)
    for mask in masks_of(with_masks(tmp_path, numbers, suffix=".npy"), own_cache, instances="foreground").values():
        np.testing.assert_array_equal(mask, numbers > 0)


def test_what_is_ignored_is_no_object(tmp_path, own_cache):
    numbers = np.resize(np.array([0, 1, 255, 3]), (6, 8))
    for suffix, void in ((".png", 255), (".npy", -1), (".npy", 2**40)):
        drawn = np.where(numbers == 255, void, numbers).astype(np.uint8 if suffix == ".png" else np.int64)
        root = with_masks(tmp_path / f"{suffix}{void}", drawn, suffix=suffix)
        for mask in masks_of(root, own_cache, instances="foreground", ignore=(void,)).values():
            np.testing.assert_array_equal(mask, np.where(numbers == 255, IGNORE, numbers > 0))
        if void < 0:
            with pytest.raises(DataError, match=r"has the value -1.*`--set 'dataset\.ignore=\[-1\]'`"):
                masks_of(root, own_cache, instances="foreground")


def test_a_value_that_is_ignored_is_no_colour(tmp_path, own_cache):
    numbers = np.resize(np.array([0, 255]), (6, 8))
    colors = np.stack([numbers * 0, numbers * 0, numbers], -1).astype(np.uint8)
    for mask in masks_of(with_masks(tmp_path, colors), own_cache, instances="foreground", ignore=(255,)).values():
        np.testing.assert_array_equal(mask, numbers > 0)


def test_two_blobs_of_one_number_are_one_object(tmp_path, own_cache):
    numbers = np.zeros((6, 8), np.uint8)
    numbers[:, :3] = numbers[:, 4:] = 9
    for mask in masks_of(with_masks(tmp_path, numbers), own_cache, instances="border").values():
        np.testing.assert_array_equal(mask, numbers > 0)


def test_objects_may_have_colours(tmp_path, own_cache):
    numbers = np.zeros((6, 8), np.int64)
    numbers[1:4, :4], numbers[1:4, 4:] = 1, 2
    colors = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0]], np.uint8)
    for mask in masks_of(with_masks(tmp_path, colors[numbers]), own_cache, instances="border").values():
        np.testing.assert_array_equal(mask, np.where(border(numbers, numbers), 2, numbers > 0))


def test_objects_may_be_given_other_names(tmp_path, own_cache):
    root = with_masks(tmp_path, np.arange(48, dtype=np.uint8).reshape(6, 8))
    assert classes(root, own_cache, instances="border") == ("background", "foreground", "border")
    names = ("rest", "cell", "wall")
    assert classes(root, own_cache, instances="border", classes=names) == names
    assert classes(root, own_cache, instances="foreground", classes=names[:2]) == names[:2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": [0, 1]}, "values takes them for classes: leave it out"),
        ({"colors": {"a": "#000000", "b": "#ffffff"}}, "colors takes them for classes: leave it out"),
        ({"classes": ["a", "b", "c"]}, "classes has 3 entries, where 'foreground' makes 2: background, foreground"),
        ({"classes": ["a", "b"], "instances": "border"}, "classes has 2 entries, where 'border' makes 3"),
        ({"instances": "objects"}, "'foreground' or 'border'"),
    ],
)
def test_options_that_do_not_go_with_objects_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        ImageFolder(**({"instances": "foreground"} | options))


def test_how_objects_are_read_is_in_the_stamp(tmp_path, own_cache):
    root = with_masks(tmp_path, np.resize(np.array([0, 1], np.uint8), (6, 8)))
    stamps = {way: ImageFolder(root=root, instances=way).stamp(own_cache, "val") for way in ("foreground", "border")}
    assert stamps["foreground"] != stamps["border"]


# What is not clear


def test_numbers_in_a_format_for_photos_are_refused(tmp_path, own_cache):
    numbers = np.resize(np.array([0, 1, 2, 3], np.uint8), (6, 8))
    with pytest.raises(DataError, match=r"0\.jpg may not hold what was drawn, since formats for photos, such as JPEG"):
        masks_of(with_masks(tmp_path, numbers, suffix=".jpg"), own_cache, instances="foreground")


def indexed(path, indices, colors):
    image = Image.fromarray(np.array(indices, np.uint8))
    image.putpalette(np.array(colors, np.uint8).tobytes())
    image.save(path)
    return path


def test_a_palette_may_not_say_otherwise_than_the_numbers(tmp_path):
    numbers = [[0, 1, 2]]
    white, red, black = [255, 255, 255], [255, 0, 0], [0, 0, 0]
    for colors in ([black, red, white], [white, red, red], [black, black, black]):
        assert marked_values(indexed(tmp_path / "numbers.png", numbers, colors), 0).tolist() == numbers
    with pytest.raises(DataError, match=r"0, which marks nothing, is #ffffff, and 2 is black: it is not clear"):
        marked_values(indexed(tmp_path / "swapped.png", numbers, [white, red, black]), 0)


# Masks that look like objects, though nobody has said so


def numbered(root, count):
    """Masks of which the first has `count` objects, and others fewer."""
    for number in range(9):
        save(root / f"images/{number}.png", photo(number, (16, 20)))
        objects = np.arange(320).reshape(16, 20) % (count + 1 if number == 0 else 3)
        save(root / f"masks/{number}.png", objects.astype(np.uint16))
    return root


def doubts(root):
    found = segzoo.verify("folder", settings={"dataset.root": str(root)}, processes=1)
    return [one.what for one in found.findings if one.kind == "doubtful"]


def test_more_than_ten_values_are_likelier_objects_than_classes(tmp_path):
    assert doubts(numbered(tmp_path / "few", 10)) == []
    (line,) = doubts(numbered(tmp_path / "more", 11))
    assert "hold 12 values without gaps, which are read as classes. If they number objects, as is likelier, add" in line
    assert "`--set dataset.instances=foreground`" in line


def test_classes_that_are_named_are_not_doubted(tmp_path, own_cache):
    root = numbered(tmp_path, 11)
    names = tuple("abcdefghijkl")
    for options in ({"classes": names}, {"values": tuple(range(12))}, {"instances": "border"}):
        assert list(ImageFolder(root=root, **options).warnings(own_cache)) == []


def test_too_many_values_for_classes_are_likeliest_objects(tmp_path, own_cache):
    message = refusal(numbered(tmp_path / "objects", 200), own_cache)
    assert (
        "more than 64 values. If they number objects, add `--set dataset.instances=foreground`, or `border`" in message
    )
    smooth = with_masks(tmp_path / "smooth", *(np.linspace(0, 255, 48 + n).astype(np.uint8)[None] for n in range(40)))
    message = refusal(smooth, own_cache)
    assert message.index("dataset.nearest=true") < message.index("dataset.instances")


def test_numbers_with_gaps_may_be_objects_too(tmp_path, own_cache):
    root = with_masks(tmp_path, np.resize(np.arange(3, 60, 4, dtype=np.uint8), (6, 8)))
    assert "if they number objects, add `--set dataset.instances=foreground`" in refusal(root, own_cache)


def test_many_colours_may_be_objects(tmp_path, own_cache):
    colors = np.zeros((6, 16, 3), np.uint8)
    colors[..., 0], colors[..., 1] = np.arange(96).reshape(6, 16), 9
    message = refusal(with_masks(tmp_path, colors), own_cache)
    assert (
        "If each object has a colour, and the background is black, add `--set dataset.instances=foreground`" in message
    )
