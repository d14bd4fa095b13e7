"""Where in a folder the images and masks of each split lie, told by the names of folders; what to do if none do."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from segzoo.errors import DataError
from segzoo.plugin import Split
from segzoo_folder.files import READABLE, UNREADABLE, folders, hidden, is_image, told
from segzoo_folder.matching import MASK

KINDS = IMAGES, MASKS = "images", "masks"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""What a split may be called, in any case."""

SHOWN = 8
"""Folders that a message names."""
DEPTH = 4
"""Folders inside each other that are looked into."""
MARKED = re.compile(rf".+[-_. ](?:{MASK.pattern})(?:[-_. ]?[0-9]+)?", re.IGNORECASE)
"""The name of a mask, which may begin with that of its image."""


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


def expected() -> str:
    """The layouts that are known, in words."""
    return (
        "expected are\n"
        f"  {IMAGES}/NAME.png and {MASKS}/NAME.png: any format, matched by the names without suffix,\n"
        "  which may have a word such as image and mask in front or behind;\n"
        f"  or the same below train/, val/ and test/, or with these below {IMAGES}/ and {MASKS}/;\n"
        f"  or a mask for each object, {MASKS}/NAME/*.png, or NAME/{IMAGES}/*.png and NAME/{MASKS}/*.png;\n"
        "  or files anywhere, and a table that names them: `--set dataset.listing=FILE.csv`, with the columns image "
        "and mask"
    )


def there(root: Path) -> str:
    """What a folder holds instead, in words, and what that tells to do."""
    held = dict(_files_of(root))
    names = [
        f"{folder} ({len(files):,} files, such as {files[0].name})"
        if files[1:]
        else f"{folder} (the file {files[0].name})"
        for folder, files in held.items()
    ]
    if not names:
        return "it is empty"
    more = f" and {len(names) - SHOWN} folders more" if names[SHOWN:] else ""
    return "\n".join([f"found are {', '.join(names[:SHOWN])}{more}", *without_masks(root), *_mixed(held)])


def _files_of(folder: Path, name: str = ".", depth: int = DEPTH) -> Iterator[tuple[str, list[Path]]]:
    """The files in a folder, and those in each folder in it, by the path of these."""
    entries = sorted(entry for entry in folder.iterdir() if not hidden(entry.name))
    if files := [entry for entry in entries if entry.is_file()]:
        yield name, files
    for entry in entries if depth else ():
        if entry.is_dir():
            yield from _files_of(entry, entry.name if name == "." else f"{name}/{entry.name}", depth - 1)


def without_masks(root: Path) -> Iterator[str]:
    """That there are images, but no masks: the folder beside them may hold these, or something else."""
    for folder in (root, *(root / name for name in folders(root) if meant(name))):
        if (folder / IMAGES).is_dir() and not (folder / MASKS).is_dir():
            others = [name for name in folders(folder) if name != IMAGES]
            beside = f"; beside it {'are' if others[1:] else 'is'} {', '.join(others[:SHOWN])}" if others else ""
            yield (
                f"{folder} has a folder {IMAGES}, but no {MASKS} with what is to be learnt, drawn for each image"
                f"{beside}. Fields of view and other regions of interest are not that, but what `--set "
                "dataset.regions=FOLDER` names"
            )


def _mixed(held: Mapping[str, list[Path]]) -> Iterator[str]:
    """That images and masks lie in one folder, if that is so of most files of one."""
    for folder, files in held.items():
        images = [path for path in files if is_image(path)]
        together = dict(_together(images))
        if len(together) > len(images) // 3:
            image, mask = next(iter(together.items()))
            below = "" if folder == "." else f"{folder}/"
            yield (
                f"{image.name} and {mask.name} seem to be an image and its mask, in the same folder: move all images "
                f"of it into {IMAGES}/{below} and all masks into {MASKS}/{below}"
            )
            return


def _together(files: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Images with a mask of each: with its name and a word, or with its name and another suffix."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        by_stem[path.stem].append(path)
    for stem, paths in by_stem.items():
        if len(paths) == 2:
            yield paths[0], paths[1]
        elif MARKED.fullmatch(stem):
            starts = (stem[: sign.start()] for sign in re.finditer("[-_. ]", stem))
            if (image := next((start for start in starts if start in by_stem), None)) is not None:
                yield by_stem[image][0], paths[0]
