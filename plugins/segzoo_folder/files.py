"""Which files of a folder belong together, found without opening any of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from segzoo.errors import DataError
from segzoo.images import FORMATS
from segzoo.plugin import Split

IMAGES, MASKS = "images", "masks"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
SHOWN = 8
"""Folders that a message names."""

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
        DataError: if the folder is not there, has no layout that is known, or the table cannot be read.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; {_expected()}")
    if listing is not None:
        from segzoo_folder.listing import listed

        return listed(root, root / listing)
    parts = [split for split in SPLITS if any((root / split / kind).is_dir() for kind in (IMAGES, MASKS))]
    whole = all((root / kind).is_dir() for kind in (IMAGES, MASKS))
    if whole and parts:
        raise DataError(
            f"{root} holds {IMAGES} and {MASKS}, and {' and '.join(f'{part}/{IMAGES}' for part in parts)} too: it is "
            "not clear which to take. Move one of them away, or write a table, for `--set dataset.listing=FILE.csv`"
        )
    if not whole and "train" not in parts:
        raise DataError(f"{root} has no layout that the dataset 'folder' knows; {_expected()}\n{_there(root)}")
    bases: list[Split | None] = [*parts] if parts else [None]
    merged = _merged([_matched(root, base) for base in bases])
    if not merged.pairs and not merged.lacking:
        raise DataError(f"{root} holds no images; {_expected()}\n{_there(root)}")
    return merged


def _merged(found: list[Found]) -> Found:
    return Found(
        tuple(pair for one in found for pair in one.pairs),
        tuple(stamp for one in found for stamp in one.stamps),
        tuple(line for one in found for line in one.lacking),
        tuple(line for one in found for line in one.doubled),
        tuple(place for one in found for place in one.places),
    )


def _matched(root: Path, split: Split | None) -> Found:
    """The pairs of one folder with images and masks, by the names of the files without suffix."""
    prefix = f"{split}/" if split else ""
    doubled: list[str] = []
    places: list[File] = []
    images, masks = (_stems(root, f"{prefix}{kind}", doubled, places) for kind in (IMAGES, MASKS))
    lone_images, lone_masks = sorted(images.keys() - masks), sorted(masks.keys() - images)
    lacking = [f"{root / images[name][0]} has no mask {prefix}{MASKS}/{name}.*" for name in lone_images]
    lacking += [f"{root / masks[name][0]} has no image {prefix}{IMAGES}/{name}.*" for name in lone_masks]
    both = sorted(images.keys() & masks.keys())
    pairs = tuple(Pair(f"{prefix}{name}", images[name][0], masks[name][0], split) for name in both)
    stamps = tuple(file for name in both for file in (images[name], masks[name]))
    return Found(pairs, stamps, tuple(lacking), tuple(doubled), tuple(places))


def _stems(root: Path, folder: str, doubled: list[str], places: list[File]) -> dict[str, File]:
    """The files below a folder that may be images, by their names without folder and suffix."""
    named: dict[str, File] = {}
    start = len(folder) + 1
    for file in sorted(_walk(root, folder, places)):
        stem, dot, suffix = file[0][start:].rpartition(".")
        if not dot or f".{suffix.lower()}" not in SUFFIXES:
            continue
        if stem in named:
            doubled.append(f"{root / named[stem][0]} and {root / file[0]} are both {stem}")
        named.setdefault(stem, file)
    return named


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


def _expected() -> str:
    return (
        "expected are\n"
        f"  {IMAGES}/NAME.png and {MASKS}/NAME.png: any format, matched by the names without suffix;\n"
        f"  or the same below train/, val/ and test/;\n"
        "  or files anywhere, and a table that names them: `--set dataset.listing=FILE.csv`, with the columns image "
        "and mask"
    )


def _there(root: Path) -> str:
    """What a folder holds instead, in words."""
    counts = Counter(sorted(_folders(root)))
    names = [f"{folder} ({count:,} {'file' if count == 1 else 'files'})" for folder, count in counts.items()]
    if not names:
        return "it is empty"
    return f"found are {', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} folders more' if names[SHOWN:] else ''}"


def _folders(root: Path, depth: int = 2) -> Iterator[str]:
    """For each file in a folder, and in the folders in it, the folder that it is in."""
    for entry in root.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and depth:
            yield from (str(PurePosixPath(entry.name) / path) for path in _folders(entry, depth - 1))
        elif entry.is_file():
            yield "."
