"""From samples of any size to batches for a network, and from its output back to the pixels of the image.

Images are decoded once and kept as they came (uint8 or uint16): resized, or at their own size to be seen in parts. They
get the border that the network wants only when a batch is made. Masks are only ever resized with NEAREST, so that no
label is invented.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import psutil

from segzoo.networks.frame import Frame
from segzoo.plugin import Loss, Samples
from segzoo.processes.threads import in_parallel
from segzoo.training.batches import Arrays, Native, Resized
from segzoo.training.disk_cache import on_disk, scratch
from segzoo.training.store import NativeStore, PackedArrays, ResizedStore, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray


def prepare(samples: Samples, frame: Frame, loss: Loss | None = None, cache: Path | None = None) -> Arrays:
    """Decode all samples, in as many threads as there are processors, for the view of the frame.

    They are kept in memory if they take at most half of what is free, else in mapped files below `cache`. A later run
    reads the files again if the dataset can tell whether it has changed; see `Dataset.stamp`.

    Raises:
        SegzooError: if the samples are wrong, or the disk of `cache` is too full.
    """
    store: Store = ResizedStore(samples, frame.image_size) if frame.view == "resize" else NativeStore(samples)
    weighted = loss is not None and loss.weight_map(store.first_mask) is not None
    max_pixels = psutil.virtual_memory().available // 2 // (store.pixel_bytes + (4 if weighted else 0))
    kept = store.in_memory(max_pixels) if store.pixels <= max_pixels else None
    (images, masks), facts = kept or on_disk(store, cache)
    maps = None
    if loss is not None and weighted:
        maps = weigh(masks, loss, np.empty(masks.size, np.float32) if kept else scratch(masks.size, cache))
    arrays: Any = Native if isinstance(masks, PackedArrays) else Resized
    return cast("Arrays", arrays(frame, store.channels, facts["fingerprint"], images, masks, maps))


def weigh(
    masks: NDArray[np.uint8] | PackedArrays, loss: Loss, flat: NDArray[np.float32]
) -> NDArray[np.float32] | PackedArrays:
    """The loss's pixel weights of all masks, each computed from the full mask, written to `flat`."""
    maps = PackedArrays(flat, masks.places) if isinstance(masks, PackedArrays) else flat.reshape(masks.shape)

    def fill(index: int) -> None:
        maps[index][...] = loss.weight_map(masks[index])

    in_parallel(fill, range(len(masks)))
    return maps
