"""Images and masks resized, images bilinearly and masks by the nearest pixel; pixel values as floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from segzoo.plugin import Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_pixels(images: NDArray[Any]) -> NDArray[np.float32]:
    """Images uint8 or uint16 as float32 pixel values 0 to 255."""
    pixels = images.astype(np.float32)
    return pixels * np.float32(255 / 65535) if images.dtype == np.uint16 else pixels


def resize_image(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(H, W, C) to (*size, C), bilinear with antialiasing; the type stays."""
    if image.shape[:2] == size:
        return image
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
    resized = resize_channels(image.astype(np.float32), size)
    return np.rint(resized).astype(image.dtype, order="C")


def resize_channels(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W, C) to (*size, C), each channel by itself, bilinear; for logits and for images that are not RGB.

    In memory, the channels of the result lie one after another.
    """
    if values.shape[:2] == size:
        return values
    resized = np.empty((values.shape[2], *size), np.float32)
    for plane, channel in zip(resized, np.ascontiguousarray(np.moveaxis(values, -1, 0)), strict=True):
        plane[:] = np.asarray(Image.fromarray(channel).resize(size[::-1], Image.Resampling.BILINEAR))
    return np.moveaxis(resized, 0, -1)


def resize_mask(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) to `size` by the nearest pixel, which makes no new labels."""
    if mask.shape == size:
        return mask
    return np.asarray(Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST))


@dataclass(frozen=True)
class ResizedSamples(Sequence["tuple[NDArray[Any], NDArray[np.uint8]]"]):
    """Samples with images and masks resized, or at their original size where that is None; decoded when asked for."""

    samples: Samples
    image_size: tuple[int, int] | None = None
    mask_size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any, /) -> Any:
        image, mask = self.samples[index]
        if self.image_size:
            image = resize_image(image, self.image_size)
        return image, resize_mask(mask, self.mask_size) if self.mask_size else mask
