"""Where in a folder the images and masks of each split lie, told by the names of folders alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from segzoo.errors import DataError
from segzoo.images import FORMATS
from segzoo.plugin import Split
from segzoo_folder.pairs import coded, columns, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGES, MASKS = "images", "masks"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
OTHERS: dict[str, Split] = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"}
"""What splits are called elsewhere."""
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
SHOWN = 8
"""Folders that a message names."""


class Place(NamedTuple):
    """Two folders whose files belong together, relative to the root."""

    images: str
    masks: str
    split: Split | None


def places(root: Path) -> list[Place]:
    """The folders with images and masks: of all, or of each split.

    Raises:
        DataError: if there are none, more than one layout, or a split by a name that is not one of SPLITS.
    """
    named = [name for name in _folders(root) if _meant(name)]
    splits = _known(root, [name for name in named if any((root / name / kind).is_dir() for kind in (IMAGES, MASKS))])
    whole = all((root / kind).is_dir() for kind in (IMAGES, MASKS))
    if whole and splits:
        raise DataError(
            f"{root} holds {IMAGES} and {MASKS}, and {' and '.join(f'{split}/{IMAGES}' for split in splits)} too: it "
            "is not clear which to take. Move one of them away, or write a table, for `--set dataset.listing=FILE.csv`"
        )
    if whole:
        below = _splits_below(root)
        return [Place(f"{IMAGES}/{split}", f"{MASKS}/{split}", split) for split in below] or [
            Place(IMAGES, MASKS, None)
        ]
    if "train" not in splits:
        raise DataError(f"{root} has no layout that the dataset 'folder' knows; {expected()}\n{there(root)}")
    return [Place(f"{split}/{IMAGES}", f"{split}/{MASKS}", split) for split in splits]


def _splits_below(root: Path) -> list[Split]:
    """The splits that are folders in `images`; none if its folders are something else."""
    spelled = [name for word in (*SPLITS, *OTHERS) for name in (word, word.capitalize())]
    if not any((root / IMAGES / name).is_dir() for name in spelled):
        return []  # without looking through what may be 100,000 images
    names = _folders(root / IMAGES)
    split = [name for name in names if _meant(name)]
    meant = {_meant(name) for name in split}
    if "train" not in meant:
        return []
    if len(split) == len(names) and not any(_is_image(path) for path in (root / IMAGES).iterdir()):
        return _known(root / IMAGES, split)
    if len(meant) > 1:
        raise DataError(
            f"{root / IMAGES} holds the splits {' and '.join(split)}, and other images too: it is not clear where "
            "those belong. Put them into a split, or write a table, for `--set dataset.listing=FILE.csv`"
        )
    return []


def _known(folder: Path, names: Sequence[str]) -> list[Split]:
    """The splits of these names; a DataError if one is not spelled as it must be."""
    for name in names:
        if (split := _meant(name)) != name:
            raise DataError(f"{folder / name} seems to be the split '{split}': rename it to {split}, or move it away")
    return [split for split in SPLITS if split in names]


def _meant(name: str) -> Split | None:
    """The split that the name of a folder means, if it means one."""
    lower = name.lower()
    return next((split for split in SPLITS if split == lower), OTHERS.get(lower))


def _is_image(path: Path) -> bool:
    return path.name[0] != "." and path.suffix.lower() in SUFFIXES


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())


def common_ending(images: NDArray[np.bytes_], masks: NDArray[np.bytes_]) -> str:
    """What all masks have behind the name of an image, such as `_mask`; empty if that is nothing, or no word."""
    if not len(masks) or np.isin(masks, images).any():
        return ""
    first = text(masks[0])
    starts = [place for place, sign in enumerate(first) if sign in "_-. " and first[place + 1 : place + 2].isalpha()]
    for ending in (first[start:] for start in starts):
        if np.char.endswith(masks, coded(ending)).all() and np.isin(shortened(masks, ending), images).all():
            return ending
    return ""


def shortened(names: NDArray[np.bytes_], ending: str) -> NDArray[np.bytes_]:
    """Names without an ending that all of them have."""
    size = len(coded(ending))
    return columns(((name[:-size],) for name in names), (np.bytes_,))[0] if size else names


def expected() -> str:
    """The layouts that are known, in words."""
    return (
        "expected are\n"
        f"  {IMAGES}/NAME.png and {MASKS}/NAME.png: any format, matched by the names without suffix;\n"
        f"  or the same below train/, val/ and test/, or with these below {IMAGES}/ and {MASKS}/;\n"
        "  or files anywhere, and a table that names them: `--set dataset.listing=FILE.csv`, with the columns image "
        "and mask"
    )


def there(root: Path) -> str:
    """What a folder holds instead, in words."""
    counts = Counter(sorted(_folders_of_files(root)))
    names = [f"{folder} ({count:,} {'file' if count == 1 else 'files'})" for folder, count in counts.items()]
    if not names:
        return "it is empty"
    return f"found are {', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} folders more' if names[SHOWN:] else ''}"


def _folders_of_files(root: Path, depth: int = 4) -> Iterator[str]:
    """For each file in a folder, and in the folders in it, the folder that it is in."""
    for entry in root.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and depth:
            yield from (str(PurePosixPath(entry.name) / path) for path in _folders_of_files(entry, depth - 1))
        elif entry.is_file():
            yield "."
