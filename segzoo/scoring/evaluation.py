"""Evaluation of a trained network on a split, at the original size of each mask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from segzoo.data.resizing import resize_channels
from segzoo.networks.prediction import BATCH, classify, softmax
from segzoo.plugin import Judge
from segzoo.processes.threads import in_parallel
from segzoo.scoring.scores import Tally

if TYPE_CHECKING:
    from segzoo.networks.prediction import Predicted

TOGETHER = 2**27
"""Number of logits scored together (512 MiB), at the original size of the images; a larger image is scored alone."""


def evaluate(predicted: Iterable[Predicted], judge: Judge | None) -> Iterator[tuple[Tally, Any]]:
    """The counts of each mask and its logits, and those of the dataset's judge, in order.

    Logits are large at the original size of an image: they are in memory, twice, for as few images as have TOGETHER of
    them, be it one.
    """

    def count(pair: Predicted) -> tuple[Tally, Any]:
        mask, logits = pair
        logits = resize_channels(logits, mask.shape)
        probabilities = softmax(logits)
        judged = judge.count(mask, probabilities) if judge else None
        return Tally.of(mask, classify(logits), probabilities), judged

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
