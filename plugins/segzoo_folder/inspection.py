"""What image and mask files hold: each is opened once, and again when it has changed; else the index tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

import numpy as np

from segzoo.data.images import header, palette, read_masks, read_pages
from segzoo.errors import DataError
from segzoo.files.locking import holding
from segzoo.processes.pool import in_processes
from segzoo.processes.processors import threads
from segzoo.processes.terminal import Bar
from segzoo_folder.index import (
    EXTENTS,
    KINDS,
    MEASURES,
    MOST,
    SELDOM,
    UNKNOWN,
    Facts,
    ImageFacts,
    Index,
    Inspected,
    Kind,
    MaskFacts,
    load,
    mapped,
    save,
)
from segzoo_folder.pairs import Pairs, decode, spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo.data.tiff_planes import Stack

LOSSY = ("JPEG", "WEBP", "AVIF", "JPEG2000")
"""Formats that may change pixels a little; only the first does always, but the others do not say whether they did."""

PIECE = 64
"""Files that a process inspects at a time."""
FEW = 256
"""New files for each further process that is started."""


class Inspection(NamedTuple, Generic[Facts]):
    """The result of inspecting a file."""

    facts: Facts
    """What many files have in common, such as size and type."""
    pages: NDArray[Any]
    """Measurements of each page, rows of EXTENTS or DIGESTS."""


def inspect_image(path: Path, stack: Stack | None = None) -> Inspection[ImageFacts]:
    """Inspect an image: its header, and its values if they have more than 8 bits.

    Raises:
        DataError: if it cannot be read.
    """
    first = header(path, stack=stack)
    facts = ImageFacts(first.pages, *first.size, first.channels, first.alpha, first.dtype)
    if facts.narrow:
        return Inspection(facts, np.full((facts.pages, *EXTENTS.shape[1:]), np.nan))
    return Inspection(facts, np.array([_extent(values, facts) for values in read_pages(path, stack)], np.float64))


def _extent(values: NDArray[Any], facts: ImageFacts) -> tuple[float, float, float, float]:
    """A row of EXTENTS of a page (H, W, C)."""
    colors = values[..., : values.shape[2] - facts.alpha].ravel()
    if not np.isfinite(colors).all():
        return -np.inf, np.inf, -np.inf, np.inf
    few = int(SELDOM * len(colors))
    ordered = np.partition(colors, (few, len(colors) - 1 - few))
    return colors.min(), colors.max(), ordered[few], ordered[-1 - few]


def inspect_mask(path: Path) -> Inspection[MaskFacts]:
    """Inspect a mask: the values or colours of its pixels.

    Raises:
        DataError: if it cannot be read.
    """
    first = header(path)
    values, colors, digests = set[int](), set[int](), []
    for mask in read_masks(path, wide=True):  # of a stack no more than a page is in memory
        labels = gray(mask)
        digests.append([_digest(labels)])
        if labels.ndim == 3:
            colors.update(np.unique(packed(labels)).tolist())
        elif not colors:
            values.update(np.unique(labels).tolist())
    lowest = sorted(colors or values)[: MOST + 1]
    table = packed(palette(path)).tolist() if first.palette else []
    palette_colors = tuple(table[value] if value < len(table) else -1 for value in lowest) if table else ()
    facts = MaskFacts(first.pages, bool(colors), tuple(lowest), palette_colors, first.format in LOSSY)
    return Inspection(facts, np.array(digests, np.uint64))


def _digest(labels: NDArray[Any]) -> int:
    """A hash of the size and the labels of a page."""
    content = f"{labels.shape} {labels.dtype}".encode() + labels.tobytes()
    return int.from_bytes(blake2b(content, digest_size=8).digest())


def gray(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels (H, W), also of a mask (H, W, 3) whose colours are all grey; else the mask as it is."""
    if labels.ndim == 3 and (labels == labels[..., :1]).all():
        return labels[..., 0]
    return labels


def packed(colors: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Colours (H, W, 3) as numbers 0xRRGGBB (H, W)."""
    packed: NDArray[np.uint32] = colors.astype(np.uint32) @ np.array([2**16, 2**8, 1], np.uint32)
    return packed


def inspect(root: Path, pairs: Pairs, folder: Path, stack: Stack | None = None) -> Index:
    """The index of the files of these pairs; only files that are new or have changed are opened.

    The index is in `folder`, which is made if need be. Files that cannot be read are inspected again the next time.
    `stack` says what the pages of images are.

    Raises:
        SegzooError: if the cache cannot be written, or a process ends over a file.
    """
    path = folder / "index"
    index = load(path)
    if index and index.complete and index.pairs.equal(pairs):
        return index
    with holding(folder):
        index = load(path)  # another process may have filled it meanwhile
        before = {kind: _known_before(index, pairs, kind) for kind in KINDS}
        after, new = _completed(_Inspector(root, stack), pairs, before)
        if index is None or new or not index.pairs.equal(pairs):
            index = mapped(path, save(path, pairs, after))
    return index


def _paths_and_stamps(pairs: Pairs, kind: Kind) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
    """Paths and stamps of the files."""
    return (pairs.images, pairs.image_stamps) if kind == "images" else (pairs.masks, pairs.mask_stamps)


def _known_before(index: Index | None, pairs: Pairs, kind: Kind) -> Inspected[Any]:
    """What the index knows already of the files of these pairs."""
    paths, stamps = _paths_and_stamps(pairs, kind)
    numbers = np.full(len(paths), UNKNOWN, np.int32)
    if index is None:
        return Inspected((), numbers, MEASURES[kind])
    old: Inspected[Any] = index.images if kind == "images" else index.masks
    old_paths, old_stamps = _paths_and_stamps(index.pairs, kind)
    order = np.argsort(old_paths)
    places = order[np.searchsorted(old_paths, paths, sorter=order).clip(max=len(order) - 1)]
    same = (old_paths[places] == paths) & (old_stamps[places] == stamps) & (old.numbers[places] != UNKNOWN)
    used, numbers[same] = np.unique(old.numbers[places[same]], return_inverse=True)
    rows = places[same]
    measured = old.measured[spans(old.starts[rows], old.pages[rows])]
    return Inspected(tuple(old.facts[number] for number in used.tolist()), numbers, measured)


def _completed(
    inspector: _Inspector, pairs: Pairs, before: Mapping[Kind, Inspected[Any]]
) -> tuple[dict[Kind, Inspected[Any]], bool]:
    """What is known after the remaining files have been inspected, and whether that is more than before."""
    paths = {kind: _paths_and_stamps(pairs, kind)[0] for kind in before}
    missing = {kind: np.unique(paths[kind][known.numbers == UNKNOWN]) for kind, known in before.items()}
    collectors = {kind: _Collector(kind, known.facts, len(missing[kind])) for kind, known in before.items()}
    for piece, inspections in _inspections(inspector, missing):
        collectors[piece.kind].add(piece.start, inspections)
    new = {kind: collector.result() for kind, collector in collectors.items()}
    after = {
        kind: _joined(known, new[kind], np.searchsorted(missing[kind], paths[kind])) for kind, known in before.items()
    }
    return after, any((inspected.numbers != UNKNOWN).any() for inspected in new.values())


class _Collector:
    """The inspections of the new images, or masks, which come in pieces in any order."""

    def __init__(self, kind: Kind, facts: Sequence[Any], count: int) -> None:
        self.numbers_of_facts = {known: number for number, known in enumerate(facts)}
        self.numbers = np.full(count, UNKNOWN, np.int32)
        self.measured: dict[int, NDArray[Any]] = {-1: MEASURES[kind]}

    def add(self, start: int, inspections: Sequence[Inspection[Any] | None]) -> None:
        """Add the inspections of files from this row on; None for a file that cannot be read."""
        for row, inspection in enumerate(inspections, start):
            if inspection is not None:
                self.numbers[row] = self.numbers_of_facts.setdefault(inspection.facts, len(self.numbers_of_facts))
        pages = [inspection.pages for inspection in inspections if inspection is not None]
        self.measured[start] = np.concatenate([self.measured[-1], *pages])

    def result(self) -> Inspected[Any]:
        """What all pieces tell."""
        measured = np.concatenate([self.measured[start] for start in sorted(self.measured)])
        return Inspected(tuple(self.numbers_of_facts), self.numbers, measured)


def _joined(before: Inspected[Any], new: Inspected[Any], places: NDArray[np.integer[Any]]) -> Inspected[Any]:
    """What is known before and new; `places` tells where files that were unknown before are among the new."""
    numbers, unknown = before.numbers.copy(), before.numbers == UNKNOWN
    starts = before.starts
    numbers[unknown] = new.numbers[places[unknown]]
    starts[unknown] = len(before.measured) + new.starts[places[unknown]]
    joined = replace(new, numbers=numbers)
    return replace(joined, measured=np.concatenate([before.measured, new.measured])[spans(starts, joined.pages)])


class _Piece(NamedTuple):
    """Files that a process inspects at once."""

    kind: Kind
    start: int
    paths: list[str]


@dataclass(frozen=True)
class _Inspector:
    root: Path
    stack: Stack | None

    def __call__(self, piece: _Piece) -> list[Inspection[Any] | None]:
        return [self._inspect(piece.kind, self.root / path) for path in piece.paths]

    def _inspect(self, kind: Kind, path: Path) -> Inspection[Any] | None:
        try:
            return inspect_image(path, self.stack) if kind == "images" else inspect_mask(path)
        except DataError:  # reading the sample raises it again
            return None


def _inspections(
    inspector: _Inspector, missing: Mapping[Kind, NDArray[np.bytes_]]
) -> Iterator[tuple[_Piece, list[Inspection[Any] | None]]]:
    pieces = (
        _Piece(kind, start, [decode(path) for path in paths[start : start + PIECE]])
        for kind, paths in missing.items()
        for start in range(0, len(paths), PIECE)
    )
    total = sum(map(len, missing.values()))
    count = min(threads(), 1 + total // FEW)
    with Bar(total) as bar, closing(in_processes(inspector, pieces, count, _title)) as results:
        for piece, inspections in results:
            bar.advance(len(piece.paths), "looking at new files")
            yield piece, inspections


def _title(piece: _Piece) -> str:
    return f"'{piece.paths[0]}' to '{piece.paths[-1]}'"
