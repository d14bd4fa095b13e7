"""The prediction of a page as it comes, in strips of rows from top to bottom, and what takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Size = tuple[int, int]
"""Height and width in pixels."""

LARGEST = 64 * 2**20
"""Pixels of the largest page of which all is drawn and in which objects are looked for: 64 megapixels, 8192 x 8192."""


@dataclass(frozen=True, eq=False)
class Strip:
    """Rows of a page and what was predicted for them."""

    page: int
    """Counted from 0."""
    size: Size
    """Of the page."""
    top: int
    """The first row, from 0."""
    image: NDArray[Any]
    """The pixels uint8 or uint16 (h, W, C) that the network saw."""
    logits: NDArray[np.float32]
    """(h, W, K), or the logarithms of probabilities."""
    labels: NDArray[np.uint8]
    """The class (h, W) of the largest logit, the first of those that are equal."""
    confidence: NDArray[np.float32]
    """The probability (h, W) of that class."""

    @classmethod
    def of(cls, page: int, size: Size, top: int, image: NDArray[Any], logits: NDArray[np.float32]) -> Self:
        """The strip of these rows of an image and their logits."""
        planes = np.ascontiguousarray(np.moveaxis(logits, -1, 0))  # NumPy is slow along a short last axis
        largest, labels = planes[0], np.zeros(planes.shape[1:], np.uint8)
        for label, plane in enumerate(planes[1:], start=1):
            np.maximum(labels, (plane > largest) * np.uint8(label), out=labels)
            largest = np.maximum(largest, plane)
        total = sum(np.exp(plane - largest) for plane in planes)
        return cls(page, size, top, image, logits, labels, 1 / total)

    @property
    def rows(self) -> slice:
        """Where it lies in its page."""
        return slice(self.top, self.top + len(self.labels))

    @property
    def last(self) -> bool:
        """Whether it ends the page."""
        return self.top + len(self.labels) == self.size[0]


class Output(Protocol):
    """What is made of predictions."""

    def add(self, strip: Strip, /) -> None:
        """Take the next strip: of the page that has begun, or the first of the next page."""
