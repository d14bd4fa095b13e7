"""Tables that list images, masks, splits and groups."""

import os

import pytest
from image_folders import (
    SQUARE,
    ids,
    photo,
    refusal,
    save,
    write,
    write_table,
)

import segzoo


@pytest.fixture
def root(tmp_path):
    """Twenty photos with masks of 0 and 255."""
    return write(tmp_path / "data", [f"img_{number}" for number in range(20)])


def test_a_table_names_files_splits_and_groups(tmp_path, cache):
    for name in ("x/1.png", "x/2.bmp", "y/3.png"):
        save(tmp_path / name, photo())
    save(tmp_path / "all.png", SQUARE)
    rows = [("mask", "image", "split", "who"), *(("all.png", path, split, "me") for path, split in ROWS)]
    write_table(tmp_path, rows)
    (tmp_path / "list.toml").write_text(
        "".join(f'[[samples]]\nimage = "{path}"\nmask = "all.png"\nsplit = "{split}"\n' for path, split in ROWS)
    )
    expected = {"train": ["x/1"], "val": ["x/2"], "test": ["y/3"]}
    assert ids(tmp_path, cache, listing="list.csv") == expected
    assert ids(tmp_path, cache, listing=str(tmp_path / "list.toml")) == expected


ROWS = [("x/1.png", "train"), ("x/2.bmp", "Validation"), ("y/3.png", "TESTING")]


def test_images_outside_the_root_have_ids_relative_to_the_table(tmp_path, cache):
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
        result = ids(root, cache, listing=str(tmp_path / "lists/list.csv"), val=0.1)
        assert sorted(name for names in result.values() for name in names) == ["a", "b.c", "f", "scans/e", "x/d"]


def test_ids_of_a_table_are_longer_where_short_ones_would_be_the_same(tmp_path, cache):
    root = tmp_path / "root"
    paths = ["a.png", "images/a.png", "scans/b.png", "../scans/b.png", "../../scans/b.png", "../c.png", "c.png"]
    for number, path in enumerate(paths):
        save(tmp_path / "root" / path, photo(number))
    save(root / "mask.png", SQUARE)
    write_table(root, [("image", "mask", "split"), *((path, "mask.png", "train") for path in paths)])
    result = ids(root, cache, listing="list.csv", val=0.1)
    expected = ["a", "images/a", "scans/b", "../scans/b", "../../scans/b", "../c", "c"]
    assert sorted(name for names in result.values() for name in names) == sorted(expected)
    write_table(root, [("image", "mask"), ("../c.png", "mask.png"), (str(tmp_path / "c.png"), "mask.png")])
    assert "in list.csv, are both ../c" in refusal(root, cache, listing="list.csv")


def test_a_table_of_a_folder_gives_the_same_splits_as_the_folder(root, cache):
    names = sorted(path.name for path in (root / "images").iterdir())
    write_table(root, [("image", "mask"), *((f"images/{name}", f"masks/{name}") for name in names)])
    assert ids(root, cache, listing="list.csv") == ids(root, cache)


def test_splits_of_a_run_can_be_given_again_by_a_table(root, cache, tmp_path):
    settings = {"dataset.root": str(root), "model.filters": 2, "model.depth": 1, "model.batch_norm": False}
    run = segzoo.run("unet", "folder", settings=settings, epochs=1, image_size=(8, 8), out=tmp_path / "run")
    rows = [line.split(",") for line in (run.folder / "splits.csv").read_text().splitlines()[1:]]
    write_table(
        root, [("image", "mask", "split"), *((f"images/{i}.png", f"masks/{i}.png", split) for i, split in rows)]
    )
    assert ids(root, cache, listing="list.csv") == ids(root, cache)
    assert run.metrics["images"] == len(ids(root, cache)["test"])
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
def test_a_table_that_does_not_do(tmp_path, cache, text, message):
    (tmp_path / "list.csv").write_text(text)
    assert message in refusal(tmp_path, cache, listing="list.csv")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_as_spreadsheets_write_them(root, cache, separator):
    rows = [
        f"images/img_{i}.png{separator}masks/img_{i}.png{separator}{'val' if i > 14 else 'train'}" for i in range(20)
    ]
    text = "\r\n".join([f" Image{separator}MASK {separator}Split{separator}", *rows, ""])
    (root / "list.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    result = ids(root, cache, listing="list.csv")
    assert {split: len(names) for split, names in result.items()} == {"train": 15, "val": 5}
    (root / "list.csv").write_bytes("image,mask\nö.png,ö.png\n".encode("cp1252"))
    assert "it is not in UTF-8; save it as `CSV UTF-8`" in refusal(root, cache, listing="list.csv")


def test_a_table_that_cannot_be_read(tmp_path, cache):
    assert "cannot read the table" in refusal(tmp_path, cache, listing="gone.csv")
    (tmp_path / "list.toml").write_text("samples = 3")
    assert "no tables [[samples]]" in refusal(tmp_path, cache, listing="list.toml")
    (tmp_path / "list.toml").write_text("[[samples]]\nimage = 3\nmask = 'a'\n")
    assert "image is 3; write it in quotation marks" in refusal(tmp_path, cache, listing="list.toml")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_table_that_is_no_file_or_names_a_link_to_nothing(root, cache):
    os.mkfifo(root / "pipe.csv")
    assert "pipe.csv: it is a named pipe, not a file" in refusal(root, cache, listing="pipe.csv")
    (root / "link.csv").symlink_to("gone.csv")
    assert "link.csv: it is a link to gone.csv, which is not there" in refusal(root, cache, listing="link.csv")
    (root / "images/link.png").symlink_to("gone.png")
    write_table(root, [("image", "mask"), ("images/link.png", "masks/img_1.png")])
    message = f"{root / 'images/link.png'} is a link to gone.png, which is not there, but list.csv names it"
    assert message in refusal(root, cache, listing="list.csv")
