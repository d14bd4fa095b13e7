"""Where in a folder the images and masks of each split lie, and what is said of other layouts."""

import numpy as np
import pytest
from image_folders import SQUARE, ids, opened, photo, refusal, save, write

from segzoo_folder import ImageFolder

SPLITS = ("train", "val", "test")


@pytest.fixture
def root(tmp_path):
    """Twenty photos with masks of 0 and 255."""
    return write(tmp_path / "data", [f"img_{number}" for number in range(20)])


def test_images_and_masks_of_one_name_are_a_sample(root, cache):
    result = opened(root, cache)
    assert sorted(name for samples in result.values() for name in samples.ids) == sorted(f"img_{i}" for i in range(20))
    for samples in result.values():
        for name, (image, mask) in zip(samples.ids, samples, strict=True):
            np.testing.assert_array_equal(image, photo(int(name[4:])))
            np.testing.assert_array_equal(mask, SQUARE)


def test_each_sample_has_its_files_and_its_folder_in_its_name(tmp_path, cache):
    write(tmp_path, ["a/one", "a/b/two", "three.x"])
    dataset = ImageFolder(root=tmp_path, test=0)
    result = {}
    for split in ("train", "val"):
        result |= dict(zip(dataset.open(cache, split).ids, dataset.files(cache, split), strict=True))
    expected = {name: (tmp_path / f"images/{name}.png", tmp_path / f"masks/{name}.png") for name in result}
    assert result == expected
    assert set(result) == {"a/one", "a/b/two", "three.x"}


def test_folders_of_splits_are_the_splits(tmp_path, cache):
    for split, names in {"train": "abc", "val": "ad", "test": "e"}.items():
        write(tmp_path / split, names)
    expected = {"train": ["train/a", "train/b", "train/c"], "val": ["val/a", "val/d"], "test": ["test/e"]}
    assert ids(tmp_path, cache) == expected


def test_splits_may_be_below_images_and_masks(tmp_path, cache):
    for split, names in {"train": "abc", "val": "ad", "test": "e"}.items():
        write(tmp_path, [f"{split}/{name}" for name in names])
    expected = {"train": ["train/a", "train/b", "train/c"], "val": ["val/a", "val/d"], "test": ["test/e"]}
    assert ids(tmp_path, cache) == expected
    for name in ("loose.png", "loose.HEIC"):
        (tmp_path / "images" / name).touch()
        assert "holds the splits train and val and test, and other images too" in refusal(tmp_path, cache)
        (tmp_path / "images" / name).unlink()


def test_a_folder_that_is_called_train_among_others_is_no_split(tmp_path, cache):
    write(tmp_path, [f"{kind}/{number}" for kind in ("train", "tram", "bus") for number in range(20)])
    assert {name.partition("/")[0] for name in ids(tmp_path, cache)["test"]} == {"train", "tram", "bus"}


@pytest.mark.parametrize("names", [("training", "validation", "testing"), ("Train", "VALID", "Test"), ("TRAIN", "dev")])
def test_splits_may_have_the_names_that_others_give_them(tmp_path, cache, names):
    for name in names:
        write(tmp_path / "above" / name, "ab")
        write(tmp_path / "below", [f"{name}/{letter}" for letter in "ab"])
    expected = {split: [f"{name}/a", f"{name}/b"] for split, name in zip(SPLITS, names, strict=False)}
    assert ids(tmp_path / "above", cache) == expected
    assert ids(tmp_path / "below", cache) == expected


def test_the_same_split_may_be_spelled_otherwise_for_images_and_masks(tmp_path, cache):
    write(tmp_path, ["Training/a", "validation/b"])
    (tmp_path / "masks/Training").rename(tmp_path / "masks/train")
    (tmp_path / "masks/validation").rename(tmp_path / "masks/Val")
    assert ids(tmp_path, cache) == {"train": ["Training/a"], "val": ["validation/b"]}
    save(tmp_path / "masks/test/c.png", SQUARE)
    assert "masks/test/c.png has no image images/test/c.*" in refusal(tmp_path, cache)


def test_two_folders_for_one_split_are_refused_and_both_named(tmp_path, cache):
    for name in ("train", "val", "validation"):
        write(tmp_path / "above" / name, "a")
        write(tmp_path / "below", [f"{name}/a"])
    for root in (tmp_path / "above", tmp_path / "below/images"):
        message = f"{root / 'val'} and {root / 'validation'} are both the split 'val': put their files into one"
        assert message in refusal(tmp_path / root.relative_to(tmp_path).parts[0], cache)


def test_masks_may_have_a_word_more_in_their_names(tmp_path, cache):
    root = write(tmp_path, ["a_1", "a_10", "b/a_1", "c"])
    for path in list((root / "masks").rglob("*.png")):
        path.rename(path.with_stem(f"{path.stem}_mask"))
    result = ids(root, cache, test=0)
    assert sorted(name for names in result.values() for name in names) == ["a_1", "a_10", "b/a_1", "c"]
    (root / "masks/c_mask.png").unlink()
    assert "images/c.png has no mask masks/c_mask.*" in refusal(root, cache)


def test_without_a_split_for_validation_some_of_the_training_are_for_it(tmp_path, cache):
    write(tmp_path / "train", [str(number) for number in range(40)])
    write(tmp_path / "test", "ab")
    result = ids(tmp_path, cache, val=0.3)
    assert result["test"] == ["test/a", "test/b"]
    assert len(result["train"]) + len(result["val"]) == 40
    assert 5 < len(result["val"]) < 20


def test_what_is_expected_and_what_is_there_is_said_of_another_layout(tmp_path, cache):
    save(tmp_path / "train/image/0.png", photo())
    save(tmp_path / "notes.png", photo())
    message = refusal(tmp_path, cache)
    assert "images/NAME.png and masks/NAME.png" in message
    assert "found are . (the file notes.png), train/image (the file 0.png)" in message
    assert "there is no folder" in refusal(tmp_path / "gone", cache)
    (tmp_path / "empty").mkdir()
    assert "it is empty" in refusal(tmp_path / "empty", cache)
    assert refusal(None, cache).startswith("dataset 'folder' reads a folder of yours: name it with")


def test_two_layouts_at_once_are_refused(root, cache):
    write(root / "test", "a")
    assert "it is not clear which to take" in refusal(root, cache)
