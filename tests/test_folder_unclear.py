"""What is said where masks leave open which classes there are: what helps most likely comes first."""

import numpy as np
import pytest
from own_folders import classes, grid, labels, refusal, save, with_masks
from PIL import Image

SMOOTH = "--set 'dataset.values=[0, 255]' --set dataset.nearest=true"
OBJECTS = "--set dataset.instances=foreground"


def smooth(size=40):
    """A square whose edges have been smoothed."""
    mask = np.zeros((size, size), np.uint8)
    mask[size // 4 : -size // 4, size // 3 : -size // 3] = 255
    image = Image.fromarray(mask).resize((size + 17, size + 17), Image.Resampling.BICUBIC)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))


def test_the_edges_of_smooth_masks_come_first_and_without_a_list_of_values(tmp_path, own_cache):
    root = with_masks(tmp_path, smooth())
    message = refusal(root, own_cache)
    assert 8 < len(np.unique(smooth())) < 64
    first = f"If the edges of 0 and 255 are smooth, as after resizing or in a JPEG, add `{SMOOTH}`"
    assert message.partition("clear. ")[2].startswith(first)
    assert message.index(SMOOTH) < message.index(OBJECTS) < message.index("list the values with the option values")
    assert len(message) < 1_000
    for number in range(9):
        save(root / f"images/{number}.png", smooth())
    assert labels(root, own_cache, values=(0, 255), nearest=True) == [0, 1]


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
def test_what_is_likeliest_comes_first_and_what_cannot_be_meant_is_not_said(tmp_path, own_cache, held, hints):
    message = refusal(with_masks(tmp_path, grid(*held)), own_cache)
    found = [message.index(hint) for hint in hints]
    assert found == sorted(found)
    for option in ("dataset.nearest", "dataset.ignore", "dataset.classes", OBJECTS):
        assert (option in message) == any(option in hint for hint in hints)


@pytest.mark.parametrize(
    ("held", "void", "count"), [((0, 128, 255), 128, 2), ((0, 1, 2, 9), 9, 3), ((0, 1, 9, 255), 9, 2)]
)
def test_what_is_said_of_values_to_leave_out_is_true(tmp_path, own_cache, held, void, count):
    root = with_masks(tmp_path, grid(*held))
    assert f"dataset.ignore=[{void}]" in refusal(root, own_cache)
    assert len(classes(root, own_cache, ignore=(void,))) == count


def test_a_foreground_of_8_and_of_16_bits(tmp_path, own_cache):
    root = with_masks(tmp_path, grid(0, 255), np.where(grid(0, 1), 65535, 0).astype(np.uint16))
    message = refusal(root, own_cache)
    assert "masks/1.png holds 65535. If both are the foreground, of 8 and of 16 bits, write the masks anew" in message


def test_a_channel_for_each_class_is_named(tmp_path, own_cache):
    one_hot = np.eye(3, dtype=np.uint8)[grid(0, 1, 2)]
    message = refusal(with_masks(tmp_path, one_hot), own_cache)
    assert "if they have a channel for each class, save the numbers of the classes, `mask.argmax(-1)`; else," in message
    assert "argmax" not in refusal(with_masks(tmp_path / "colours", one_hot * 255), own_cache)
