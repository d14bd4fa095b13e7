"""Evaluation of predictions on a split, at the original size of each mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from segzoo.data.resizing import resize_channels
from segzoo.networks.prediction import BATCH
from segzoo.processes.threads import in_parallel
from segzoo.scoring.scores import Counts, Scoring
from segzoo.scoring.segmentation import Segmentation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = tuple[NDArray[Any], NDArray[Any]]
    """A mask (H, W), and what was predicted of it (h, w, n), such as its logits at any size."""
    AsSegmentation = Callable[[NDArray[Any], NDArray[Any]], Segmentation]
    """What is to be scored of a pair."""

TOGETHER = 2**27
"""Number of logits scored together (512 MiB), at the original size of the images; a larger image is scored alone."""


def of_logits(mask: NDArray[Any], logits: NDArray[Any]) -> Segmentation:
    """What a network predicts, from its logits (h, w, num_classes), which are resized to the mask."""
    return Segmentation.of(mask, resize_channels(logits, mask.shape))


def evaluate(predicted: Iterable[Pair], scoring: Scoring, segmentation: AsSegmentation = of_logits) -> Iterator[Counts]:
    """The counts of each mask and its logits, in order.

    Logits are large at the original size of an image: they are in memory, twice, for as few images as have TOGETHER of
    them, be it one.
    """

    def count(pair: Pair) -> Counts:
        return scoring.count(segmentation(*pair))

    for counts in map(partial(in_parallel, count), _lots(predicted)):
        yield from counts


def _lots(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    """Groups of BATCH masks and logits, or of as many as have TOGETHER logits or more at the size of the masks."""
    lot, size = [], 0
    for mask, logits in pairs:
        lot.append((mask, logits))
        size += mask.size * logits.shape[-1]
        del logits  # free the memory before the next logits are computed
        if size >= TOGETHER or len(lot) == BATCH:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot
