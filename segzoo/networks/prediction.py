"""From images of any size to the logits, classes and probabilities that a network gives their pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from segzoo.data.resizing import resize_image
from segzoo.data.rows import Rows
from segzoo.networks.frame import Frame
from segzoo.networks.tiles import DEFAULT, Tiling, logit_rows
from segzoo.processes.threads import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Predicted = tuple[NDArray[np.uint8], NDArray[np.float32]]
    """A mask (H, W), and its logits (h, w, num_classes) at its size or another."""

BATCH = 8
"""Images or tiles that are predicted at once."""
LEAST = np.finfo(np.float32).tiny
"""What a probability counts as, at least, so that its logarithm is finite."""


class Predictor(Protocol):
    """A Keras network, or what predicts as it does."""

    def predict_on_batch(self, images: Any, /) -> Any:
        """Logits of pixel values 0..255 (B, H, W, C)."""


def predict(model: Predictor, frame: Frame, images: Iterable[NDArray[Any]]) -> list[NDArray[np.float32]]:
    """Logits (H, W, num_classes) of each image (H, W, C), at its own size; see `predict_rows`."""
    return [rows.array() for rows in predict_rows(model, frame, map(Rows.of, images))]


def predict_rows(
    model: Predictor, frame: Frame, images: Iterable[Rows], tiling: Tiling = DEFAULT, scale: float | None = None
) -> Iterator[Rows]:
    """Logits (H, W, num_classes) of each image (H, W, C), at its own size and in order, by rows; see `logit_rows`.

    The model takes pixel values 0..255 in the frame's input size. In the view `resize` its logits are resized to the
    image, bilinearly; classes are decided only after that. In the view `crop` they are put together from tiles.
    With a `scale`, images of either view are resized by that factor and seen in tiles, and the logits resized back.
    """
    sizes: deque[tuple[int, int]] = deque()

    def seen() -> Iterator[Rows]:
        for image in images:
            sizes.append(image.size)
            yield image.resized(_seen_size(frame, image.size, scale))

    for logits in logit_rows(model.predict_on_batch, frame, seen(), BATCH, tiling):
        yield logits.resized(sizes.popleft())


def _seen_size(frame: Frame, size: tuple[int, int], scale: float | None) -> tuple[int, int]:
    """Height and width at which the network sees an image of that size, at once or in tiles."""
    if scale is None:
        return frame.resized_to or size
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width


def predicted(
    model: Predictor, frame: Frame, pairs: Sequence[tuple[NDArray[Any], NDArray[np.uint8]]], tiling: Tiling = DEFAULT
) -> Iterator[Predicted]:
    """The mask and the logits of each pair of an image, as `as_seen` gives it, and a mask; in order.

    A few pairs are read at a time, and no logits are kept.
    """
    for start in range(0, len(pairs), BATCH):
        images, masks = zip(*in_parallel(pairs.__getitem__, range(start, min(start + BATCH, len(pairs)))), strict=True)
        logits = logit_rows(model.predict_on_batch, frame, map(Rows.of, images), BATCH, tiling)
        # Not zipped: `zip` holds on to the logits that it gave last.
        yield from map(lambda mask, rows: (mask, rows.array()), masks, logits)


def as_seen(frame: Frame, image: NDArray[Any]) -> NDArray[Any]:
    """What a network is to see of an image (H, W, C): resized to the frame's `image_size`, or all of it as it is."""
    return resize_image(image, frame.resized_to) if frame.resized_to else image


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


def mean_as_logits(probabilities: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The logarithms of the mean of probabilities (..., C) of the same pixels, one or more.

    They may stand wherever logits do: their softmax is the mean.
    """
    coming = iter(probabilities)
    total, count = next(coming), 1
    for more in coming:
        total, count = total + more, count + 1
    logits: NDArray[np.float32] = np.log(np.maximum(total / np.float32(count), LEAST))
    return logits
