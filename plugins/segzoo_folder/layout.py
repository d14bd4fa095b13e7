"""Where in a folder the images and masks of each split lie, told by the names of folders alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from segzoo.errors import DataError
from segzoo.images import FORMATS
from segzoo.plugin import Split

KINDS = IMAGES, MASKS = "images", "masks"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""What a split may be called, in any case."""
LEFT_OUT = frozenset(["@eaDir", "#recycle", "@Recycle", "__MACOSX", "$RECYCLE.BIN", "System Volume Information"])
"""Folders that storage, archives and systems make beside what the user put there, with small copies of the images."""
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
SHOWN = 8
"""Folders that a message names."""


class Place(NamedTuple):
    """Two folders whose files belong together, relative to the root."""

    images: str
    masks: str
    split: Split | None

    @property
    def prefix(self) -> str:
        """What the ids of its samples begin with."""
        return "".join(f"{part}/" for part in self.images.split("/") if part != IMAGES)


def places(root: Path) -> list[Place]:
    """The folders with images and masks: of all, or of each split.

    Raises:
        DataError: if there are none, more than one layout, or two folders for one split.
    """
    named = [name for name in _folders(root) if meant(name)]
    splits = _splits(root, [name for name in named if any((root / name / kind).is_dir() for kind in KINDS)])
    whole = all((root / kind).is_dir() for kind in KINDS)
    if whole and splits:
        raise DataError(
            f"{root} holds {IMAGES} and {MASKS}, and {' and '.join(f'{name}/{IMAGES}' for name in splits.values())} "
            "too: it is not clear which to take. Move one of them away, or write a table, for "
            "`--set dataset.listing=FILE.csv`"
        )
    if whole:
        return _below(root) or [Place(IMAGES, MASKS, None)]
    if "train" not in splits:
        raise DataError(f"{root} has no layout that the dataset 'folder' knows; {expected()}\n{there(root)}")
    return [Place(f"{name}/{IMAGES}", f"{name}/{MASKS}", split) for split, name in splits.items()]


def meant(name: str) -> Split | None:
    """The split that a name means, if it means one."""
    return next((split for split, names in NAMES.items() if name.lower() in names), None)


def hidden(name: str) -> bool:
    """Whether a file or folder of this name is nothing that the user put there, such as the ._NAME.png of a Mac."""
    return name[0] == "." or name in LEFT_OUT


def _below(root: Path) -> list[Place]:
    """The splits that are folders in `images` and `masks`; none if the folders in `images` are something else."""
    words = [word for names in NAMES.values() for word in names]
    if not any((root / IMAGES / name).is_dir() for word in words for name in (word, word.capitalize(), word.upper())):
        return []  # without looking through what may be 100,000 images
    names = _folders(root / IMAGES)
    splits = _splits(root / IMAGES, names)
    if "train" not in splits:
        return []
    if len(splits) < len(names) or any(_is_image(path) for path in (root / IMAGES).iterdir()):
        if len(splits) == 1:
            return []
        raise DataError(
            f"{root / IMAGES} holds the splits {' and '.join(splits.values())}, and other images too: it is not clear "
            "where those belong. Put them into a split, or write a table, for `--set dataset.listing=FILE.csv`"
        )
    others = _splits(root / MASKS, _folders(root / MASKS))
    both = [(split, splits.get(split), others.get(split)) for split in SPLITS if split in {**splits, **others}]
    return [Place(f"{IMAGES}/{own or other}", f"{MASKS}/{other or own}", split) for split, own, other in both]


def _splits(folder: Path, names: Sequence[str]) -> dict[Split, str]:
    """Those of the names that mean a split, in the order of SPLITS; a DataError if two mean the same."""
    found: dict[Split, str] = {}
    for name in names:
        if (split := meant(name)) and found.setdefault(split, name) != name:
            raise DataError(
                f"{folder / found[split]} and {folder / name} are both the split '{split}': put their files into one "
                "of them, or move one away"
            )
    return {split: found[split] for split in SPLITS if split in found}


def _is_image(path: Path) -> bool:
    return not hidden(path.name) and path.suffix.lower() in SUFFIXES


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not hidden(entry.name) and entry.is_dir())


def expected() -> str:
    """The layouts that are known, in words."""
    return (
        "expected are\n"
        f"  {IMAGES}/NAME.png and {MASKS}/NAME.png: any format, matched by the names without suffix,\n"
        "  which may have a word such as image and mask in front or behind;\n"
        f"  or the same below train/, val/ and test/, or with these below {IMAGES}/ and {MASKS}/;\n"
        "  or files anywhere, and a table that names them: `--set dataset.listing=FILE.csv`, with the columns image "
        "and mask"
    )


def there(root: Path) -> str:
    """What a folder holds instead, in words."""
    found: dict[str, list[str]] = {}
    for folder, name in sorted(_files_below(root)):
        found.setdefault(folder, []).append(name)
    texts = [
        f"{folder} ({len(names):,} files, such as {names[0]})" if names[1:] else f"{folder} (the file {names[0]})"
        for folder, names in found.items()
    ]
    if not texts:
        return "it is empty"
    return f"found are {', '.join(texts[:SHOWN])}{f' and {len(texts) - SHOWN} folders more' if texts[SHOWN:] else ''}"


def _files_below(folder: Path, depth: int = 4) -> Iterator[tuple[str, str]]:
    """Of each file in a folder, and in the folders in it, the folder that it is in and its name."""
    for entry in folder.iterdir():
        if hidden(entry.name):
            continue
        if entry.is_dir() and depth:
            yield from ((str(PurePosixPath(entry.name) / path), name) for path, name in _files_below(entry, depth - 1))
        elif entry.is_file():
            yield ".", entry.name
