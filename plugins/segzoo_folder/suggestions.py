"""What a folder suggests to a run: how its images are seen, at which size, and for how many epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median_low
from typing import NamedTuple

import numpy as np

from segzoo.plugin import View
from segzoo.training.batches import crops_of

LARGE = 512
"""Shorter side of images, in pixels, from which on they are seen in crops if all are of one size."""
SIDE, STEP = 256, 32
"""The longest side that is suggested, and what suggested sides are multiples of."""
STEPS, BATCH = 300, 8
"""Training steps that it takes to learn something, and images or crops in a step, as the trainer `keras` has them."""
EPOCHS = 20
"""The least number that is suggested; many images get no more."""


class Suggestion(NamedTuple):
    """See `Info`."""

    image_size: tuple[int, int]
    epochs: int
    view: View


def suggested(sizes: Sequence[tuple[int, int]], train: int) -> Suggestion:
    """What suits images of these heights and widths, of which so many are for training.

    Large images all of one size come from one instrument, at one scale: they are seen in crops. Others are resized, to
    about the shape of the middle one.
    """
    if len(set(sizes)) == 1 and min(sizes[0]) >= LARGE:
        crops = int(crops_of(np.array(sizes[:1]), (SIDE, SIDE))[0])
        return Suggestion((SIDE, SIDE), epochs(train * crops), "crop")
    middle = [median_low(sides) for sides in zip(*sizes, strict=True)]
    scale = min(1, SIDE / max(middle))
    height, width = (max(STEP, round(side * scale / STEP) * STEP) for side in middle)
    return Suggestion((height, width), epochs(train), "resize")


def epochs(images: int) -> int:
    """How many epochs of so many images or crops make STEPS training steps; EPOCHS at least."""
    return max(EPOCHS, math.ceil(STEPS / math.ceil(max(1, images) / BATCH)))
