"""A prediction drawn over its image, at the size of the image, with a legend below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segzoo.reporting.pictures import USUAL, Pixels, explained, filled, legend, outlines, palette, uncoloured

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINE = 1000
"""Pixels of the longer side for each pixel of an outline's width."""
NARROWEST = 240
"""Width in pixels that a legend needs."""
MARGIN = 8
"""Pixels around the legend."""
BAND = 512
"""Rows that are drawn at once, to save memory."""


def overlay(photo: Pixels, labels: Pixels, classes: Sequence[str]) -> Image.Image:
    """Labels (H, W) as colour over a photo (H, W, 3), which is drawn on, with outlines and a legend.

    The image lies in the upper left corner, pixel by pixel, a small one enlarged by a whole factor. Outlines and
    letters grow with it, so that they are seen when all of it is.
    """
    if (factor := round(USUAL / max(labels.shape))) > 1:
        photo, labels = (pixels.repeat(factor, axis=0).repeat(factor, axis=1) for pixels in (photo, labels))
    height, width = labels.shape
    scale = max(1, round(max(height, width) / FINE))
    draw_over(photo, labels, classes, scale)
    entries = explained(classes, ignored=False)
    names = legend(entries, max(width, NARROWEST * scale) - 2 * MARGIN * scale, scale)
    picture = Image.new("RGB", (names.width + 2 * MARGIN * scale, height + names.height + 2 * MARGIN * scale), "white")
    picture.paste(Image.fromarray(photo), (0, 0))
    picture.paste(names, (MARGIN * scale, height + MARGIN * scale))
    return picture


def draw_over(photo: Pixels, labels: Pixels, classes: Sequence[str], thickness: int) -> None:
    """Draw labels (H, W) on a photo (H, W, 3), outlines so many pixels thick on both sides of a border."""
    colours, plain = palette(len(classes)), uncoloured(classes)
    for top in range(0, len(labels), BAND):
        rows = slice(top, min(top + BAND, len(labels)))
        first = max(0, top - thickness)  # as outlines begin in the rows around
        around = labels[first : rows.stop + thickness]
        edges = thickened(outlines(around), thickness - 1)[rows.start - first :][: rows.stop - rows.start]
        photo[rows] = filled(Image.fromarray(photo[rows]), labels[rows], edges, colours, plain)


def thickened(edges: NDArray[np.bool_], more: int) -> NDArray[np.bool_]:
    """Edges (H, W), and the pixels that are up to `more` rows or columns away from them."""
    for axis in (0, 1):
        grown = edges.copy()
        for step in range(1, more + 1):
            ahead, behind = (np.s_[step:], np.s_[:-step]) if axis == 0 else (np.s_[:, step:], np.s_[:, :-step])
            grown[ahead] |= edges[behind]
            grown[behind] |= edges[ahead]
        edges = grown
    return edges
