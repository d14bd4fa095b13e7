"""What a user is told of a folder in which no images with masks are found: what there should be, and what there is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from segzoo_folder.layout import IMAGES, MASKS, folders, hidden, is_image, meant
from segzoo_folder.matching import MASK

SHOWN = 8
"""Folders that a message names."""
DEPTH = 4
"""Folders inside each other that are looked into."""
MARKED = re.compile(rf".+[-_. ](?:{MASK.pattern})(?:[-_. ]?[0-9]+)?", re.IGNORECASE)
"""The name of a mask, which may begin with that of its image."""


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
