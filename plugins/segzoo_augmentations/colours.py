"""Pixel values of an augmented image: blur, contrast, brightness, saturation and noise."""

from __future__ import annotations

from math import exp, log1p
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from segzoo_augmentations.levels import Strengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

RARE = 0.2
"""Share of the images that are blurred, and of those that get noise."""
GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in the brightness that is seen (ITU-R BT.601)."""


def recoloured(
    pixels: NDArray[np.float32], dtype: np.dtype[Any], parts: Strengths, random: np.random.Generator
) -> NDArray[Any]:
    """Pixels (H, W, C) with the values of a type of integers, changed by chance, as that type.

    They are changed in place: to make arrays of this size anew takes longer than to compute their values.
    """
    most = np.iinfo(dtype).max
    if parts.blur and random.random() < RARE:
        sigma = random.uniform(0, parts.blur)
        ndimage.gaussian_filter(pixels, (sigma, sigma, 0), output=pixels, mode="mirror")
    if parts.saturation and pixels.shape[2] == len(GREY):
        _spread(pixels, (pixels @ GREY)[..., None], _factor(parts.saturation, random))
    if parts.contrast:
        _spread(pixels, pixels.mean(), _factor(parts.contrast, random))
    if parts.brightness:
        pixels += np.float32(most * parts.brightness * random.uniform(-1, 1))
    if parts.noise and random.random() < RARE:
        deviation = np.float32(most * random.uniform(0, parts.noise))
        pixels += deviation * random.standard_normal(pixels.shape, np.float32)
    np.rint(pixels, out=pixels)
    return np.clip(pixels, 0, most, out=pixels).astype(dtype)


def _factor(share: float, random: np.random.Generator) -> np.float32:
    """A factor of up to 1 + share, or its reciprocal."""
    return np.float32(exp(random.uniform(-1, 1) * log1p(share)))


def _spread(pixels: NDArray[np.float32], middle: Any, factor: np.float32) -> None:
    """Make the differences of pixels from a value that many times as large."""
    pixels *= factor
    pixels += (1 - factor) * middle
