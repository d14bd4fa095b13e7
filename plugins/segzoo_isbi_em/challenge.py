"""The scores of the challenge, which compare how prediction and truth group pixels into segments.

V^Rand and V^Info, restricted to the foreground, after border thinning: Arganda-Carreras et al. 2015,
doi:10.3389/fnana.2015.00142.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_dilation, label

from segzoo.plugin import Metric, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo.scoring.segmentation import Segmentation

CELL = 1
THRESHOLDS = np.arange(11) / 10
"""Thresholds for the probability of cell, as in the challenge's script."""
BORDER = -1
"""The mark of a pixel that stays border while the others are given to segments."""

RULES = (
    "Pixels truly membrane are left out. Predicted membranes are thinned to a line, whose pixels are segments of their "
    "own. The mean over the slices at the threshold of 0, 0.1, ..., 1 for the probability of cell at which that mean "
    "is largest, as in the challenge (Arganda-Carreras et al. 2015, doi:10.3389/fnana.2015.00142); the threshold is "
    "chosen on the slices that are scored."
)


class Challenge(Metric):
    """The two scores by which the challenge ranks.

    Counts are (thresholds, 3): V^Rand, V^Info and 1 at each threshold, all 0 of a slice without a true cell. So their
    sum holds what the means need.
    """

    definitions: Mapping[str, Score] = {
        "rand_score": Score(
            "V^Rand: of two pixels of one predicted segment, the probability that they are of one true cell; and the "
            f"other way round; their harmonic mean. {RULES}",
            "higher",
        ),
        "information_score": Score(
            "V^Info: the mutual information of predicted segments and true cells over the mean of their entropies. "
            f"{RULES}",
            "higher",
        ),
    }

    def count(self, image: Segmentation, /) -> NDArray[np.float64]:
        """See `Metric.count`."""
        cells = label(image.mask == CELL)[0]
        chances = np.where(image.mask <= CELL, image.probabilities[..., CELL], 0)  # ignored pixels do not count
        figures = np.array([(*agreement(cells, thin(chances > threshold)), 1) for threshold in THRESHOLDS])
        return np.zeros_like(figures) if np.isnan(figures).any() else figures

    def scores(self, counts: NDArray[np.float64], classes: Sequence[str], /) -> dict[str, float]:
        """The means over the slices with a true cell, at the best threshold for each of the two."""
        sums, slices = counts[:, :2], counts[:, 2:]
        best = (sums / slices).max(axis=0) if slices.all() else np.full(2, np.nan)
        return dict(zip(self.definitions, best.tolist(), strict=True))


def thin(cells: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The segments (H, W) from 1 that the components of cell pixels grow to, with a line of 0 between any two.

    The watershed of the binary image by flooding (Soille and Vincent 1990), over the four neighbours of a pixel: all
    segments grow by a pixel at a time, and a pixel that two would reach stays border. Without a cell, all is one
    segment.
    """
    labels, count = label(cells)
    if not count:
        return np.ones(cells.shape, np.int64)
    grid = np.pad(labels.astype(np.int64), 1, constant_values=BORDER)
    flat, width = grid.reshape(-1), grid.shape[1]
    steps = np.array([-width, -1, 1, width])
    reached = np.flatnonzero(np.pad(binary_dilation(cells) & ~cells, 1))
    while len(reached):
        black = sum(np.divmod(reached, width)) % 2 == 0
        for field in (reached[black], reached[~black]):  # as on a chessboard: no two of a colour are neighbours
            near = flat[field[:, None] + steps]
            high, low = near.max(axis=1), np.where(near > 0, near, count + 1).min(axis=1)
            flat[field] = np.where(high == low, high, BORDER)
        front = reached[flat[reached] > 0]
        reached = np.unique(front[:, None] + steps)
        reached = reached[flat[reached] == 0]
    segments: NDArray[np.int64] = np.maximum(grid[1:-1, 1:-1], 0)
    return segments


def agreement(cells: NDArray[np.integer], segments: NDArray[np.integer]) -> tuple[float, float]:
    """V^Rand and V^Info of segments (H, W) against true cells (H, W), both labelled from 1; NaN if there is no cell.

    Only pixels of true cells count; each of them that is in no segment is a segment of its own. V^Info is 1 if cells
    and segments are both only one.
    """
    inside = cells > 0
    if not inside.any():
        return np.nan, np.nan
    truth, predicted_segments = cells[inside].astype(np.int64), segments[inside].astype(np.int64)
    alone = predicted_segments == 0
    predicted_segments[alone] = predicted_segments.max() + 1 + np.arange(alone.sum())
    pairs = np.unique(truth * (predicted_segments.max() + 1) + predicted_segments, return_counts=True)[1]
    sizes = [np.bincount(truth), np.bincount(predicted_segments), pairs]
    true, predicted, both = (counts[counts > 0] / len(truth) for counts in sizes)
    rand = 2 * (both**2).sum() / ((true**2).sum() + (predicted**2).sum())
    of_true, of_predicted, joint = (-(share * np.log(share)).sum() for share in (true, predicted, both))
    if of_true + of_predicted == 0:
        return float(rand), 1.0
    return float(rand), float(2 * (of_true + of_predicted - joint) / (of_true + of_predicted))
