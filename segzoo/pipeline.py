"""From samples of any size to batches for a network, and from its output back to the pixels of the image.

Images are decoded and resized once, kept as they came (uint8 or uint16), and mirrored up to a size that the network
takes only when a batch is made. Masks are only ever resized with NEAREST, so that no label is invented.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psutil
from PIL import Image

from segzoo.parallel import in_parallel
from segzoo.plugin import IGNORE, Loss, Model, Samples
from segzoo.prepared import Spec, on_disk, scratch

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """The border around an image that a network wants: how far it is mirrored, and where its prediction lies."""

    image_size: tuple[int, int]
    """Height and width that images are resized to."""
    stride: int = 1
    offset: int = 0
    margin: int = 0

    @classmethod
    def around(cls, image_size: tuple[int, int], model: Model) -> Frame:
        """The frame in which a model predicts every pixel of an image of that size."""
        return cls(image_size, model.stride, model.offset, model.margin)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input: the smallest legal ones whose output covers the image."""
        height, width = (self._legal(side + 2 * self.margin) for side in self.image_size)
        return height, width

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the network's output."""
        height, width = self.input_size
        return height - 2 * self.margin, width - 2 * self.margin

    def pad_images(self, images: NDArray[Any]) -> NDArray[Any]:
        """(B, h, w, C) of `image_size` to (B, H, W, C) of `input_size`, mirrored at the border as often as it takes."""
        for axis, (side, total) in enumerate(zip(self.image_size, self.input_size, strict=True), start=1):
            if total > side:
                images = images.take(np.pad(np.arange(side), _split(total - side), mode="reflect"), axis)
        return images

    def pad_masks(self, masks: NDArray[Any], value: float) -> NDArray[Any]:
        """(B, h, w) of `image_size` to (B, H, W) of `output_size`, with `value` in the frame."""
        return np.pad(masks, ((0, 0), *self._frame()), constant_values=value)

    def cut(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """(B, H, W, ...) of `output_size` to (B, h, w, ...) of `image_size`: the frame cut off."""
        (top, _), (left, _) = self._frame()
        height, width = self.image_size
        return outputs[:, top : top + height, left : left + width]

    def _legal(self, least: int) -> int:
        steps = max(1, -(-(least - self.offset) // self.stride))
        return self.stride * steps + self.offset

    def _frame(self) -> tuple[tuple[int, int], tuple[int, int]]:
        height, width = (_split(out - side) for out, side in zip(self.output_size, self.image_size, strict=True))
        return height, width


class Batch(NamedTuple):
    """What a training step sees."""

    images: NDArray[np.float32]
    """(B, H, W, C), pixel values 0..255."""
    labels: NDArray[np.int32]
    """(B, H', W')."""
    weights: NDArray[np.float32]
    """(B, H', W'), 0 where the label is IGNORE."""


@dataclass(frozen=True)
class Arrays:
    """All samples of a split at one size."""

    frame: Frame
    images: NDArray[Any]
    """(N, h, w, C), uint8 or uint16."""
    masks: NDArray[np.uint8]
    """(N, h, w)."""
    maps: NDArray[np.float32] | None
    """Pixel weights (N, h, w) of a loss that has such."""
    fingerprint: str
    """SHA-256 over images and masks: equal for equal training data."""

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Sequence[int] | NDArray[Any]) -> Batch:
        """These samples as one batch."""
        masks = self.frame.pad_masks(self.masks[indices], IGNORE)
        weights = (masks != IGNORE).astype(np.float32)
        if self.maps is not None:
            weights *= self.frame.pad_masks(self.maps[indices], 0)
        images = to_pixels(self.frame.pad_images(self.images[indices]))
        return Batch(images, masks.astype(np.int32), weights)

    def batches(self, size: int, order: NDArray[Any] | None = None) -> Iterator[Batch]:
        """All samples in batches of `size`, the last one smaller; in their own order unless another is given."""
        order = np.arange(len(self)) if order is None else order
        for start in range(0, len(order), size):
            yield self.batch(order[start : start + size])


def prepare(samples: Samples, frame: Frame, loss: Loss | None = None, cache: Path | None = None) -> Arrays:
    """Decode and resize all samples, in as many threads as there are processors.

    The arrays lie in memory where they take at most half of what is free, else in mapped files below `cache`, where a
    later run finds those of a dataset that can tell whether it has changed; see `Dataset.stamp`.

    Raises:
        SegzooError: if the samples are wrong, or the disk of `cache` is too full.
    """
    first_image, first_mask = samples[0]
    shape = (len(samples), *frame.image_size)
    weighted = loss is not None and loss.weight_map(resize_mask(first_mask, frame.image_size)) is not None
    images, masks = Spec((*shape, first_image.shape[2]), first_image.dtype), Spec(shape, np.dtype(np.uint8))
    maps = Spec(shape, np.dtype(np.float32))
    needed = images.nbytes + masks.nbytes + (maps.nbytes if weighted else 0)
    fits = needed <= psutil.virtual_memory().available // 2

    def fill(images: NDArray[Any], masks: NDArray[np.uint8]) -> str:
        def decode(index: int) -> bytes:
            image, mask = samples[index]
            images[index], masks[index] = resize_image(image, frame.image_size), resize_mask(mask, frame.image_size)
            return hashlib.sha256(images[index].tobytes() + masks[index].tobytes()).digest()

        return hashlib.sha256(b"".join(in_parallel(decode, range(len(samples))))).hexdigest()

    if fits:
        pair = np.empty(*images), np.empty(*masks)
        fingerprint = fill(*pair)
    else:
        pair, fingerprint = on_disk(samples, images, masks, cache, fill)
    weights = None
    if loss is not None and weighted:
        weights = weigh(pair[1], loss, np.empty(*maps) if fits else scratch(maps, cache))
    return Arrays(frame, *pair, weights, fingerprint)


def weigh(masks: NDArray[np.uint8], loss: Loss, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill `maps` (N, h, w) with the loss's pixel weights of all masks (N, h, w)."""

    def fill(index: int) -> None:
        maps[index] = loss.weight_map(masks[index])

    in_parallel(fill, range(len(masks)))
    return maps


def order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of the samples in one epoch: a permutation that only (seed, epoch) decides."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def to_pixels(images: NDArray[Any]) -> NDArray[np.float32]:
    """Any stored images as float32 pixel values 0..255."""
    pixels = images.astype(np.float32)
    return pixels * np.float32(255 / 65535) if images.dtype == np.uint16 else pixels


def resize_image(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(H, W, C) to (*size, C), bilinear with antialiasing; the type stays."""
    if image.shape[:2] == size:
        return image
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
    resized = resize_channels(image.astype(np.float32), size)
    return np.rint(resized).astype(image.dtype)


def resize_channels(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W, C) to (*size, C), each channel by itself, bilinear; for logits and for images that are not RGB."""
    if values.shape[:2] == size:
        return values
    channels = [
        np.asarray(Image.fromarray(channel).resize(size[::-1], Image.Resampling.BILINEAR))
        for channel in np.ascontiguousarray(values.transpose(2, 0, 1))
    ]
    return np.stack(channels, axis=-1)


def resize_mask(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) to `size` by the nearest pixel, which makes no new labels."""
    if mask.shape == size:
        return mask
    return np.asarray(Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST))


def _split(total: int) -> tuple[int, int]:
    return total // 2, total - total // 2
