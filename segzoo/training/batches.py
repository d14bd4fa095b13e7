"""Batches of a split for training, and what is predicted of it in validation: resized, or at the original size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.resizing import to_pixels
from segzoo.networks.frame import Frame
from segzoo.networks.tiles import tiled
from segzoo.plugin import IGNORE, Augmentation
from segzoo.processes.processors import threads
from segzoo.processes.threads import ahead
from segzoo.training.augmenting import Sample, augmented, margin_of, part
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
    ids: Sequence[str] = ()
    """Of the samples, for messages about their augmentation."""
    augmentation: Augmentation | None = None
    """What changes the samples of `batch`."""

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
        """All of them in batches of `size`, the last one smaller; augmented by as many threads as processors."""
        with ThreadPoolExecutor(threads()) as pool:
            for start in range(0, len(picks), size):
                yield self._batch(picks[start : start + size], pool.map)

    def batch(self, picks: Picks) -> Batch:
        """The batch of some of an epoch's picks, to train on: changed by the augmentation, if there is any.

        The only way in which pixels are changed by chance, drawn from the seeds of the picks; `predicted` has none.
        """
        return self._batch(picks, map)

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

    def _batch(self, picks: Picks, mapped: Callable[..., Iterable[Sample]]) -> Batch:
        """A batch; `mapped` applies a function to each pick, like `map`."""
        samples, corners = picks.samples.tolist(), [(top, left) for top, left in picks.corners.tolist()]
        if not self.augmentation:
            return self._joined(map(self._seen, samples, corners))
        augment = partial(self._augmented, self.augmentation)
        return self._joined(mapped(augment, samples, corners, picks.seeds.tolist()))

    def _sample(self, index: int) -> Sample:
        image, mask = self.kept[index]
        return Sample(image, mask, None if self.maps is None else self.maps[index])

    def _seen(self, index: int, corner: Corner) -> Sample:
        """The part of a sample at this corner, as it is."""
        return part(self.frame, self._sample(index), corner)

    def _augmented(self, augmentation: Augmentation, index: int, corner: Corner, seed: int) -> Sample:
        """The part of a sample at this corner, or what an augmentation makes of it."""
        given, size, corner = self._to_augment(augmentation, index, corner)
        return part(self.frame, augmented(augmentation, given, size, seed, self.ids[index]), corner)

    @abstractmethod
    def _to_augment(
        self, augmentation: Augmentation, index: int, corner: Corner
    ) -> tuple[Sample, tuple[int, int], Corner]:
        """What an augmentation gets for a corner, the size that it is to return, and the corner in what it returns."""

    def _joined(self, parts: Iterable[Sample]) -> Batch:
        """Parts of samples, with their masks in the border that the network wants."""
        images, masks, maps = zip(*parts, strict=True)
        labels = self.frame.pad_masks(np.stack(masks), IGNORE)
        weights = None if self.maps is None else self.frame.pad_masks(np.stack(maps), 0)
        return Batch(to_pixels(np.stack(images)), labels.astype(np.int32), weights_of(labels, weights))


@dataclass(frozen=True)
class Resized(Arrays):
    """Images and masks resized to the frame's `image_size`."""

    def predicted(self, network: Network, size: int) -> Iterator[tuple[NDArray[np.int32], Any, NDArray[np.float32]]]:
        """See `Arrays.predicted`: in batches, with the frame, which is labelled IGNORE."""
        starts = range(0, len(self), size)
        parts = ([self._seen(index, (0, 0)) for index in range(len(self))[start : start + size]] for start in starts)
        for images, labels, weights in ahead(map(self._joined, parts)):
            yield labels, network(images), weights

    def _to_augment(
        self, augmentation: Augmentation, index: int, corner: Corner
    ) -> tuple[Sample, tuple[int, int], Corner]:
        return self._sample(index), self.frame.image_size, corner


@dataclass(frozen=True)
class Native(Arrays):
    """Images and masks at their original sizes, trained on in crops."""

    def predicted(self, network: Network, size: int) -> Iterator[tuple[NDArray[np.int32], Any, NDArray[np.float32]]]:
        """See `Arrays.predicted`: image by image, each at its original size, from overlapping tiles."""
        for index, logits in enumerate(tiled(network, self.frame, self.kept.images, size)):
            masks, maps = self.kept.masks[index][None], None if self.maps is None else self.maps[index][None]
            yield masks.astype(np.int32), logits[None], weights_of(masks, maps)

    def _to_augment(
        self, augmentation: Augmentation, index: int, corner: Corner
    ) -> tuple[Sample, tuple[int, int], Corner]:
        size = height, width = self.frame.input_size
        margin = margin_of(augmentation, size)
        around = Frame((height + 2 * margin, width + 2 * margin), view="crop")
        top, left = ((total - side) // 2 for total, side in zip(size, self.frame.image_size, strict=True))
        given = part(around, self._sample(index), (corner[0] - top - margin, corner[1] - left - margin))
        return given, size, (top, left)


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
