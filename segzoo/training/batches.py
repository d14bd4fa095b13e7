"""Batches of a split for training, and what is predicted of it in validation: resized, or at the original size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.resizing import to_pixels
from segzoo.networks.frame import Frame
from segzoo.networks.tiles import tiled
from segzoo.plugin import IGNORE
from segzoo.processes.threads import ahead
from segzoo.training.balance import RarePlaces
from segzoo.training.store import Kept, PackedArrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Network = Callable[[NDArray[np.float32]], Any]
    """Images (B, H, W, C) of a frame's `input_size`, pixel values 0..255, to logits of its `output_size`."""
    Corner = tuple[int, int]


@dataclass(frozen=True)
class Picks:
    """What an epoch trains on, in order: images, or crops of images."""

    samples: NDArray[np.int64]
    """The index of each pick's sample, (M,)."""
    corners: NDArray[np.int64]
    """Row and column of the upper left corner of each crop, (M, 2); 0 where images are resized."""
    seeds: NDArray[np.uint64]
    """A seed for whatever else is drawn for a pick, such as an augmentation, (M,).

    It depends only on the seed of the run, the epoch, the sample, and which of the sample's crops it is.
    """

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, part: slice | NDArray[np.int64], /) -> Picks:
        return Picks(self.samples[part], self.corners[part], self.seeds[part])


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
    """All samples of a split, decoded, as a network sees them in training and validation."""

    frame: Frame
    kept: Kept
    """Images and masks, in the same sizes."""
    maps: PackedArrays | None
    """Pixel weights (H, W) of each mask, if the loss has any, computed from all of it."""

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.kept.channels

    @property
    def fingerprint(self) -> str:
        """SHA-256 over images and masks: equal for equal training data."""
        return self.kept.fingerprint

    @property
    def per_epoch(self) -> int:
        """How many picks an epoch has: of each image as many as have its pixels, rounded up."""
        return int(self._crops.sum())

    def epoch(self, seed: int, epoch: int, rare: float = 0) -> Picks:
        """The picks of an epoch; they depend on (seed, epoch) only, and those of a sample not on the other samples.

        All places in an image are as likely, but for a share `rare` of the crops: those lie around a pixel of a random
        class of the image. An image smaller than the crop lies in its middle.
        """
        samples, drawn, seeds = self._drawn(seed, epoch)
        spare = self.kept.masks.sizes[samples] - self.frame.image_size
        corners = np.where(spare > 0, np.floor(drawn * (spare + 1)), -(-spare // 2)).astype(np.int64)
        if rare and self.frame.view == "crop":
            for index, corner, own in zip(samples.tolist(), corners, seeds.tolist(), strict=True):
                self._rare_places.move(corner, index, self.frame.image_size, own, rare)
        return Picks(samples, corners, seeds)[order(len(samples), seed, epoch)]

    def batches(self, size: int, picks: Picks) -> Iterator[Batch]:
        """All of them in batches of `size`, the last one smaller."""
        for start in range(0, len(picks), size):
            yield self.batch(picks[start : start + size])

    def batch(self, picks: Picks) -> Batch:
        """The batch of some of an epoch's picks, to train on.

        The only way in which pixels may be changed by chance, drawn from the seeds of the picks; `predicted` has none.
        """
        corners = [(top, left) for top, left in picks.corners.tolist()]
        return self._cut(zip(picks.samples.tolist(), corners, strict=True))

    @abstractmethod
    def predicted(self, network: Network, size: int) -> Iterator[tuple[NDArray[np.int32], Any, NDArray[np.float32]]]:
        """Labels, logits and weights of all samples in their order, to validate with; some images at a time.

        The samples are seen as they are. The network gets batches of `size` at most.
        """

    @cached_property
    def _rare_places(self) -> RarePlaces:
        return RarePlaces(self.kept.masks)

    @property
    def _crops(self) -> NDArray[np.int64]:
        """Crops of each image in an epoch, (N,)."""
        return crops_of(self.kept.masks.sizes, self.frame.image_size)

    def _drawn(self, seed: int, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint64]]:
        """The sample of each pick (M,), two numbers from 0 to 1 (M, 2) and a seed (M,) that no other sample affects."""
        samples, drawn, seeds, crops = [], [], [], self._crops
        for turn in range(crops.max()):
            having = np.flatnonzero(crops > turn)
            count = having[-1] + 1
            # The last two numbers tell these draws from those of the order, from each other, and from other turns.
            drawn.append(np.random.default_rng([seed, epoch, 1, turn]).random((count, 2))[having])
            seeds.append(np.random.default_rng([seed, epoch, 2, turn]).integers(0, 2**64, count, np.uint64)[having])
            samples.append(having)
        return np.concatenate(samples), np.concatenate(drawn), np.concatenate(seeds)

    def _cut(self, places: Iterable[tuple[int, Corner]]) -> Batch:
        """Parts of samples, of the frame's `image_size` and in its border, given by index and upper left corner."""
        places, frame, kept = list(places), self.frame, self.kept
        images = np.stack([frame.around_part(kept.images[index], corner) for index, corner in places])
        masks = np.stack([frame.mask_of_part(kept.masks[index], corner, IGNORE) for index, corner in places])
        labels, maps = frame.pad_masks(masks, IGNORE), None
        if self.maps is not None:
            parts = [frame.mask_of_part(self.maps[index], corner, 0) for index, corner in places]
            maps = frame.pad_masks(np.stack(parts), 0)
        return Batch(to_pixels(images), labels.astype(np.int32), weights_of(labels, maps))


@dataclass(frozen=True)
class Resized(Arrays):
    """Images and masks resized to the frame's `image_size`."""

    def predicted(self, network: Network, size: int) -> Iterator[tuple[NDArray[np.int32], Any, NDArray[np.float32]]]:
        """See `Arrays.predicted`: in batches, with the frame, which is labelled IGNORE."""
        starts = range(0, len(self), size)
        parts = (self._cut((index, (0, 0)) for index in range(start, min(start + size, len(self)))) for start in starts)
        for images, labels, weights in ahead(parts):
            yield labels, network(images), weights


@dataclass(frozen=True)
class Native(Arrays):
    """Images and masks at their original sizes, trained on in crops."""

    def predicted(self, network: Network, size: int) -> Iterator[tuple[NDArray[np.int32], Any, NDArray[np.float32]]]:
        """See `Arrays.predicted`: image by image, each at its original size, from overlapping tiles."""
        for index, logits in enumerate(tiled(network, self.frame, self.kept.images, size)):
            masks, maps = self.kept.masks[index][None], None if self.maps is None else self.maps[index][None]
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
