"""Images at about half their height and width, which the network sees in the first part of a training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from segzoo.training import Frame

LEAST = 64
"""Pixels of the shorter side of the smaller images: less would hide what is to be learnt."""


def half_of(frame: Frame, model: keras.Model) -> tuple[int, int] | None:
    """Height and width nearest to half of what the network sees, rounded up to what it takes.

    None if images are not to be made smaller: in the view `crop`, in which all are seen at the same scale; with a
    border around what is predicted; for a network of a fixed size; and where it would hide too much or save too little.
    """
    height, width = frame.input_size
    half = frame.legal(-(-height // 2)), frame.legal(-(-width // 2))
    is_open = model.input_shape[1:3] == (None, None)
    if frame.view == "crop" or frame.margin or not is_open or min(half) < LEAST:
        return None
    return half if 2 * half[0] * half[1] <= height * width else None


def halved(images: Any, labels: Any, weights: Any, size: tuple[int, int]) -> tuple[Any, Any, Any]:
    """Images (B, H, W, C), and labels and weights (B, H, W), at a smaller height and width.

    A pixel is the mean of the area that it covers, and has the label and the weight of the pixel in the middle of it.
    """
    sides = tuple(labels.shape[1:])
    rows, columns = (centres(side, fewer) for side, fewer in zip(sides, size, strict=True))
    labels, weights = (tf.gather(tf.gather(map_, rows, axis=1), columns, axis=2) for map_ in (labels, weights))
    if sides == (2 * size[0], 2 * size[1]):
        return tf.nn.avg_pool2d(images, 2, 2, "VALID"), labels, weights
    return tf.image.resize(images, size, "area"), labels, weights  # for which there is no kernel on GPUs


def centres(side: int, fewer: int) -> Any:
    """The pixel of an axis in which the centre of each pixel of a smaller axis lies; the later of two, as in Pillow."""
    return np.floor((np.arange(fewer) + 0.5) * side / fewer).astype(np.int32)
