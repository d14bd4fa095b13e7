"""What samples are to each other: the same id, the same image, or one that looks alike in another split."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from segzoo.inspection.checks import Seen
from segzoo.inspection.chunks import Piece
from segzoo.inspection.findings import Finding
from segzoo.inspection.hashes import alike, same
from segzoo.inspection.reading import Opened
from segzoo.plugin import Split

KEPT: tuple[Split, ...] = ("test", "val", "train")
"""Of images that are in two splits, the one in the first of these stays, and the other is the finding."""


class Place(NamedTuple):
    """Where a sample is."""

    split: Split
    id: str
    file: str
    """The image; empty if samples are not made of files."""


class Crosscheck:
    """Some 30 bytes of each sample, in which those are found that have much in common.

    Its rows are the samples of all splits, in the order of KEPT.
    """

    def __init__(self, found: Opened) -> None:
        self._found = found
        self._splits = [split for split in KEPT if split in found.samples]
        lengths = [len(found.samples[split]) for split in self._splits]
        self._starts = [sum(lengths[:place]) for place in range(len(lengths))]
        total = sum(lengths)
        self._images = np.zeros((total, 2), np.uint64)
        self._masks, self._looks = np.zeros(total, np.uint64), np.zeros(total, np.uint64)
        self._read = np.zeros(total, bool)
        self._leaks: set[int] = set()

    def take(self, piece: Piece, seen: list[Seen]) -> None:
        """Remember what was seen of a piece."""
        first = self._starts[self._splits.index(piece.split)]
        for row, one in enumerate(seen, first + piece.indices.start):
            if one.image:
                self._images[row] = np.frombuffer(one.image, np.uint64)
                self._masks[row] = np.frombuffer(one.mask, np.uint64)[0]
                self._looks[row], self._read[row] = one.look, True

    def findings(self) -> Iterator[Finding]:
        """What was found, when all pieces are taken."""
        yield from self._same_ids()
        yield from self._same_images()
        yield from self._like_images()

    def _same_ids(self) -> Iterator[Finding]:
        digests = bytearray()
        for split in self._splits:
            for name in self._found.ids[split]:
                digests += blake2b(name.encode(), digest_size=16).digest()
        for first, *others in same(np.frombuffer(digests, np.uint64).reshape(-1, 2)):
            for row in others:
                place, other = self._place(row), self._place(first)
                where = "twice in its split" if place.split == other.split else f"in the split '{other.split}' too"
                yield Finding("overlap", "error", f"the id is {where}", *place)

    def _same_images(self) -> Iterator[Finding]:
        rows = np.flatnonzero(self._read)
        for first, *others in (rows[group] for group in same(self._images[rows])):
            for row in others:
                place, other = self._place(row), self._place(first)
                if place.split != other.split:
                    self._leaks.add(row)
                if place.id != other.id:  # which is a finding already
                    yield self._duplicate(place, other, bool(self._masks[row] == self._masks[first]))

    def _duplicate(self, place: Place, other: Place, same_mask: bool) -> Finding:
        what = f"'{other.id}' of the split '{other.split}'{'' if same_mask else ', with another mask'}"
        if place.split == other.split:
            return Finding("duplicate", "warning", f"the same image as {what}", *place)
        if place.file and place.file == other.file:
            return Finding("overlap", "error", f"the same file as {what}", *place)
        return Finding("duplicate", "error", f"the same image as {what}", *place)

    def _like_images(self) -> Iterator[Finding]:
        rows = np.flatnonzero(self._read)
        ranks = len(self._splits) - np.searchsorted(self._starts, rows, side="right")
        for one, nearest, distance in alike(self._looks[rows], ranks):
            if rows[one] not in self._leaks:
                other = self._place(rows[nearest])
                what = f"looks like '{other.id}' of the split '{other.split}' (distance {distance} of 64)"
                yield Finding("near duplicate", "warning", what, *self._place(rows[one]))

    def _place(self, row: int) -> Place:
        number = bisect_right(self._starts, row) - 1
        split, index = self._splits[number], int(row) - self._starts[number]
        files = self._found.files[split]
        return Place(split, self._found.ids[split][index], str(files[index][0]) if files else "")
