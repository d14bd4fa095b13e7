"""The files that are made of the prediction of an image file, each whole or absent.

Each function is a context manager of an `Output`, which takes the strips of all pages of an image file in order;
`sizes` are the heights and widths of the pages. A file gets its name when it is complete, and at the latest when the
block ends; what a block that fails has begun is removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from segzoo.data.tiled_tiff import TiledTiff
from segzoo.files.atomic import atomic_file
from segzoo.files.png import PngWriter
from segzoo.inference.reduction import Reduction
from segzoo.inference.strips import LARGEST, Output, Size, Strip
from segzoo.networks.prediction import softmax
from segzoo.reporting.overlays import OverlayWriter
from segzoo.reporting.pictures import palette, rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

Depth = Literal["uint8", "float16"]
"""How probabilities are stored: as 0 to 255, or as they are."""
SHOWN = 4096
"""The longer side, in pixels, of the overlay of a page that has more than LARGEST pixels."""


def mask_file(folder: Path, name: str, sizes: Sequence[Size]) -> Path:
    """Where the masks of an image file are: in a PNG, or in a TIFF if there are several pages or a large one."""
    large = len(sizes) > 1 or sizes[0][0] * sizes[0][1] > LARGEST
    return folder / f"{name}{'.tif' if large else '.png'}"


def page_files(folder: Path, name: str, suffix: str, sizes: Sequence[Size]) -> list[Path]:
    """A file of each page: NAME, or in a folder NAME the numbers of several pages, from 0."""
    if len(sizes) == 1:
        return [folder / f"{name}{suffix}"]
    return [folder / name / f"{page:03}{suffix}" for page in range(len(sizes))]


@contextmanager
def masks(path: Path, sizes: Sequence[Size], num_classes: int) -> Iterator[Output]:
    """Labels, as indices of a palette, in `mask_file`.

    Raises:
        SegzooError: if the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part:
        if path.suffix == ".png":
            with PngWriter(part, sizes[0], palette(num_classes)) as png:
                yield _MaskPng(png)
            return
        with TiledTiff(part) as tiff:
            yield _MaskTiff(tiff, palette(num_classes))


@contextmanager
def overlays(paths: Sequence[Path], classes: Sequence[str]) -> Iterator[Output]:
    """The labels drawn over the image, a PNG of each page; a large page is reduced.

    Raises:
        SegzooError: if a file cannot be written.
    """
    with _Pages(paths, partial(_overlay_file, classes=classes)) as pages:
        yield pages


@contextmanager
def probabilities(paths: Sequence[Path], classes: Sequence[str], depth: Depth) -> Iterator[Output]:
    """The probabilities, a TIFF of each page, in which each class has a page of its name.

    So viewers show them as a stack of grey images; as channels of one page few of them open more than four.

    Raises:
        SegzooError: if a file cannot be written.
    """
    with _Pages(paths, partial(_probability_file, classes=classes, depth=depth)) as pages:
        yield pages


class _MaskPng:
    def __init__(self, png: PngWriter) -> None:
        self._png = png

    def add(self, strip: Strip) -> None:
        self._png.add(strip.labels)


class _MaskTiff:
    def __init__(self, tiff: TiledTiff, colours: NDArray[np.uint8]) -> None:
        self._tiff, self._colours = tiff, colours

    def add(self, strip: Strip) -> None:
        if strip.top == 0:
            self._page = self._tiff.page(strip.size, np.uint8, self._colours)
        self._page.add(strip.labels)


class _Overlay:
    def __init__(self, reduction: Reduction, writer: OverlayWriter) -> None:
        self._reduction, self._writer = reduction, writer

    def add(self, strip: Strip) -> None:
        photo, labels = self._reduction.add(rgb(strip.image), strip.labels)
        if len(labels):
            self._writer.add(photo, labels)


class _Probabilities:
    def __init__(self, tiff: TiledTiff, size: Size, classes: Sequence[str], depth: Depth) -> None:
        axes = json.dumps({"axes": "CYX", "shape": [len(classes), *size]})  # as tifffile and our reader understand
        self._depth = np.dtype(depth)
        self._pages = [
            tiff.page(size, depth, name=name, description="" if number else axes) for number, name in enumerate(classes)
        ]

    def add(self, strip: Strip) -> None:
        values = softmax(strip.logits)
        values = np.rint(values * 255) if self._depth == np.uint8 else values
        for number, page in enumerate(self._pages):
            page.add(values[..., number].astype(self._depth))


class _Pages:
    """A file of each page, which is opened with the first strip of the page and gets its name with the last."""

    def __init__(self, paths: Sequence[Path], opened: Callable[[Path, Size], AbstractContextManager[Output]]) -> None:
        self._paths, self._opened, self._stack = paths, opened, ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, strip: Strip) -> None:
        if strip.top == 0:
            path = self._paths[strip.page]
            path.parent.mkdir(parents=True, exist_ok=True)
            self._output = self._stack.enter_context(self._opened(path, strip.size))
        self._output.add(strip)
        if strip.last:
            self._stack.close()


@contextmanager
def _overlay_file(path: Path, size: Size, classes: Sequence[str]) -> Iterator[Output]:
    reduction = Reduction(size, SHOWN if size[0] * size[1] > LARGEST else max(size))
    with atomic_file(path) as part, OverlayWriter(part, reduction.size, classes) as writer:
        yield _Overlay(reduction, writer)


@contextmanager
def _probability_file(path: Path, size: Size, classes: Sequence[str], depth: Depth) -> Iterator[Output]:
    with atomic_file(path) as part, TiledTiff(part) as tiff:
        yield _Probabilities(tiff, size, classes, depth)
