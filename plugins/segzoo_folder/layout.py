"""Where in a folder the images and masks of each split lie, told by the names of folders alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from segzoo.errors import DataError
from segzoo.plugin import Split
from segzoo_folder.kinds import READABLE, UNREADABLE, told

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


class Place(NamedTuple):
    """Two folders whose files belong together, relative to the root; or all such folders, `*/images` and `*/masks`."""

    images: str
    masks: str
    split: Split | None

    @property
    def each(self) -> bool:
        """Whether each sample has folders of its own."""
        return "*" in self.images

    @property
    def prefix(self) -> str:
        """What the ids of its samples begin with."""
        return "".join(f"{part}/" for part in self.images.split("/") if part not in (IMAGES, "*"))

    def regions(self, root: Path, folder: str) -> str:
        """The folder of this name beside these two, or with the same splits in it."""
        parts = (own.split("/") for own in (self.masks, self.images))  # in which a split may be called otherwise
        found = ["/".join(folder if part in KINDS else part for part in own) for own in parts]
        return next((path for path in found if (root / path).is_dir()), found[0])

    def beside(self, folder: str, name: str) -> str:
        """Where in one of the folders the file of a sample should be."""
        return f"{folder.replace('*', name)}/*" if self.each else f"{folder}/{name}.*"


def places(root: Path) -> list[Place]:
    """The folders with images and masks: of all, or of each split; none if no layout is known that has such.

    Raises:
        DataError: if there is more than one layout, or two folders are one split.
    """
    named = [name for name in folders(root) if meant(name)]
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
    if not splits:
        return _of_each_sample(root, named)
    if "train" not in splits:
        return []
    return [Place(f"{name}/{IMAGES}", f"{name}/{MASKS}", split) for split, name in splits.items()]


def _of_each_sample(root: Path, named: Sequence[str]) -> list[Place]:
    """The folders of samples that have images and masks in each, in folders of splits or in the root; none if none."""

    def there(folder: Path) -> bool:
        return any(all((folder / name / kind).is_dir() for kind in KINDS) for name in folders(folder))

    splits = _splits(root, [name for name in named if there(root / name)])
    if "train" in splits:
        return [Place(f"{name}/*/{IMAGES}", f"{name}/*/{MASKS}", split) for split, name in splits.items()]
    return [Place(f"*/{IMAGES}", f"*/{MASKS}", None)] if there(root) else []


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
    names = folders(root / IMAGES)
    splits = _splits(root / IMAGES, names)
    if "train" not in splits:
        return []
    kinds = (told(path.name)[1] for path in (root / IMAGES).iterdir() if not hidden(path.name))
    if len(splits) < len(names) or any(kind in (READABLE, UNREADABLE) for kind in kinds):
        if len(splits) == 1:
            return []
        raise DataError(
            f"{root / IMAGES} holds the splits {' and '.join(splits.values())}, and other images too: it is not clear "
            "where those belong. Put them into a split, or write a table, for `--set dataset.listing=FILE.csv`"
        )
    others = _splits(root / MASKS, folders(root / MASKS))
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


def is_image(path: Path) -> bool:
    """Whether a file has the suffix of one that can be read."""
    return not hidden(path.name) and told(path.name)[1] == READABLE


def folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, but for what is `hidden`."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not hidden(entry.name) and is_folder(entry))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or leads to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that must not be read
        return False
