"""How own images come into their splits: dealt out by name, few of them by number too, in blocks, or by a table."""

import csv

import numpy as np
import pytest
from image_folders import SQUARE, ids, pages, photo, refusal, write, write_table

import segzoo
from segzoo_folder import ImageFolder

SPLITS = ("train", "val", "test")
QUICK = {"model.filters": 2, "model.depth": 1, "model.batch_norm": False}


def numbered(names, first, last, file):
    return names == [f"{file}#{page:03}" for page in range(first, last)]


def sizes(names_of):
    return {split: len(names) for split, names in names_of.items()}


def stack(root, name, count, split=""):
    pages(root / split / f"images/{name}.tif", [photo(page, (6, 8)) for page in range(count)])
    pages(root / split / f"masks/{name}.tif", [SQUARE * 255] * count)


def notes(root, cache, **options):
    dataset = ImageFolder(root=root, **options)
    dataset.describe(cache)
    return list(dataset.notes(cache))


@pytest.fixture
def many(tmp_path):
    """So many photos that the name of each decides."""
    return write(tmp_path / "many", [f"img_{number}" for number in range(120)])


# Many


def test_a_file_that_is_added_to_many_moves_no_other(many, cache):
    before = ids(many, cache)
    write(many, [f"new_{number}" for number in range(10)])
    after = ids(many, cache)
    for split in SPLITS:
        assert [name for name in after[split] if name.startswith("img")] == before[split]
    assert notes(many, cache) == []


def test_a_share_that_is_small_for_many_says_what_to_take(many, cache):
    message = refusal(many, cache, test=0.0001)
    assert f"the split 'test' of {many} has no images, since its share of 120 images is only 0.01%" in message
    assert "take a larger share, or another seed, as with `--set dataset.split_seed=1`" in message


# Few


@pytest.mark.parametrize("count", [3, 4, 5, 10, 20, 30, 99])
def test_few_images_have_their_shares_and_no_split_is_empty(tmp_path, cache, count):
    write(tmp_path, [f"img_{number}" for number in range(count)])
    names_of = sizes(ids(tmp_path, cache))
    assert names_of["val"] == names_of["test"] == max(1, int(count * 0.15 + 0.5))
    assert sum(names_of.values()) == count
    assert sizes(ids(tmp_path, cache, test=0)) == {"train": count - names_of["val"], "val": names_of["val"]}


def test_who_trains_on_few_images_is_told_how_to_keep_the_splits(tmp_path, cache):
    for number, name in enumerate("abcdefghij"):
        write(tmp_path, name, mask=np.roll(SQUARE, number) * 255, image=lambda _, seed=number: photo(seed))
    (note,) = notes(tmp_path, cache)
    assert note.startswith("10 images are few to be dealt out, so images that are added or removed may move others")
    assert note.endswith("`--set dataset.splits=RUN/splits.csv`")
    (note,) = notes(tmp_path, cache, folds=5)
    assert note.startswith("10 images are few")
    assert segzoo.verify("folder", settings={"dataset.root": str(tmp_path)}).findings == ()


def test_three_images_train(tmp_path, cache, capsys):
    write(tmp_path, "abc")
    options = {"settings": QUICK | {"dataset.root": tmp_path}, "epochs": 1, "out": tmp_path / "run"}
    result = segzoo.run("unet", "folder", **options)
    assert result.metrics["images"] == 1
    assert "3 images are few to be dealt out" in capsys.readouterr().err


def test_one_and_two_images_say_what_to_do(tmp_path, cache):
    write(tmp_path, "a")
    message = refusal(tmp_path, cache)
    assert message.endswith("has no images, since 1 image must do for 3 splits. Add images")
    assert notes(tmp_path, cache) == []
    write(tmp_path, "b")
    message = refusal(tmp_path, cache)
    assert "the split 'test' of" in message
    assert "since 2 images must do for 3 splits. Add images, or do without scores of images that are kept" in message
    assert sizes(ids(tmp_path, cache, test=0)) == {"train": 1, "val": 1}


def test_of_few_images_for_training_some_validate(tmp_path, cache):
    write(tmp_path / "train", "abcd")
    write(tmp_path / "test", "e")
    assert sizes(ids(tmp_path, cache)) == {"train": 3, "val": 1, "test": 1}
    assert sizes(ids(tmp_path, cache, val=0.5)) == {"train": 2, "val": 2, "test": 1}


# Folds


@pytest.mark.parametrize("count", [3, 20])
def test_folds_test_each_of_few_images_once(tmp_path, cache, count):
    write(tmp_path, [f"img_{number}" for number in range(count)])
    names_of = [ids(tmp_path, cache, folds=3, fold=fold) for fold in range(3)]
    tested = [splits["test"] for splits in names_of]
    assert sorted(name for names in tested for name in names) == sorted(f"img_{number}" for number in range(count))
    assert {len(names) for names in tested} <= {count // 3, count // 3 + 1}
    assert tested[1:] == [splits["val"] for splits in names_of[:2]]


def test_more_folds_than_groups_are_refused(tmp_path, cache):
    write(tmp_path, [f"p{number % 4}_{number}" for number in range(8)])
    assert sizes(ids(tmp_path, cache, folds=8)) == {"train": 6, "val": 1, "test": 1}
    assert "8 images must do for 9 parts. Take 8 at most" in refusal(tmp_path, cache, folds=9)
    message = refusal(tmp_path, cache, folds=5, groups="p.")
    assert message == "dataset 'folder', option 'folds': 8 images in 4 groups must do for 5 parts. Take 4 at most"
    message = refusal(tmp_path, cache, folds=3, groups="p")
    assert message.endswith("8 images in 1 group must do for 3 parts. Add images of another group")


# Groups


@pytest.mark.parametrize("patients", [12, 110])
def test_groups_stay_together_by_expression_and_by_table(tmp_path, cache, patients):
    names = [f"p{patient}_{slice}" for patient in range(patients) for slice in range(2)]
    write(tmp_path, names)
    names_of = ids(tmp_path, cache, groups=r"(p\d+)_")
    assert {len({name.partition("_")[0] for name in names}) * 2 == len(names) for names in names_of.values()} == {True}
    rows = [(f"images/{name}.png", f"masks/{name}.png", name.partition("_")[0]) for name in names]
    write_table(tmp_path, [("image", "mask", "group"), *rows])
    assert ids(tmp_path, cache, listing="list.csv") == names_of
    if patients == 12:  # of which 15 % are two, whatever the number of their slices
        assert sizes(names_of) == {"train": 16, "val": 4, "test": 4}
        assert notes(tmp_path, cache, groups=r"(p\d+)_")[0].startswith("24 images in 12 groups are few")
    assert "use one of" in refusal(tmp_path, cache, listing="list.csv", groups="p")
    assert f"is not found in {2 * patients} of {2 * patients} ids" in refusal(tmp_path, cache, groups="patient")


def test_too_few_groups_say_what_to_do(tmp_path, cache):
    write(tmp_path, [f"p{number % 2}_{number}" for number in range(8)])
    message = refusal(tmp_path, cache, groups="p.")
    assert "since 8 images in 2 groups must do for 3 splits. Add images, or do without scores" in message
    assert refusal(tmp_path, cache, groups="p").endswith("Add images of another group")


def test_a_group_in_two_splits_is_refused(tmp_path, cache):
    for split in ("train", "val"):
        write(tmp_path / split, ["p1_0", f"{split}_1"])
    message = refusal(tmp_path, cache, groups="p1|[a-z]+_")
    assert "the group 'p1' is in the splits 'train' and 'val'" in message


def test_options_for_splits_that_are_given_are_refused(tmp_path, cache):
    write(tmp_path / "train", "ab")
    write(tmp_path / "val", "c")
    for options in ({"test": 0.1}, {"folds": 3}, {"val": 0.2}, {"splits": tmp_path / "splits.csv"}):
        assert "the splits are given" in refusal(tmp_path, cache, **options)
    (tmp_path / "train").rename(tmp_path / "test")
    assert "no layout" in refusal(tmp_path, cache)


# Pages and blocks


@pytest.mark.parametrize("count", [3, 20])
def test_a_single_stack_is_split_in_blocks_if_that_is_said(tmp_path, cache, count):
    stack(tmp_path, "a", count)
    message = refusal(tmp_path, cache)
    assert f"since {count} images in 1 file must do for 3 splits. Split the pages of each file in blocks" in message
    assert "with `--set dataset.blocks=true`" in message
    assert "with `--set dataset.blocks=true`" in refusal(tmp_path, cache, folds=3)
    names_of = ids(tmp_path, cache, blocks=True)
    each = max(1, int(0.15 * count + 0.5))
    assert numbered(names_of["test"], 0, each, "a")
    assert numbered(names_of["val"], each, 2 * each, "a")
    assert numbered(names_of["train"], 2 * each, count, "a")
    assert notes(tmp_path, cache, blocks=True) == []


def test_folds_of_blocks(tmp_path, cache):
    stack(tmp_path, "a", 20)
    names_of = ids(tmp_path, cache, blocks=True, folds=4, fold=3)
    assert numbered(names_of["test"], 15, 20, "a")
    assert numbered(names_of["val"], 0, 5, "a")
    message = refusal(tmp_path, cache, blocks=True, folds=21, fold=10)
    assert "since no file has enough pages to be split in blocks. Take fewer folds, or leave out the option" in message
    stack(tmp_path, "a", 2)
    assert "Add pages, or leave out the option blocks" in refusal(tmp_path, cache, blocks=True)


def test_blocks_leave_other_files_where_they_were(tmp_path, cache):
    root = write(tmp_path, [f"img_{number}" for number in range(20)])
    single = ids(root, cache)
    stack(root, "a", 10)
    one_more = ids(root, cache, blocks=True)
    for split, names in single.items():
        assert set(names) <= set(one_more[split])
        assert any(name.startswith("a#") for name in one_more[split])
    stack(root, "b", 10)
    for split, names in ids(root, cache, blocks=True).items():
        assert set(one_more[split]) <= set(names)


def test_blocks_of_what_is_for_training(tmp_path, cache):
    stack(tmp_path, "a", 10, "train")
    stack(tmp_path, "b", 2, "test")
    names_of = ids(tmp_path, cache, blocks=True, val=0.2)
    assert numbered(names_of["val"], 0, 2, "train/a")
    assert numbered(names_of["train"], 2, 10, "train/a")
    assert numbered(names_of["test"], 0, 2, "test/b")
    rows = [("image", "mask", "group"), ("train/images/a.tif", "train/masks/a.tif", "p")]
    write_table(tmp_path, rows)
    assert "of what is to stay together" in refusal(tmp_path, cache, blocks=True, listing="list.csv")


# Splits that a table keeps


@pytest.fixture
def run(tmp_path, cache):
    """A run on ten images."""
    write(tmp_path / "data", "abcdefghij")
    settings = QUICK | {"dataset.root": tmp_path / "data"}
    return segzoo.run("unet", "folder", settings=settings, epochs=1, out=tmp_path / "run").folder


def test_the_splits_of_a_run_are_kept_when_images_come(tmp_path, cache, run, monkeypatch):
    root, table = tmp_path / "data", run / "splits.csv"
    before = ids(root, cache)
    with table.open() as file:
        assert {(row["id"], row["split"]) for row in csv.DictReader(file)} == {
            (name, split) for split, names in before.items() for name in names
        }
    write(root, [f"new_{number}" for number in range(5)])
    moved = ids(root, cache)
    assert any(set(before[split]) - set(moved[split]) for split in SPLITS)
    after = ids(root, cache, splits=table)
    assert (after["val"], after["test"]) == (before["val"], before["test"])
    assert after["train"] == sorted([*before["train"], *(f"new_{number}" for number in range(5))])
    monkeypatch.chdir(run)  # a path is relative to where it was typed
    assert ids(root, cache, splits="splits.csv") == after
    (note,) = notes(root, cache, splits=table)
    assert note == f"trained on, since {table} does not name them: 5 samples, new_0, new_1, new_2 and more"


def test_a_table_of_splits_is_read_again_when_it_has_changed(tmp_path, cache):
    write(tmp_path, "abc")
    write_table(tmp_path, [("id", "split"), ("a", "train"), ("b", "val"), ("c", "test")])
    assert ids(tmp_path, cache, splits=tmp_path / "list.csv") == {"train": ["a"], "val": ["b"], "test": ["c"]}
    assert notes(tmp_path, cache, splits=tmp_path / "list.csv") == []
    write_table(tmp_path, [("id", "split", "why"), ("a", "Validation", ""), ("b", "train", ""), ("c", "train", "")])
    assert ids(tmp_path, cache, splits=tmp_path / "list.csv") == {"train": ["b", "c"], "val": ["a"]}


def test_a_table_keeps_blocks_and_groups_and_may_leave_validation_open(tmp_path, cache):
    stack(tmp_path, "a", 6)
    rows = [(f"a#{page:03}", split) for page, split in enumerate(["val", *["train"] * 5])]
    write_table(tmp_path, [("id", "split"), *rows])
    table = tmp_path / "list.csv"
    assert numbered(ids(tmp_path, cache, splits=table)["train"], 1, 6, "a")
    assert "the group 'a' is in the splits 'val' and 'train'" in refusal(tmp_path, cache, splits=table, groups="(a)")
    root = write(tmp_path / "other", "abcde")
    write_table(root, [("id", "split"), ("a", "test")])
    assert sizes(ids(root, cache, splits=root / "list.csv")) == {"train": 3, "val": 1, "test": 1}


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([("a", "train"), ("z", "val")], {}, "names 1 samples that"),
        ([("a", "train"), ("a", "val")], {}, "line 3: 'a' is in the split 'train' already"),
        ([("a", "tset")], {}, "line 2: there is no split 'tset'; did you mean 'test'?"),
        ([("a", "")], {}, "line 2: split is ''; it must be a text"),
        ([("a", "val"), ("b", "val"), ("c", "val")], {}, "has no images to train on"),
        ([("a", "val")], {"test": 0.2}, "option 'test': the splits are given in"),
        ([("a", "val")], {"folds": 3}, "option 'folds': the splits are given in"),
    ],
)
def test_a_table_of_splits_that_does_not_fit_is_refused(tmp_path, cache, rows, options, message):
    write(tmp_path, "abc")
    write_table(tmp_path, [("id", "split"), *rows])
    assert message in refusal(tmp_path, cache, splits=tmp_path / "list.csv", **options)


def test_a_table_of_splits_that_is_none_is_refused(tmp_path, cache):
    write(tmp_path, "abc")
    table = tmp_path / "list.csv"
    assert f"cannot read {table}: there is no such file" in refusal(tmp_path, cache, splits=table)
    write_table(tmp_path, [("image", "split"), ("a", "train")])
    assert "has no column id; there are image, split" in refusal(tmp_path, cache, splits=table)
    write_table(tmp_path, [("id", "split"), ("a", "val"), ("gone", "val")])
    assert sizes(ids(tmp_path, cache, splits=table, allow_missing=True)) == {"train": 2, "val": 1}
    assert "named with `--set dataset.splits=FILE`" in refusal(tmp_path, cache, listing=str(table))
