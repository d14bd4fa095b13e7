"""Samples with the same id or the same image, and images that look alike in different splits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from segzoo.inspection.checks import CheckResult
from segzoo.inspection.chunks import Chunk
from segzoo.inspection.findings import Finding
from segzoo.inspection.hashes import groups_of_equal, near_neighbours
from segzoo.inspection.reading import OpenedDataset
from segzoo.plugin import Split

PRECEDENCE: tuple[Split, ...] = ("test", "val", "train")
"""Of an image in two splits, the copy in the earlier of these is kept, and the other is reported."""


class Place(NamedTuple):
    """Where a sample is."""

    split: Split
    id: str
    file: str
    """The image; empty if samples are not made of files."""


class DuplicateSearch:
    """Finds duplicates by some 30 bytes of each sample.

    Its rows are the samples of all splits, in the order of PRECEDENCE.
    """

    def __init__(self, opened: OpenedDataset) -> None:
        self._opened = opened
        self._splits = [split for split in PRECEDENCE if split in opened.samples]
        lengths = [len(opened.samples[split]) for split in self._splits]
        self._starts = [sum(lengths[:place]) for place in range(len(lengths))]
        total = sum(lengths)
        self._images = np.zeros((total, 2), np.uint64)
        self._masks, self._hashes = np.zeros(total, np.uint64), np.zeros(total, np.uint64)
        self._read = np.zeros(total, bool)
        self._leaks: set[int] = set()

    def add(self, chunk: Chunk, results: list[CheckResult]) -> None:
        """Keep the digests of a chunk."""
        first = self._starts[self._splits.index(chunk.split)]
        for row, result in enumerate(results, first + chunk.indices.start):
            if result.image_digest:
                self._images[row] = np.frombuffer(result.image_digest, np.uint64)
                self._masks[row] = np.frombuffer(result.mask_digest, np.uint64)[0]
                self._hashes[row], self._read[row] = result.perceptual_hash, True

    def findings(self) -> Iterator[Finding]:
        """The duplicates, when all chunks are added."""
        yield from self._same_ids()
        yield from self._same_images()
        yield from self._similar_images()

    def _same_ids(self) -> Iterator[Finding]:
        digests = bytearray()
        for split in self._splits:
            for name in self._opened.ids[split]:
                digests += blake2b(name.encode(), digest_size=16).digest()
        for first, *others in groups_of_equal(np.frombuffer(digests, np.uint64).reshape(-1, 2)):
            for row in others:
                place, other = self._place(row), self._place(first)
                where = "twice in its split" if place.split == other.split else f"in the split '{other.split}' too"
                yield Finding("overlap", "error", f"the id is {where}", *place)

    def _same_images(self) -> Iterator[Finding]:
        rows = np.flatnonzero(self._read)
        for first, *others in (rows[group] for group in groups_of_equal(self._images[rows])):
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

    def _similar_images(self) -> Iterator[Finding]:
        rows = np.flatnonzero(self._read)
        ranks = len(self._splits) - np.searchsorted(self._starts, rows, side="right")
        for index, nearest, distance in near_neighbours(self._hashes[rows], ranks):
            if rows[index] not in self._leaks:
                other = self._place(rows[nearest])
                what = f"looks like '{other.id}' of the split '{other.split}' (distance {distance} of 64)"
                yield Finding("near duplicate", "warning", what, *self._place(rows[index]))

    def _place(self, row: int) -> Place:
        number = bisect_right(self._starts, row) - 1
        split, index = self._splits[number], int(row) - self._starts[number]
        files = self._opened.files[split]
        return Place(split, self._opened.ids[split][index], str(files[index][0]) if files else "")
