"""Evaluation of a trained network on a split, at the original size of each mask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from segzoo.data.resizing import resize_channels
from segzoo.networks.prediction import BATCH
from segzoo.processes.threads import in_parallel
from segzoo.scoring.scores import Counts, Scoring
from segzoo.scoring.segmentation import Segmentation

if TYPE_CHECKING:
    from segzoo.networks.prediction import Predicted

TOGETHER = 2**27
"""Number of logits scored together (512 MiB), at the original size of the images; a larger image is scored alone."""


def evaluate(predicted: Iterable[Predicted], scoring: Scoring) -> Iterator[Counts]:
    """The counts of each mask and its logits, in order.

    Logits are large at the original size of an image: they are in memory, twice, for as few images as have TOGETHER of
    them, be it one.
    """

    def count(pair: Predicted) -> Counts:
        mask, logits = pair
        return scoring.count(Segmentation.of(mask, resize_channels(logits, mask.shape)))

    for counts in map(partial(in_parallel, count), _lots(predicted)):
        yield from counts


def _lots(pairs: Iterable[Predicted]) -> Iterator[list[Predicted]]:
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
