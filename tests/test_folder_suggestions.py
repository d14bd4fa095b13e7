"""What a folder suggests to a run: view, image size, and epochs enough that something is learnt."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_folders import SQUARE, photo, save, write

import segzoo
from segzoo.networks.frame import Frame
from segzoo.training.pipeline import prepare
from segzoo_folder import ImageFolder
from segzoo_folder.images import EPOCHS, STEPS, epochs, suggest
from segzoo_keras import KerasTrainer


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
    found = suggest(sizes, len(sizes))
    assert (found.view, found.image_size) == (view, size)


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
    found, steps = epochs(images), math.ceil(images / KerasTrainer().batch_size)
    assert found * steps >= STEPS
    assert found == EPOCHS or (found - 1) * steps < STEPS


def test_a_folder_suggests_by_its_images_for_training(tmp_path, own_cache):
    mask = np.tile(SQUARE, (100, 100))[:520, :600]
    write(tmp_path, "abcdefghij", mask=mask, image=lambda i: photo(i, (520, 600)))
    dataset = ImageFolder(root=tmp_path)
    info = dataset.describe(own_cache)
    assert (info.view, info.image_size, info.channels) == ("crop", (256, 256), 1)
    picks = prepare(dataset.open(own_cache, "train"), Frame(info.image_size, view=info.view)).per_epoch
    assert (picks, info.epochs) == (6 * 5, 75)
    assert ImageFolder(root=tmp_path, test=0, val=0.1).describe(own_cache).epochs == 50


def scene(seed):
    """A bright disc in noise, and where it is."""
    rng = np.random.default_rng(seed)
    (y, x), (row, column) = np.indices((32, 32)), rng.uniform(8, 24, 2)
    disc = (y - row) ** 2 + (x - column) ** 2 < rng.uniform(4, 8) ** 2
    return (80 + 80 * disc + rng.normal(0, 25, disc.shape)).clip(0, 255).astype(np.uint8), disc.astype(np.uint8) * 255


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 10])
def test_the_default_run_of_few_images_ends_with_something_learnt(tmp_path, own_cache, count):
    for number in range(count):
        image, mask = scene(number)
        save(tmp_path / f"images/{number}.png", image)
        save(tmp_path / f"masks/{number}.png", mask)
    settings = {"model.filters": 8, "model.depth": 2, "dataset.root": tmp_path}
    run = segzoo.run("unet", "folder", settings=settings, out=tmp_path / "run")
    assert len(run.history) == 300
    assert run.metrics["iou"]["foreground"] > 0.7
