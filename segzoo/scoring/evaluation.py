"""Evaluation of a trained network on a split, at the original size of each mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.resizing import resize_channels, resize_image
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import BATCH, classify, logits_of_resized, softmax
from segzoo.networks.tiles import tiled
from segzoo.plugin import Judge, Samples
from segzoo.processes.threads import in_parallel
from segzoo.scoring.scores import Tally

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    Predicted = tuple[NDArray[np.uint8], NDArray[np.float32]]
    """A mask (H, W), and its logits (h, w, num_classes) at its size or another."""

TOGETHER = 2**27
"""Number of logits scored together (512 MiB), at the original size of the images; a larger image is scored alone."""


def evaluate(
    model: keras.Model, frame: Frame, samples: Samples, judge: Judge | None, advance: Callable[[int], None]
) -> Iterator[tuple[Tally, Any]]:
    """The counts of each sample, and those of the dataset's judge, in order.

    `advance` is told of each batch. Logits are large at the original size of an image: they are in memory, twice, for
    as few images as have TOGETHER of them, be it one.
    """

    def count(pair: Predicted) -> tuple[Tally, Any]:
        mask, logits = pair
        logits = resize_channels(logits, mask.shape)
        probabilities = softmax(logits)
        judged = judge.count(mask, probabilities) if judge else None
        return Tally.of(mask, classify(logits), probabilities), judged

    for start in range(0, len(samples), BATCH):
        indices = range(start, min(start + BATCH, len(samples)))
        for counts in map(partial(in_parallel, count), _lots(_predicted(model, frame, samples, indices))):
            yield from counts
        advance(len(indices))


def _predicted(model: keras.Model, frame: Frame, samples: Samples, indices: Sequence[int]) -> Iterator[Predicted]:
    """The samples with these indices, in order."""
    if frame.view == "crop":
        images, masks = zip(*in_parallel(samples.__getitem__, indices), strict=True)
        # Not zipped: `zip` holds on to the logits that it gave last.
        return map(lambda mask, logits: (mask, logits), masks, tiled(model.predict_on_batch, frame, images, BATCH))

    def read(index: int) -> Predicted:
        image, mask = samples[index]
        return mask, resize_image(image, frame.image_size)

    masks, images = zip(*in_parallel(read, indices), strict=True)
    return zip(masks, logits_of_resized(model, frame, images), strict=True)


def _lots(pairs: Iterable[Predicted]) -> Iterator[list[Predicted]]:
    """Groups of masks and logits, each (but the last) with TOGETHER logits or more at the size of the masks."""
    lot, size = [], 0
    for mask, logits in pairs:
        lot.append((mask, logits))
        size += mask.size * logits.shape[-1]
        del logits  # free the memory before the next logits are computed
        if size >= TOGETHER:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot
