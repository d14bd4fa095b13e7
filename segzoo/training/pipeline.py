"""From samples of any size to arrays that are seen by a network, in training and validation, or after it.

Images are decoded once and kept as they came (uint8 or uint16): resized, or at their original size to be seen in parts.
They get the border that the network wants only when a batch is made. Masks are only ever resized with NEAREST, so that
no label is invented.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from segzoo.data.resizing import ResizedSamples
from segzoo.data.samples import Identity
from segzoo.errors import PluginError
from segzoo.networks.frame import Frame
from segzoo.plugin import Augmentation, Job, Loss, Samples
from segzoo.plugin_errors import Calling, title
from segzoo.processes.threads import in_parallel
from segzoo.training.batches import Arrays, Native, Resized
from segzoo.training.disk_cache import on_disk, scratch
from segzoo.training.store import Kept, PackedArrays, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

TO_TRAIN, TO_SCORE = 0.5, 0.125
"""Shares of the free memory that a split may take: one that is read in each epoch, and one that is read once, last."""


def prepare(samples: Samples, job: Job) -> Arrays:
    """Decode all samples as a job wants them, in as many threads as there are processors.

    The batches have the view of the job, the pixel weights of its loss, and the changes of its augmentation, which what
    is predicted has not. Samples are kept in memory if they take at most half of what is free, else in mapped files
    below `job.cache`. A later run finds the files again if the samples have an attribute `identity`, as those that a
    run gives to a trainer; see `Identity`.

    Raises:
        SegzooError: if the samples are wrong, or the disk of `job.cache` is too full.
    """
    return decode(samples, job.frame, job.loss, job.cache, job.augmentation)


def decode(
    samples: Samples,
    frame: Frame,
    loss: Loss | None = None,
    cache: Path | None = None,
    augmentation: Augmentation | None = None,
) -> Arrays:
    """As `prepare`, from what it takes of a job."""
    view = Resized if frame.resized_to else Native
    store = Store(ResizedSamples(samples, frame.resized_to, frame.resized_to))
    weighted = loss is not None and loss.weight_map(store.first[1]) is not None
    kept = _keep(store, cache, TO_TRAIN, 5 if weighted else 1)
    return view(frame, kept, _weigh(kept, loss, cache) if loss and weighted else None, samples.ids, augmentation)


def prepare_for_scoring(samples: Samples, frame: Frame, cache: Path | None = None) -> Kept:
    """Decode all samples as `prepare` does, to be scored after a training: masks stay at their original size.

    Raises:
        SegzooError: as `prepare`.
    """
    return _keep(Store(ResizedSamples(samples, frame.resized_to)), cache, TO_SCORE)


def _keep(store: Store, cache: Path | None, share: float, label_bytes: int = 1) -> Kept:
    limit = int(psutil.virtual_memory().available * share)
    kept = store.in_memory(limit, label_bytes) if store.estimate(label_bytes) <= limit else None
    return kept or on_disk(store, cache, Identity.of(store.samples.samples))


def _weigh(kept: Kept, loss: Loss, cache: Path | None) -> PackedArrays:
    """The loss's pixel weights of all masks, each computed from the full mask; in memory if the masks are."""
    masks = kept.masks
    maps = PackedArrays(
        np.empty(masks.size, np.float32) if kept.in_memory else scratch(masks.size, cache), masks.places
    )

    def fill(index: int) -> None:
        weights: NDArray[np.float32] = maps[index]
        with Calling(type(loss), "taking `weight_map` for an array of numbers"):
            given = np.asarray(loss.weight_map(masks[index]), np.float32)
        if given.shape != weights.shape:
            raise PluginError(
                f"{title(type(loss))}: `weight_map` gives an array of shape {given.shape} for a mask of {weights.shape}"
            )
        if not (np.isfinite(given) & (given >= 0)).all():
            raise PluginError(
                f"{title(type(loss))}: `weight_map` gives weights below 0, or weights that are not finite"
            )
        weights[...] = given

    in_parallel(fill, range(len(masks)))
    return maps
