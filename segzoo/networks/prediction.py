"""From images of any size to the logits, classes and probabilities that a network gives their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.resizing import resize_channels, resize_image, to_pixels
from segzoo.networks.frame import Frame
from segzoo.networks.tiles import tiled
from segzoo.processes.threads import in_parallel

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

BATCH = 8
"""Images or tiles that are predicted at once."""


def predict(model: keras.Model, frame: Frame, images: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    """Logits (H, W, num_classes) for each image (H, W, C), at its own size.

    The model takes pixel values 0..255 in the frame's input size. In the view `resize` its logits are resized to the
    image, bilinearly; classes are decided only after that. In the view `crop` they are put together from tiles.
    """
    if frame.view == "crop":
        return list(tiled(model.predict_on_batch, frame, images, BATCH))
    logits = logits_of_resized(model, frame, [resize_image(image, frame.image_size) for image in images])
    return in_parallel(lambda i: resize_channels(logits[i], images[i].shape[:2]), range(len(images)))


def logits_of_resized(model: keras.Model, frame: Frame, images: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Logits (B, h, w, num_classes) of images (h, w, C) that have the frame's `image_size`, at that size."""
    batch = frame.pad_images(to_pixels(np.stack(images)))
    return frame.cut(np.asarray(model.predict_on_batch(batch), np.float32))


def classify(logits: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The class (H, W) of the largest logit of each pixel (H, W, C)."""
    classes: NDArray[np.uint8] = logits.argmax(axis=-1).astype(np.uint8)
    return classes


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probability of each class in each pixel, (H, W, C)."""
    planes = np.array(np.moveaxis(logits, -1, 0), order="C")  # NumPy is slow along a short last axis
    planes -= planes.max(axis=0)
    np.exp(planes, out=planes)
    planes /= planes.sum(axis=0)
    return np.moveaxis(planes, 0, -1)
