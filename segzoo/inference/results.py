"""What is made of the predictions of an image file, and where it lies in the folder of predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from segzoo.data.rows import Rows
from segzoo.errors import ConfigError, DataError
from segzoo.inference.measurements import Figures, Objects
from segzoo.inference.outputs import Depth, mask_file, masks, overlays, page_files, probabilities
from segzoo.inference.strips import Output, Size, Strip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Row = dict[str, Any]

OBJECT_COLUMNS = (
    *("page", "class", "object", "pixels", "top", "left", "height", "width", "center_row", "center_column"),
    "mean_confidence",
)
"""Of `objects.csv`."""
STRIP = 2**20
"""Pixels of a strip, about."""


class Measured(NamedTuple):
    """What is measured of the predictions of a file."""

    rows: Sequence[Row]
    """A row of `predictions.csv` for each page."""
    objects: Sequence[Row]
    """Rows of `objects.csv`."""


@dataclass(frozen=True)
class Results:
    """The folder of predictions, and what is wanted beside masks.

    Raises:
        ConfigError: if probabilities are wanted of another type than there is.
    """

    out: Path
    classes: Sequence[str]
    overlays: bool = True
    probabilities: Depth | None = None
    objects: bool = False

    def __post_init__(self) -> None:
        if self.probabilities not in (None, *get_args(Depth)):
            raise ConfigError(f"probabilities {self.probabilities}: there are {', '.join(get_args(Depth))}")

    def facts(self) -> dict[str, Any]:
        """What is wanted, ready for JSON."""
        return {"overlays": self.overlays, "probabilities": self.probabilities, "objects": self.objects}

    def columns(self) -> list[str]:
        """The columns of `predictions.csv`."""
        of_classes = [f"{what}_{name}" for what in ("pixels", "share") for name in self.classes]
        return ["name", "pages", "page", "height", "width", *of_classes, "mean_confidence"]

    def files(self, name: str, sizes: Sequence[Size]) -> list[Path]:
        """All files that are written for an image file with pages of these heights and widths; the mask first."""
        files = [mask_file(self.out / "masks", name, sizes)]
        files += self._overlays(name, sizes) if self.overlays else []
        return files + (self._probabilities(name, sizes) if self.probabilities else [])

    def require(self, name: str, sizes: Sequence[Size]) -> None:
        """Raise a DataError unless all that is wanted can be made of such pages."""
        if self.objects:
            Objects(name, sizes, self.classes)

    def write(
        self, name: str, sizes: Sequence[Size], pages: Sequence[Callable[[], Rows]], logits: Iterator[NDArray[Any]]
    ) -> Measured:
        """Write the files and measure the predictions, by chunks of logits (h, W, K) of the pages (H, W, C), in order.

        Raises:
            DataError: if logits are not finite.
            SegzooError: if a file cannot be written.
        """
        figures = Figures(self.classes)
        objects = Objects(name, sizes, self.classes) if self.objects else None
        with ExitStack() as stack:
            outputs: list[Output] = [figures, *([objects] if objects else [])]
            (mask,) = self.files(name, sizes)[:1]
            outputs.append(stack.enter_context(masks(mask, sizes, len(self.classes))))
            if self.overlays:
                outputs.append(stack.enter_context(overlays(self._overlays(name, sizes), self.classes)))
            if self.probabilities:
                paths = self._probabilities(name, sizes)
                outputs.append(stack.enter_context(probabilities(paths, self.classes, self.probabilities)))
            for strip in _strips(sizes, pages if self.overlays else (), logits):
                if not np.isfinite(strip.confidence).all():
                    raise DataError(f"{name}: the network gives logits that are not finite")
                for output in outputs:
                    output.add(strip)
        rows = [{"name": name, "pages": len(sizes), **row} for row in figures.rows]
        return Measured(rows, list(objects.rows()) if objects else ())

    def _overlays(self, name: str, sizes: Sequence[Size]) -> list[Path]:
        return page_files(self.out / "overlays", name, ".png", sizes)

    def _probabilities(self, name: str, sizes: Sequence[Size]) -> list[Path]:
        return page_files(self.out / "probabilities", name, ".tif", sizes)


def _strips(
    sizes: Sequence[Size], pages: Sequence[Callable[[], Rows]], logits: Iterator[NDArray[Any]]
) -> Iterator[Strip]:
    """The strips of all pages; without pixels where `pages` is empty."""
    for page, size in enumerate(sizes):
        height, top = max(1, STRIP // size[1]), 0
        images: Iterable[NDArray[Any]] = pages[page]().in_chunks(height) if pages else _without_pixels(size, height)
        for image, part in zip(images, Rows(size, _next_rows(logits, size[0])).in_chunks(height), strict=True):
            yield Strip.of(page, size, top, image, part)
            top += len(part)


def _next_rows(chunks: Iterator[NDArray[Any]], height: int) -> Iterator[NDArray[Any]]:
    """The chunks of the next page, which is so high."""
    while height > 0:
        chunk = next(chunks)
        height -= len(chunk)
        yield chunk


def _without_pixels(size: Size, height: int) -> Iterator[NDArray[Any]]:
    full, rest = divmod(size[0], height)
    for rows in chain([height] * full, [rest] * (rest > 0)):
        yield np.empty((rows, size[1], 0), np.uint8)
