"""Checks of augmentations, on small images that are drawn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

import numpy as np

from segzoo.plugin import IGNORE, Augmentation
from segzoo.training.augmenting import Sample, augmented, margin_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = (40, 56)
SEEDS = range(12)
"""Those from which each check augments."""
DARK, BRIGHT = 70, 180
AGREE = 0.85
"""Share of the pixels that must have the label, or the weight, that goes with their brightness."""


def check_samples_are_augmented(augmentation: Augmentation) -> None:
    """All other checks need an image, a mask and weights of the promised forms, with no label that was not there."""
    for weighted in (False, True):
        for sample in (resized(weighted), crop(augmentation, weighted)):
            for seed in SEEDS:
                result(augmentation, sample, seed)


def check_any_image_fits(augmentation: Augmentation) -> None:
    """Images have any number of channels, 8 or 16 bits, and any size; those of another task than yours too."""
    for channels, dtype in ((1, np.uint8), (3, np.uint16), (5, np.uint8)):
        for size in (SIZE, (1, 1), (7, 3)):
            mask = np.random.default_rng(0).integers(0, 2, size, np.uint8)
            image = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (*size, channels), dtype)
            for seed in SEEDS:
                result(augmentation, Sample(image, mask, None), seed, size)


def check_mask_moves_with_the_image(augmentation: Augmentation) -> None:
    """A mask that stays where it is while its image moves teaches that things are where they are not."""
    shares = []
    for seed in SEEDS:
        image, mask, _ = result(augmentation, resized(), seed)
        shares.append(agreement(image[mask != IGNORE], mask[mask != IGNORE] == 1))
    require_agreement(shares, "have the label that goes with their brightness in the image")


def check_ignored_pixels_stay_ignored(augmentation: Augmentation) -> None:
    """Pixels beside an image, and those that nobody could label, have no label, wherever they move."""
    image, mask, _ = crop(augmentation)
    sample, shares = Sample(image, np.where(mask == 0, 0, IGNORE).astype(np.uint8), None), []
    for seed in SEEDS:
        seen, labels, _ = result(augmentation, sample, seed)
        brightness = seen.mean(axis=-1)
        bright = brightness[labels == 0] > (brightness.min() + brightness.max()) / 2
        even = np.ptp(brightness) < (BRIGHT - DARK) / 4 or not bright.size  # then nothing is seen that is ignored
        shares.append(1.0 if even else float(max(bright.mean(), 1 - bright.mean())))
    require_agreement(shares, "of a label show what has it; the others were ignored")


def check_weights_move_with_the_mask(augmentation: Augmentation) -> None:
    """A pixel keeps the weight that the loss has given it, such as a border's, wherever it moves."""
    shares = []
    for seed in SEEDS:
        _, mask, weights = result(augmentation, resized(weighted=True), seed)
        assert weights is not None
        counted = mask != IGNORE
        shares.append(float((np.abs(weights - (1 + mask)) < 0.1)[counted].mean()) if counted.any() else 1.0)
    require_agreement(shares, "have the weight that goes with their label")


def check_seed_decides_the_result(augmentation: Augmentation) -> None:
    """All that is drawn comes from the generator that is given, or no run can be repeated."""
    sample = resized(weighted=True)
    first, again = ([result(augmentation, sample, seed) for seed in SEEDS] for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert same(one, other), "augmented twice from the same seed, an image is not the same"
    if all(same(one, sample) for one in first):
        raise SkipTest("it changes nothing")
    assert not all(same(one, first[0]) for one in first), (
        "from any seed the result is the same: what is done to every image must be done to those validated, too"
    )


def check_two_threads_can_augment(augmentation: Augmentation) -> None:
    """The images of a batch are augmented in as many threads as there are processors."""
    sample = resized(weighted=True)
    expected = [result(augmentation, sample, seed) for seed in SEEDS]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda seed: result(augmentation, sample, seed), SEEDS))
    assert all(map(same, found, expected)), "augmented in two threads at once, images are others than one by one"


def resized(weighted: bool = False) -> Sample:
    """An image of bright and dark parts, class 1 and 0, which differ when they are flipped or turned."""
    return drawn(SIZE, weighted)


def crop(augmentation: Augmentation, weighted: bool = False) -> Sample:
    """The same with the margin that the augmentation wants, of which a part at the top is not in the image."""
    margin = margin_of(augmentation, SIZE)
    sample = drawn((SIZE[0] + 2 * margin, SIZE[1] + 2 * margin), weighted)
    sample.mask[: margin // 2] = IGNORE
    sample.image[: margin // 2] = BRIGHT
    if sample.weights is not None:
        sample.weights[: margin // 2] = 0
    return sample


def drawn(size: tuple[int, int], weighted: bool) -> Sample:
    """An image with a bright corner and a bright bar, its mask and, if asked for, weights of 1 and 2."""
    mask = np.zeros(size, np.uint8)
    height, width = size
    mask[: height // 2, : width // 2] = mask[3 * height // 4 :, width // 5 :] = 1
    image = np.repeat(np.where(mask, BRIGHT, DARK).astype(np.uint8)[..., None], 3, axis=-1)
    return Sample(image, mask, (1 + mask).astype(np.float32) if weighted else None)


def result(augmentation: Augmentation, sample: Sample, seed: int, size: tuple[int, int] = SIZE) -> Sample:
    """What comes of a sample from a seed."""
    return augmented(augmentation, sample, size, seed, "drawn")


def agreement(image: NDArray[Any], labels: NDArray[np.bool_]) -> float:
    """The share of pixels that are bright where they are labelled, or dark, if that is what the colours became."""
    if min(labels.sum(), (~labels).sum()) <= 0.02 * labels.size:
        return 1.0  # hardly anything is seen of one of the two
    brightness = image.mean(axis=-1)
    middle = (brightness[labels].mean() + brightness[~labels].mean()) / 2
    share = float(((brightness > middle) == labels).mean())
    return max(share, 1 - share)


def require_agreement(shares: list[float], what: str) -> None:
    """Of the mean image, most pixels must agree."""
    mean = float(np.mean(shares))
    assert mean >= AGREE, f"only {mean:.0%} of the pixels {what}"


def same(one: Sample, other: Sample) -> bool:
    """Whether all their bytes are equal."""
    return all(
        left is right if left is None or right is None else np.array_equal(left, right)
        for left, right in zip(one, other, strict=True)
    )
