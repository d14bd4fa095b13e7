"""The synthetic dataset: always the same bytes, legal masks, and scenes that are neither empty nor alike."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import get_args
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from segzoo.plugin import Samples, Split
from segzoo_shapes import Shapes

SPLITS: tuple[Split, ...] = get_args(Split)


def opened(split: Split = "train", **options: int) -> Samples:
    return Shapes(**options).open(Path("unused"), split)


def drawn(samples: Samples) -> list[tuple[np.ndarray, np.ndarray]]:
    return [samples[index] for index in range(len(samples))]


def contents(samples: Samples) -> list[tuple[bytes, bytes]]:
    return [(image.tobytes(), mask.tobytes()) for image, mask in drawn(samples)]


def test_says_what_it_holds():
    info = Shapes().describe(Path("unused"))

    assert info.classes == ("background", "circle", "square", "triangle")
    assert (info.channels, info.splits, info.image_size, info.epochs) == (3, SPLITS, (64, 64), 12)
    assert Shapes(size=96).describe(Path("unused")).image_size == (96, 96)


def test_touches_no_file(tmp_path):
    shapes = Shapes.example()
    shapes.prepare(tmp_path / "cache")
    shapes.describe(tmp_path / "cache")
    _ = shapes.open(tmp_path / "cache", "train")[0]

    assert not any(tmp_path.iterdir())


def test_splits_have_their_counts_and_names():
    assert [len(opened(split)) for split in SPLITS] == [160, 40, 40]
    assert [len(opened(split, train=3, val=2, test=1)) for split in SPLITS] == [3, 2, 1]
    assert opened("val", val=2).ids == ["val/0000", "val/0001"]
    assert len({name for split in SPLITS for name in opened(split).ids}) == 240


def test_ends_where_its_length_says():
    samples = opened(train=3)

    assert len(list(islice(samples, 9))) == 3
    with pytest.raises(IndexError):
        samples[3]


@settings(max_examples=25)
@given(st.integers(16, 130), st.integers(0, 2**32 - 1), st.integers(0, 159), st.sampled_from(SPLITS))
def test_any_sample_is_legal(size, seed, index, split):
    image, mask = opened(split, size=size, seed=seed, val=160, test=160)[index]

    assert (image.shape, image.dtype) == ((size, size, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((size, size), np.uint8)
    assert mask.max() in (1, 2, 3)
    assert image.std() > 5


def test_same_bytes_in_any_order_and_thread_and_after_pickling():
    samples = opened(train=24)
    expected = contents(samples)

    assert contents(opened(train=24)) == expected
    assert contents(pickle.loads(pickle.dumps(samples))) == expected
    with ThreadPoolExecutor(8) as pool:
        shuffled = list(pool.map(lambda i: contents([samples[i]])[0], list(reversed(range(24))) * 4))
    assert shuffled == expected[::-1] * 4


def test_same_bytes_as_ever():
    """Results on other pixels cannot be compared, so a drawing that changes should do so knowingly."""
    sums = [crc32(image + mask) for split in SPLITS for image, mask in contents(opened(split))[:1]]

    assert sums == [79928085, 2581778823, 3315795940]


def test_more_images_leave_the_first_ones_alone():
    assert contents(opened(train=9))[:4] == contents(opened(train=4))


def test_no_image_comes_twice():
    images = [data[0] for split in SPLITS for seed in (0, 1) for data in contents(opened(split, seed=seed))]

    assert len(set(images)) == 2 * 240


def test_size_refines_the_same_scene():
    for (_, coarse), (_, fine) in zip(drawn(opened(train=8)), drawn(opened(train=8, size=128)), strict=True):
        assert np.mean(coarse == fine[::2, ::2]) > 0.95


@pytest.mark.parametrize("split", SPLITS)
def test_no_class_is_rare_and_none_fills_the_masks(split):
    masks = np.stack([mask for _, mask in drawn(opened(split))])
    share = np.bincount(masks.ravel(), minlength=4) / masks.size

    assert len(share) == 4
    assert share[0] < 0.75
    assert share[1:].min() > 0.06


def test_colour_does_not_give_the_class_away():
    """The nearest of the classes' mean colours is a poor guess among shapes, where chance is right in one of three."""
    samples = drawn(opened())
    colours = np.concatenate([image.reshape(-1, 3) for image, _ in samples]).astype(np.float32)
    labels = np.concatenate([mask.ravel() for _, mask in samples])
    colours, labels = colours[labels > 0], labels[labels > 0]

    means = np.stack([colours[labels == label].mean(0) for label in (1, 2, 3)])
    nearest = np.argmin(np.square(colours[:, None] - means).sum(-1), axis=1) + 1
    assert np.mean(nearest == labels) < 0.45


@pytest.mark.parametrize(
    "options",
    [{"size": 8}, {"size": 4096}, {"train": 0}, {"val": 0}, {"test": -1}, {"seed": -1}, {"seed": 2**32}, {"sise": 64}],
)
def test_refuses_options_out_of_range(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        Shapes(**options)


def test_every_option_is_described():
    assert all(field.description for field in Shapes.model_fields.values())
