"""From samples of any size to batches for a network, and from its output back to the pixels of the image.

Images are decoded and resized once, kept as they came (uint8 or uint16), and mirrored up to a size that the network
takes only when a batch is made. Masks are only ever resized with NEAREST, so that no label is invented.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psutil
from PIL import Image

from segzoo.plugin import IGNORE, Loss, Model, Samples

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
        rows, columns = (
            np.pad(np.arange(side), _split(total - side), mode="reflect")
            for side, total in zip(self.image_size, self.input_size, strict=True)
        )
        return images[:, rows][:, :, columns]

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

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Sequence[int] | NDArray[Any]) -> Batch:
        """These samples as one batch."""
        masks = self.frame.pad_masks(self.masks[indices], IGNORE)
        weights = (masks != IGNORE).astype(np.float32)
        if self.maps is not None:
            weights *= self.frame.pad_masks(self.maps[indices], 0)
        return Batch(self.frame.pad_images(to_pixels(self.images[indices])), masks.astype(np.int32), weights)

    def batches(self, size: int, order: NDArray[Any] | None = None) -> Iterator[Batch]:
        """All samples in batches of `size`, the last one smaller; in their own order unless another is given."""
        order = np.arange(len(self)) if order is None else order
        for start in range(0, len(order), size):
            yield self.batch(order[start : start + size])


def prepare(samples: Samples, frame: Frame, loss: Loss | None = None) -> Arrays:
    """Decode and resize all samples, in as many threads as there are processors.

    The arrays lie in memory where they take at most half of what is free, else in a temporary file that is mapped.
    """
    first_image, first_mask = samples[0]
    shape = (len(samples), *frame.image_size)
    images = _allocate((*shape, first_image.shape[2]), first_image.dtype)
    masks = _allocate(shape, np.dtype(np.uint8))
    weighted = loss is not None and loss.weight_map(resize_mask(first_mask, frame.image_size)) is not None
    maps = _allocate(shape, np.dtype(np.float32)) if weighted else None

    def fill(index: int) -> None:
        image, mask = samples[index]
        images[index] = resize_image(image, frame.image_size)
        masks[index] = resize_mask(mask, frame.image_size)
        if loss is not None and maps is not None:
            maps[index] = loss.weight_map(masks[index])

    in_parallel(fill, range(len(samples)))
    return Arrays(frame, images, masks, maps)


def in_parallel(function: Any, items: Sequence[Any] | range) -> list[Any]:
    """The function's value for each item, from as many threads as there are processors; raises the first error."""
    with ThreadPoolExecutor(cpu_count()) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:  # nobody waits for the rest after an error or Ctrl-C
            pool.shutdown(wait=False, cancel_futures=True)


def order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of the samples in one epoch: a permutation that only (seed, epoch) decides."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def to_pixels(images: NDArray[Any]) -> NDArray[np.float32]:
    """Any stored images as float32 pixel values 0..255."""
    scale = np.float32(255 / 65535) if images.dtype == np.uint16 else np.float32(1)
    return images.astype(np.float32) * scale


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


def _allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    needed = int(np.prod(shape)) * dtype.itemsize
    if needed <= psutil.virtual_memory().available // 2:
        return np.empty(shape, dtype)
    return np.memmap(tempfile.TemporaryFile(), dtype, "w+", shape=shape)
