"""Channels, pages, pixel range and suggested size of images."""

import json
import math
import re

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from image_folders import (
    SQUARE,
    first_sample,
    forget,
    opened,
    pages,
    photo,
    refusal,
    save,
    warnings_of,
    write,
)
from pydantic import ValidationError
from tiffs import page, written

import segzoo
from segzoo.errors import DataError
from segzoo.networks.frame import Frame
from segzoo.training.pipeline import decode
from segzoo_folder import ImageFolder, inspection, scan
from segzoo_folder.images import EPOCHS, STEPS, epochs, suggest
from segzoo_keras import KerasTrainer

MASK = np.tile(np.uint8([0, 255]), (6, 4))


def ramp(low, high, dtype=np.uint16):
    return np.linspace(low, high, 48).reshape(6, 8).astype(dtype)


def measured(root, cache):
    """Of each image the rows of what was measured of its pages, by its name."""
    index = inspection.inspect(root, scan.scan(root, None).pairs, cache)
    ends = index.images.starts + index.images.pages
    rows = np.split(index.images.measured, ends[:-1])
    return {
        name.decode(): values_of_page[:, :2].tolist()
        for name, values_of_page in zip(index.pairs.ids, rows, strict=True)
    }


def test_the_least_and_the_largest_value_of_each_page_are_kept_with_its_file(tmp_path, cache):
    save(tmp_path / "images/b.png", ramp(7, 900))
    pages(tmp_path / "images/d.tif", [ramp(page, 100 + page) for page in range(3)])
    for name in "bd":
        save(tmp_path / f"masks/{name}.png", MASK)
    expected = {"b": [[7, 900]], "d": [[0, 100], [1, 101], [2, 102]]}
    assert measured(tmp_path, cache) == expected
    pages(tmp_path / "images/a.tif", [ramp(50, 60), ramp(70, 80)])
    (tmp_path / "images/c.tif").write_bytes(b"")
    for name in "ac":
        save(tmp_path / f"masks/{name}.png", MASK)
    expected |= {"a": [[50, 60], [70, 80]], "c": []}
    assert measured(tmp_path, cache) == expected
    pages(tmp_path / "images/d.tif", [ramp(1, 2)])
    pages(tmp_path / "images/c.tif", [ramp(page, 9) for page in range(4)])
    for kind in ("images", "masks"):
        (tmp_path / kind / "b.png").unlink()
    expected |= {"c": [[page, 9] for page in range(4)], "d": [[1, 2]]}
    del expected["b"]
    assert measured(tmp_path, cache) == expected
    assert measured(tmp_path, tmp_path / "anew") == expected


def splits(root, **images):
    """A folder with an image in each split, or with several."""
    for split, values in images.items():
        for number, pixels in enumerate(values if isinstance(values, list) else [values]):
            save(root / split / f"images/{number}{'.npy' if pixels.dtype.kind in 'if' else '.png'}", pixels)
            save(root / split / f"masks/{number}.png", MASK)
    return root


def range_of(root, cache, **options):
    return ImageFolder(root=root, **options).describe(cache).range


def test_the_range_of_the_data_is_that_of_the_training_images(tmp_path, cache):
    values = {"train": [ramp(300, 900), ramp(200, 800)], "val": ramp(0, 1300), "test": ramp(550, 60000)}
    splits(tmp_path, **values)
    assert range_of(tmp_path, cache) == range_of(tmp_path, cache, range="data") == (200, 900)
    for split, samples in opened(tmp_path, cache).items():
        stored = values[split] if split == "train" else [values[split]]
        for values_of_page, (image, _) in zip(stored, samples, strict=True):
            assert image.dtype == np.uint16
            shares = (values_of_page.astype(np.float64) - 200).clip(0, 700) / 700
            np.testing.assert_array_equal(image[..., 0], np.rint(shares * 65535))


def test_the_range_of_the_data_does_not_see_the_slices_that_are_kept_back(tmp_path, cache):
    pages(tmp_path / "images/a.tif", [ramp(100 - page, 1000 - 10 * page) for page in range(20)])
    pages(tmp_path / "masks/a.tif", [MASK] * 20)
    assert range_of(tmp_path, cache, blocks=True) == (81, 940)  # slices 6 to 19


def test_the_range_of_the_type_leaves_values_as_they_are(tmp_path, cache):
    splits(tmp_path, train=ramp(300, 900), val=ramp(300, 900))
    assert range_of(tmp_path, cache, range="type") is None
    np.testing.assert_array_equal(first_sample(tmp_path, cache, range="type")[0][..., 0], ramp(300, 900))


def test_images_of_8_bits_are_as_they_are_unless_a_range_is_given(tmp_path, cache):
    splits(tmp_path, train=np.uint8(photo(0) // 8), val=photo(1))
    for choice in ("type", "data"):
        image, _ = first_sample(tmp_path, cache, range=choice)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, photo(0) // 8)
    assert range_of(tmp_path, cache) is None
    image, _ = first_sample(tmp_path, cache, range=(1, 3))
    assert image.dtype == np.uint8
    expected = np.array([0, 0, 128, 255])  # from 127.5 to even
    np.testing.assert_array_equal(image, expected[(photo(0) // 8).clip(0, 3)])
    assert range_of(tmp_path, cache, range=(1, 3)) == (1, 3)


def test_of_8_and_16_bits_white_is_white(tmp_path, cache):
    splits(tmp_path, train=[photo(0, (6, 8)), ramp(0, 500)], val=photo(1, (6, 8)))
    assert range_of(tmp_path, cache) is None
    deep = photo(0, (6, 8)).astype(np.float64) * 257
    np.testing.assert_array_equal(first_sample(tmp_path, cache)[0][..., 0], deep)
    shares = (deep - 1000).clip(0, 40000) / 40000
    np.testing.assert_array_equal(
        first_sample(tmp_path, cache, range=(1000, 41000))[0][..., 0], np.rint(shares * 65535)
    )


@pytest.mark.parametrize(
    ("values", "given"),
    [
        (ramp(-1024, 3071, np.int16), (-1000, 2000)),
        (ramp(-3, 100, np.int8), (-3, 50)),
        (ramp(0, 1, np.float32), (0, 1)),
        (ramp(-0.5, 0.75, np.float64), (-0.25, 0.5)),
        (ramp(0, 100_000, np.uint32).astype(np.int64), (0, 100_000)),
    ],
)
def test_with_a_range_the_files_may_hold_any_numbers(tmp_path, cache, values, given):
    splits(tmp_path, train=[values, np.uint8(photo(0, (6, 8)) // 4)], val=values)
    result = opened(tmp_path, cache, range=given)
    for place, values_of_page in enumerate([values, photo(0, (6, 8)) // 4]):
        shares = (values_of_page.astype(np.float64) - given[0]) / (given[1] - given[0])
        image, _ = result["train"][place]
        assert image.dtype == np.uint16
        np.testing.assert_array_equal(image[..., 0], np.rint(shares.clip(0, 1) * 65535))


def test_without_a_range_the_refusal_names_the_one_of_the_training_images(tmp_path, cache):
    splits(tmp_path, train=[ramp(-1024, 3071, np.int16), ramp(0, 4000, np.int16)], val=ramp(-2000, 0, np.int16))
    for samples in opened(tmp_path, cache).values():
        with pytest.raises(DataError, match=r"0.npy: .*dataset.range=.*; the training images hold -1024 to 4000$"):
            samples[0]
    save(tmp_path / "train/images/2.png", photo(0, (6, 8)))
    save(tmp_path / "train/masks/2.png", MASK)
    with pytest.raises(DataError, match=r"has 1 channels, not 4$"):
        opened(tmp_path, cache, channels=4)["train"][2]


def test_what_is_not_a_number_is_an_error_that_names_the_file(tmp_path, cache):
    values = ramp(0, 1, np.float32)
    values[2, 3] = np.nan
    splits(tmp_path, train=[ramp(0, 1, np.float32), values], val=ramp(0, 1, np.float32))
    with pytest.raises(DataError, match=r"train/images/1.npy: 1 of 48 values are not a number \(NaN\)"):
        opened(tmp_path, cache, range=(0, 1))["train"][1]
    values[2, 3] = np.inf
    save(tmp_path / "train/images/1.npy", values)
    assert opened(tmp_path, cache, range=(0, 1))["train"][1][0][2, 3] == 65535


def test_images_of_one_value_have_the_range_of_the_type(tmp_path, cache):
    splits(tmp_path, train=np.full((6, 8), 700, np.uint16), val=ramp(0, 9))
    assert range_of(tmp_path, cache) is None


@pytest.mark.parametrize("wrong", ["all", (1, 1), (2, 1), (1,), (1, 2, 3), ("1", "2"), (0, float("inf")), 7])
def test_ranges_that_are_none(wrong):
    with pytest.raises(ValidationError, match="two numbers of which the second is larger"):
        ImageFolder(range=wrong)


def test_the_range_is_known_afterwards(tmp_path, cache, command):
    splits(tmp_path / "data", train=[ramp(300, 900), ramp(400, 950)], val=ramp(0, 1300))
    settings = {"dataset.root": str(tmp_path / "data")}
    small = settings | {"model.filters": 2, "model.depth": 1, "model.batch_norm": False}
    run = segzoo.run("unet", "folder", settings=small, epochs=1, image_size=(8, 8), out=tmp_path / "run")
    assert json.loads((run.folder / "manifest.json").read_text())["dataset"]["range"] == [300, 950]
    assert segzoo.stats("folder", settings=settings).row()["range"] == (300, 950)
    done = command("data", "stats", "folder", "--set", f"dataset.root={tmp_path / 'data'}")
    assert "the smallest and the largest pixel value stand for 300 and 950 in the files" in done.out


def test_only_what_is_new_is_measured(tmp_path, cache, monkeypatch):
    splits(tmp_path, train=[ramp(300, 900), ramp(400, 950)], val=ramp(0, 1300))
    assert range_of(tmp_path, cache) == (300, 950)
    monkeypatch.setattr("segzoo_folder.inspection.read_pages", None)
    forget()
    assert range_of(tmp_path, cache) == (300, 950)


# What is doubted


def narrow(root, cache, **options):
    return [line for line in warnings_of(root, cache, **options) if "nearly all pixels" in line]


def test_images_that_use_little_of_the_range_are_doubted(tmp_path, cache):
    splits(tmp_path, train=[ramp(300, 6200), ramp(400, 6500)], val=ramp(0, 65535))
    assert narrow(tmp_path, cache) == []
    (line,) = narrow(tmp_path, cache, range="type")
    assert "are from 300 to 6500, which is 9.5 % of the range from 0 to 65535" in line
    assert line.endswith("add `--set 'dataset.range=[300, 6500]'`, which clips what is outside of that")
    assert narrow(tmp_path, cache, range=(300, 6500)) == []
    assert len(narrow(tmp_path, cache, range=(10_000, 20_000))) == 1
    save(tmp_path / "train/images/0.png", ramp(0, 7000))
    assert narrow(tmp_path, cache, range="type") == []


def test_hot_pixels_do_not_hide_that_the_others_are_all_alike(tmp_path, cache):
    images = [np.random.default_rng(number).integers(100, 900, (64, 64)).astype(np.uint16) for number in range(20)]
    for number, pixels in enumerate(images):
        pixels[number, :3] = 65535
    images[7][:] = 60_000
    with_masks_of(tmp_path, images)
    for choice in ("type", "data"):
        (line,) = narrow(tmp_path, cache, range=choice)
        result = [int(word) for word in re.search(r"dataset.range=\[(\d+), (\d+)\]", line).groups()]
        assert 99 < result[0] < 105
        assert 895 < result[1] < 900
        assert narrow(tmp_path, cache, range=tuple(result)) == []


def with_masks_of(root, images):
    for number, pixels in enumerate(images):
        save(root / f"train/images/{number}.png", pixels)
        save(root / f"train/masks/{number}.png", np.tile(np.uint8([0, 255]), (64, 32)))
    return splits(root, val=photo(0, (6, 8)).astype(np.uint16))


def test_dark_images_beside_images_of_8_bits_and_images_of_one_value(tmp_path, cache):
    splits(tmp_path, train=[photo(0, (6, 8)), ramp(0, 500)], val=photo(1, (6, 8)))
    (line,) = narrow(tmp_path, cache)
    assert line.endswith("the images of 8 bits beside them use all of it: scale them alike, and save them anew")
    save(tmp_path / "train/images/0.png", ramp(70, 70))
    save(tmp_path / "train/images/1.png", ramp(70, 70))
    save(tmp_path / "val/images/0.png", ramp(70, 70))
    (line,) = narrow(tmp_path, cache)
    assert "are about 70, which is 0 % of the range" in line


def test_of_images_of_8_bits_nothing_is_doubted_whatever_they_hold(tmp_path, cache):
    splits(tmp_path, train=np.uint8(photo(0) // 64), val=photo(1) // 64)
    for choice in ("type", "data", (0, 255)):
        assert narrow(tmp_path, cache, range=choice) == []


@pytest.mark.parametrize(
    ("shapes", "channels"),
    [
        ([(6, 8)], 1),
        ([(6, 8, 3)], 3),
        ([(6, 8, 4)], 4),
        ([(6, 8), (6, 8, 3)], 3),
        ([(6, 8, 3), (6, 8, 4)], 3),
        ([(6, 8), (6, 8, 3), (6, 8, 4)], 3),
    ],
)
def test_channels_are_those_that_all_images_can_be_read_with(tmp_path, cache, shapes, channels):
    write(tmp_path, [str(number) for number in range(12)], image=lambda i: photo(i, shapes[i % len(shapes)]))
    assert ImageFolder(root=tmp_path).describe(cache).channels == channels
    result = opened(tmp_path, cache)
    assert {image.shape for samples in result.values() for image, _ in samples} == {(6, 8, channels)}


def test_any_number_of_channels_from_arrays(tmp_path, cache):
    write(tmp_path, "abc", suffix=".npy", image=lambda i: photo(i, (6, 8, 7)))
    assert first_sample(tmp_path, cache, test=0)[0].shape == (6, 8, 7)
    save(tmp_path / "images/d.npy", photo(0, (6, 8, 5)))
    save(tmp_path / "masks/d.png", SQUARE)
    message = refusal(tmp_path, cache)
    assert "differ in their channels: 5 (images/d.npy for one), 7 (images/a.npy for one)" in message


def test_arrays_with_the_channels_first_are_named(tmp_path, cache):
    write(tmp_path, "abcdef", suffix=".npy", image=lambda i: np.moveaxis(photo(i, (6, 8, 3)), -1, 0))
    result = segzoo.verify("folder", settings={"dataset.root": str(tmp_path)}, processes=1)
    assert [finding.kind for finding in result.errors] == ["size"] * 6
    assert all("(3, 6, 8) seems to be (channels, height, width)" in finding.what for finding in result.errors)
    save(tmp_path / "images/a.npy", np.moveaxis(photo(0, (6, 9, 3)), -1, 0))
    assert "9 (images/a.npy for one); convert" in refusal(tmp_path, cache)
    assert "seems to be (channels, height, width)" in refusal(tmp_path, cache)


def test_channels_can_be_said(tmp_path, cache):
    write(tmp_path, "abc", image=lambda i: photo(i, (6, 8, 4)))
    assert first_sample(tmp_path, cache, channels=3, test=0)[0].shape == (6, 8, 3)


def test_where_some_images_have_16_bits_all_get_them(tmp_path, cache):
    write(tmp_path, "abcdef", image=lambda i: photo(i, (6, 8)).astype(np.uint16) * 257 if i % 2 else photo(i, (6, 8)))
    for samples in opened(tmp_path, cache, test=0).values():
        for name, (image, _) in zip(samples.ids, samples, strict=True):
            np.testing.assert_array_equal(image[..., 0], photo("abcdef".index(name), (6, 8)).astype(np.uint16) * 257)


def test_pages_are_samples_and_stay_together(tmp_path, cache):
    for name in "abcdef":
        stack = [photo(page, (6, 8)) for page in range(3)]
        (tmp_path / "images").mkdir(exist_ok=True)
        pages(tmp_path / f"images/{name}.tif", stack)
        pages(tmp_path / f"masks/{name}.tiff", [SQUARE * page for page in range(3)])
    result = opened(tmp_path, cache)
    for samples in result.values():
        assert {name[0] for name in samples.ids} == {name[0] for name in samples.ids if name.endswith("#002")}
        for name, (image, mask) in zip(samples.ids, samples, strict=True):
            page = int(name.partition("#")[2])
            np.testing.assert_array_equal(image[..., 0], photo(page, (6, 8)))
            np.testing.assert_array_equal(mask, SQUARE * page)
    assert sum(map(len, result.values())) == 18


def test_a_pair_of_different_numbers_of_pages_is_an_error_of_its_own(tmp_path, cache, command):
    write(tmp_path, [f"img_{number}" for number in range(9)])
    pages(tmp_path / "images/b.tif", [photo(page) for page in range(3)])
    for wrong in (1, 2, 4):
        pages(tmp_path / "masks/b.tif", [SQUARE * 255] * wrong)
        result = segzoo.verify("folder", settings={"dataset.root": str(tmp_path)}, processes=1)
        assert [(finding.kind, finding.id) for finding in result.errors] == [("invalid", "b")]
        assert (
            f"images/b.tif has 3 pages, but its mask {tmp_path}/masks/b.tif has {wrong} page" in result.errors[0].what
        )
        assert "add `--set dataset.stack=channels`" in result.errors[0].what
        assert sum(result.samples.values()) == 10
    words = ("run", "unet", "folder", "--set", f"dataset.root={tmp_path}", "--set", "model.filters=2", "--epochs", "1")
    words += ("--set", "model.depth=1", "--image-size", "8", "--out", tmp_path / "run")
    done = command(*words)
    assert done.code == 2
    assert "b.tif has 3 pages" in done.err
    assert not (tmp_path / "run").exists()
    list_of_bad = tmp_path / "bad.csv"
    assert (
        command("data", "verify", "folder", "--set", f"dataset.root={tmp_path}", "--quarantine", list_of_bad).code == 1
    )
    assert command(*words, "--leave-out", list_of_bad).code == 0


BANDS = 5
H, W = SQUARE.shape


def bands(number):
    return np.random.default_rng(number).integers(0, 256, (BANDS, H, W)).astype(np.uint8)


@pytest.fixture
def paged(tmp_path):
    """Twenty images whose bands are pages, with masks of one page."""
    for number in range(20):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / f"images/img_{number}.tif").write_bytes(written([page(band) for band in bands(number)]))
        save(tmp_path / f"masks/img_{number}.png", SQUARE)
    return tmp_path


def test_pages_are_channels_where_the_user_says_so(paged, cache):
    with pytest.raises(DataError, match=r"dataset\.stack=channels"):
        opened(paged, cache)["train"][0]
    samples = opened(paged, cache, stack="channels")["train"]
    image, mask = samples[0]
    np.testing.assert_array_equal(image, np.moveaxis(bands(int(samples.ids[0][4:])), 0, -1))
    np.testing.assert_array_equal(mask, SQUARE)


def test_what_was_looked_up_is_of_the_stack_that_was_asked_for(paged, cache):
    channels = opened(paged, cache, stack="channels")["train"][0][0].shape[2]
    assert channels == BANDS
    with pytest.raises(DataError, match=r"dataset\.stack=channels"):
        opened(paged, cache, stack="samples")["train"][0]
    assert opened(paged, cache, stack="channels")["train"][0][0].shape[2] == BANDS


@pytest.mark.parametrize("form", ["imagej", "ome"])
def test_slices_are_samples_and_channels_are_channels(tmp_path, cache, form):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    volume = np.random.default_rng(0).integers(0, 256, (20, 2, H, W)).astype(np.uint8)
    labels = np.stack([np.roll(SQUARE, number, 0) for number in range(20)])
    kind = {form: True, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "images/v.tif", volume, metadata={"axes": "ZCYX"}, **kind)
    tifffile.imwrite(tmp_path / "masks/v.tif", labels, metadata={"axes": "ZYX"}, **kind)
    samples = opened(tmp_path, cache, blocks=True)
    assert sorted(name for split in samples.values() for name in split.ids) == [f"v#{i:03}" for i in range(20)]
    for split in samples.values():
        for name, (image, mask) in zip(split.ids, split, strict=True):
            np.testing.assert_array_equal(image, np.moveaxis(volume[int(name[2:])], 0, -1))
            np.testing.assert_array_equal(mask, labels[int(name[2:])])


def test_stacks_without_directories_are_read_as_those_with_them(tmp_path, cache):
    """Images as ImageJ saves them, masks in plain pages."""
    (tmp_path / "images").mkdir()
    volume = np.stack([photo(number)[..., 0] for number in range(20)])
    tags, _ = page(volume[0], t270=("s", b"ImageJ=1.53t\nimages=20\nslices=20\n\0"))
    (tmp_path / "images/v.tif").write_bytes(written([(tags, [volume.tobytes()])]))
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/v.tif").write_bytes(written([page(SQUARE)] * 20))
    samples = opened(tmp_path, cache, blocks=True)["train"]
    for name, (image, _) in zip(samples.ids, samples, strict=True):
        np.testing.assert_array_equal(image[..., 0], volume[int(name[2:])])


@pytest.mark.parametrize(
    ("sizes", "view", "size"),
    [
        ([(512, 512)], "crop", (256, 256)),
        ([(2048, 1536)] * 3, "crop", (256, 256)),
        ([(512, 512), (512, 511)], "resize", (256, 256)),
        ([(511, 511)], "resize", (256, 256)),
        ([(64, 48)], "resize", (64, 64)),
        ([(375, 500), (333, 500), (500, 400)], "resize", (192, 256)),
        ([(8, 4000)], "resize", (32, 256)),
    ],
)
def test_large_images_of_one_size_are_seen_in_crops_and_others_resized(sizes, view, size):
    result = suggest(sizes, len(sizes))
    assert (result.view, result.image_size) == (view, size)


@pytest.mark.parametrize(
    ("train", "size", "expected"),
    [
        (1, (64, 64), 300),
        (7, (64, 64), 300),
        (9, (64, 64), 150),
        (120, (64, 64), 20),
        (5000, (64, 64), 20),
        (1, (512, 512), 300),
        (16, (584, 565), 25),  # in 6 crops each, of which 12 steps are made
        (20, (512, 512), 30),
        (3, (4000, 3000), 20),
    ],
)
def test_few_pixels_get_more_epochs(train, size, expected):
    assert suggest([size] * (train + 2), train).epochs == expected


@given(st.integers(1, 10**6))
def test_the_steps_of_the_suggested_epochs_are_enough_and_no_more_than_need_be(images):
    result, steps = epochs(images), math.ceil(images / KerasTrainer().batch_size)
    assert result * steps >= STEPS
    assert result == EPOCHS or (result - 1) * steps < STEPS


def test_a_folder_suggests_by_its_images_for_training(tmp_path, cache):
    mask = np.tile(SQUARE, (100, 100))[:520, :600]
    write(tmp_path, "abcdefghij", mask=mask, image=lambda i: photo(i, (520, 600)))
    dataset = ImageFolder(root=tmp_path)
    info = dataset.describe(cache)
    assert (info.view, info.image_size, info.channels) == ("crop", (256, 256), 1)
    picks = decode(dataset.open(cache, "train"), Frame(info.image_size, view=info.view)).per_epoch
    assert (picks, info.epochs) == (6 * 5, 75)
    assert ImageFolder(root=tmp_path, test=0, val=0.1).describe(cache).epochs == 50


def scene(seed):
    """A bright disc in noise, and where it is."""
    rng = np.random.default_rng(seed)
    (y, x), (row, column) = np.indices((32, 32)), rng.uniform(8, 24, 2)
    disc = (y - row) ** 2 + (x - column) ** 2 < rng.uniform(4, 8) ** 2
    return (80 + 80 * disc + rng.normal(0, 25, disc.shape)).clip(0, 255).astype(np.uint8), disc.astype(np.uint8) * 255


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 10])
def test_the_default_run_of_few_images_ends_with_something_learnt(tmp_path, cache, count):
    for number in range(count):
        image, mask = scene(number)
        save(tmp_path / f"images/{number}.png", image)
        save(tmp_path / f"masks/{number}.png", mask)
    settings = {"model.filters": 8, "model.depth": 2, "dataset.root": tmp_path}
    run = segzoo.run("unet", "folder", settings=settings, out=tmp_path / "run")
    assert len(run.history) == 300
    assert run.metrics["iou"]["foreground"] > 0.7
