"""What is odd about a folder as a whole is said, and what is not odd is left alone."""

import numpy as np
import pytest
from image_folders import SQUARE, photo, save, warnings_of, write

import segzoo


@pytest.fixture
def root(tmp_path):
    """Twenty photos with the same mask."""
    return write(tmp_path / "data", [f"img_{number}" for number in range(20)])


def test_masks_that_are_all_the_same_are_doubted(root, cache, capsys, tmp_path):
    (line,) = warnings_of(root, cache)
    assert line.startswith("all 20 masks are the same, such as masks/img_0.png: is it a field of view")
    (finding,) = segzoo.verify("folder", settings={"dataset.root": str(root)}, processes=1).findings
    assert (finding.severity, finding.kind, finding.what) == ("warning", "doubtful", line)
    settings = {"dataset.root": str(root), "model.filters": 2, "model.depth": 1, "model.batch_norm": False}
    segzoo.run("unet", "folder", settings=settings, epochs=1, image_size=(8, 8), out=tmp_path / "run")
    assert f"warning: {line}\n" in capsys.readouterr().err


@pytest.mark.parametrize("page", [0, 19])
def test_a_mask_that_differs_in_a_pixel_is_another(root, cache, page):
    other = SQUARE * 255
    other[-1, -1] = 255
    save(root / f"masks/img_{page}.png", other)
    assert warnings_of(root, cache) == []


def test_two_masks_may_be_the_same_by_chance(tmp_path, cache):
    write(tmp_path / "train", "a")
    write(tmp_path / "val", "b")
    assert warnings_of(tmp_path, cache) == []
    write(tmp_path / "val", "c")
    assert len(warnings_of(tmp_path, cache)) == 1


def test_masks_of_other_sizes_are_not_the_same(tmp_path, cache):
    for number in range(6):
        shape = (6, 8 + number % 2)
        save(tmp_path / f"images/{number}.png", photo(number, (*shape, 3)))
        save(tmp_path / f"masks/{number}.png", np.zeros(shape, np.uint8))
    assert warnings_of(tmp_path, cache, classes=("a", "b")) == []
