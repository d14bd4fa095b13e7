"""How image files become pixels: their channels, their range, and the image size to suggest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from segzoo.data.images import channels_first
from segzoo.data.pixels import LARGEST, Pixels
from segzoo.errors import DataError
from segzoo.plugin import FileReading, View
from segzoo.training import crops_of
from segzoo_folder import ImageFolder
from segzoo_folder.index import FileGroup, ImageFacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGE = 512
"""The shorter side, in pixels, from which images of the same size are cropped."""
SIDE, STEP = 256, 32
"""The longest side that is suggested, and what suggested sides are multiples of."""
STEPS, BATCH = 300, 8
"""Training steps that most trainings need, and the batch size, which is the default of the trainer `keras`."""
EPOCHS = 20
"""The least number of epochs to suggest; large datasets get no more."""

Range = tuple[float, float]


def decide_pixels(
    options: ImageFolder, channels: int, images: Sequence[FileGroup[ImageFacts]], extents: NDArray[Any]
) -> Pixels:
    """How to read images, given the rows of EXTENTS of the training pages."""
    types, spread = {group.facts.dtype for group in images}, _spread(extents)
    known = spread if np.isfinite(spread).all() else None
    if isinstance(options.range, tuple):
        dtype: Literal["uint8", "uint16"] = "uint8" if types == {"uint8"} else "uint16"
        widened = types == LARGEST.keys()
        return Pixels(channels, options.range, FileReading(dtype, True, widened, options.stack, known))
    if all(group.facts.narrow for group in images):
        return Pixels(channels, None, FileReading("uint8", stack=options.stack, spread=known))
    data_range = _of_data(extents) if options.range == "data" else None
    return Pixels(channels, data_range, FileReading("uint16", False, True, options.stack, known))


def _of_data(extents: NDArray[Any]) -> Range | None:
    """The range of the values of these pages; None if some have 8 bits, or if there is only a single value."""
    fitting = extents[(extents[:, 0] >= 0) & (extents[:, 1] <= LARGEST["uint16"])]  # the others are refused
    low, high = _spread(fitting)
    return None if np.isnan(extents).any() or not low < high else (low, high)


def _spread(extents: NDArray[Any]) -> Range:
    """The least and the largest value of these pages; infinite if none is known."""
    known = extents[np.isfinite(extents).all(axis=1)]
    return float(known[:, 0].min(initial=np.inf)), float(known[:, 1].max(initial=-np.inf))


class Suggestion(NamedTuple):
    """See `Info`."""

    image_size: tuple[int, int]
    epochs: int
    view: View


def suggest(sizes: Sequence[tuple[int, int]], train: int) -> Suggestion:
    """The suggestion for images of these heights and widths, and a number of training images.

    Large images of the same size come from the same instrument at the same scale, and are cropped. Others are resized
    to about the shape of the median image.
    """
    if len(set(sizes)) == 1 and min(sizes[0]) >= LARGE:
        crops = int(crops_of(np.array(sizes[:1]), (SIDE, SIDE))[0])
        return Suggestion((SIDE, SIDE), epochs(train * crops), "crop")
    middle = [median_low(sides) for sides in zip(*sizes, strict=True)]
    scale = min(1, SIDE / max(middle))
    height, width = (max(STEP, round(side * scale / STEP) * STEP) for side in middle)
    return Suggestion((height, width), epochs(train), "resize")


def epochs(images: int) -> int:
    """The number of epochs of these many images or crops that makes STEPS training steps; EPOCHS at least."""
    return max(EPOCHS, math.ceil(STEPS / math.ceil(max(1, images) / BATCH)))


def shared_channels(root: Path, images: Sequence[FileGroup[ImageFacts]]) -> int:
    """The number of channels that all images have, or can be converted to without losing more than opacity."""
    kinds = {(group.facts.channels, group.facts.alpha) for group in images}
    if len({channels for channels, _ in kinds}) == 1:
        return images[0].facts.channels
    for wanted in sorted({channels - alpha for channels, alpha in kinds} | {3}):
        if all(
            wanted in (channels, channels - alpha) or (wanted, channels - alpha) == (3, 1) for channels, alpha in kinds
        ):
            return wanted
    examples = {group.facts.channels: group.path for group in reversed(images)}
    texts = [f"{channels} ({path} for one)" for channels, path in sorted(examples.items())]
    shapes = [(group.facts.height, group.facts.width, group.facts.channels) for group in images]
    turned = next(filter(None, map(channels_first, shapes)), "")
    raise DataError(
        f"the images below {root} differ in their channels: {', '.join(texts)}; convert them to the same, or take "
        f"those of one kind, with `--set dataset.listing=FILE.csv`{turned}"
    )
