"""Regions of interest: what is outside is left out, whichever way a region is found."""

import numpy as np
import pytest
from own_folders import doubts, opened, pages, photo, refusal, save, write, write_table
from PIL import Image
from pydantic import ValidationError

import segzoo
from segzoo.errors import DataError
from segzoo.plugin import IGNORE
from segzoo_folder import ImageFolder
from segzoo_folder.masks import apply_region, marked_values

NAMES = [f"im{number}" for number in range(9)]
GRID = np.resize(np.arange(3, dtype=np.uint8), (6, 8))
VIEW = np.zeros((6, 8), np.uint8)
VIEW[1:5, 2:7] = 255
SEEN = np.where(VIEW == 0, IGNORE, GRID)


def flat(root):
    write(root, NAMES, mask=GRID)
    for name in NAMES:
        save(root / f"fov/{name}.png", VIEW)


def by_word(root):
    write(root, NAMES, mask=GRID)
    for name in NAMES:
        save(root / f"fov/{name}_mask.gif", VIEW)


def splits_above(root):
    for split, names in {"train": NAMES[:6], "val": NAMES[6:]}.items():
        write(root / split, names, mask=GRID)
        for name in names:
            save(root / f"{split}/fov/{name}.png", VIEW)


def splits_below(root):
    for split, names in {"train": NAMES[:6], "val": NAMES[6:]}.items():
        write(root, [f"{split}/{name}" for name in names], mask=GRID)
        for name in names:
            save(root / f"fov/{split}/{name}.png", VIEW)


def folders_of_each_image(root):
    for number, name in enumerate(NAMES):
        save(root / f"{name}/images/photo.png", photo(number))
        save(root / f"{name}/masks/drawn.png", GRID)
        save(root / f"{name}/fov/seen.png", VIEW)


LAYOUTS = [flat, by_word, splits_above, splits_below, folders_of_each_image]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_outside_a_region_is_left_out(tmp_path, own_cache, layout):
    layout(tmp_path)
    found = opened(tmp_path, own_cache, regions="fov")
    assert sum(map(len, found.values())) == 9
    for samples in found.values():
        for (_, mask), (image, drawn, region) in zip(samples, samples.files, strict=True):
            np.testing.assert_array_equal(mask, SEEN)
            assert ("images" in image.parts, "masks" in drawn.parts, "fov" in region.parts) == (True,) * 3
    for samples in opened(tmp_path, own_cache).values():
        for (_, mask), paths in zip(samples, samples.files, strict=True):
            np.testing.assert_array_equal(mask, GRID)
            assert len(paths) == 2


def test_a_table_has_a_column_of_regions_which_images_may_share(tmp_path, own_cache):
    write(tmp_path, NAMES, mask=GRID)
    save(tmp_path / "view.png", VIEW)
    rows = [(f"images/{name}.png", f"masks/{name}.png", "view.png") for name in NAMES]
    write_table(tmp_path, [("image", "mask", "region"), *rows])
    for samples in opened(tmp_path, own_cache, listing="list.csv").values():
        for (_, mask), paths in zip(samples, samples.files, strict=True):
            np.testing.assert_array_equal(mask, SEEN)
            assert paths[2] == tmp_path / "view.png"
    verification = segzoo.verify("folder", settings={"dataset.root": str(tmp_path), "dataset.listing": "list.csv"})
    assert not [one for one in verification.findings if one.kind != "doubtful"]


def test_a_table_must_have_a_region_for_each_image(tmp_path, own_cache):
    write(tmp_path, NAMES, mask=GRID)
    rows = [(f"images/{name}.png", f"masks/{name}.png", "" if name == "im4" else "view.png") for name in NAMES]
    write_table(tmp_path, [("image", "mask", "region"), *rows])
    message = refusal(tmp_path, own_cache, listing="list.csv")
    assert "some rows have a region, but not that of images/im4.png" in message
    write_table(tmp_path, [("image", "mask", "region"), *(row for row in rows if row[2])])
    for allowed in (False, True):
        message = refusal(tmp_path, own_cache, listing="list.csv", allow_missing=allowed)
        assert f"lacks the regions of interest of 8 images: {tmp_path / 'images/im0.png'} has no region" in message


@pytest.mark.parametrize("layout", LAYOUTS)
def test_regions_that_are_missing_are_named_whatever_is_allowed(tmp_path, own_cache, layout):
    layout(tmp_path)
    region = next(tmp_path.rglob("*fov/**/*im3*" if layout != folders_of_each_image else "im3/fov/*"))
    region.unlink()
    for allowed in (False, True):
        message = refusal(tmp_path, own_cache, regions="fov", allow_missing=allowed)
        assert "lacks the regions of interest of 1 images" in message
        assert f"has no region {region.relative_to(tmp_path).parent.as_posix()}/" in message
    dataset = ImageFolder(root=tmp_path, regions="fov", allow_missing=True)
    assert [line.partition(" has no region ")[0] for line in dataset.missing(own_cache)] == [
        str(next(path for path in tmp_path.rglob("images/**/*.png") if "im3" in str(path)))
    ]


def test_images_without_a_mask_need_no_region(tmp_path, own_cache):
    flat(tmp_path)
    for folder in ("masks", "fov"):
        (tmp_path / f"{folder}/im3.png").unlink()
    save(tmp_path / "fov/other.png", VIEW)
    found = opened(tmp_path, own_cache, regions="fov", allow_missing=True)
    assert sum(map(len, found.values())) == 8


def test_a_region_of_another_size_is_a_finding_of_its_sample(tmp_path):
    flat(tmp_path)
    region = save(tmp_path / "fov/im3.png", np.ones((8, 6), np.uint8))
    settings = {"dataset.root": str(tmp_path), "dataset.regions": "fov"}
    found = segzoo.verify("folder", settings=settings, processes=1)
    (error,) = found.errors
    assert (error.kind, error.id, error.file) == ("size", "im3", str(region))
    assert f"the region {region} is 6x8 pixels, its mask 8x6" in error.what


def test_a_region_that_leaves_nothing_is_a_finding_of_its_mask(tmp_path):
    flat(tmp_path)
    save(tmp_path / "fov/im3.png", np.zeros((6, 8), np.uint8))
    settings = {"dataset.root": str(tmp_path), "dataset.regions": "fov"}
    found = segzoo.verify("folder", settings=settings, processes=1)
    (finding,) = (one for one in found.findings if one.kind == "unlabelled")
    assert (finding.id, finding.file) == ("im3", str(tmp_path / "masks/im3.png"))


def test_stamp_and_sample_change_with_a_region(tmp_path, own_cache):
    flat(tmp_path)
    dataset = ImageFolder(root=tmp_path, regions="fov")
    before = dataset.stamp(own_cache, "train")
    assert before != ImageFolder(root=tmp_path).stamp(own_cache, "train")
    for path in (tmp_path / "fov").iterdir():
        save(path, np.ones((6, 8), np.uint8))
    dataset.describe(own_cache)
    assert dataset.stamp(own_cache, "train") != before
    np.testing.assert_array_equal(dataset.open(own_cache, "train")[0][1], GRID)


def test_regions_go_with_objects(tmp_path, own_cache):
    flat(tmp_path)
    for samples in opened(tmp_path, own_cache, regions="fov", instances="foreground").values():
        for _, mask in samples:
            np.testing.assert_array_equal(mask, np.where(VIEW == 0, IGNORE, GRID > 0))


def test_one_region_may_be_that_of_all_pages(tmp_path, own_cache):
    views = [VIEW, 255 - VIEW]
    for name in NAMES:
        pages(tmp_path / f"images/{name}.tif", [photo(number, (6, 8)) for number in range(2)])
        pages(tmp_path / f"masks/{name}.tif", [GRID, GRID])
        pages(tmp_path / f"each/{name}.tif", views)
        save(tmp_path / f"all/{name}.png", VIEW)
    for regions, expected in {"each": views, "all": [VIEW, VIEW]}.items():
        for samples in opened(tmp_path, own_cache, regions=regions).values():
            for name, (_, mask) in zip(samples.ids, samples, strict=True):
                np.testing.assert_array_equal(mask, np.where(expected[int(name[-1])] == 0, IGNORE, GRID))


# What a file marks


@pytest.mark.parametrize(
    "stored",
    [
        VIEW,
        VIEW // 255,
        VIEW > 0,
        VIEW.astype(np.uint16) * 257,
        np.stack([VIEW] * 3, -1),
        np.stack([VIEW, VIEW * 0, VIEW // 5], -1),
    ],
    ids=["255", "1", "bits", "16 bits", "grey as colour", "colour"],
)
def test_a_region_is_what_is_not_0(tmp_path, stored):
    np.testing.assert_array_equal(apply_region(GRID, save(tmp_path / "view.png", stored), 0), SEEN)


def test_a_region_as_jpeg_is_refused(tmp_path):
    path = save(tmp_path / "view.jpg", np.roll(VIEW, 1, 1))
    with pytest.raises(DataError, match=r"view\.jpg may not hold what was drawn"):
        marked_values(path, 0)


def test_a_palette_that_swaps_black_and_white_is_refused(tmp_path):
    image = Image.fromarray(VIEW // 255)
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / "view.png")
    with pytest.raises(DataError, match="it is not clear what is marked"):
        apply_region(GRID, tmp_path / "view.png", 0)


# Options and messages


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": "/fov"}, "no folder beside images and masks"),
        ({"regions": "../fov"}, "no folder beside images and masks"),
        ({"regions": ""}, "no folder beside images and masks"),
        ({"regions": "masks/"}, "no folder beside images and masks"),
        ({"regions": "fov", "listing": "list.csv"}, "with a listing, give each image its own in the column region"),
    ],
)
def test_options_that_do_not_do(options, message):
    with pytest.raises(ValidationError, match=message):
        ImageFolder(**options)


@pytest.mark.parametrize("split", ["", "training/"])
def test_nobody_is_told_to_rename_a_folder_of_regions(tmp_path, own_cache, split):
    for name in NAMES:
        save(tmp_path / f"{split}images/{name}.png", photo())
        save(tmp_path / f"{split}mask/{name}.png", VIEW)
    message = refusal(tmp_path, own_cache)
    assert f"{tmp_path / split} has a folder images, but no masks with what is to be learnt" in message
    assert "beside it is mask. Fields of view and other regions of interest are not that" in message


def test_regions_that_are_taken_for_masks_are_doubted(tmp_path, own_cache):
    write(tmp_path, NAMES, mask=VIEW)
    (line,) = ImageFolder(root=tmp_path).warnings(own_cache)
    assert "`--set dataset.regions=FOLDER`" in line


@pytest.mark.parametrize("layout", [flat, splits_above, splits_below])
def test_regions_that_nobody_asks_for_are_told_of(tmp_path, own_cache, layout):
    layout(tmp_path)
    warnings = [line for line in doubts(tmp_path, own_cache) if "regions" in line and "not looked at" in line]
    assert len(warnings) == 1
    assert "`--set dataset.regions=fov`" in warnings[0]
    assert not [line for line in doubts(tmp_path, own_cache, regions="fov") if "not looked at" in line]
