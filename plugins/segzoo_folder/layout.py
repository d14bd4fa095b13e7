"""The layout of a folder: where the images and masks of each split lie, by the names of folders."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from segzoo.errors import DataError
from segzoo.plugin import Split
from segzoo_folder.files import READABLE, UNSUPPORTED, folders, hidden, is_image, stem_and_kind
from segzoo_folder.matching import MASK

KINDS = IMAGES, MASKS = "images", "masks"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""What the folder of a split may be called, in upper or lower case."""

SHOWN = 8
"""Folders that a message lists."""
DEPTH = 4
"""The depth of folders that a message describes."""
MARKED = re.compile(rf".+[-_. ](?:{MASK.pattern})(?:[-_. ]?[0-9]+)?", re.IGNORECASE)
"""The name of a mask that begins with the name of its image."""


class SplitFolders(NamedTuple):
    """The folders of the images and masks of a split, relative to the root; with `*` for the folder of each sample."""

    images: str
    masks: str
    split: Split | None

    @property
    def per_sample(self) -> bool:
        """Whether each sample has its folders of images and masks."""
        return "*" in self.images

    @property
    def prefix(self) -> str:
        """The prefix of the ids of the samples."""
        return "".join(f"{part}/" for part in self.images.split("/") if part not in (IMAGES, "*"))

    def regions(self, root: Path, folder: str) -> str:
        """The folder of regions of interest beside these two, or its folder of the same split."""
        split_paths = (path.split("/") for path in (self.masks, self.images))  # whose split folders may differ in name
        candidates = ["/".join(folder if part in KINDS else part for part in path) for path in split_paths]
        return next((candidate for candidate in candidates if (root / candidate).is_dir()), candidates[0])

    def expected_file(self, folder: str, name: str) -> str:
        """The pattern of the path that the file of a sample should have in one of the folders."""
        return f"{folder.replace('*', name)}/*" if self.per_sample else f"{folder}/{name}.*"


def split_folders(root: Path) -> list[SplitFolders]:
    """The folders with images and masks, of each split if there are splits; none if the layout is not known.

    Raises:
        DataError: if there is more than one layout, or two folders are one split.
    """
    named = [name for name in folders(root) if split_named(name)]
    splits = _splits(root, [name for name in named if any((root / name / kind).is_dir() for kind in KINDS)])
    unsplit = all((root / kind).is_dir() for kind in KINDS)
    if unsplit and splits:
        raise DataError(
            f"{root} holds {IMAGES} and {MASKS}, and {' and '.join(f'{name}/{IMAGES}' for name in splits.values())} "
            "too: it is not clear which to take. Move one of them away, or write a table, for "
            "`--set dataset.listing=FILE.csv`"
        )
    if unsplit:
        return _splits_below(root) or [SplitFolders(IMAGES, MASKS, None)]
    if not splits:
        return _of_each_sample(root, named)
    if "train" not in splits:
        return []
    return [SplitFolders(f"{name}/{IMAGES}", f"{name}/{MASKS}", split) for split, name in splits.items()]


def _of_each_sample(root: Path, named: Sequence[str]) -> list[SplitFolders]:
    """The layout in which each sample has a folder with images and masks, in the root or in folders of splits."""

    def has_samples(folder: Path) -> bool:
        return any(all((folder / name / kind).is_dir() for kind in KINDS) for name in folders(folder))

    splits = _splits(root, [name for name in named if has_samples(root / name)])
    if "train" in splits:
        return [SplitFolders(f"{name}/*/{IMAGES}", f"{name}/*/{MASKS}", split) for split, name in splits.items()]
    return [SplitFolders(f"*/{IMAGES}", f"*/{MASKS}", None)] if has_samples(root) else []


def split_named(name: str) -> Split | None:
    """The split that a folder or table calls by this name; None if there is none."""
    return next((split for split, names in SPLIT_NAMES.items() if name.lower() in names), None)


def _splits_below(root: Path) -> list[SplitFolders]:
    """The splits that are folders in `images` and `masks`; none if the folders in `images` are no splits."""
    words = [word for names in SPLIT_NAMES.values() for word in names]
    if not any((root / IMAGES / name).is_dir() for word in words for name in (word, word.capitalize(), word.upper())):
        return []  # without looking through what may be 100,000 images
    names = folders(root / IMAGES)
    splits = _splits(root / IMAGES, names)
    if "train" not in splits:
        return []
    kinds = (stem_and_kind(path.name)[1] for path in (root / IMAGES).iterdir() if not hidden(path.name))
    if len(splits) < len(names) or any(kind in (READABLE, UNSUPPORTED) for kind in kinds):
        if len(splits) == 1:
            return []
        raise DataError(
            f"{root / IMAGES} holds the splits {' and '.join(splits.values())}, and other images too: it is not clear "
            "where those belong. Put them into a split, or write a table, for `--set dataset.listing=FILE.csv`"
        )
    mask_splits = _splits(root / MASKS, folders(root / MASKS))
    names_of_both = {split: (splits.get(split), mask_splits.get(split)) for split in SPLITS}
    return [
        SplitFolders(f"{IMAGES}/{image_name or mask_name}", f"{MASKS}/{mask_name or image_name}", split)
        for split, (image_name, mask_name) in names_of_both.items()
        if image_name or mask_name
    ]


def _splits(folder: Path, names: Sequence[str]) -> dict[Split, str]:
    """The folder of each split, in the order of SPLITS; a DataError if two folders are the same split."""
    splits: dict[Split, str] = {}
    for name in names:
        if (split := split_named(name)) and splits.setdefault(split, name) != name:
            raise DataError(
                f"{folder / splits[split]} and {folder / name} are both the split '{split}': put their files into one "
                "of them, or move one away"
            )
    return {split: splits[split] for split in SPLITS if split in splits}


def known_layouts() -> str:
    """The known layouts in words, for a message."""
    return (
        "expected are\n"
        f"  {IMAGES}/NAME.png and {MASKS}/NAME.png: any format, matched by the names without suffix,\n"
        "  which may have a word such as image and mask in front or behind;\n"
        f"  or the same below train/, val/ and test/, or with these below {IMAGES}/ and {MASKS}/;\n"
        f"  or a mask for each object, {MASKS}/NAME/*.png, or NAME/{IMAGES}/*.png and NAME/{MASKS}/*.png;\n"
        "  or files anywhere, and a table that names them: `--set dataset.listing=FILE.csv`, with the columns image "
        "and mask"
    )


def contents(root: Path) -> str:
    """The contents of a folder without a known layout, in words, and what to do about it."""
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
    """The files in a folder and in the folders below it, by the path of the folder."""
    entries = sorted(entry for entry in folder.iterdir() if not hidden(entry.name))
    if files := [entry for entry in entries if entry.is_file()]:
        yield name, files
    for entry in entries if depth else ():
        if entry.is_dir():
            yield from _files_of(entry, entry.name if name == "." else f"{name}/{entry.name}", depth - 1)


def without_masks(root: Path) -> Iterator[str]:
    """Says that there are images but no masks, and which folders lie beside the images."""
    for folder in (root, *(root / name for name in folders(root) if split_named(name))):
        if (folder / IMAGES).is_dir() and not (folder / MASKS).is_dir():
            others = [name for name in folders(folder) if name != IMAGES]
            beside = f"; beside it {'are' if others[1:] else 'is'} {', '.join(others[:SHOWN])}" if others else ""
            yield (
                f"{folder} has a folder {IMAGES}, but no {MASKS} with what is to be learnt, drawn for each image"
                f"{beside}. Fields of view and other regions of interest are not that, but what `--set "
                "dataset.regions=FOLDER` names"
            )


def _mixed(held: Mapping[str, list[Path]]) -> Iterator[str]:
    """Says that images and masks lie in the same folder, where that is so of most files of a folder."""
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
    """Images and their masks, which have the same name with a word added, or with another suffix."""
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
