"""Checks of datasets. The data must be there, or is downloaded: see `prepare`."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import reduce
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

import numpy as np

from segzoo.data.faults import described, fault_of_form, outside, pair
from segzoo.data.opening import open_split
from segzoo.files.cache import cache_folder
from segzoo.networks.prediction import classify
from segzoo.plugin import IGNORE, Dataset, Metric, Samples, Split
from segzoo.plugin_errors import Calling
from segzoo.scoring.scores import flat, require_defined
from segzoo.scoring.segmentation import Segmentation
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


def check_samples_are_there(dataset: Dataset) -> None:
    """All other checks need samples: each split can be opened, and those that are looked at are pairs of arrays."""
    opened = splits(dataset)
    assert opened, "`describe` names no splits"
    for split, samples in opened:
        for index in looked_at(samples):
            with Calling(type(dataset), f"reading sample '{samples.ids[index]}' of the split '{split}'"):
                sample: Any = samples[index]
            pair(sample, f"'{samples.ids[index]}' of the split '{split}'")


def check_images_and_masks_fit(dataset: Dataset) -> None:
    """Training relies on one form: images uint8 or uint16 (H, W, C) and masks uint8 (H, W) of the same size."""
    info = described(dataset, cache_folder())
    for split, samples in splits(dataset):
        for index in looked_at(samples):
            if wrong := fault_of_form(*samples[index], info, f"'{samples.ids[index]}' of the split '{split}'"):
                raise wrong.error


def check_bit_depth_is_the_same(dataset: Dataset) -> None:
    """Pixels are scaled by the range of their type, so images of 8 and of 16 bits together differ in brightness."""
    first: dict[str, str] = {}
    for split, samples in splits(dataset):
        for index in looked_at(samples):
            first.setdefault(samples[index][0].dtype.name, f"'{samples.ids[index]}' of the split '{split}'")
    examples = " and ".join(f"{depth}, as {name}" for depth, name in first.items())
    assert len(first) == 1, f"images are of several types: {examples}; give all of them the same"


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
    """The same samples in the same order, before and after reading, and whenever a split is opened."""
    first, again = dict(splits(dataset)), dict(splits(dataset))
    for split, samples in first.items():
        count, ids = len(samples), list(samples.ids)
        samples[count - 1]
        assert (len(samples), list(samples.ids)) == (count, ids), f"the split '{split}' changed while it was read"
        assert list(again[split].ids) == ids, f"the split '{split}', opened again, has other ids or another order"


def check_files_are_those_of_the_samples(dataset: Dataset) -> None:
    """Findings name the file, and prepared images are found again by their files: those named exist."""
    for split, samples in splits(dataset):
        files = open_split(dataset, cache_folder(), split).files
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
    metric, classes = metric_of(dataset), classes_of(dataset)
    counts = [metric.count(image) for image in predicted(dataset)]
    for some in (reduce(metric.add, counts), *counts):
        scores = metric.scores(some, classes)
        require_defined(metric, scores)
        require_defined(metric, metric.image_scores(some, classes), of_image=True)
        for name in (name for name, value in scores.items() if isinstance(value, Mapping)):
            others = [str(label) for label in scores[name] if label not in classes]
            assert not others, f"the score '{name}' has values for {', '.join(others)}, which are no classes"
    silent = [name for name, score in metric.definitions.items() if not score.definition.strip()]
    assert not silent, f"the scores {', '.join(silent)} say nothing of what they mean"


def check_own_scores_follow_from_labelled_pixels(dataset: Dataset) -> None:
    """Whoever counts the same predictions again gets the same scores, whatever is predicted where the mask is 255."""
    metric = metric_of(dataset)
    images = predicted(dataset)

    def scores(counts: Iterable[object]) -> NDArray[np.float64]:
        return _values(dataset, reduce(metric.add, counts))

    counts = [metric.count(image) for image in images]
    first = scores(deepcopy(counts))  # `add` may change them, which another check finds
    assert _same(first, scores(deepcopy(counts))), "scores of the same counts, asked for twice, are not the same"
    with ThreadPoolExecutor(2) as pool:
        again = scores(pool.map(metric.count, images))
    assert _same(first, again), "the same images, counted again by two threads, have other scores"
    changed = scores(metric.count(_otherwise_where_ignored(image)) for image in images)
    assert _same(first, changed), f"what is predicted where the mask is {IGNORE} changes a score"


def check_own_counts_add_up(dataset: Dataset) -> None:
    """Images are added one by one, after each has had its scores, and those of a split are of all its images alike."""
    metric = metric_of(dataset)
    counts = [metric.count(image) for image in predicted(dataset)]
    before = [_values(dataset, count) for count in counts]
    there, back = reduce(metric.add, counts), reduce(metric.add, reversed(counts))
    same = all(map(_same, before, (_values(dataset, count) for count in counts)))
    assert same, "`add` changes what it adds: the scores of an image, asked for afterwards, are others"
    one, other = _values(dataset, there), _values(dataset, back)
    assert np.allclose(one, other, equal_nan=True), "the same images, added in another order, have other scores"


def metric_of(dataset: Dataset) -> Metric:
    """The dataset's metric, if it has one."""
    if (metric := dataset.metric()) is None:
        raise SkipTest("the dataset has no scores of its own")
    return metric


def classes_of(dataset: Dataset) -> tuple[str, ...]:
    """The names of the dataset's classes."""
    return dataset.describe(cache_folder()).classes


def predicted(dataset: Dataset) -> list[Segmentation]:
    """Some samples, a part of their masks ignored, with predictions that are often right."""
    num_classes = len(classes_of(dataset))
    *_, (_, samples) = splits(dataset)
    rng, images = np.random.default_rng(0), []
    for index in looked_at(samples)[:2]:
        mask = samples[index][1].copy()
        mask[: len(mask) // 4 + 1] = IGNORE
        truth = (mask[..., None] == np.arange(num_classes)).astype(np.float32)
        chances = rng.random(truth.shape, np.float32) + truth / 2
        images.append(_segmentation(mask, chances / chances.sum(-1, keepdims=True)))
    return images


def _otherwise_where_ignored(image: Segmentation) -> Segmentation:
    ignored = image.mask[..., None] == IGNORE
    return _segmentation(image.mask, np.where(ignored, image.probabilities[..., ::-1], image.probabilities))


def _segmentation(mask: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> Segmentation:
    return Segmentation(mask, classify(probabilities), probabilities)


def _values(dataset: Dataset, counts: object) -> NDArray[np.float64]:
    """The scores of these counts, without names."""
    metric = metric_of(dataset)
    scores = metric.scores(counts, classes_of(dataset))
    defined = {name for name, score in metric.definitions.items() if score.better}  # another check finds the others
    numbers = flat({name: value for name, value in scores.items() if name in defined})
    return np.array(list(numbers.values()), float)


def _same(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return np.array_equal(first, second, equal_nan=True)


def splits(dataset: Dataset) -> list[tuple[Split, Samples]]:
    """All splits, opened in the user's cache; prepared, and so downloaded, where they are not yet."""
    cache = cache_folder()
    dataset.prepare(cache)
    return [(split, open_split(dataset, cache, split).samples) for split in described(dataset, cache).splits]


def looked_at(samples: Samples) -> list[int]:
    """Some indices, from the first to the last."""
    count = len(samples)
    return sorted(set(np.linspace(0, count - 1, min(count, LOOKS)).round().astype(int).tolist()))


def digest(samples: Samples, index: int) -> str:
    """A hash of everything in one sample."""
    image, mask = samples[index]
    shapes = f"{samples.ids[index]} {image.dtype} {image.shape} {mask.dtype} {mask.shape}"
    return hashlib.sha256(shapes.encode() + image.tobytes() + mask.tobytes()).hexdigest()
