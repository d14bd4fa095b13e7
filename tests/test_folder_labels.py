"""Which classes there are: by options, by the values of the masks, and what is said where those are ambiguous."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_folders import (
    SQUARE,
    classes,
    first_sample,
    grid,
    labels,
    opened,
    photo,
    refusal,
    save,
    with_masks,
    write,
)
from PIL import Image
from pydantic import ValidationError

import segzoo
from segzoo.errors import DataError
from segzoo.plugin import IGNORE
from segzoo_folder import ImageFolder
from segzoo_folder.masks import Labels

SMOOTH = "--set 'dataset.values=[0, 255]' --set dataset.nearest=true"
OBJECTS = "--set dataset.instances=foreground"


def smooth(size=40):
    """A square whose edges have been smoothed."""
    mask = np.zeros((size, size), np.uint8)
    mask[size // 4 : -size // 4, size // 3 : -size // 3] = 255
    image = Image.fromarray(mask).resize((size + 17, size + 17), Image.Resampling.BICUBIC)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))


def test_the_edges_of_smooth_masks_come_first_and_without_a_list_of_values(tmp_path, cache):
    root = with_masks(tmp_path, smooth())
    message = refusal(root, cache)
    assert 8 < len(np.unique(smooth())) < 64
    first = f"If the edges of 0 and 255 are smooth, as after resizing or in a JPEG, add `{SMOOTH}`"
    assert message.partition("clear. ")[2].startswith(first)
    assert message.index(SMOOTH) < message.index(OBJECTS) < message.index("list the values with the option values")
    assert len(message) < 1_000
    for number in range(9):
        save(root / f"images/{number}.png", smooth())
    assert labels(root, cache, values=(0, 255), nearest=True) == [0, 1]


@pytest.mark.parametrize(
    ("held", "hints"),
    [
        ((0, 254, 255), [SMOOTH, "dataset.values=[0, 254, 255]", "dataset.ignore=[254]"]),
        ((0, 3, 250, 255), [SMOOTH, "dataset.values=[0, 3, 250, 255]", "dataset.ignore=[3, 250]"]),
        ((0, 128, 255), ["dataset.values=[0, 128, 255]", "dataset.ignore=[128]", SMOOTH]),
        ((0, 85, 170, 255), ["dataset.values=[0, 85, 170, 255]", "dataset.ignore=[85, 170]", SMOOTH]),
        ((0, 1, 2, 9), ["dataset.values=[0, 1, 2, 9]", "dataset.ignore=[9]", "dataset.classes=[...]"]),
        ((0, 1, 30, 255), ["dataset.values=[0, 1, 30]", "dataset.ignore=[30]", "dataset.classes=[...]", SMOOTH]),
        ((1, 2, 3), ["dataset.values=[1, 2, 3]", "dataset.classes=[...]"]),
        ((0, 5), ["dataset.values=[0, 5]", "dataset.classes=[...]"]),
        (tuple(range(0, 60, 5)), ["dataset.values=[0, 5, 10,", "dataset.classes=[...]", OBJECTS]),
    ],
)
def test_what_is_likeliest_comes_first_and_what_cannot_be_meant_is_not_said(tmp_path, cache, held, hints):
    message = refusal(with_masks(tmp_path, grid(*held)), cache)
    result = [message.index(hint) for hint in hints]
    assert result == sorted(result)
    for option in ("dataset.nearest", "dataset.ignore", "dataset.classes", OBJECTS):
        assert (option in message) == any(option in hint for hint in hints)


@pytest.mark.parametrize(
    ("held", "void", "count"), [((0, 128, 255), 128, 2), ((0, 1, 2, 9), 9, 3), ((0, 1, 9, 255), 9, 2)]
)
def test_what_is_said_of_values_to_leave_out_is_true(tmp_path, cache, held, void, count):
    root = with_masks(tmp_path, grid(*held))
    assert f"dataset.ignore=[{void}]" in refusal(root, cache)
    assert len(classes(root, cache, ignore=(void,))) == count


def test_a_foreground_of_8_and_of_16_bits(tmp_path, cache):
    root = with_masks(tmp_path, grid(0, 255), np.where(grid(0, 1), 65535, 0).astype(np.uint16))
    message = refusal(root, cache)
    assert "masks/1.png holds 65535. If both are the foreground, of 8 and of 16 bits, write the masks anew" in message


def test_a_channel_for_each_class_is_named(tmp_path, cache):
    one_hot = np.eye(3, dtype=np.uint8)[grid(0, 1, 2)]
    message = refusal(with_masks(tmp_path, one_hot), cache)
    assert "if they have a channel for each class, save the numbers of the classes, `mask.argmax(-1)`; else," in message
    assert "argmax" not in refusal(with_masks(tmp_path / "colours", one_hot * 255), cache)


@pytest.fixture
def root(tmp_path):
    """Twenty photos with masks of 0 and 255."""
    return write(tmp_path / "data", [f"img_{number}" for number in range(20)])


@pytest.mark.parametrize(
    ("masks", "names", "result"),
    [
        ([grid(0, 255), grid(0)], ("background", "foreground"), [0, 1]),
        ([grid(0, 1)], ("background", "foreground"), [0, 1]),
        ([grid(0, 1, 255), grid(0)], ("background", "foreground"), [0, 1, IGNORE]),
        ([grid(0, 1), grid(0, 2)], ("class0", "class1", "class2"), [0, 1, 2]),
        ([grid(0, 1, 2, 255), grid(0, 255)], ("class0", "class1", "class2"), [0, 1, 2, IGNORE]),
        ([np.stack([grid(0, 1, 2)] * 3, -1)], ("class0", "class1", "class2"), [0, 1, 2]),
        ([np.stack([grid(0, 255)] * 3, -1)], ("background", "foreground"), [0, 1]),
    ],
)
def test_classes_are_found_in_the_masks(tmp_path, cache, masks, names, result):
    with_masks(tmp_path, *masks)
    assert classes(tmp_path, cache) == names
    assert labels(tmp_path, cache) == result


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([grid(1, 2, 3)], "`--set 'dataset.values=[1, 2, 3]'`"),
        ([grid(0, 128)], "128 (in 9 masks, such as masks/0.png)"),
        ([grid(0, 1, 3)], "`--set 'dataset.classes=[...]'`"),
        ([grid(0)], "there is nothing to tell apart"),
        (
            [
                np.arange(96, dtype=np.uint8).reshape(6, 16)[:, ::2],
                np.arange(96, dtype=np.uint8).reshape(6, 16)[:, 1::2],
            ],
            "more than 64 values",
        ),
        ([grid(0, 255), grid(0, 2), grid(0, 1)], "masks/1.png holds 2. If 255 is to be left out"),
        ([grid(0, 1), grid(0, 255)], "leave open what 255 means: it is all that masks/1.png holds besides 0"),
        (
            [np.stack([grid(0, 255), grid(0), grid(0)], -1)],
            """`--set 'dataset.colors={class0 = "#000000", class1 = "#ff0000"}'`""",
        ),
        ([photo(0, (6, 16, 3))[:, ::2], photo(1, (6, 16, 3))[:, ::2]], "more than 64 colours, such as masks/0.png"),
    ],
)
def test_masks_that_leave_open_what_is_meant_say_what_to_type(tmp_path, cache, masks, message):
    assert message in refusal(with_masks(tmp_path, *masks), cache)


def test_options_say_what_the_masks_leave_open(tmp_path, cache):
    root = with_masks(tmp_path / "values", grid(1, 2, 3, 255))
    assert classes(root, cache, values=(1, 2, 3)) == ("class0", "class1", "class2")
    assert labels(root, cache, values=(3, 1, 2)) == [0, 1, 2, IGNORE]
    assert labels(root, cache, values=(3, 1, 2, 255), classes=("a", "b", "c", "d")) == [0, 1, 2, 3]
    root = with_masks(tmp_path / "either", grid(0, 1), grid(0, 255))
    assert labels(root, cache, values=(0, 1)) == [0, 1, IGNORE]
    root = with_masks(tmp_path / "gaps", grid(0, 2))
    assert classes(root, cache, classes=("a", "b", "c")) == ("a", "b", "c")
    root = with_masks(tmp_path / "binary", grid(0, 255))
    assert labels(root, cache, classes=("cell", "wall")) == [0, 1]
    assert "classes names 3" in refusal(root, cache, classes=("a", "b", "c"))


def test_values_of_16_bits(tmp_path, cache):
    root = with_masks(tmp_path, np.resize(np.array([0, 1000, 40000], np.uint16), (6, 8)))
    assert labels(root, cache, values=(40000, 0, 1000)) == [0, 1, 2]


def test_a_value_that_is_no_class_is_an_error_that_names_the_file(tmp_path, cache):
    root = with_masks(tmp_path, grid(1, 2))
    save(root / "masks/4.png", grid(1, 2, 7))
    with pytest.raises(DataError, match=r"4\.png has the values 7, which are no class; there are 1 a, 2 b"):
        labels(root, cache, values=(1, 2), classes=("a", "b"))


def test_labels_beyond_the_classes_are_found_by_verify(tmp_path, cache):
    root = with_masks(tmp_path, grid(0, 1))
    save(root / "masks/4.png", grid(0, 1, 7))
    settings = {"dataset.root": str(root), "dataset.classes": ["a", "b"]}
    result = segzoo.verify("folder", settings=settings, processes=1)
    assert [(finding.kind, finding.id) for finding in result.errors] == [("labels", "4")]


def test_palettes_are_labels_or_colours(tmp_path, cache):
    for number in range(9):
        save(tmp_path / f"images/{number}.png", photo(number))
        image = Image.fromarray(grid(0, 1, 2), "P")
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
        (tmp_path / "masks").mkdir(exist_ok=True)
        image.save(tmp_path / f"masks/{number}.png")
    assert labels(tmp_path, cache) == [0, 1, 2]
    _, mask = first_sample(tmp_path, cache, colors={"blue": "#0000FF", "red": [255, 0, 0], "ignore": "#000000"})
    np.testing.assert_array_equal(mask, np.resize([IGNORE, 1, 0], (6, 8)))


def test_an_index_that_stands_for_several_colours_is_refused(tmp_path, cache):
    for number in range(9):
        save(tmp_path / f"images/{number}.png", photo(number))
        image = Image.fromarray(grid(0, 1) if number else grid(1, 0), "P")
        image.putpalette([0, 0, 0, 255, 255, 255] if number else [255, 255, 255, 0, 0, 0])
        (tmp_path / "masks").mkdir(exist_ok=True)
        image.save(tmp_path / f"masks/{number}.png")
    message = refusal(tmp_path, cache)
    assert "the index 0 is #ffffff in masks/0.png, but #000000 in masks/1.png" in message
    assert """`--set 'dataset.colors={class0 = "#000000", class1 = "#ffffff"}'`""" in message
    for samples in opened(tmp_path, cache, colors={"a": "#000000", "b": "#ffffff"}).values():
        for _, mask in samples:
            np.testing.assert_array_equal(mask, grid(0, 1))
    assert labels(tmp_path, cache, values=(0, 1)) == [0, 1]


def test_labels_saved_as_a_photo_are_refused(tmp_path, cache):
    root = with_masks(tmp_path, grid(0, 255))
    for path in sorted((root / "masks").iterdir()):
        Image.fromarray(SQUARE * int(path.stem)).save(path.with_suffix(".jpg"), quality=100)
        path.unlink()
    for options in ({}, {"classes": [*"abcdefghi"]}):
        assert "may not hold what was drawn, since formats for photos" in refusal(root, cache, **options)
    for path in (root / "masks").iterdir():
        Image.fromarray(np.kron(SQUARE, np.ones((9, 7), np.uint8)) * 255).save(path, quality=70)
        save(root / f"images/{path.stem}.png", photo(0, (54, 56, 3)))
    message = refusal(root, cache)
    assert "`--set 'dataset.values=[0, 255]' --set dataset.nearest=true`" in message
    for samples in opened(root, cache, values=(0, 255), nearest=True).values():
        for _, mask in samples:
            np.testing.assert_array_equal(mask, np.kron(SQUARE, np.ones((9, 7), np.uint8)))
    for path in (root / "masks").iterdir():
        Image.fromarray(photo(0, (54, 56, 3))).save(path)
    assert "`--set dataset.nearest=true`: each pixel is" in refusal(root, cache)


@settings(max_examples=50)
@given(st.data())
def test_the_nearest_is_the_one_that_no_other_is_nearer_than(tmp_path_factory, data):
    pixels, colored = data.draw(st.lists(st.integers(0, 255), min_size=9, max_size=9)), data.draw(st.booleans())
    values = data.draw(st.lists(st.integers(0, 255), min_size=2, max_size=6, unique=True))
    array, kept = np.array(pixels, np.uint8).reshape(3, 3), len(values) - colored
    if colored:  # as much red as the value, the others alike
        array = np.stack([array, np.full_like(array, 3), np.full_like(array, 5)], -1)
    path = save(tmp_path_factory.mktemp("mask") / "m.png", array)
    known = tuple((value << 16) + 0x305 for value in values) if colored else tuple(values)
    result = Labels(tuple(map(str, range(kept))), known, colored, nearest=True).read([path], 0)
    targets = dict(zip(values, [*range(kept), IGNORE] if colored else range(kept), strict=False))
    if not colored:
        targets.setdefault(IGNORE, IGNORE)
    for pixel, label in zip(pixels, result.ravel().tolist(), strict=True):
        assert label == targets[min(sorted(targets), key=lambda value: abs(value - pixel))]


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=2, max_size=12, unique=True), st.randoms())
def test_colours_are_labels_in_the_order_of_the_table(tmp_path_factory, colors, random):
    order = [random.randrange(len(colors)) for _ in range(48)]
    path = save(tmp_path_factory.mktemp("mask") / "m.png", np.array(colors, np.uint8)[order].reshape(6, 8, 3))
    values = tuple(int.from_bytes(bytes(color)) for color in colors)
    kept = len(colors) - 1
    result = Labels(tuple(map(str, range(kept))), values, colored=True).read([path], 0)
    assert result.ravel().tolist() == [IGNORE if place == kept else place for place in order]


def test_a_colour_that_is_no_class_is_an_error_that_names_file_and_colour(tmp_path, cache):
    root = with_masks(tmp_path, np.stack([grid(0, 255), grid(0), grid(0)], -1))
    save(root / "masks/4.png", np.stack([grid(0, 255), grid(0, 1), grid(0)], -1))
    with pytest.raises(
        DataError, match=r"4\.png has the colours #ff0100, which are no class; there are #000000 a, #ff"
    ):
        labels(root, cache, colors={"a": "#000000", "b": "#ff0000"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["a"]}, "2 to 255 classes"),
        ({"classes": ["a", "a"]}, "classes has an entry twice"),
        ({"classes": ["a", "b"], "values": [0, 1, 2]}, "classes has 2 entries, but values 3"),
        ({"colors": {"a": "#000000", "b": "#00000"}}, "colors"),
        ({"colors": {"a": "#000000", "b": [0, 0, 0]}}, "a colour twice"),
        ({"colors": {"a": "#000000", "ignore": "#ffffff"}}, "2 to 255 classes"),
        ({"colors": {"a": "#000000", "b": "#ffffff"}, "classes": ["a", "b"]}, "names the classes already"),
        ({"nearest": True, "classes": ["a", "b"]}, "nearest needs values or colors"),
        ({"fold": 1}, "fold needs folds"),
        ({"folds": 4, "fold": 4}, "numbered 0 to 3"),
        ({"folds": 4, "val": 0.1}, "do not go with folds"),
        ({"val": 0.9}, "leave no share"),
        ({"blocks": True, "groups": "p"}, "takes apart what groups keeps together"),
        ({"groups": "("}, "no regular expression"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        ImageFolder(**options)
