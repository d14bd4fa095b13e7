"""Which files of a folder belong together, found without opening any of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

import numpy as np

from segzoo.errors import DataError
from segzoo_folder.layout import SPLITS, SUFFIXES, Place, expected, hidden, places, there
from segzoo_folder.matching import matches
from segzoo_folder.pairs import UNSPLIT, Pairs, coded, columns, merged, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABSENT = 0
"""The stamp of a file that is not there."""

Seen = tuple[str, int]
"""A folder or a table, and its stamp."""


@dataclass(frozen=True, eq=False)  # equal only to itself: to compare so many names takes long
class Found:
    """The pairs of a folder by their ids, and what is wrong with it, a line each."""

    pairs: Pairs
    lacking: tuple[str, ...] = ()
    """Images without a mask, masks without an image, files that a table names and that are not there."""
    doubled: tuple[str, ...] = ()
    """Files of which two would be the same sample."""
    places: tuple[Seen, ...] = ()
    """The folders that were looked through, or the table: as long as they have not changed, no file came or went."""

    def stands(self, root: Path) -> bool:
        """Whether no file has come or gone since; not whether one has changed."""
        return all(stamp_of(root / path) == stamp for path, stamp in self.places)


def find(root: Path, listing: str | None) -> Found:
    """The pairs in a folder, by their names or as a table lists them.

    Raises:
        DataError: if the folder is not there or not to be read, has no layout that is known, or the table cannot be
            read.
    """
    try:
        return _find(root, listing)
    except OSError as error:
        raise DataError(f"cannot look through {error.filename}: {error.strerror}; see to the rights of it") from error


def _find(root: Path, listing: str | None) -> Found:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; {expected()}")
    if listing is not None:
        from segzoo_folder.listing import listed

        return listed(root, root / listing)
    found = _together([_matched(root, place) for place in places(root)])
    if not len(found.pairs) and not found.lacking:
        raise DataError(f"{root} holds no images; {expected()}\n{there(root)}")
    return found


def _together(found: list[Found]) -> Found:
    return Found(
        merged([one.pairs for one in found]),
        tuple(line for one in found for line in one.lacking),
        tuple(line for one in found for line in one.doubled),
        tuple(place for one in found for place in one.places),
    )


def _matched(root: Path, place: Place) -> Found:
    """The pairs of one folder with images and one with masks, by the names of the files without suffix."""
    doubled: list[str] = []
    seen: list[Seen] = []
    images, masks = (_Files.below(root, folder, doubled, seen) for folder in (place.images, place.masks))
    found = matches(images.names, masks.names)
    left, right = images.but(found.images), masks.but(found.masks)
    lacking = [f"{root / path} has no mask {place.masks}/{found.mask_of(name)}.*" for name, path in left]
    lacking += [f"{root / path} has no image {place.images}/{found.image_of(name)}.*" for name, path in right]
    names, own, others = images.names[found.images], found.images, found.masks
    pairs = Pairs(
        np.char.add(coded(place.prefix), names),
        images.paths[own],
        masks.paths[others],
        np.arange(1, len(names) + 1),
        np.zeros(len(names), "S1"),
        np.zeros(len(names), "S1"),
        np.full(len(names), SPLITS.index(place.split) if place.split else UNSPLIT, np.uint8),
        images.stamps[own],
        masks.stamps[others],
        np.zeros(len(names), np.int64),
    )
    return Found(pairs, tuple(lacking), tuple(doubled), tuple(seen))


class _Files(NamedTuple):
    """The files below a folder that may be images, sorted by their names without folder and suffix."""

    names: NDArray[np.bytes_]
    paths: NDArray[np.bytes_]
    """Relative to the root."""
    stamps: NDArray[np.int64]

    @classmethod
    def below(cls, root: Path, folder: str, doubled: list[str], seen: list[Seen]) -> _Files:
        rows = _rows(root, _walk(root, folder, seen), len(folder) + 1)
        names, paths, stamps = columns(rows, (np.bytes_, np.bytes_, np.int64))
        order = np.lexsort((paths, names))
        names, paths, stamps = names[order], paths[order], stamps[order]
        again = np.flatnonzero(names[1:] == names[:-1]) + 1
        for index in again.tolist():
            first, other = (root / text(path) for path in paths[index - 1 : index + 1])
            doubled.append(f"{first} and {other} are both {text(names[index])}")
        return cls(*(np.delete(column, again) for column in (names, paths, stamps)))

    def but(self, indices: NDArray[np.intp]) -> Iterator[tuple[str, str]]:
        """Name and path of all others than these."""
        for index in np.delete(np.arange(len(self.names)), indices).tolist():
            yield text(self.names[index]), text(self.paths[index])


def _rows(root: Path, files: Iterator[tuple[str, int]], start: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Name, path and stamp of the files with the suffix of an image; names begin at a place of the path."""
    for path, stamp in files:
        stem, dot, suffix = path.rpartition(".")
        if dot and f".{suffix.lower()}" in SUFFIXES:
            yield coded(_text(stem[start:], root, path)), coded(path), stamp


def _text(name: str, root: Path, path: str) -> str:
    """A name as others may write it: a Mac takes its letters apart. A DataError if it is no text."""
    if name.isascii():
        return name
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(root / path).decode("utf-8", "backslashreplace")
        raise DataError(f"the name of {shown} is not in UTF-8; rename it, as the program convmv does") from error
    return normalize("NFC", name)


def _walk(root: Path, folder: str, places: list[Seen]) -> Iterator[tuple[str, int]]:
    """Path and stamp of all files below a folder, but for `hidden` ones; links are followed, though not in a circle."""
    waiting, seen = [folder], set()
    while waiting:
        prefix = waiting.pop()
        places.append((prefix, stamp_of(root / prefix)))
        try:
            place = (root / prefix).stat()
        except FileNotFoundError:
            continue  # a split may have images only; each of them lacks its mask
        if (place.st_dev, place.st_ino) in seen:
            continue
        seen.add((place.st_dev, place.st_ino))
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                name = entry.name
                if hidden(name):
                    continue
                if entry.is_dir():
                    waiting.append(f"{prefix}/{name}")
                else:
                    yield f"{prefix}/{name}", stamp_of(entry)


def stamp_of(file: os.DirEntry[str] | Path) -> int:
    """A number that changes with the size of a file and the times of the last change of it and of its inode.

    ABSENT for a link that leads nowhere.
    """
    try:
        facts = file.stat()
    except OSError:
        return ABSENT
    # Of whole numbers Python's hash is the same in every process.
    return hash((facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))
