"""From images of any size to the logits, classes and probabilities that a network gives their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from segzoo.data.resizing import resize_channels, resize_image, to_pixels
from segzoo.networks.frame import Frame
from segzoo.networks.tiles import tiled
from segzoo.processes.threads import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Predicted = tuple[NDArray[np.uint8], NDArray[np.float32]]
    """A mask (H, W), and its logits (h, w, num_classes) at its size or another."""

BATCH = 8
"""Images or tiles that are predicted at once."""


class Predictor(Protocol):
    """A Keras network, or what predicts as it does."""

    def predict_on_batch(self, images: Any, /) -> Any:
        """Logits of pixel values 0..255 (B, H, W, C)."""


def predict(model: Predictor, frame: Frame, images: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    """Logits (H, W, num_classes) for each image (H, W, C), at its own size.

    The model takes pixel values 0..255 in the frame's input size. In the view `resize` its logits are resized to the
    image, bilinearly; classes are decided only after that. In the view `crop` they are put together from tiles.
    """
    logits = list(logits_of(model, frame, [as_seen(frame, image) for image in images]))
    return in_parallel(lambda i: resize_channels(logits[i], images[i].shape[:2]), range(len(images)))


def predicted(
    model: Predictor, frame: Frame, pairs: Sequence[tuple[NDArray[Any], NDArray[np.uint8]]]
) -> Iterator[Predicted]:
    """The mask and the logits of each pair of an image, as `as_seen` gives it, and a mask; in order.

    A few pairs are read at a time, and no logits are kept.
    """
    for start in range(0, len(pairs), BATCH):
        images, masks = zip(*in_parallel(pairs.__getitem__, range(start, min(start + BATCH, len(pairs)))), strict=True)
        # Not zipped: `zip` holds on to the logits that it gave last.
        yield from map(lambda mask, logits: (mask, logits), masks, logits_of(model, frame, images))


def as_seen(frame: Frame, image: NDArray[Any]) -> NDArray[Any]:
    """What a network is to see of an image (H, W, C): resized to the frame's `image_size`, or all of it as it is."""
    return resize_image(image, frame.resized_to) if frame.resized_to else image


def logits_of(model: Predictor, frame: Frame, images: Sequence[NDArray[Any]]) -> Iterator[NDArray[np.float32]]:
    """Logits (h, w, num_classes) of each image (h, w, C) that `as_seen` gives, at its size and in order.

    In the view `resize` all images are one batch.
    """
    if frame.view == "crop":
        return tiled(model.predict_on_batch, frame, images, BATCH)
    batch = frame.pad_images(to_pixels(np.stack(images)))
    return iter(frame.cut(np.asarray(model.predict_on_batch(batch), np.float32)))


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
