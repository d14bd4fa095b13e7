"""Files that may be images or masks and are not read: which are told of, and whose partners they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from segzoo_folder.kinds import READABLE, UNKNOWN, UNREADABLE, reason
from segzoo_folder.matching import Affixes, Matches, matches
from segzoo_folder.pairs import text
from segzoo_folder.walking import Files

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Alone(NamedTuple):
    """What of a folder with images and one with masks is not paired."""

    images: NDArray[np.intp]
    masks: NDArray[np.intp]
    """Indices of those of which not even a file that is not read is the partner."""
    unread: tuple[str, ...]
    """Files of kinds that cannot be read, a line each; those of unknown kinds only where they are partners."""


class _Side(NamedTuple):
    """Images or masks without a partner: those that are read, then the others."""

    names: NDArray[np.bytes_]
    paths: NDArray[np.bytes_]
    kinds: NDArray[np.uint8]

    @classmethod
    def of(cls, files: Files, read: NDArray[np.intp]) -> _Side:
        return cls(
            np.append(files.names[read], files.strange.names),
            np.append(files.paths[read], files.strange.paths),
            np.append(np.full(len(read), READABLE, np.uint8), files.strange.kinds),
        )

    def but(self, indices: NDArray[np.intp], kind: int) -> NDArray[np.intp]:
        """The indices of all others than these that are of a kind."""
        return np.setdiff1d(np.flatnonzero(self.kinds == kind), indices, assume_unique=True)


def alone(root: Path, images: Files, masks: Files, found: Matches) -> Alone:
    """What is to be told of images and masks, of which some belong together."""
    left, right = (
        np.setdiff1d(np.arange(len(files.names)), done, assume_unique=True)
        for files, done in ((images, found.images), (masks, found.masks))
    )
    own, other = _Side.of(images, left), _Side.of(masks, right)
    mine, theirs = _partners(own, other, found.affixes)
    lines = [
        line
        for image, mask in zip(mine.tolist(), theirs.tolist(), strict=True)
        for line in _of_pair(root, text(own.paths[image]), own.kinds[image], text(other.paths[mask]), other.kinds[mask])
    ]
    for side, done in ((own, mine), (other, theirs)):
        paths = map(text, side.paths[side.but(done, UNREADABLE)])
        lines += [f"{root / path} {reason(path)}, or move it away" for path in paths]
    return Alone(left[own.but(mine, READABLE)], right[other.but(theirs, READABLE)], tuple(lines))


def _of_pair(root: Path, image: str, image_kind: int, mask: str, mask_kind: int) -> Iterator[str]:
    if image_kind != READABLE:
        yield f"{root / image}, the image of {mask}, {reason(image)}"
    if mask_kind != READABLE:
        yield f"{root / mask}, the mask of {image}, {reason(mask)}"


def _partners(own: _Side, other: _Side, affixes: Affixes | None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of pairs, of which the image or the mask is not read."""
    pairs: list[NDArray[np.intp]] = [np.zeros(0, np.intp)] * 2
    for kinds in ((READABLE, UNREADABLE), (READABLE, UNREADABLE, UNKNOWN)):  # the latter may be called anything
        rows = [
            np.setdiff1d(np.flatnonzero(np.isin(side.kinds, kinds)), done, assume_unique=True)
            for side, done in zip((own, other), pairs, strict=True)
        ]
        found = matches(own.names[rows[0]], other.names[rows[1]], affixes)
        affixes = found.affixes
        places = zip(pairs, rows, (found.images, found.masks), strict=True)
        pairs = [np.append(done, row[place]) for done, row, place in places]
    strange = (own.kinds[pairs[0]] != READABLE) | (other.kinds[pairs[1]] != READABLE)
    return pairs[0][strange], pairs[1][strange]
