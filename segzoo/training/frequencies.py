"""What the loss would be without looking at the images: each pixel's classes predicted by how frequent they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.samples import Subset, spread
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import BATCH
from segzoo.plugin import Loss, Samples
from segzoo.training.pipeline import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 64
"""Samples from which the loss of all is estimated."""
NEAR = 4.0
"""Standard errors of the estimate that a loss must be away from it, so that the estimate will do."""
LEAST = 1e-7
"""The frequency of a class that does not occur, since the loss of a class that cannot be is infinite."""


def loss_of_frequencies(
    samples: Samples,
    labels: Mapping[int, int],
    num_classes: int,
    frame: Frame,
    loss: Loss,
    near: float,
    cache: Path | None = None,
) -> float:
    """The mean loss of samples, were the logits of all pixels the logarithms of the classes' frequencies.

    It is computed as a trainer validates, at the size that the network sees, with the loss's weights. It is estimated
    from a few samples unless the estimate is so near to another loss that all have to decide which is lower.

    Args:
        samples: those to validate on.
        labels: how many pixels have each label in the masks to train on.
        num_classes: how many classes there are.
        frame: what of the samples the network sees.
        loss: the loss.
        near: the other loss.
        cache: see `decode`.
    """
    pixels = np.array([labels.get(label, 0) for label in range(num_classes)])
    logits = np.log(np.maximum(pixels / pixels.sum(), LEAST)).astype(np.float32)
    chosen = spread(len(samples), FEW)
    losses = _losses(Subset(samples, chosen), logits, frame, loss, cache)
    doubt = NEAR * losses.std() / len(losses) ** 0.5
    if len(chosen) < len(samples) and abs(losses.mean() - near) <= doubt:
        losses = _losses(samples, logits, frame, loss, cache)
    return float(losses.mean())


def _losses(
    samples: Samples, logits: NDArray[np.float32], frame: Frame, loss: Loss, cache: Path | None
) -> NDArray[np.float64]:
    """The loss of each sample for the same logits (C,) in each pixel."""
    from keras import ops

    def network(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.broadcast_to(logits, (len(images), *frame.output_size, len(logits)))

    losses: list[Any] = []
    for batch in decode(samples, frame, loss, cache).predicted(network, BATCH):
        losses.extend(np.asarray(loss(*map(ops.convert_to_tensor, batch))).ravel())
    return np.array(losses, np.float64)
