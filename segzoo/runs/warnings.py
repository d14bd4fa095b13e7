"""What the user of a run's scores should know, judged at its end: each a sentence.

The sentences are kept in `metrics.json`, so they name neither times nor folders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from segzoo.data.samples import CheckedSamples
from segzoo.plugin import Split
from segzoo.runs.config import RunConfig

ENOUGH = 3
"""Epochs from which on it tells something that the last is the best."""


def unseen_classes(labels: Mapping[int, int], classes: Sequence[str]) -> Iterator[str]:
    """Classes that have no pixel in the masks of the training split, by the pixels of each label."""
    unseen = [f"'{name}'" for label, name in enumerate(classes) if not labels.get(label)]
    if unseen:
        words = ("class", "occurs") if len(unseen) == 1 else ("classes", "occur")
        yield f"the {words[0]} {', '.join(unseen)} {words[1]} in no training mask, so no network can learn to see it"


def changing_samples(splits: Mapping[Split, CheckedSamples]) -> Iterator[str]:
    """Samples that were not the same when they were read again."""
    for split, samples in splits.items():
        readings = samples.identity.readings
        if readings.different:
            name = samples.ids[min(readings.different)]
            yield (
                f"of {len(readings.repeated):,} samples of the split '{split}' that were read twice, "
                f"{len(readings.different):,} had other pixels then, such as '{name}': the run cannot be repeated; a "
                "dataset must give the same bytes each time, so it draws nothing at random"
            )


def no_epochs(history: Sequence[Mapping[str, float]], trainer: str) -> Iterator[str]:
    """A trainer that has reported nothing."""
    if not history:
        yield f"trainer '{trainer}' has reported no epoch, so nothing tells whether the network has learned"


def no_losses(history: Sequence[Mapping[str, float]], trainer: str) -> Iterator[str]:
    """A trainer whose `val_loss` is never a number."""
    if history and not _best(history):
        yield f"trainer '{trainer}' has reported no val_loss that is a number, so nothing tells which epoch is best"


def nothing_learned(
    history: Sequence[Mapping[str, float]], loss_without_images: Callable[[float], float]
) -> Iterator[str]:
    """A `val_loss` that is never below that of predicting class frequencies, which is computed near to a loss."""
    if best := _best(history):
        epoch, lowest = best
        if lowest >= (without := loss_without_images(lowest)):
            yield (
                f"val_loss was never below {without:.4g}, which is that of predicting the class frequencies of the "
                f"training masks for each pixel: the lowest was {lowest:.4g}, in epoch {epoch}; by its loss the "
                "network is no better than one that does not look at the images"
            )


def one_class_predicted(confusion: Sequence[Sequence[int]], classes: Sequence[str], split: Split) -> Iterator[str]:
    """A network that predicts a single class, by pixels of each true class (rows) and each predicted one."""
    predicted = np.flatnonzero(np.sum(confusion, axis=0))
    if len(predicted) == 1:
        yield f"the network predicts '{classes[predicted[0]]}' for each pixel of the split '{split}'"


def best_epoch_is_last(history: Sequence[Mapping[str, float]], config: RunConfig) -> Iterator[str]:
    """A training that may have ended too early."""
    best, count = _best(history), len(history)
    if best and best[0] == count >= ENOUGH:
        longer = _longer(config, count)
        yield f"the lowest val_loss is that of the last epoch, {count}: longer training may help, {longer}"


def _longer(config: RunConfig, epochs: int) -> str:
    """How to train longer than a run that has ended after so many epochs."""
    if config.epochs != epochs:
        return "with a larger --steps or --seconds"
    kept = "if --keep-checkpoint has left a checkpoint of this one"
    return f"with --epochs {2 * epochs} in a new run, or with --resume {kept}"


def _best(history: Sequence[Mapping[str, Any]]) -> tuple[int, float] | None:
    """The epoch with the lowest `val_loss`, from 1, and that loss; None if none is reported."""
    losses = [(row.get("val_loss", math.nan), epoch) for epoch, row in enumerate(history, 1)]
    known = [pair for pair in losses if not math.isnan(pair[0])]
    if not known:
        return None
    lowest, epoch = min(known)
    return epoch, lowest
