"""What masks hold that counts neither in training nor in a score."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_folders import classes, grid, labels, one, opened, refusal, save, with_masks
from pydantic import ValidationError

import segzoo
from segzoo.errors import DataError, LabelError
from segzoo.plugin import IGNORE
from segzoo_folder import ImageFolder
from segzoo_folder.masks import Labels


def wide(*values, dtype=np.int16):
    """A mask that holds these values, of any type."""
    return np.resize(np.array(values, dtype), (6, 8))


def test_a_label_that_is_left_out_is_no_class(tmp_path, own_cache):
    root = with_masks(tmp_path, grid(*range(12)))
    assert len(classes(root, own_cache)) == 12
    assert classes(root, own_cache, ignore=(11,)) == tuple(f"class{label}" for label in range(11))
    assert labels(root, own_cache, ignore=(11,)) == [*range(11), IGNORE]
    _, mask = one(root, own_cache, ignore=(11,))
    np.testing.assert_array_equal(mask == IGNORE, grid(*range(12)) == 11)
    assert len(classes(root, own_cache, ignore=(11, 10))) == 10


@pytest.mark.parametrize(
    ("held", "options", "expected"),
    [
        ((0, 128, 255), {"ignore": (128,)}, [0, 1, IGNORE]),
        ((0, 1, 255), {"ignore": (255,)}, [0, 1, IGNORE]),
        ((0, 1, 2, 3), {"ignore": (0,), "values": (1, 2, 3)}, [0, 1, 2, IGNORE]),
        ((0, 1, 7), {"ignore": (7,), "classes": ("a", "b")}, [0, 1, IGNORE]),
        ((0, 7, 255), {"ignore": (7,), "values": (0, 255)}, [0, 1, IGNORE]),
        ((0, 7, 255), {"ignore": (255,), "values": (7, 0)}, [0, 1, IGNORE]),
        ((0, 3, 100, 130, 250), {"ignore": (128,), "values": (0, 249), "nearest": True}, [0, 1, IGNORE]),
        ((0, 1, 2), {"ignore": (9,)}, [0, 1, 2]),
    ],
)
def test_values_are_left_out_beside_all_other_options(tmp_path, own_cache, held, options, expected):
    assert labels(with_masks(tmp_path, grid(*held)), own_cache, **options) == expected


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.float32, np.float64])
def test_negative_labels_are_read_where_they_are_left_out(tmp_path, own_cache, dtype):
    root = with_masks(tmp_path, wide(-1, 0, 1, 2, dtype=dtype), wide(0, 1, dtype=np.uint8), suffix=".npy")
    message = refusal(root, own_cache)
    assert "hold -1 (in 5 masks, such as masks/0.npy), but labels are whole numbers from 0 to 65535" in message
    assert "`--set 'dataset.ignore=[-1]'`" in message
    assert classes(root, own_cache, ignore=(-1,)) == ("class0", "class1", "class2")
    assert labels(root, own_cache, ignore=(-1,)) == [0, 1, 2, IGNORE]
    with pytest.raises(LabelError, match=r"0.npy has the values -1, which are no class; .*ignore=\[1, -1\]'`"):
        labels(root, own_cache, ignore=(1,), values=(0, 2))


@pytest.mark.parametrize(
    ("void", "number"), [(-9999, -9999), (70_000, 70_000), (np.nan, "nan"), (2**32 - 1, 2**32 - 1)]
)
def test_what_other_programs_write_for_nothing_is_left_out(tmp_path, own_cache, void, number):
    root = with_masks(tmp_path, wide(void, 0, 1, dtype=np.float64), suffix=".npy")
    assert f"hold {number} (in 9 masks" in refusal(root, own_cache)
    assert f"add `--set 'dataset.ignore=[{number}]'`" in refusal(root, own_cache)
    for _, mask in opened(root, own_cache, ignore=(number,))["train"]:
        np.testing.assert_array_equal(mask, grid(IGNORE, 0, 1))


def test_without_being_left_out_gaps_and_negative_labels_are_not_taken_for_the_nearest(tmp_path, own_cache):
    root = with_masks(tmp_path, wide(0, 3, 250, 255, dtype=np.float64), suffix=".npy")
    for void, text in ((np.nan, "nan"), (-1, "-1")):
        save(root / "masks/4.npy", wide(void, 3, 250, 255, dtype=np.float64))
        with pytest.raises(LabelError, match=rf"4.npy has the values {text}, which are no class"):
            labels(root, own_cache, values=(0, 255), nearest=True)
        assert labels(root, own_cache, values=(0, 255), nearest=True, ignore=(text if text == "nan" else -1,))[:2] == [
            0,
            1,
        ]


def test_a_file_with_fractions_or_numbers_beyond_all_bounds_is_named(tmp_path, own_cache):
    root = with_masks(tmp_path, wide(0, 1), suffix=".npy")
    for value in (0.5, np.inf, -3.4e38):
        save(root / "masks/4.npy", wide(value, 0, 1, dtype=np.float64))
        with pytest.raises(DataError, match=rf"4.npy: its values are float64, such as {re.escape(str(value))}, and"):
            labels(root, own_cache, ignore=(-1,))


def test_a_void_label_among_named_classes_is_a_finding_that_says_how_to_leave_it_out(tmp_path, own_cache):
    root = with_masks(tmp_path, grid(0, 1, 2))
    for option in ({"classes": ["a", "b"]}, {"values": [0, 1]}):
        settings = {"dataset.root": str(root)} | {f"dataset.{name}": value for name, value in option.items()}
        found = segzoo.verify("folder", settings=settings, processes=1)
        assert {one.kind for one in found.errors} == {"labels"}
        assert len(found.errors) == 9
        assert all("add `--set 'dataset.ignore=[2]'`" in one.what for one in found.errors)
        assert segzoo.verify("folder", settings=settings | {"dataset.ignore": [2]}, processes=1).errors == ()


def test_masks_that_hold_nothing_but_what_is_left_out(tmp_path, own_cache):
    root = with_masks(tmp_path, grid(0, 1, 4), grid(4))
    assert classes(root, own_cache, ignore=(4,)) == ("background", "foreground")
    root = with_masks(tmp_path / "all", grid(4, 0))
    assert "there is nothing to tell apart" in refusal(root, own_cache, ignore=(4,))


def test_what_is_left_out_is_said_in_a_file_or_on_the_command_line(tmp_path, own_cache, command):
    root = with_masks(tmp_path / "data", wide(np.nan, -1, 0, 1, dtype=np.float32), suffix=".npy")
    words = ("data", "verify", "folder", "--set", f"dataset.root={root}")
    assert command(*words).code == 1
    for value in ("[nan, -1]", '["nan", -1]'):
        assert command(*words, "--set", f"dataset.ignore={value}").code == 0
    settings = {"dataset.root": str(root), "dataset.ignore": [float("nan"), -1]}
    small = settings | {"model.filters": 2, "model.depth": 1}
    run = segzoo.run("unet", "folder", settings=small, epochs=1, image_size=(8, 8), out=tmp_path / "run")
    again = segzoo.run(config=run.folder / "config.toml", out=tmp_path / "again")
    assert again.metrics == run.metrics


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore": [1.5]}, "a whole number, or nan"),
        ({"ignore": ["void"]}, "a whole number, or nan"),
        ({"ignore": [True]}, "a whole number, or nan"),
        ({"ignore": [1], "values": [0, 1]}, "values and ignore both have 1"),
        ({"ignore": [1], "colors": {"a": "#000000", "b": "#ffffff"}}, "name what is left out `ignore` in colors"),
    ],
)
def test_what_cannot_be_left_out(options, message):
    with pytest.raises(ValidationError, match=message):
        ImageFolder(**options)


@given(st.data())
def test_each_pixel_is_its_class_or_left_out_or_refused(tmp_path_factory, data):
    known = data.draw(st.lists(st.integers(-5, 300), min_size=3, max_size=12, unique=True))
    count = data.draw(st.integers(1, len(known) - 1))
    values, left_out = [value for value in known[:count] if value >= 0], known[count:]
    pixels = data.draw(st.lists(st.sampled_from([*known, 255]), min_size=6, max_size=6))
    path = save(tmp_path_factory.mktemp("mask") / "m.npy", np.array(pixels, np.int32).reshape(2, 3))
    meaning = Labels(tuple(map(str, values)), tuple(values), left_out=tuple(left_out))
    expected = [values.index(p) if p in values else IGNORE if p in (*left_out, 255) else None for p in pixels]
    if None in expected:
        with pytest.raises(LabelError):
            meaning.read([path], 0)
    else:
        assert meaning.read([path], 0).ravel().tolist() == expected
