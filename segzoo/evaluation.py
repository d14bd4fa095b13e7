"""What a trained network gets right, pixel by pixel, at the original size of each mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.metrics import confusion
from segzoo.parallel import in_parallel
from segzoo.pipeline import Frame, resize_channels, resize_image, to_pixels
from segzoo.plugin import Samples

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

BATCH = 8
"""Images in memory at a time, at their original size."""


def predict(model: keras.Model, frame: Frame, images: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    """Logits (H, W, num_classes) for each image (H, W, C), at its own size.

    The model takes pixel values 0..255 in the frame's input size. Its logits are resized to the image, bilinearly;
    classes are decided only after that.
    """
    batch = np.stack([resize_image(image, frame.image_size) for image in images])
    logits = frame.cut(np.asarray(model.predict_on_batch(frame.pad_images(to_pixels(batch))), np.float32))
    return in_parallel(lambda i: resize_channels(logits[i], images[i].shape[:2]), range(len(images)))


def classify(logits: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The class (H, W) of the largest logit of each pixel (H, W, C)."""
    classes: NDArray[np.uint8] = logits.argmax(axis=-1).astype(np.uint8)
    return classes


def evaluate(
    model: keras.Model, frame: Frame, samples: Samples, num_classes: int, advance: Callable[[int], None]
) -> Iterator[NDArray[np.int64]]:
    """The confusion matrix (num_classes, num_classes) of each sample in order; `advance` is told of each batch."""
    for start in range(0, len(samples), BATCH):
        read = in_parallel(samples.__getitem__, range(start, min(start + BATCH, len(samples))))
        logits = predict(model, frame, [image for image, _ in read])
        for (_, mask), values in zip(read, logits, strict=True):
            yield confusion(mask, classify(values), num_classes)
        advance(len(read))
