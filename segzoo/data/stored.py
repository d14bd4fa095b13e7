"""An image in a file, before anything of it is decoded, and how much of it is decoded at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST = 178_956_970
"""Pixels of the largest image that is decoded; 512 MiB of RGB. It bounds what a small file may claim to hold."""
MOST = 4 * LARGEST
"""Numbers of the largest image, over all its channels."""
AT_ONCE = 2**24
"""Bytes of the rows that are read together, as far as there is a choice."""
SMALLER = "cut it into parts; saved as a TIFF with tiles of 256x256, it can be predicted by rows"
"""What to do with an image that is too large."""


class Stored(Protocol):
    """An image in a file that is open, before anything of it is decoded."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""

    @property
    def channels(self) -> int:
        """How many there are when palettes and colour spaces are converted to RGB."""

    @property
    def alpha(self) -> bool:
        """Whether the last channel is the opacity."""

    @property
    def palette(self) -> bool:
        """Whether the pixels are indices into a table of colours."""

    @property
    def turned(self) -> bool:
        """Whether viewers turn or mirror the image; `read` does not."""

    @property
    def animated(self) -> bool:
        """Whether there are frames behind the first."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""

    @property
    def least_rows(self) -> int:
        """How many rows must be decoded at once; all of them in most formats."""

    def read(self, look_up: bool) -> NDArray[Any]:
        """The pixels (H, W) or (H, W, C) of any type; with `look_up` as they are seen, else as labels."""

    def rows(self, look_up: bool) -> Iterator[NDArray[Any]]:
        """The same pixels, (h, W) or (h, W, C) at a time, from top to bottom."""

    def colours(self) -> NDArray[np.uint8]:
        """The colours (N, 3) of a palette; (0, 3) if there is none."""
