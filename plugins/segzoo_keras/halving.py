"""Images at half their height and width, which the network sees in the first part of a training."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from segzoo.training import Arrays

LEAST = 64
"""Pixels of the shorter side of the half: less would hide what is to be learnt."""


def can_be_halved(data: Arrays, model: keras.Model) -> bool:
    """Whether the network takes half of what it sees, and half of it is large enough to learn from.

    Not in the view `crop`, in which all images are seen at the same scale, nor with a border around what is predicted.
    """
    frame = data.frame
    sides = [side // 2 for side in frame.input_size]
    if frame.view == "crop" or frame.margin or min(sides) < LEAST:
        return False
    is_open = model.input_shape[1:3] == (None, None)
    return is_open and all(frame.legal(half) * 2 == side for half, side in zip(sides, frame.input_size, strict=True))


def halved(images: Any, labels: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Images (B, H, W, C) to the means of 2x2 pixels, and labels and weights (B, H, W) to one of the four."""
    # The mean is in the middle of four pixels; Pillow's NEAREST takes the last of them too.
    return tf.nn.avg_pool2d(images, 2, 2, "VALID"), labels[:, 1::2, 1::2], weights[:, 1::2, 1::2]
