"""Batches of a split for training and validation: of resized images, or of crops and tiles at the original size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.resizing import to_pixels
from segzoo.networks.frame import Frame
from segzoo.networks.tiles import tiled
from segzoo.plugin import IGNORE
from segzoo.processes.threads import ahead
from segzoo.training.store import PackedArrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Network = Callable[[NDArray[np.float32]], Any]
    """Images (B, H, W, C) of a frame's `input_size`, pixel values 0..255, to logits of its `output_size`."""
    Picks = NDArray[np.int64]
    """Indices of what a batch is made of, one row for each item: images, or crops of images."""


class Batch(NamedTuple):
    """The input of a training step."""

    images: NDArray[np.float32]
    """(B, H, W, C), pixel values 0..255."""
    labels: NDArray[np.int32]
    """(B, H', W')."""
    weights: NDArray[np.float32]
    """(B, H', W'), 0 where the label is IGNORE."""


@dataclass(frozen=True)
class Arrays(ABC):
    """All samples of a split, decoded."""

    frame: Frame
    channels: int
    """Channels of the images."""
    fingerprint: str
    """SHA-256 over images and masks: equal for equal training data."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def per_epoch(self) -> int:
        """How many picks an epoch has."""

    @abstractmethod
    def epoch(self, seed: int, epoch: int) -> Picks:
        """The picks of an epoch in order, at least one of each sample; they depend on (seed, epoch) only."""

    @abstractmethod
    def batch(self, picks: Picks) -> Batch:
        """The batch of some of an epoch's picks."""

    @abstractmethod
    def predicted(self, network: Network, size: int) -> Iterator[tuple[NDArray[np.int32], Any, NDArray[np.float32]]]:
        """Labels, logits and weights of all samples in their order, to be scored; some images at a time.

        The network gets batches of `size` at most.
        """

    def batches(self, size: int, picks: Picks) -> Iterator[Batch]:
        """All of them in batches of `size`, the last one smaller."""
        for start in range(0, len(picks), size):
            yield self.batch(picks[start : start + size])

    def _framed(self, images: NDArray[Any], masks: NDArray[np.uint8], maps: NDArray[np.float32] | None) -> Batch:
        """A batch of images of the frame's `input_size`, and of masks and maps of its `image_size`."""
        labels = self.frame.pad_masks(masks, IGNORE)
        weights = weights_of(labels, None if maps is None else self.frame.pad_masks(maps, 0))
        return Batch(to_pixels(images), labels.astype(np.int32), weights)


@dataclass(frozen=True)
class Resized(Arrays):
    """Images resized to one size; picks are their indices."""

    images: NDArray[Any]
    """(N, h, w, C), uint8 or uint16."""
    masks: NDArray[np.uint8]
    """(N, h, w)."""
    maps: NDArray[np.float32] | None
    """Pixel weights (N, h, w), if the loss has any."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def per_epoch(self) -> int:
        """See `Arrays.per_epoch`: one of each sample."""
        return len(self)

    def epoch(self, seed: int, epoch: int) -> Picks:
        """See `Arrays.epoch`."""
        return order(len(self), seed, epoch)

    def batch(self, picks: Picks) -> Batch:
        """See `Arrays.batch`."""
        images, maps = self.frame.pad_images(self.images[picks]), None if self.maps is None else self.maps[picks]
        return self._framed(images, self.masks[picks], maps)

    def predicted(self, network: Network, size: int) -> Iterator[tuple[NDArray[np.int32], Any, NDArray[np.float32]]]:
        """See `Arrays.predicted`: in batches, with the frame, which is labelled IGNORE."""
        for images, labels, weights in ahead(self.batches(size, np.arange(len(self)))):
            yield labels, network(images), weights


@dataclass(frozen=True)
class Native(Arrays):
    """Images at their own sizes, trained on in crops; picks are their indices and the crops' upper left corners."""

    images: PackedArrays
    """(H, W, C) each, uint8 or uint16."""
    masks: PackedArrays
    """(H, W) each."""
    maps: PackedArrays | None
    """Pixel weights (H, W), if the loss has any, computed from the uncropped masks."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def crops(self) -> NDArray[np.int64]:
        """Crops of each image in an epoch, (N,): as many as have its pixels, rounded up."""
        return crops_of(self.masks.sizes, self.frame.image_size)

    @property
    def per_epoch(self) -> int:
        """See `Arrays.per_epoch`."""
        return int(self.crops.sum())

    def epoch(self, seed: int, epoch: int) -> Picks:
        """See `Arrays.epoch`: rows (M, 3). All places in an image are as likely; a smaller image lies in the middle."""
        indices, drawn = self._drawn(seed, epoch)
        spare = self.masks.sizes[indices] - self.frame.image_size
        corners = np.where(spare > 0, np.floor(drawn * (spare + 1)), -(-spare // 2)).astype(np.int64)
        return np.column_stack([indices, corners])[order(len(indices), seed, epoch)]

    def _drawn(self, seed: int, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The image of each crop (M,), and two numbers from 0 to 1 (M, 2) that no other image has a part in."""
        indices, drawn, crops = [], [], self.crops
        for turn in range(crops.max()):
            having = np.flatnonzero(crops > turn)
            # The last two numbers tell these draws from those of the order, and from those of the other turns.
            rows = np.random.default_rng([seed, epoch, 1, turn]).random((having[-1] + 1, 2))
            indices.append(having)
            drawn.append(rows[having])
        return np.concatenate(indices), np.concatenate(drawn)

    def batch(self, picks: Picks) -> Batch:
        """See `Arrays.batch`."""
        places = [(index, (top, left)) for index, top, left in picks.tolist()]
        images = np.stack([self.frame.around_part(self.images[index], corner) for index, corner in places])
        masks = np.stack([self.frame.mask_of_part(self.masks[index], corner, IGNORE) for index, corner in places])
        maps = None
        if self.maps is not None:
            maps = np.stack([self.frame.mask_of_part(self.maps[index], corner, 0) for index, corner in places])
        return self._framed(images, masks, maps)

    def predicted(self, network: Network, size: int) -> Iterator[tuple[NDArray[np.int32], Any, NDArray[np.float32]]]:
        """See `Arrays.predicted`: image by image, each at its own size, from overlapping tiles."""
        for index, logits in enumerate(tiled(network, self.frame, self.images, size)):
            masks, maps = self.masks[index][None], None if self.maps is None else self.maps[index][None]
            yield masks.astype(np.int32), logits[None], weights_of(masks, maps)


def crops_of(sizes: NDArray[np.int64], crop: tuple[int, int]) -> NDArray[np.int64]:
    """How many crops have the pixels of images of these heights and widths (N, 2), rounded up: (N,)."""
    counts: NDArray[np.int64] = -(-sizes.prod(axis=1) // (crop[0] * crop[1]))
    return counts


def order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of the samples in one epoch: a permutation that only (seed, epoch) decides."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def weights_of(labels: NDArray[np.uint8], maps: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """The weight of each pixel, (B, H, W): 0 where it is labelled IGNORE, else 1 or the weight of the loss."""
    weights: NDArray[np.float32] = (labels != IGNORE).astype(np.float32)
    if maps is not None:
        weights *= maps
    return weights
