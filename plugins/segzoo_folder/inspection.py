"""What image and mask files hold: each is opened once, and again when it has changed; else the index tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    Kind,
    Known,
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
"""Files that are handed to a process at a time."""
FEW = 256
"""Files for which it is not worth starting another process."""


class Look(NamedTuple, Generic[Facts]):
    """What was seen of a file."""

    facts: Facts
    """What many files have in common."""
    pages: NDArray[Any]
    """What was measured of each page, in the form of EXTENTS or DIGESTS."""


def look_at_image(path: Path, stack: Stack | None = None) -> Look[ImageFacts]:
    """What an image is; it is decoded only if it has more than 8 bits.

    Raises:
        DataError: if it cannot be read.
    """
    found = header(path, stack=stack)
    facts = ImageFacts(found.pages, *found.size, found.channels, found.alpha, found.dtype)
    if facts.narrow:
        return Look(facts, np.full((facts.pages, *EXTENTS.shape[1:]), np.nan))
    return Look(facts, np.array([_extent(values, facts) for values in read_pages(path, stack)], np.float64))


def _extent(values: NDArray[Any], facts: ImageFacts) -> tuple[float, float, float, float]:
    """A row of EXTENTS of a page (H, W, C)."""
    colors = values[..., : values.shape[2] - facts.alpha].ravel()
    if not np.isfinite(colors).all():
        return -np.inf, np.inf, -np.inf, np.inf
    few = int(SELDOM * len(colors))
    ordered = np.partition(colors, (few, len(colors) - 1 - few))
    return colors.min(), colors.max(), ordered[few], ordered[-1 - few]


def look_at_mask(path: Path) -> Look[MaskFacts]:
    """What a mask holds.

    Raises:
        DataError: if it cannot be read.
    """
    first = header(path)
    grey, colours, digests = set[int](), set[int](), []
    for mask in read_masks(path, wide=True):  # of a stack no more than a page is in memory
        labels = gray(mask)
        digests.append([_digest(labels)])
        if labels.ndim == 3:
            colours.update(np.unique(packed(labels)).tolist())
        elif not colours:
            grey.update(np.unique(labels).tolist())
    values = sorted(colours or grey)[: MOST + 1]
    table = packed(palette(path)).tolist() if first.palette else []
    looked_up = tuple(table[value] if value < len(table) else -1 for value in values) if table else ()
    facts = MaskFacts(first.pages, bool(colours), tuple(values), looked_up, first.format in LOSSY)
    return Look(facts, np.array(digests, np.uint64))


def _digest(labels: NDArray[Any]) -> int:
    """A number that differs wherever size or labels do."""
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


def known(root: Path, pairs: Pairs, folder: Path, stack: Stack | None = None) -> Index:
    """What the files of these pairs hold; only those are opened that are new or have changed.

    The index is in a folder of its own, which is made if need be. Files that cannot be read are looked at again the
    next time. `stack` says what the pages of images are.

    Raises:
        SegzooError: if the cache cannot be written, or a process ends over a file.
    """
    path = folder / "index"
    index = load(path)
    if index and index.complete and index.pairs.equal(pairs):
        return index
    with holding(folder):
        index = load(path)  # another process may have filled it meanwhile
        before = {kind: _carried(index, pairs, kind) for kind in KINDS}
        after, new = _completed(_Looker(root, stack), pairs, before)
        if index is None or new or not index.pairs.equal(pairs):
            index = mapped(path, save(path, pairs, after))
    return index


def _of(pairs: Pairs, kind: Kind) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
    """Paths and stamps of the files."""
    return (pairs.images, pairs.image_stamps) if kind == "images" else (pairs.masks, pairs.mask_stamps)


def _carried(index: Index | None, pairs: Pairs, kind: Kind) -> Known[Any]:
    """What is known already of the files of these pairs."""
    paths, stamps = _of(pairs, kind)
    numbers = np.full(len(paths), UNKNOWN, np.int32)
    if index is None:
        return Known((), numbers, MEASURES[kind])
    old: Known[Any] = index.images if kind == "images" else index.masks
    old_paths, old_stamps = _of(index.pairs, kind)
    order = np.argsort(old_paths)
    places = order[np.searchsorted(old_paths, paths, sorter=order).clip(max=len(order) - 1)]
    same = (old_paths[places] == paths) & (old_stamps[places] == stamps) & (old.numbers[places] != UNKNOWN)
    used, numbers[same] = np.unique(old.numbers[places[same]], return_inverse=True)
    own = places[same]
    measured = old.measured[spans(old.starts[own], old.pages[own])]
    return Known(tuple(old.facts[number] for number in used.tolist()), numbers, measured)


def _completed(looker: _Looker, pairs: Pairs, before: Mapping[Kind, Known[Any]]) -> tuple[dict[Kind, Known[Any]], bool]:
    """What is known when the other files have been looked at, and whether that is more than before."""
    missing = {kind: np.unique(_of(pairs, kind)[0][own.numbers == UNKNOWN]) for kind, own in before.items()}
    facts = {kind: {one: number for number, one in enumerate(own.facts)} for kind, own in before.items()}
    found = {kind: np.full(len(paths), UNKNOWN, np.int32) for kind, paths in missing.items()}
    measured: dict[Kind, dict[int, NDArray[Any]]] = {kind: {-1: MEASURES[kind]} for kind in KINDS}
    for piece, looks in _looked_at(looker, missing):
        own, seen = facts[piece.kind], [one for one in looks if one is not None]
        for place, one in enumerate(looks, piece.start):
            if one is not None:
                found[piece.kind][place] = own.setdefault(one.facts, len(own))
        measured[piece.kind][piece.start] = np.concatenate([MEASURES[piece.kind], *(one.pages for one in seen)])
    after = {}
    for kind, own_before in before.items():
        rows_measured = np.concatenate([measured[kind][start] for start in sorted(measured[kind])])
        new = Known(tuple(facts[kind]), found[kind], rows_measured)
        after[kind] = _joined(own_before, new, np.searchsorted(missing[kind], _of(pairs, kind)[0]))
    return after, any((own != UNKNOWN).any() for own in found.values())


def _joined(before: Known[Any], new: Known[Any], places: NDArray[np.integer[Any]]) -> Known[Any]:
    """What is known of files, of which those that were unknown before are at these places among the new ones."""
    numbers, unknown = before.numbers.copy(), before.numbers == UNKNOWN
    starts = before.starts
    numbers[unknown] = new.numbers[places[unknown]]
    starts[unknown] = len(before.measured) + new.starts[places[unknown]]
    joined = replace(new, numbers=numbers)
    return replace(joined, measured=np.concatenate([before.measured, new.measured])[spans(starts, joined.pages)])


class _Piece(NamedTuple):
    """Files that are to be looked at."""

    kind: Kind
    start: int
    paths: list[str]


@dataclass(frozen=True)
class _Looker:
    root: Path
    stack: Stack | None

    def __call__(self, piece: _Piece) -> list[Look[Any] | None]:
        return [self._look(piece.kind, self.root / path) for path in piece.paths]

    def _look(self, kind: Kind, path: Path) -> Look[Any] | None:
        try:
            return look_at_image(path, self.stack) if kind == "images" else look_at_mask(path)
        except DataError:  # which whoever reads the sample is told
            return None


def _looked_at(
    looker: _Looker, missing: Mapping[Kind, NDArray[np.bytes_]]
) -> Iterator[tuple[_Piece, list[Look[Any] | None]]]:
    pieces = (
        _Piece(kind, start, [decode(path) for path in paths[start : start + PIECE]])
        for kind, paths in missing.items()
        for start in range(0, len(paths), PIECE)
    )
    total = sum(map(len, missing.values()))
    count = min(threads(), 1 + total // FEW)
    with Bar(total) as bar, closing(in_processes(looker, pieces, count, _title)) as results:
        for piece, looks in results:
            bar.advance(len(piece.paths), "looking at new files")
            yield piece, looks


def _title(piece: _Piece) -> str:
    return f"'{piece.paths[0]}' to '{piece.paths[-1]}'"
