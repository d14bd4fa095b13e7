"""The weight map of the U-Net paper (Ronneberger et al. 2015, arXiv:1505.04597, equation 2)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from segzoo.plugin import IGNORE

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEGLIGIBLE = 1e-6
"""Border terms less than this are left out; class balance is 1 in the mean."""


def border_weights(mask: NDArray[np.uint8], separator: int, w0: float, sigma: float) -> NDArray[np.float32]:
    """Class balance plus border term of a mask (H, W), float32 (H, W); 0 where the mask is IGNORE."""
    reach = math.ceil(sigma * math.sqrt(2 * math.log(max(w0 / NEGLIGIBLE, 1))))  # where the term is negligible
    nearest, second = two_nearest(instances(mask, separator), reach)
    border = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return (balance(mask) + np.where(mask == separator, border, 0)).astype(np.float32)


def balance(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Weights (H, W) that give the classes of a mask equal sums, 1 in the mean over all pixels but those of IGNORE."""
    counts = np.bincount(mask.ravel(), minlength=256)
    counts[IGNORE] = 0
    classes = np.flatnonzero(counts)
    weights = np.zeros(256)
    weights[classes] = counts.sum() / (len(classes) * counts[classes])
    return weights[mask]


def instances(mask: NDArray[np.uint8], separator: int) -> NDArray[np.int32]:
    """A number from 1 up for each cell (H, W), 0 elsewhere: the connected regions of the labels but the separator's.

    Pixels that touch at a corner only are not connected. If they were, a separating line one pixel wide that runs
    diagonally would separate nothing.
    """
    cells = np.zeros(mask.shape, np.int32)
    for label in np.setdiff1d(mask, [separator, IGNORE]):
        regions, _ = ndimage.label(mask == label)
        cells += np.where(regions, regions + cells.max(), 0)
    return cells


def two_nearest(cells: NDArray[np.int32], reach: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances (H, W) to the nearest and to the second nearest cell, in pixels, exact as far as `reach`.

    Farther cells may be overlooked; without any, the distance is infinite. Each cell is measured in a window of its
    own, so that hundreds of them cost little more than one measured across the image.
    """
    nearest, second = np.full((2, *cells.shape), np.inf)
    for number, box in enumerate(ndimage.find_objects(cells), start=1):
        window = tuple(slice(max(0, side.start - reach), side.stop + reach) for side in box)
        distance: NDArray[Any] = ndimage.distance_transform_edt(cells[window] != number)
        second[window] = np.minimum(second[window], np.maximum(nearest[window], distance))
        nearest[window] = np.minimum(nearest[window], distance)
    return nearest, second
