"""The dataset of a folder, as a user meets it."""

import numpy as np
import pytest
from image_folders import refusal, write, write_table

from segzoo_folder import ImageFolder


@pytest.fixture
def root(tmp_path):
    """Twenty photos with masks of 0 and 255."""
    return write(tmp_path / "data", [f"img_{number}" for number in range(20)])


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


def test_real_slices_by_a_table(test_data, tmp_path, cache):
    root = test_data / "isbi2012"
    assert "found are test (30 files, such as 0.png), train/image (30 files, such as 0.png), train/label" in refusal(
        root, cache
    )
    rows = [(f"train/image/{i}.png", f"train/label/{i}.png", f"block{i // 5}") for i in range(30)]
    write_table(tmp_path, [("image", "mask", "group"), *rows])
    dataset = ImageFolder(root=root, listing=str(tmp_path / "list.csv"))
    info = dataset.describe(cache)
    assert (info.classes, info.channels, info.view) == (("background", "foreground"), 1, "crop")
    image, mask = dataset.open(cache, "val")[0]
    assert (image.shape, mask.shape, set(np.unique(mask))) == ((512, 512, 1), (512, 512), {0, 1})
