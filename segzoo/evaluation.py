"""What a trained network gets right, pixel by pixel, at the original size of each mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.frame import Frame
from segzoo.parallel import in_parallel
from segzoo.plugin import Judge, Samples
from segzoo.resizing import resize_channels, resize_image, to_pixels
from segzoo.scoring import Tally
from segzoo.tiles import tiled

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

BATCH = 8
"""Images in memory at a time, at their original size; and tiles that are predicted at once."""


def predict(model: keras.Model, frame: Frame, images: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    """Logits (H, W, num_classes) for each image (H, W, C), at its own size.

    The model takes pixel values 0..255 in the frame's input size. In the view `resize` its logits are resized to the
    image, bilinearly; classes are decided only after that. In the view `crop` they are put together from tiles.
    """
    if frame.view == "crop":
        return list(tiled(model.predict_on_batch, frame, images, BATCH))
    batch = np.stack([resize_image(image, frame.image_size) for image in images])
    logits = frame.cut(np.asarray(model.predict_on_batch(frame.pad_images(to_pixels(batch))), np.float32))
    return in_parallel(lambda i: resize_channels(logits[i], images[i].shape[:2]), range(len(images)))


def classify(logits: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The class (H, W) of the largest logit of each pixel (H, W, C)."""
    classes: NDArray[np.uint8] = logits.argmax(axis=-1).astype(np.uint8)
    return classes


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probability of each class in each pixel, (H, W, C)."""
    planes = np.ascontiguousarray(np.moveaxis(logits, -1, 0))  # NumPy is slow along a short last axis
    powers = np.exp(planes - planes.max(axis=0))
    return np.moveaxis(powers / powers.sum(axis=0), 0, -1)


def evaluate(
    model: keras.Model, frame: Frame, samples: Samples, judge: Judge | None, advance: Callable[[int], None]
) -> Iterator[tuple[Tally, Any]]:
    """What is counted in each sample, and what the dataset's own judge counts, in order.

    `advance` is told of each batch.
    """

    def count(mask: NDArray[np.uint8], values: NDArray[np.float32]) -> tuple[Tally, Any]:
        probabilities = softmax(values)
        own = judge.count(mask, probabilities) if judge else None
        return Tally.of(mask, classify(values), probabilities), own

    for start in range(0, len(samples), BATCH):
        read = in_parallel(samples.__getitem__, range(start, min(start + BATCH, len(samples))))
        logits = predict(model, frame, [image for image, _ in read])
        masks = [mask for _, mask in read]
        yield from in_parallel(lambda pair: count(*pair), zip(masks, logits, strict=True))
        advance(len(read))
