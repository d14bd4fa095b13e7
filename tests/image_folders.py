"""Folders with images and masks, and what the dataset `folder` makes of them."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from segzoo.errors import SegzooError
from segzoo_folder import ImageFolder, collection

SQUARE = np.zeros((6, 8), np.uint8)
SQUARE[1:4, 2:6] = 1


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
    else:
        Image.fromarray(pixels).save(path)
    return path


def photo(seed=0, shape=(6, 8, 3), dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def write(root, names, mask=SQUARE * 255, suffix=".png", image=photo):
    for number, name in enumerate(names):
        save(root / "images" / f"{name}{suffix}", image(number))
        save(root / "masks" / f"{name}.png", mask)
    return root


def opened(root, cache, **options):
    dataset = ImageFolder(root=root, **options)
    dataset.prepare(cache)
    return {split: dataset.open(cache, split) for split in dataset.describe(cache).splits}


def ids(root, cache, **options):
    return {split: list(samples.ids) for split, samples in opened(root, cache, **options).items()}


def first_sample(root, cache, **options):
    """The first sample for training, whatever the splits."""
    return next(sample for samples in opened(root, cache, **options).values() for sample in samples)


def refusal(root, cache, **options):
    with pytest.raises(SegzooError) as caught:
        opened(root, cache, **options)
    return str(caught.value)


def write_table(root, rows, name="list.csv"):
    (root / name).write_text("\n".join(",".join(row) for row in rows) + "\n", "utf-8")


def pages(path, stack):
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = map(Image.fromarray, stack)
    first.save(path, save_all=True, append_images=others)


def with_masks(root, *masks, suffix=".png"):
    for number in range(9):
        save(root / f"images/{number}.png", photo(number))
        save(root / f"masks/{number}{suffix}", masks[number % len(masks)])
    return root


def classes(root, cache, **options):
    return ImageFolder(root=root, **options).describe(cache).classes


def labels(root, cache, **options):
    """The labels that all masks have together."""
    splits = opened(root, cache, **options)
    return sorted({int(label) for samples in splits.values() for _, mask in samples for label in np.unique(mask)})


def grid(*values):
    """A mask that holds these values."""
    return np.resize(np.array(values, np.uint8), (6, 8))


def forget():
    """Forget what a process keeps of folders, as a new process does."""
    collection._latest.clear()
    collection._collected.cache_clear()


def warnings_of(root, cache, **options):
    """The warnings about a folder."""
    dataset = ImageFolder(root=root, **options)
    dataset.describe(cache)
    return list(dataset.warnings(cache))


def most_held(root, cache):
    """Bytes at the peak, while a new process opens all splits and goes through their ids and files.

    The least of several, after one that makes the index: threads of others may allocate meanwhile.
    """
    return min([_held(root, cache) for _ in range(4)][1:])


def _held(root, cache):
    forget()
    tracemalloc.start()
    for samples in opened(root, cache).values():
        assert all(zip(samples.ids, samples.files, strict=True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak
