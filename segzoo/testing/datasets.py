"""Checks of datasets. The data must be there, or is downloaded: see `prepare`."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from unittest import SkipTest

import numpy as np

from segzoo.data.samples import outside
from segzoo.files.cache import cache_folder
from segzoo.plugin import IGNORE, Dataset, Judge, Samples, Split
from segzoo.scoring.scores import own_scores
from segzoo.testing.processes import elsewhere

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOKS = 16
"""Samples of a split that are looked at."""

READ = """
from segzoo.testing.datasets import digest, looked_at, splits
dataset, = values
print([(split, index, digest(samples, index)) for split, samples in splits(dataset) for index in looked_at(samples)])
"""


def check_images_and_masks_fit(dataset: Dataset) -> None:
    """Training relies on one form: images uint8 or uint16 (H, W, C) and masks uint8 (H, W) of the same size."""
    channels = dataset.describe(cache_folder()).channels
    for split, samples in splits(dataset):
        for index in looked_at(samples):
            image, mask = samples[index]
            name = f"'{samples.ids[index]}' of the split '{split}'"
            assert image.dtype in (np.uint8, np.uint16), f"image {name} is {image.dtype}, not uint8 or uint16"
            assert image.ndim == 3, f"image {name} has shape {image.shape}, not (H, W, C)"
            assert image.shape[2] == channels, f"image {name} has {image.shape[2]} channels, declared are {channels}"
            assert mask.dtype == np.uint8, f"the mask of {name} is {mask.dtype}, not uint8"
            assert mask.shape == image.shape[:2], f"image {name} is {image.shape[:2]}, its mask {mask.shape}"


def check_labels_are_classes(dataset: Dataset) -> None:
    """A label is the index of a class, or 255 where a pixel counts for nothing; masks of 0 and 255 teach nothing."""
    classes = dataset.describe(cache_folder()).classes
    seen: set[int] = set()
    for split, samples in splits(dataset):
        for index in looked_at(samples):
            mask = samples[index][1]
            wrong = outside(mask[mask != IGNORE], len(classes))
            assert not wrong, f"the mask of '{samples.ids[index]}' ({split}) has labels that are no class: {wrong}"
            seen.update(np.unique(mask).tolist())
    assert seen - {IGNORE}, f"no mask of those looked at has a label other than {IGNORE}, which is left out"
    assert IGNORE not in seen or len(seen) > 2 or len(classes) == 1, (
        f"the masks looked at hold {sorted(seen)}, of which {IGNORE} is left out: make a foreground of {IGNORE} a class"
    )


def check_same_index_gives_the_same_bytes(dataset: Dataset) -> None:
    """A dataset does not augment: what is read twice is the same, or no run can be repeated."""
    for split, samples in splits(dataset):
        for index in looked_at(samples):
            same = digest(samples, index) == digest(samples, index)
            assert same, f"'{samples.ids[index]}' of the split '{split}', read twice, is not the same"


def check_splits_share_no_id(dataset: Dataset) -> None:
    """An image that is trained on and scored makes the score worthless."""
    owner: dict[str, str] = {}
    for split, samples in splits(dataset):
        for name in samples.ids:
            assert name not in owner, f"'{name}' is in the split '{owner[name]}' and again in '{split}'"
            owner[name] = split
    missing = {"train", "val"} - set(owner.values())
    assert not missing, f"no samples for {' and '.join(sorted(missing))}: a run needs both train and val"


def check_length_is_stable(dataset: Dataset) -> None:
    """As many samples as ids, before and after reading, and whenever a split is opened."""
    first, again = dict(splits(dataset)), dict(splits(dataset))
    for split, samples in first.items():
        count, ids = len(samples), list(samples.ids)
        assert count == len(ids), f"the split '{split}' has {count} samples and {len(ids)} ids"
        samples[count - 1]
        assert (len(samples), list(samples.ids)) == (count, ids), f"the split '{split}' changed while it was read"
        assert list(again[split].ids) == ids, f"the split '{split}', opened again, has other ids or another order"


def check_files_are_those_of_the_samples(dataset: Dataset) -> None:
    """Findings name the file, and prepared images are found again by their files: those named exist."""
    for split, samples in splits(dataset):
        files = dataset.files(cache_folder(), split)
        assert len(files) in (0, len(samples)), (
            f"the split '{split}' has {len(samples)} samples, but files for {len(files)}"
        )
        for index in looked_at(samples) if files else ():
            name = f"'{samples.ids[index]}' of the split '{split}'"
            assert files[index], f"sample {name} has no files, though others have"
            for path in files[index]:
                assert path.is_file(), f"{path}, named as a file of {name}, is not there"


def check_samples_can_be_pickled(dataset: Dataset) -> None:
    """Loaders that read in other processes send them the samples."""
    for split, samples in splits(dataset):
        try:
            copy = pickle.loads(pickle.dumps(samples))
        except Exception as error:
            raise AssertionError(f"the samples of '{split}' cannot be pickled: {error}") from error
        assert list(copy.ids) == list(samples.ids), f"the samples of '{split}', pickled, have other ids"
        assert digest(copy, 0) == digest(samples, 0), f"the samples of '{split}', pickled, are others"


def check_two_threads_can_read(dataset: Dataset) -> None:
    """The pipeline decodes in as many threads as there are processors."""
    for split, samples in splits(dataset):
        indices = looked_at(samples)
        expected = [digest(samples, index) for index in indices]
        with ThreadPoolExecutor(2) as pool:
            digests = list(pool.map(lambda index, samples=samples: digest(samples, index), indices * 4))
        assert digests == expected * 4, f"the samples of '{split}', read by two threads, are others"


def check_two_processes_can_read(dataset: Dataset) -> None:
    """Workers of a distributed run each read the data, and must agree on what is in it and in which order."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: elsewhere(READ, dataset), range(2))
    assert first == second, "two processes read different samples; does an order depend on hash() or on a set?"


def check_own_scores_are_defined(dataset: Dataset) -> None:
    """A score without its definition cannot be compared to another, nor one that has the name of another figure."""
    judge = judge_of(dataset)
    counts = [judge.count(*image) for image in predicted(dataset)]
    for some in (counts, *([count] for count in counts)):
        own_scores(judge, some)
    silent = [name for name, text in judge.definitions.items() if not text.strip()]
    assert not silent, f"the scores {', '.join(silent)} say nothing of what they mean"


def check_own_scores_follow_from_labelled_pixels(dataset: Dataset) -> None:
    """Whoever counts the same predictions again gets the same scores, whatever is predicted where the mask is 255."""
    judge = judge_of(dataset)
    images = predicted(dataset)

    def scores(counts: Iterable[object]) -> NDArray[np.float64]:
        return np.array(list(judge.scores(list(counts)).values()), float)

    counts = [judge.count(*image) for image in images]
    first = scores(counts)
    assert _same(first, scores(counts)), "scores of the same counts, asked for twice, are not the same"
    with ThreadPoolExecutor(2) as pool:
        again = scores(pool.map(lambda image: judge.count(*image), images))
    assert _same(first, again), "the same images, counted again by two threads, have other scores"
    others = [(mask, np.where(mask[..., None] == IGNORE, p[..., ::-1], p)) for mask, p in images]
    changed = scores(judge.count(*image) for image in others)
    assert _same(first, changed), f"what is predicted where the mask is {IGNORE} changes a score"


def judge_of(dataset: Dataset) -> Judge:
    """The dataset's judge, if it has one."""
    if (judge := dataset.judge()) is None:
        raise SkipTest("the dataset has no scores of its own")
    return judge


def predicted(dataset: Dataset) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Masks (H, W) of some samples, a part of them ignored, and probabilities (H, W, C) that are often right."""
    num_classes = len(dataset.describe(cache_folder()).classes)
    *_, (_, samples) = splits(dataset)
    rng, images = np.random.default_rng(0), []
    for index in looked_at(samples)[:2]:
        mask = samples[index][1].copy()
        mask[: len(mask) // 4 + 1] = IGNORE
        chances = rng.random((*mask.shape, num_classes), np.float32) + (mask[..., None] == np.arange(num_classes))
        images.append((mask, chances / chances.sum(-1, keepdims=True)))
    return images


def _same(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return np.array_equal(first, second, equal_nan=True)


def splits(dataset: Dataset) -> Iterable[tuple[Split, Samples]]:
    """All splits, opened in the user's cache; prepared, and so downloaded, where they are not yet."""
    cache = cache_folder()
    dataset.prepare(cache)
    return [(split, dataset.open(cache, split)) for split in dataset.describe(cache).splits]


def looked_at(samples: Samples) -> list[int]:
    """Some indices, from the first to the last."""
    count = len(samples)
    return sorted(set(np.linspace(0, count - 1, min(count, LOOKS)).round().astype(int).tolist()))


def digest(samples: Samples, index: int) -> str:
    """A hash of everything in one sample."""
    image, mask = samples[index]
    shapes = f"{samples.ids[index]} {image.dtype} {image.shape} {mask.dtype} {mask.shape}"
    return hashlib.sha256(shapes.encode() + image.tobytes() + mask.tobytes()).hexdigest()
