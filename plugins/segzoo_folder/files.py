"""Which files of a folder belong together, found without opening any of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from segzoo.errors import DataError
from segzoo.plugin import Split
from segzoo_folder.layout import SUFFIXES, Place, common_ending, expected, places, there

Stamp = tuple[int, int, int]
"""Size, and the times of the last change of a file and of its inode; zeros if it is not there."""
ABSENT: Stamp = (0, 0, 0)
File = tuple[str, Stamp]
"""A path relative to the root, and its stamp."""


class Pair(NamedTuple):
    """An image and its mask; paths are relative to the root."""

    id: str
    image: str
    mask: str
    split: Split | None = None
    group: str | None = None


@dataclass(frozen=True, eq=False)  # equal only to itself: to compare so many names takes long
class Found:
    """The pairs of a folder by their ids, and what is wrong with it, a line each."""

    pairs: tuple[Pair, ...]
    stamps: tuple[File, ...]
    """Of each file of the pairs."""
    lacking: tuple[str, ...] = ()
    """Images without a mask, masks without an image, files that a table names and that are not there."""
    doubled: tuple[str, ...] = ()
    """Files of which two would be the same sample."""
    places: tuple[File, ...] = ()
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
    merged = _merged([_matched(root, place) for place in places(root)])
    if not merged.pairs and not merged.lacking:
        raise DataError(f"{root} holds no images; {expected()}\n{there(root)}")
    return merged


def _merged(found: list[Found]) -> Found:
    return Found(
        tuple(pair for one in found for pair in one.pairs),
        tuple(stamp for one in found for stamp in one.stamps),
        tuple(line for one in found for line in one.lacking),
        tuple(line for one in found for line in one.doubled),
        tuple(place for one in found for place in one.places),
    )


def _matched(root: Path, place: Place) -> Found:
    """The pairs of one folder with images and one with masks, by the names of the files without suffix."""
    prefix = f"{place.split}/" if place.split else ""
    doubled: list[str] = []
    seen: list[File] = []
    images, masks = (_stems(root, folder, doubled, seen) for folder in (place.images, place.masks))
    ending = common_ending(images.keys(), masks.keys())
    masks = {name.removesuffix(ending): file for name, file in masks.items()}
    lone_images, lone_masks = sorted(images.keys() - masks), sorted(masks.keys() - images)
    lacking = [f"{root / images[name][0]} has no mask {place.masks}/{name}{ending}.*" for name in lone_images]
    lacking += [f"{root / masks[name][0]} has no image {place.images}/{name}.*" for name in lone_masks]
    both = sorted(images.keys() & masks.keys())
    pairs = tuple(Pair(f"{prefix}{name}", images[name][0], masks[name][0], place.split) for name in both)
    stamps = tuple(file for name in both for file in (images[name], masks[name]))
    return Found(pairs, stamps, tuple(lacking), tuple(doubled), tuple(seen))


def _stems(root: Path, folder: str, doubled: list[str], places: list[File]) -> dict[str, File]:
    """The files below a folder that may be images, by their names without folder and suffix."""
    named: dict[str, File] = {}
    start = len(folder) + 1
    for file in sorted(_walk(root, folder, places)):
        stem, dot, suffix = file[0][start:].rpartition(".")
        if not dot or f".{suffix.lower()}" not in SUFFIXES:
            continue
        stem = _text(stem, root / file[0])
        if stem in named:
            doubled.append(f"{root / named[stem][0]} and {root / file[0]} are both {stem}")
        named.setdefault(stem, file)
    return named


def _text(name: str, path: Path) -> str:
    """A name as others may write it: a Mac takes its letters apart. A DataError if it is no text."""
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            raise DataError(f"the name of {shown} is not in UTF-8; rename it, as the program convmv does") from error
    return normalize("NFC", name)


def _walk(root: Path, folder: str, places: list[File]) -> Iterator[File]:
    """All files below a folder, but for hidden ones; links are followed, though not in a circle."""
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
                if name[0] == ".":  # such as the ._NAME.png of a Mac
                    continue
                if entry.is_dir():
                    waiting.append(f"{prefix}/{name}")
                else:
                    yield f"{prefix}/{name}", stamp_of(entry)


def stamp_of(file: os.DirEntry[str] | Path) -> Stamp:
    """The stamp of a file; ABSENT for a link that leads nowhere."""
    try:
        facts = file.stat()
    except OSError:
        return ABSENT
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
