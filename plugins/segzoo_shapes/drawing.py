"""Drawing the scenes of the `shapes` dataset.

Coordinates are in units of the image side, with the origin in its centre. Arrays meet only in elementwise arithmetic,
never in vectorized sines or matrix products, whose last bit depends on the processor: the images are to be the same on
every machine.
"""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from segzoo.plugin import Split

Array: TypeAlias = NDArray[np.float64]
Image: TypeAlias = NDArray[np.uint8]


class Palette(NamedTuple):
    """The ranges that the two colours of a texture are drawn from; their hue is any."""

    saturation: tuple[float, float]
    light: tuple[float, float]
    dark: tuple[float, float]


MUTED = Palette(saturation=(0.05, 0.4), light=(0.32, 0.48), dark=(0.2, 0.34))
VIVID = Palette(saturation=(0.25, 0.65), light=(0.8, 0.95), dark=(0.45, 0.6))

SIDES = (None, None, 4, 3)
"""Number of sides of the outline, by label; the circle has none."""
TEXTURES = ("mosaic", "checks", "stripes", "shading")
"""The texture of each label; the background has any of them."""


@dataclass(frozen=True)
class Drawings:
    """The samples of one split, each drawn when it is asked for, from nothing but (seed, split, index)."""

    seed: int
    split: Split
    count: int
    size: int

    @property
    def ids(self) -> list[str]:
        """Such as `train/0007`."""
        return [f"{self.split}/{index:04}" for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> tuple[Image, Image]:
        """Image (size, size, 3) and mask (size, size); IndexError beyond the last."""
        split = ("train", "val", "test").index(self.split)
        return draw(np.random.default_rng([self.seed, split, range(self.count)[index]]), self.size)


def draw(rng: Generator, size: int) -> tuple[Image, Image]:
    """A scene: image (size, size, 3) and mask (size, size) of labels 0..3."""
    y, x = (np.indices((size, size)) + 0.5) / size - 0.5
    mask = np.zeros((size, size), np.uint8)
    image = texture(rng, x, y, TEXTURES[rng.integers(4)], rng.uniform(0, math.pi), MUTED)
    for _ in range(rng.integers(2, 5)):
        image = cover(image, line(rng, x, y) * size, colours(rng, VIVID)[0])
    for _ in range(rng.integers(2, 6)):
        label = int(rng.integers(1, 4))
        tilt = math.pi / 2 + rng.uniform(-0.4, 0.4)
        distance = outline(rng, x, y, SIDES[label], tilt)
        image = cover(image, distance * size, texture(rng, x, y, TEXTURES[label], tilt, VIVID))
        mask[distance < 0] = label
    return expose(rng, x, y, image), mask


def outline(rng: Generator, x: Array, y: Array, sides: int | None, tilt: float) -> Array:
    """Signed distance (H, W), negative inside, to a circle or a regular polygon of the same area, somewhere."""
    x, y, area = x - rng.uniform(-0.38, 0.38), y - rng.uniform(-0.38, 0.38), rng.uniform(0.24, 0.44) ** 2
    if sides is None:
        return np.sqrt(x * x + y * y) - math.sqrt(area / math.pi)
    heights = [rotate(x, y, tilt + math.tau * side / sides)[0] for side in range(sides)]
    highest: Array = np.maximum.reduce(heights)
    return highest - math.sqrt(area / sides / math.tan(math.pi / sides))


def line(rng: Generator, x: Array, y: Array) -> Array:
    """Signed distance (H, W) to a line from border to border."""
    across = rotate(x, y, rng.uniform(0, math.pi))[0]
    return np.abs(across - rng.uniform(-0.5, 0.5)) - rng.uniform(0.008, 0.025)


def texture(rng: Generator, x: Array, y: Array, kind: str, angle: float, palette: Palette) -> Array:
    """Two colours of about one hue, mixed to a pattern (H, W, 3)."""
    period = rng.uniform(0.1, 0.16)
    u, v = (along / period + rng.random() for along in rotate(x, y, angle))
    if kind == "mosaic":
        tiles = rng.random((64, 64))
        mix: Array = tiles[np.floor(3 * u).astype(int), np.floor(3 * v).astype(int)]
    elif kind == "checks":
        mix = np.abs(bars(u) - bars(v))
    elif kind == "stripes":
        mix = bars(u)
    else:
        mix = wave(u / 3)
    light, dark = colours(rng, palette)
    return dark + mix[..., None] * (light - dark)


def colours(rng: Generator, palette: Palette) -> tuple[Array, Array]:
    """A light and a dark colour (3,) of about the same hue, RGB in 0..1."""
    hue, saturation = rng.random(), rng.uniform(*palette.saturation)
    light = hsv_to_rgb(hue, saturation, rng.uniform(*palette.light))
    dark = hsv_to_rgb((hue + rng.uniform(-0.08, 0.08)) % 1, saturation, rng.uniform(*palette.dark))
    return np.array(light), np.array(dark)


def expose(rng: Generator, x: Array, y: Array, image: Array) -> Image:
    """The photograph uint8 (H, W, 3) of a scene: lit from one side, with the noise of a sensor."""
    light = 1 + rng.uniform(0.1, 0.5) * rotate(x, y, rng.uniform(0, math.tau))[0]
    noise = rng.uniform(0.02, 0.05) * rng.standard_normal(image.shape)
    return np.rint(255 * np.clip(image * light[..., None] + noise, 0, 1)).astype(np.uint8)


def cover(image: Array, distance: Array, paint: Array) -> Array:
    """The image with paint inside an outline, whose distance is in pixels; pixels that it crosses are mixed."""
    return image + np.clip(0.5 - distance, 0, 1)[..., None] * (paint - image)


def rotate(x: Array, y: Array, angle: float) -> tuple[Array, Array]:
    """Coordinates along the direction of an angle, and across it."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return cosine * x + sine * y, cosine * y - sine * x


def wave(u: Array) -> Array:
    """A triangle wave of period 1 between 0 and 1."""
    return np.abs(2 * (u - np.floor(u)) - 1)


def bars(u: Array) -> Array:
    """A rectangle wave of period 1 between 0 and 1, its edges softened."""
    return np.clip(4 * wave(u) - 1.5, 0, 1)
