"""Where the pixels of an augmented image come from: flips, scale, aspect, rotation and bending as one map of places.

An image is interpolated once, at the places that all of them together give.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, exp, hypot, log, log1p, radians, sin
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo_augmentations.levels import Strengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Size = tuple[int, int]

RARE = 0.2
"""Share of the images that are bent."""
POINTS = 3
"""Points on each side that are shifted to bend an image, as in the U-Net paper (arXiv:1505.04597, section 3.1)."""
FARTHEST = 3.0
"""Standard deviations by which a pixel is shifted at most."""


@dataclass(frozen=True)
class Places:
    """Where in an image (H, W) the pixels of another one (h, w) lie."""

    rows: NDArray[np.float32]
    """(h, w), in pixels, 0 in the middle of the first row; may be outside of the image."""
    columns: NDArray[np.float32]
    size: Size
    """Height and width of the image."""

    @classmethod
    def drawn(cls, parts: Strengths, image: Size, size: Size, random: np.random.Generator) -> Places:
        """Those of a crop of `size` in the middle of an image, all of which may lie outside of the crop."""
        matrix = _matrix(parts, random)
        shifts = _shifts(matrix, size, random)
        middle = ((np.array(image) - 1) / 2 + shifts).astype(np.float32)
        rows, columns = (np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2) for side in size)
        places = [
            (down * rows + start)[:, None] + (right * columns)[None]
            for (down, right), start in zip(matrix.astype(np.float32), middle, strict=True)
        ]
        if parts.elastic and random.random() < RARE:
            for axis in places:
                axis += _bend(size, parts.elastic * min(size), random)
        return cls(places[0], places[1], image)

    def interpolated(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """The pixels of the image (H, W, C) at the places, bilinearly, (h, w, C); outside it is mirrored."""
        height, width = self.size
        (top, down), (left, right) = _neighbours(self.rows, height), _neighbours(self.columns, width)
        first, both = (top * np.int32(width) + left).astype(np.intp), down * right
        below, beside = width if height > 1 else 0, 1 if width > 1 else 0
        corners = (
            (0, 1 - down - right + both),
            (beside, right - both),
            (below, down - both),
            (below + beside, both),
        )
        pixels, values = np.zeros((image.shape[2], *first.shape), np.float32), np.empty(first.shape, np.float32)
        for total, plane in zip(pixels, image.transpose(2, 0, 1), strict=True):
            flat = plane.astype(np.float32).reshape(-1)
            for step, weights in corners:
                flat[step:].take(first, out=values, mode="clip")  # all are inside; it need not look
                values *= weights
                total += values
        return pixels.transpose(1, 2, 0)

    def nearest(self, values: NDArray[Any], outside: int) -> NDArray[Any]:
        """The values (H, W) of the nearest pixels (h, w); `outside` where that is none of the image."""
        rows, columns = np.rint(self.rows), np.rint(self.columns)
        height, width = self.size
        outer = (rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)
        places = rows.clip(0, height - 1).astype(np.int32) * np.int32(width) + columns.clip(0, width - 1).astype(
            np.int32
        )
        found: NDArray[Any] = values.reshape(-1).take(places)
        found[outer] = outside
        return found


def reach(parts: Strengths, size: Size) -> int:
    """How many pixels outside of a crop of this size the places may lie, in any direction."""
    scale, aspect = 1 / parts.scale[0], (1 + parts.aspect) ** 0.5
    half = [scale * aspect * (side - 1) / 2 for side in size]
    turn = radians(min(parts.rotation, 90))
    farthest = [
        # At the angle of the diagonal the corner lies at the middle of a side.
        hypot(*half) if turn > np.arctan2(other, side) else side * cos(turn) + other * sin(turn)
        for side, other in (half, half[::-1])
    ]
    beyond = max(far - (side - 1) / 2 for far, side in zip(farthest, size, strict=True))
    return ceil(max(beyond, 0) + FARTHEST * parts.elastic * min(size))


def _matrix(parts: Strengths, random: np.random.Generator) -> NDArray[np.float64]:
    """The matrix (2, 2) from rows and columns in the result, from its middle, to those in the image."""
    flips = np.where(random.random(2) < 0.5, -1.0, 1.0)
    scale = exp(random.uniform(log(parts.scale[0]), log(parts.scale[1])))
    aspect = exp(random.uniform(-1, 1) * log1p(parts.aspect) / 2)
    turn = radians(random.uniform(-1, 1) * parts.rotation)
    flips[0] = flips[0] if parts.flips == "both" else 1
    flips[1] = flips[1] if parts.flips != "none" else 1
    rotation = np.array([[cos(turn), sin(turn)], [-sin(turn), cos(turn)]])
    return rotation * (flips * (aspect, 1 / aspect) / scale)


def _shifts(matrix: NDArray[np.float64], size: Size, random: np.random.Generator) -> NDArray[np.float64]:
    """Rows and columns by which a part of the crop, which is seen enlarged, lies off its middle."""
    sides = np.array(size) - 1
    spare = sides - np.abs(matrix) @ sides
    shifts: NDArray[np.float64] = np.maximum(spare, 0) / 2 * random.uniform(-1, 1, 2)
    return shifts


def _bend(size: Size, deviation: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Smooth shifts (h, w) in pixels, between those of a few points that are drawn from a normal distribution."""
    down, right = (_cubic(side) for side in size)
    shifts = down @ random.normal(0, deviation, (POINTS, POINTS)) @ right.T
    return shifts.clip(-FARTHEST * deviation, FARTHEST * deviation).astype(np.float32)


def _cubic(side: int) -> NDArray[np.float64]:
    """The weights (side, POINTS) of points from the first to the last pixel, by cubic convolution (Keys 1981)."""
    places = np.linspace(0, POINTS - 1, side)[:, None]
    points = np.arange(-1, POINTS + 1)  # with those beyond the ends, which are like the last ones
    x = np.abs(places - points)
    near, far = 1 - 2.5 * x**2 + 1.5 * x**3, 2 - 4 * x + 2.5 * x**2 - 0.5 * x**3
    weights = np.where(x <= 1, near, np.where(x < 2, far, 0))
    weights[:, 1] += weights[:, 0]
    weights[:, -2] += weights[:, -1]
    return weights[:, 1:-1]


def _neighbours(places: NDArray[np.float32], side: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The pixel at or before each place on a mirrored axis, and how far the place is from it to the next."""
    last = np.float32(side - 1)
    while side > 1 and (places.min() < 0 or places.max() > last):
        places = last - np.abs(last - np.abs(places))
    if side == 1:
        places = np.zeros_like(places)
    before = np.minimum(places.astype(np.int32), np.int32(max(0, side - 2)))
    return before, places - before.astype(np.float32)
