"""Own images as a dataset: layouts, classes, channels, pages, splits, the index, and what is said where it is open."""

import os
import pickle
import sys
import tracemalloc
from hashlib import sha256
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_folders import (
    SQUARE,
    classes,
    forget,
    grid,
    ids,
    labels,
    one,
    opened,
    pages,
    photo,
    refusal,
    save,
    with_masks,
    write,
    write_table,
)
from PIL import Image
from pydantic import ValidationError

import segzoo
from segzoo.data.images import FORMATS
from segzoo.errors import DataError
from segzoo.plugin import IGNORE
from segzoo_folder import ImageFolder, files, inspection, pairs
from segzoo_folder.masks import Labels

SPLITS = ("train", "val", "test")


@pytest.fixture
def root(tmp_path):
    """Twenty photos with masks of 0 and 255."""
    return write(tmp_path / "data", [f"img_{number}" for number in range(20)])


# Layouts


def test_images_and_masks_of_one_name_are_a_sample(root, own_cache):
    found = opened(root, own_cache)
    assert sorted(name for samples in found.values() for name in samples.ids) == sorted(f"img_{i}" for i in range(20))
    for samples in found.values():
        for name, (image, mask) in zip(samples.ids, samples, strict=True):
            np.testing.assert_array_equal(image, photo(int(name[4:])))
            np.testing.assert_array_equal(mask, SQUARE)


def test_each_sample_has_its_files_and_its_folder_in_its_name(tmp_path, own_cache):
    write(tmp_path, ["a/one", "a/b/two", "three.x"])
    dataset = ImageFolder(root=tmp_path, test=0)
    found = {}
    for split in ("train", "val"):
        found |= dict(zip(dataset.open(own_cache, split).ids, dataset.files(own_cache, split), strict=True))
    expected = {name: (tmp_path / f"images/{name}.png", tmp_path / f"masks/{name}.png") for name in found}
    assert found == expected
    assert set(found) == {"a/one", "a/b/two", "three.x"}


def test_folders_of_splits_are_the_splits(tmp_path, own_cache):
    for split, names in {"train": "abc", "val": "ad", "test": "e"}.items():
        write(tmp_path / split, names)
    expected = {"train": ["train/a", "train/b", "train/c"], "val": ["val/a", "val/d"], "test": ["test/e"]}
    assert ids(tmp_path, own_cache) == expected


def test_splits_may_be_below_images_and_masks(tmp_path, own_cache):
    for split, names in {"train": "abc", "val": "ad", "test": "e"}.items():
        write(tmp_path, [f"{split}/{name}" for name in names])
    expected = {"train": ["train/a", "train/b", "train/c"], "val": ["val/a", "val/d"], "test": ["test/e"]}
    assert ids(tmp_path, own_cache) == expected
    for name in ("loose.png", "loose.HEIC"):
        (tmp_path / "images" / name).touch()
        assert "holds the splits train and val and test, and other images too" in refusal(tmp_path, own_cache)
        (tmp_path / "images" / name).unlink()


def test_a_folder_that_is_called_train_among_others_is_no_split(tmp_path, own_cache):
    write(tmp_path, [f"{kind}/{number}" for kind in ("train", "tram", "bus") for number in range(20)])
    assert {name.partition("/")[0] for name in ids(tmp_path, own_cache)["test"]} == {"train", "tram", "bus"}


@pytest.mark.parametrize("names", [("training", "validation", "testing"), ("Train", "VALID", "Test"), ("TRAIN", "dev")])
def test_splits_may_have_the_names_that_others_give_them(tmp_path, own_cache, names):
    for name in names:
        write(tmp_path / "above" / name, "ab")
        write(tmp_path / "below", [f"{name}/{letter}" for letter in "ab"])
    expected = {split: [f"{name}/a", f"{name}/b"] for split, name in zip(SPLITS, names, strict=False)}
    assert ids(tmp_path / "above", own_cache) == expected
    assert ids(tmp_path / "below", own_cache) == expected


def test_the_same_split_may_be_spelled_otherwise_for_images_and_masks(tmp_path, own_cache):
    write(tmp_path, ["Training/a", "validation/b"])
    (tmp_path / "masks/Training").rename(tmp_path / "masks/train")
    (tmp_path / "masks/validation").rename(tmp_path / "masks/Val")
    assert ids(tmp_path, own_cache) == {"train": ["Training/a"], "val": ["validation/b"]}
    save(tmp_path / "masks/test/c.png", SQUARE)
    assert "masks/test/c.png has no image images/test/c.*" in refusal(tmp_path, own_cache)


def test_two_folders_for_one_split_are_refused_and_both_named(tmp_path, own_cache):
    for name in ("train", "val", "validation"):
        write(tmp_path / "above" / name, "a")
        write(tmp_path / "below", [f"{name}/a"])
    for root in (tmp_path / "above", tmp_path / "below/images"):
        message = f"{root / 'val'} and {root / 'validation'} are both the split 'val': put their files into one"
        assert message in refusal(tmp_path / root.relative_to(tmp_path).parts[0], own_cache)


def test_masks_may_have_a_word_more_in_their_names(tmp_path, own_cache):
    root = write(tmp_path, ["a_1", "a_10", "b/a_1", "c"])
    for path in list((root / "masks").rglob("*.png")):
        path.rename(path.with_stem(f"{path.stem}_mask"))
    found = ids(root, own_cache, test=0)
    assert sorted(name for names in found.values() for name in names) == ["a_1", "a_10", "b/a_1", "c"]
    (root / "masks/c_mask.png").unlink()
    assert "images/c.png has no mask masks/c_mask.*" in refusal(root, own_cache)


def test_letters_that_a_mac_has_taken_apart(tmp_path, own_cache):
    root = write(tmp_path, [f"größe {number}" for number in range(20)])
    expected = ids(root, own_cache)
    for path in list((root / "masks").iterdir()):
        path.rename(path.with_name(normalize("NFD", path.name)))
    assert ids(root, own_cache) == expected


@pytest.mark.skipif(sys.platform == "darwin", reason="there all names are text")
def test_a_name_that_is_no_text_is_refused(root, own_cache):
    (root / "images" / os.fsdecode(b"gr\xf6\xdfe.png")).write_bytes(b"")
    assert r"gr\xf6\xdfe.png is not in UTF-8" in refusal(root, own_cache)


def test_a_folder_that_must_not_be_read_is_named(root, own_cache):
    (root / "masks").chmod(0)
    try:
        if os.access(root / "masks", os.R_OK):
            pytest.skip("from this user no rights can be taken away")
        assert f"cannot look through {root / 'masks'}: Permission denied" in refusal(root, own_cache)
    finally:
        (root / "masks").chmod(0o700)


def test_without_a_split_for_validation_some_of_the_training_are_for_it(tmp_path, own_cache):
    write(tmp_path / "train", [str(number) for number in range(40)])
    write(tmp_path / "test", "ab")
    found = ids(tmp_path, own_cache, val=0.3)
    assert found["test"] == ["test/a", "test/b"]
    assert len(found["train"]) + len(found["val"]) == 40
    assert 5 < len(found["val"]) < 20


def test_a_table_names_files_splits_and_groups(tmp_path, own_cache):
    for name in ("x/1.png", "x/2.bmp", "y/3.png"):
        save(tmp_path / name, photo())
    save(tmp_path / "all.png", SQUARE)
    rows = [("mask", "image", "split", "who"), *(("all.png", path, split, "me") for path, split in ROWS)]
    write_table(tmp_path, rows)
    (tmp_path / "list.toml").write_text(
        "".join(f'[[samples]]\nimage = "{path}"\nmask = "all.png"\nsplit = "{split}"\n' for path, split in ROWS)
    )
    expected = {"train": ["x/1"], "val": ["x/2"], "test": ["y/3"]}
    assert ids(tmp_path, own_cache, listing="list.csv") == expected
    assert ids(tmp_path, own_cache, listing=str(tmp_path / "list.toml")) == expected


ROWS = [("x/1.png", "train"), ("x/2.bmp", "Validation"), ("y/3.png", "TESTING")]


def test_images_outside_the_root_have_ids_relative_to_the_table(tmp_path, own_cache):
    root = tmp_path / "data" / "root"
    paths = [
        root / "images/a.png",
        root / "b.c.png",
        tmp_path / "lists/x/d.png",
        tmp_path / "scans/e.png",
        tmp_path / "f.png",
    ]
    for path in (*paths, root / "mask.png"):
        save(path, SQUARE)
    for absolute in (True, False):
        images = [path if absolute else os.path.relpath(path, root) for path in paths]
        write_table(
            tmp_path / "lists", [("image", "mask", "split"), *((str(path), "mask.png", "train") for path in images)]
        )
        found = ids(root, own_cache, listing=str(tmp_path / "lists/list.csv"), val=0.1)
        assert sorted(name for names in found.values() for name in names) == ["a", "b.c", "f", "scans/e", "x/d"]


def test_ids_of_a_table_are_longer_where_short_ones_would_be_the_same(tmp_path, own_cache):
    root = tmp_path / "root"
    paths = ["a.png", "images/a.png", "scans/b.png", "../scans/b.png", "../../scans/b.png", "../c.png", "c.png"]
    for number, path in enumerate(paths):
        save(tmp_path / "root" / path, photo(number))
    save(root / "mask.png", SQUARE)
    write_table(root, [("image", "mask", "split"), *((path, "mask.png", "train") for path in paths)])
    found = ids(root, own_cache, listing="list.csv", val=0.1)
    expected = ["a", "images/a", "scans/b", "../scans/b", "../../scans/b", "../c", "c"]
    assert sorted(name for names in found.values() for name in names) == sorted(expected)
    write_table(root, [("image", "mask"), ("../c.png", "mask.png"), (str(tmp_path / "c.png"), "mask.png")])
    assert "in list.csv, are both ../c" in refusal(root, own_cache, listing="list.csv")


def test_a_table_of_a_folder_gives_the_same_splits_as_the_folder(root, own_cache):
    names = sorted(path.name for path in (root / "images").iterdir())
    write_table(root, [("image", "mask"), *((f"images/{name}", f"masks/{name}") for name in names)])
    assert ids(root, own_cache, listing="list.csv") == ids(root, own_cache)


def test_splits_of_a_run_can_be_given_again_by_a_table(root, own_cache, tmp_path):
    settings = {"dataset.root": str(root), "model.filters": 2, "model.depth": 1}
    run = segzoo.run("unet", "folder", settings=settings, epochs=1, image_size=(8, 8), out=tmp_path / "run")
    rows = [line.split(",") for line in (run.folder / "splits.csv").read_text().splitlines()[1:]]
    write_table(
        root, [("image", "mask", "split"), *((f"images/{i}.png", f"masks/{i}.png", split) for i, split in rows)]
    )
    assert ids(root, own_cache, listing="list.csv") == ids(root, own_cache)
    assert run.metrics["images"] == len(ids(root, own_cache)["test"])
    assert set(run.metrics["iou"]) == {"background", "foreground"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\na,b\n", "line 2 has no column mask; there are image, label"),
        ("image,mask\n", "lists no images"),
        ("image,mask\na.png,\n", "line 2: mask is empty"),
        ("image,mask,split\na.png,b.png,vals\n", "there is no split 'vals'; did you mean 'val'?"),
        ("image,mask,split\na.png,b.png,train\nc.png,d.png,\n", "some rows have a split, but not that of c.png"),
        ("image,mask\na.png,b.png\n", "b.png is not there, but list.csv names it. Paths in a listing are relative to"),
        ("image,mask\na.png\n", "line 2: mask is empty"),
        ("image,mask\na,1.png,a,1.png\n", "line 2 has 4 entries for 2 columns; put a name with a separator in it"),
        ("a.png,b.png\n", "lists no images"),
        ("a.png,b.png\nc.png,d.png\n", "The first line must name the columns: image,mask"),
        ("image,mask,splits\na.png,b.png,train\n", "a column 'splits', which is not known; rename it to split"),
        ("image,mask,groups\na.png,b.png,p\n", "a column 'groups', which is not known; rename it to group"),
    ],
)
def test_a_table_that_does_not_do(tmp_path, own_cache, text, message):
    (tmp_path / "list.csv").write_text(text)
    assert message in refusal(tmp_path, own_cache, listing="list.csv")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_as_spreadsheets_write_them(root, own_cache, separator):
    rows = [
        f"images/img_{i}.png{separator}masks/img_{i}.png{separator}{'val' if i > 14 else 'train'}" for i in range(20)
    ]
    text = "\r\n".join([f" Image{separator}MASK {separator}Split{separator}", *rows, ""])
    (root / "list.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = ids(root, own_cache, listing="list.csv")
    assert {split: len(names) for split, names in found.items()} == {"train": 15, "val": 5}
    (root / "list.csv").write_bytes("image,mask\nö.png,ö.png\n".encode("cp1252"))
    assert "it is not in UTF-8; save it as `CSV UTF-8`" in refusal(root, own_cache, listing="list.csv")


def test_a_table_that_cannot_be_read(tmp_path, own_cache):
    assert "cannot read the table" in refusal(tmp_path, own_cache, listing="gone.csv")
    (tmp_path / "list.toml").write_text("samples = 3")
    assert "no tables [[samples]]" in refusal(tmp_path, own_cache, listing="list.toml")
    (tmp_path / "list.toml").write_text("[[samples]]\nimage = 3\nmask = 'a'\n")
    assert "image is 3; write it in quotation marks" in refusal(tmp_path, own_cache, listing="list.toml")


def test_what_is_expected_and_what_is_there_is_said_of_another_layout(tmp_path, own_cache):
    save(tmp_path / "train/image/0.png", photo())
    save(tmp_path / "notes.png", photo())
    message = refusal(tmp_path, own_cache)
    assert "images/NAME.png and masks/NAME.png" in message
    assert "found are . (the file notes.png), train/image (the file 0.png)" in message
    assert "there is no folder" in refusal(tmp_path / "gone", own_cache)
    (tmp_path / "empty").mkdir()
    assert "it is empty" in refusal(tmp_path / "empty", own_cache)
    assert refusal(None, own_cache).startswith("dataset 'folder' reads a folder of yours: name it with")


def test_two_layouts_at_once_are_refused(root, own_cache):
    write(root / "test", "a")
    assert "it is not clear which to take" in refusal(root, own_cache)


def test_images_without_mask_and_masks_without_image_are_counted_and_named(root, own_cache):
    (root / "images/img_3.png").unlink()
    (root / "masks/img_4.png").unlink()
    message = refusal(root, own_cache)
    assert "lacks 2 files" in message
    assert f"{root / 'images/img_4.png'} has no mask masks/img_4.*" in message
    assert "`--set dataset.allow_missing=true`" in message
    assert len(ImageFolder(root=root).missing(own_cache)) == 2
    found = ids(root, own_cache, allow_missing=True)
    assert sum(map(len, found.values())) == 18
    assert ImageFolder(root=root, allow_missing=True).missing(own_cache) == []


def test_two_files_of_one_name_are_refused_whatever_is_allowed(root, own_cache):
    save(root / "images/img_3.bmp", photo())
    message = refusal(root, own_cache, allow_missing=True)
    assert f"{root / 'images/img_3.bmp'} and {root / 'images/img_3.png'} are both img_3" in message
    assert len(ImageFolder(root=root, allow_missing=True).missing(own_cache)) == 1


def test_hidden_files_and_files_of_other_kinds_do_not_count(root, own_cache):
    for name in ("images/._img_1.png", "images/.DS_Store", "images/Thumbs.db", "masks/README"):
        (root / name).write_bytes(b"")
    for name in ("images/@eaDir/img_1.png", "__MACOSX/images/img_2.png", "masks/.ipynb_checkpoints/img_3.png"):
        save(root / name, photo())
    assert sum(map(len, ids(root, own_cache).values())) == 20


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_is_no_file_is_a_finding_that_says_what_it_is(root):
    for name, target in {"img_0": "/nowhere/x.png", "img_1": "img_1.png", "img_2": "/dev/null"}.items():
        (root / f"images/{name}.png").unlink()
        (root / f"images/{name}.png").symlink_to(target)
    (root / "masks/img_3.png").unlink()
    os.mkfifo(root / "masks/img_3.png")
    found = {one.id: one.what for one in segzoo.verify("folder", settings={"dataset.root": str(root)}).errors}
    assert found == {
        "img_0": f"cannot read {root / 'images/img_0.png'}: it is a link to /nowhere/x.png, which is not there",
        "img_1": f"cannot read {root / 'images/img_1.png'}: it is a link to img_1.png, which is not there",
        "img_2": f"cannot read {root / 'images/img_2.png'}: it is a device, not a file",
        "img_3": f"cannot read {root / 'masks/img_3.png'}: it is a named pipe, not a file",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_table_that_is_no_file_or_names_a_link_to_nothing(root, own_cache):
    os.mkfifo(root / "pipe.csv")
    assert "pipe.csv: it is a named pipe, not a file" in refusal(root, own_cache, listing="pipe.csv")
    (root / "link.csv").symlink_to("gone.csv")
    assert "link.csv: it is a link to gone.csv, which is not there" in refusal(root, own_cache, listing="link.csv")
    (root / "images/link.png").symlink_to("gone.png")
    write_table(root, [("image", "mask"), ("images/link.png", "masks/img_1.png")])
    message = f"{root / 'images/link.png'} is a link to gone.png, which is not there, but list.csv names it"
    assert message in refusal(root, own_cache, listing="list.csv")


def test_a_link_in_a_circle_ends(root, own_cache):
    (root / "images/again").symlink_to(root / "images", target_is_directory=True)
    assert sum(map(len, ids(root, own_cache).values())) == 20


@pytest.mark.parametrize("suffix", sorted({suffixes[0] for name, suffixes in FORMATS.items()} - {".avif"}))
def test_every_format_is_read(tmp_path, own_cache, suffix):
    if suffix == ".qoi":
        pytest.importorskip("PIL", minversion="11.3")  # which writes them since then
    write(tmp_path, ["a"], suffix=suffix)
    write(tmp_path, ["b", "c"])
    image = next(
        image
        for samples in opened(tmp_path, own_cache, test=0).values()
        for name, (image, _) in zip(samples.ids, samples, strict=True)
        if name == "a"
    )
    assert image.shape == (6, 8, 3)


# Classes


@pytest.mark.parametrize(
    ("masks", "names", "found"),
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
def test_classes_are_found_in_the_masks(tmp_path, own_cache, masks, names, found):
    with_masks(tmp_path, *masks)
    assert classes(tmp_path, own_cache) == names
    assert labels(tmp_path, own_cache) == found


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
def test_masks_that_leave_open_what_is_meant_say_what_to_type(tmp_path, own_cache, masks, message):
    assert message in refusal(with_masks(tmp_path, *masks), own_cache)


def test_options_say_what_the_masks_leave_open(tmp_path, own_cache):
    root = with_masks(tmp_path / "values", grid(1, 2, 3, 255))
    assert classes(root, own_cache, values=(1, 2, 3)) == ("class0", "class1", "class2")
    assert labels(root, own_cache, values=(3, 1, 2)) == [0, 1, 2, IGNORE]
    assert labels(root, own_cache, values=(3, 1, 2, 255), classes=("a", "b", "c", "d")) == [0, 1, 2, 3]
    root = with_masks(tmp_path / "either", grid(0, 1), grid(0, 255))
    assert labels(root, own_cache, values=(0, 1)) == [0, 1, IGNORE]
    root = with_masks(tmp_path / "gaps", grid(0, 2))
    assert classes(root, own_cache, classes=("a", "b", "c")) == ("a", "b", "c")
    root = with_masks(tmp_path / "binary", grid(0, 255))
    assert labels(root, own_cache, classes=("cell", "wall")) == [0, 1]
    assert "classes names 3" in refusal(root, own_cache, classes=("a", "b", "c"))


def test_values_of_16_bits(tmp_path, own_cache):
    root = with_masks(tmp_path, np.resize(np.array([0, 1000, 40000], np.uint16), (6, 8)))
    assert labels(root, own_cache, values=(40000, 0, 1000)) == [0, 1, 2]


def test_a_value_that_is_no_class_is_an_error_that_names_the_file(tmp_path, own_cache):
    root = with_masks(tmp_path, grid(1, 2))
    save(root / "masks/4.png", grid(1, 2, 7))
    with pytest.raises(DataError, match=r"4\.png has the values 7, which are no class; there are 1 a, 2 b"):
        labels(root, own_cache, values=(1, 2), classes=("a", "b"))


def test_labels_beyond_the_classes_are_found_by_verify(tmp_path, own_cache):
    root = with_masks(tmp_path, grid(0, 1))
    save(root / "masks/4.png", grid(0, 1, 7))
    settings = {"dataset.root": str(root), "dataset.classes": ["a", "b"]}
    found = segzoo.verify("folder", settings=settings, processes=1)
    assert [(one.kind, one.id) for one in found.errors] == [("labels", "4")]


def test_palettes_are_labels_or_colours(tmp_path, own_cache):
    for number in range(9):
        save(tmp_path / f"images/{number}.png", photo(number))
        image = Image.fromarray(grid(0, 1, 2), "P")
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
        (tmp_path / "masks").mkdir(exist_ok=True)
        image.save(tmp_path / f"masks/{number}.png")
    assert labels(tmp_path, own_cache) == [0, 1, 2]
    _, mask = one(tmp_path, own_cache, colors={"blue": "#0000FF", "red": [255, 0, 0], "ignore": "#000000"})
    np.testing.assert_array_equal(mask, np.resize([IGNORE, 1, 0], (6, 8)))


def test_an_index_that_stands_for_several_colours_is_refused(tmp_path, own_cache):
    for number in range(9):
        save(tmp_path / f"images/{number}.png", photo(number))
        image = Image.fromarray(grid(0, 1) if number else grid(1, 0), "P")
        image.putpalette([0, 0, 0, 255, 255, 255] if number else [255, 255, 255, 0, 0, 0])
        (tmp_path / "masks").mkdir(exist_ok=True)
        image.save(tmp_path / f"masks/{number}.png")
    message = refusal(tmp_path, own_cache)
    assert "the index 0 is #ffffff in masks/0.png, but #000000 in masks/1.png" in message
    assert """`--set 'dataset.colors={class0 = "#000000", class1 = "#ffffff"}'`""" in message
    for samples in opened(tmp_path, own_cache, colors={"a": "#000000", "b": "#ffffff"}).values():
        for _, mask in samples:
            np.testing.assert_array_equal(mask, grid(0, 1))
    assert labels(tmp_path, own_cache, values=(0, 1)) == [0, 1]


def test_labels_saved_as_a_photo_are_refused(tmp_path, own_cache):
    root = with_masks(tmp_path, grid(0, 255))
    for path in sorted((root / "masks").iterdir()):
        Image.fromarray(SQUARE * int(path.stem)).save(path.with_suffix(".jpg"), quality=100)
        path.unlink()
    for options in ({}, {"classes": [*"abcdefghi"]}):
        assert "may not hold what was drawn, since formats for photos" in refusal(root, own_cache, **options)
    for path in (root / "masks").iterdir():
        Image.fromarray(np.kron(SQUARE, np.ones((9, 7), np.uint8)) * 255).save(path, quality=70)
        save(root / f"images/{path.stem}.png", photo(0, (54, 56, 3)))
    message = refusal(root, own_cache)
    assert "`--set 'dataset.values=[0, 255]' --set dataset.nearest=true`" in message
    for samples in opened(root, own_cache, values=(0, 255), nearest=True).values():
        for _, mask in samples:
            np.testing.assert_array_equal(mask, np.kron(SQUARE, np.ones((9, 7), np.uint8)))
    for path in (root / "masks").iterdir():
        Image.fromarray(photo(0, (54, 56, 3))).save(path)
    assert "`--set dataset.nearest=true`: each pixel is" in refusal(root, own_cache)


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
    found = Labels(tuple(map(str, range(kept))), known, colored, nearest=True).read([path], 0)
    targets = dict(zip(values, [*range(kept), IGNORE] if colored else range(kept), strict=False))
    if not colored:
        targets.setdefault(IGNORE, IGNORE)
    for pixel, label in zip(pixels, found.ravel().tolist(), strict=True):
        assert label == targets[min(sorted(targets), key=lambda value: abs(value - pixel))]


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=2, max_size=12, unique=True), st.randoms())
def test_colours_are_labels_in_the_order_of_the_table(tmp_path_factory, colors, random):
    order = [random.randrange(len(colors)) for _ in range(48)]
    path = save(tmp_path_factory.mktemp("mask") / "m.png", np.array(colors, np.uint8)[order].reshape(6, 8, 3))
    values = tuple(int.from_bytes(bytes(color)) for color in colors)
    kept = len(colors) - 1
    found = Labels(tuple(map(str, range(kept))), values, colored=True).read([path], 0)
    assert found.ravel().tolist() == [IGNORE if place == kept else place for place in order]


def test_a_colour_that_is_no_class_is_an_error_that_names_file_and_colour(tmp_path, own_cache):
    root = with_masks(tmp_path, np.stack([grid(0, 255), grid(0), grid(0)], -1))
    save(root / "masks/4.png", np.stack([grid(0, 255), grid(0, 1), grid(0)], -1))
    with pytest.raises(
        DataError, match=r"4\.png has the colours #ff0100, which are no class; there are #000000 a, #ff"
    ):
        labels(root, own_cache, colors={"a": "#000000", "b": "#ff0000"})


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


# Channels, bits, pages, sizes


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
def test_channels_are_those_that_all_images_can_be_read_with(tmp_path, own_cache, shapes, channels):
    write(tmp_path, [str(number) for number in range(12)], image=lambda i: photo(i, shapes[i % len(shapes)]))
    assert ImageFolder(root=tmp_path).describe(own_cache).channels == channels
    found = opened(tmp_path, own_cache)
    assert {image.shape for samples in found.values() for image, _ in samples} == {(6, 8, channels)}


def test_any_number_of_channels_from_arrays(tmp_path, own_cache):
    write(tmp_path, "abc", suffix=".npy", image=lambda i: photo(i, (6, 8, 7)))
    assert one(tmp_path, own_cache, test=0)[0].shape == (6, 8, 7)
    save(tmp_path / "images/d.npy", photo(0, (6, 8, 5)))
    save(tmp_path / "masks/d.png", SQUARE)
    message = refusal(tmp_path, own_cache)
    assert "differ in their channels: 5 (images/d.npy for one), 7 (images/a.npy for one)" in message


def test_arrays_with_the_channels_first_are_named(tmp_path, own_cache):
    write(tmp_path, "abcdef", suffix=".npy", image=lambda i: np.moveaxis(photo(i, (6, 8, 3)), -1, 0))
    found = segzoo.verify("folder", settings={"dataset.root": str(tmp_path)}, processes=1)
    assert [one.kind for one in found.errors] == ["size"] * 6
    assert all("(3, 6, 8) seems to be (channels, height, width)" in one.what for one in found.errors)
    save(tmp_path / "images/a.npy", np.moveaxis(photo(0, (6, 9, 3)), -1, 0))
    assert "9 (images/a.npy for one); convert" in refusal(tmp_path, own_cache)
    assert "seems to be (channels, height, width)" in refusal(tmp_path, own_cache)


def test_channels_can_be_said(tmp_path, own_cache):
    write(tmp_path, "abc", image=lambda i: photo(i, (6, 8, 4)))
    assert one(tmp_path, own_cache, channels=3, test=0)[0].shape == (6, 8, 3)


def test_where_some_images_have_16_bits_all_get_them(tmp_path, own_cache):
    write(tmp_path, "abcdef", image=lambda i: photo(i, (6, 8)).astype(np.uint16) * 257 if i % 2 else photo(i, (6, 8)))
    for samples in opened(tmp_path, own_cache, test=0).values():
        for name, (image, _) in zip(samples.ids, samples, strict=True):
            np.testing.assert_array_equal(image[..., 0], photo("abcdef".index(name), (6, 8)).astype(np.uint16) * 257)


def test_pages_are_samples_and_stay_together(tmp_path, own_cache):
    for name in "abcdef":
        stack = [photo(page, (6, 8)) for page in range(3)]
        (tmp_path / "images").mkdir(exist_ok=True)
        pages(tmp_path / f"images/{name}.tif", stack)
        pages(tmp_path / f"masks/{name}.tiff", [SQUARE * page for page in range(3)])
    found = opened(tmp_path, own_cache)
    for samples in found.values():
        assert {name[0] for name in samples.ids} == {name[0] for name in samples.ids if name.endswith("#002")}
        for name, (image, mask) in zip(samples.ids, samples, strict=True):
            page = int(name.partition("#")[2])
            np.testing.assert_array_equal(image[..., 0], photo(page, (6, 8)))
            np.testing.assert_array_equal(mask, SQUARE * page)
    assert sum(map(len, found.values())) == 18


def test_a_pair_of_different_numbers_of_pages_is_an_error_of_its_own(tmp_path, own_cache, command):
    write(tmp_path, [f"img_{number}" for number in range(9)])
    pages(tmp_path / "images/b.tif", [photo(page) for page in range(3)])
    for wrong in (1, 2, 4):
        pages(tmp_path / "masks/b.tif", [SQUARE * 255] * wrong)
        found = segzoo.verify("folder", settings={"dataset.root": str(tmp_path)}, processes=1)
        assert [(one.kind, one.id) for one in found.errors] == [("invalid", "b")]
        assert f"images/b.tif has 3 pages, but its mask {tmp_path}/masks/b.tif has {wrong} page" in found.errors[0].what
        assert "add `--set dataset.stack=channels`" in found.errors[0].what
        assert sum(found.samples.values()) == 10
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


# The index


@pytest.fixture
def looked(monkeypatch):
    """The names of the files that are opened."""
    names = []

    def counted(look):
        return lambda path, *stack: names.append(path.name) or look(path, *stack)

    for name in ("inspect_image", "inspect_mask"):
        monkeypatch.setattr(inspection, name, counted(getattr(inspection, name)))
    forget()
    return names


def again(root, cache, **options):
    """As a new process opens it."""
    forget()
    return ids(root, cache, **options)


def test_only_new_and_changed_files_are_opened(root, own_cache, looked):
    first = again(root, own_cache)
    assert sorted(looked) == sorted([f"img_{number}.png" for number in range(20)] * 2)
    looked.clear()
    assert again(root, own_cache) == first
    assert looked == []
    write(root, ["new"])
    save(root / "masks/img_4.png", grid(0, 1, 2))
    assert "leave open what 255 means" in attempt_classes(root, own_cache)
    assert sorted(set(looked)) == ["img_4.png", "new.png"]
    looked.clear()
    (root / "images/img_3.png").unlink()
    (root / "masks/img_3.png").unlink()
    save(root / "masks/img_4.png", SQUARE * 255)
    again(root, own_cache)
    assert looked == ["img_4.png"]


def attempt_classes(root, cache):
    forget()
    try:
        return str(ImageFolder(root=root).describe(cache).classes)
    except DataError as error:
        return str(error)


def test_a_file_that_changes_while_a_process_lives_is_looked_at_anew(root, own_cache):
    assert classes(root, own_cache) == ("background", "foreground")
    before = ImageFolder(root=root).stamp(own_cache, "train")
    assert ImageFolder(root=root).stamp(own_cache, "train") == before
    for path in (root / "masks").iterdir():
        save(path, grid(0, 1, 2))
    assert classes(root, own_cache) == ("class0", "class1", "class2")
    assert ImageFolder(root=root).stamp(own_cache, "train") != before


def test_the_stamp_changes_with_what_masks_mean_even_if_their_files_do_not(tmp_path, own_cache):
    with_masks(tmp_path, grid(0, 1, 255))
    dataset = ImageFolder(root=tmp_path)
    before = dataset.stamp(own_cache, "val")
    write(tmp_path, ["new"], mask=grid(0, 1, 2, 255))
    assert "val" in dataset.describe(own_cache).splits
    assert dataset.stamp(own_cache, "val") != before


@pytest.mark.parametrize(
    "damage",
    [
        lambda index: b"",
        lambda index: index[:-9],
        lambda index: index[:-9] + b"\7" * 9,
        lambda index: index.replace(b"img_6", b"img_7", 1),
        lambda index: b"\xff\xfe" + index,
        lambda index: sha256(b"1\n" + index[65:]).hexdigest().encode() + index[64:],
    ],
    ids=["empty", "cut off", "another end", "of another name", "not text", "of another version"],
)
def test_a_damaged_index_is_made_anew(root, own_cache, looked, damage):
    first = again(root, own_cache)
    (path,) = own_cache.glob("folder/*/index")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    looked.clear()
    assert again(root, own_cache) == first
    assert len(looked) == 40
    assert path.read_bytes() == whole


def test_a_file_that_cannot_be_read_is_a_finding_and_spoils_no_other(root, own_cache, looked):
    (root / "masks/img_4.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    found = segzoo.verify("folder", settings={"dataset.root": str(root)}, processes=1)
    assert [(one.kind, one.id) for one in found.errors] == [("unreadable", "img_4")]
    assert sum(found.samples.values()) == 20
    (root / "images/img_5.png").write_bytes(b"")
    assert len(segzoo.verify("folder", settings={"dataset.root": str(root)}, processes=1).errors) == 2


def test_images_none_of_which_can_be_read(tmp_path, own_cache):
    write(tmp_path, "a")
    (tmp_path / "images/a.png").write_bytes(b"no image")
    assert "a.png: it is of no known kind" in refusal(tmp_path, own_cache)


def test_masks_none_of_which_can_be_read(tmp_path, own_cache):
    write(tmp_path, "a")
    save(tmp_path / "masks/a.npy", SQUARE.astype(np.int32) - 1)
    (tmp_path / "masks/a.png").unlink()
    assert "hold -1 (in masks/a.npy), but labels are whole numbers from 0 to 65535" in refusal(tmp_path, own_cache)
    save(tmp_path / "masks/a.npy", SQUARE / 2)
    assert "a.npy: its values are float64, such as 0.5, and not all whole numbers" in refusal(tmp_path, own_cache)


def test_many_files_are_looked_at_by_several_processes(tmp_path, own_cache, monkeypatch):
    monkeypatch.setattr(inspection, "FEW", 8)
    monkeypatch.setattr(inspection, "PIECE", 3)
    monkeypatch.setattr(inspection, "threads", lambda: 2)
    write(tmp_path, [f"n{number}" for number in range(20)])
    assert sum(map(len, ids(tmp_path, own_cache).values())) == 20


def most_held(root, cache):
    """Bytes at the peak, while a new process opens all splits and goes through their ids and files."""
    forget()
    tracemalloc.start()
    for samples in opened(root, cache).values():
        assert all(zip(samples.ids, samples.files, strict=True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_a_pair_takes_few_bytes_however_many_there_are(tmp_path, own_cache, monkeypatch):
    monkeypatch.setattr(pairs, "CHUNK", 32)
    peaks = []
    for count in (100, 1_000):
        root = write(tmp_path / str(count), ["0000"])
        for kind in ("images", "masks"):
            for number in range(1, count):
                (root / kind / f"{number:04}.png").hardlink_to(root / kind / "0000.png")
        most_held(root, own_cache)
        peaks.append(most_held(root, own_cache))
    assert peaks[1] - peaks[0] < 300 * 900, peaks


def test_samples_are_sent_to_another_process_as_the_name_of_their_index(root, own_cache):
    write(root, [f"more_{number}" for number in range(200)])
    samples = opened(root, own_cache)["train"]
    sent = pickle.dumps(samples)
    assert len(sent) < 1_500 + 8 * len(samples)
    assert list(pickle.loads(sent).ids) == list(samples.ids)
    write(root, ["new"])
    again(root, own_cache)
    assert len(list(samples.ids)) == len(samples)  # what is open stays as it is
    with pytest.raises(DataError, match="have changed meanwhile"):
        pickle.loads(sent)


def test_a_cache_that_cannot_be_written_says_so(root, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write in" in refusal(root, tmp_path / "file")


def test_a_file_that_is_gone_has_no_stamp(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert files.stamp_of(tmp_path / "link") == files.ABSENT
    with os.scandir(tmp_path) as entries:
        assert [files.stamp_of(entry) for entry in entries] == [files.ABSENT]


# As a user meets it


def test_verify_stats_and_preview(root, tmp_path, command):
    settings = ("--set", f"dataset.root={root}")
    assert "20 samples (train" in command("data", "verify", "folder", *settings).out
    assert "foreground" in command("data", "stats", "folder", *settings).out
    done = command("data", "preview", "folder", "--out", tmp_path / "look", *settings)
    assert done.code == 0, done.err
    assert (tmp_path / "look/index.html").exists()


def test_verify_names_missing_files(root, command):
    (root / "images/img_3.png").unlink()
    done = command("data", "verify", "folder", "--set", f"dataset.root={root}")
    assert done.code == 1
    assert f"{root / 'masks/img_3.png'} has no image images/img_3.*" in done.out
    assert "missing" in done.out


def test_real_slices_by_a_table(test_data, tmp_path, own_cache):
    root = test_data / "isbi2012"
    assert "found are test (30 files, such as 0.png), train/image (30 files, such as 0.png), train/label" in refusal(
        root, own_cache
    )
    rows = [(f"train/image/{i}.png", f"train/label/{i}.png", f"block{i // 5}") for i in range(30)]
    write_table(tmp_path, [("image", "mask", "group"), *rows])
    dataset = ImageFolder(root=root, listing=str(tmp_path / "list.csv"))
    info = dataset.describe(own_cache)
    assert (info.classes, info.channels, info.view) == (("background", "foreground"), 1, "crop")
    image, mask = dataset.open(own_cache, "val")[0]
    assert (image.shape, mask.shape, set(np.unique(mask))) == ((512, 512, 1), (512, 512), {0, 1})
