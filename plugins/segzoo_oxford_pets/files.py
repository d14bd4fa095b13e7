"""Reading the files of the Oxford-IIIT Pet dataset: lists, splits, images and trimaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import scandir
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from segzoo.data.images import read_image, read_mask
from segzoo.errors import ConfigError, DataError
from segzoo.plugin import IGNORE, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo_oxford_pets import OxfordPets

IMAGES, TRIMAPS = "images", "annotations/trimaps"
LISTS = ("annotations/trainval.txt", "annotations/test.txt")
"""Of the official split."""

ALL_PAIRS = 7_390
"""Pairs of image and trimap in the archives; the lists name 41 less."""

LABELS = {
    "trimap": (0, 1, 2),
    "binary_border_fg": (1, 0, 1),
    "binary_border_ignore": (1, 0, IGNORE),
}
"""The labels of the values 1, 2 and 3 of a trimap, which are pet, background and border."""


@dataclass(frozen=True)
class Pairs:
    """Images and their trimaps, decoded when asked for."""

    folder: Path
    names: tuple[str, ...]
    labels: str

    @property
    def ids(self) -> Sequence[str]:
        """File names without suffix, such as `Abyssinian_1`."""
        return self.names

    def __len__(self) -> int:
        return len(self.names)

    def files(self, name: str) -> tuple[Path, Path]:
        """The image of a name and its trimap."""
        return self.folder / IMAGES / f"{name}.jpg", self.folder / TRIMAPS / f"{name}.png"

    def __getitem__(self, index: int, /) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Image uint8 (H, W, 3) and mask uint8 (H, W).

        Raises:
            DataError: if a file cannot be read, has other values than a trimap, or another size than its fellow.
        """
        image_path, trimap_path = self.files(self.names[index])
        image, mask = read_image(image_path, 3), read_trimap(trimap_path, self.labels)
        if image.shape[:2] != mask.shape:
            sizes = [f"{array.shape[0]}x{array.shape[1]}" for array in (image, mask)]
            raise DataError(f"{image_path} is {sizes[0]} pixels, but {trimap_path} is {sizes[1]}")
        return image, mask


def split_names(folder: Path, split: Split, options: OxfordPets) -> list[str]:
    """Names of the images of a split, in an order that depends on the names alone.

    Raises:
        DataError: if the folder has not the official layout, or lacks files that its lists name.
        ConfigError: if `val_size` leaves nothing to train on.
    """
    lists = LISTS if options.split == "official" else ()
    missing = [name for name in (IMAGES, TRIMAPS, *lists) if not (folder / name).exists()]
    if missing:
        raise DataError(
            f"{folder} has not the layout of the Oxford-IIIT Pet dataset: it lacks {', '.join(missing)}; "
            f"expected are {IMAGES}/*.jpg, {TRIMAPS}/*.png{''.join(f', {name}' for name in lists)}"
        )
    if options.split == "article":
        names = pairs_in(folder)
        if len(names) != ALL_PAIRS and not options.allow_missing:
            raise DataError(
                f"{folder} holds {len(names):,} of the {ALL_PAIRS:,} pairs that the article splits; "
                "to take those that are there, add `--set dataset.allow_missing=true`"
            )
    else:
        names = listed(folder, lists[split == "test"], options.allow_missing)
    if not names:
        raise DataError(f"{folder} holds no pairs of {IMAGES}/NAME.jpg and {TRIMAPS}/NAME.png for the split '{split}'")
    if split == "test":
        return names
    train, val = divide(names, options.val_size or (1000 if options.split == "article" else max(1, len(names) // 10)))
    return train if split == "train" else val


def divide(names: Sequence[str], val_size: int) -> tuple[list[str], list[str]]:
    """Names for training and for validation, shuffled as in the article: `Random(1337)`, the last `val_size` for val.

    The article is the Keras example "Image segmentation with a U-Net-like architecture" (F. Chollet, 2019).
    """
    if val_size >= len(names):
        raise ConfigError(
            f"dataset 'oxford_pets', option 'val_size': {val_size:,} of {len(names):,} images leave none to train on; "
            f"choose less, such as `--set dataset.val_size={max(1, len(names) // 10)}`"
        )
    shuffled = list(names)
    Random(1337).shuffle(shuffled)
    return shuffled[:-val_size], shuffled[-val_size:]


def pairs_in(folder: Path) -> list[str]:
    """Names for which there are an image and a trimap, in the order of their file names."""
    names = stems(folder / IMAGES, ".jpg") & stems(folder / TRIMAPS, ".png")
    return sorted(names, key=lambda name: f"{name}.jpg")  # sorted as the article does: by the whole file name


def listed(folder: Path, file: str, allow_missing: bool) -> list[str]:
    """Names that a list of the dataset names, sorted; without those that lack a file, where that is allowed."""
    names = names_in(folder / file)
    complete = set(pairs_in(folder))
    missing = [name for name in names if name not in complete]
    if missing and not allow_missing:
        paths = [path for name in missing[:3] for path in (f"{IMAGES}/{name}.jpg", f"{TRIMAPS}/{name}.png")]
        absent = [path for path in paths if not (folder / path).exists()]
        raise DataError(
            f"{folder / file} names {len(names):,} images, {len(missing):,} of which lack the photo or the trimap: "
            f"{', '.join(absent)}{' and more' if missing[3:] else ''} are not there; "
            "to take those that are, add `--set dataset.allow_missing=true`"
        )
    return [name for name in names if name in complete]


def names_in(file: Path) -> list[str]:
    """The names in one of the dataset's lists, sorted."""
    lines = file.read_text("utf-8").splitlines()
    return sorted({line.split()[0] for line in lines if line.strip() and not line.startswith("#")})


def absent(folder: Path, options: OxfordPets) -> list[str]:
    """Photos and trimaps that lack their fellow, and unless `allow_missing` those that lack on the official lists."""
    kinds = {IMAGES: ".jpg", TRIMAPS: ".png"}
    present = [kind for kind in kinds if (folder / kind).is_dir()]
    names_by_kind = {kind: stems(folder / kind, kinds[kind]) for kind in present}
    wanted = {name: "its fellow is there" for names in names_by_kind.values() for name in names}
    if options.split == "official" and not options.allow_missing:
        lists = [folder / file for file in LISTS if (folder / file).exists()]
        wanted |= {name: f"{file.name} names it" for file in lists for name in names_in(file)}
    return [
        f"{folder / kind / name}{suffix} is not there, but {reason}"
        for name, reason in sorted(wanted.items())
        for kind, suffix in kinds.items()
        if name not in names_by_kind.get(kind, ())
    ]


def stems(folder: Path, suffix: str) -> set[str]:
    """File names of a suffix, without it; not the hidden `._*` that macOS put into the official archive."""
    with scandir(folder) as entries:  # creating a `Path` for each would double the time to open the dataset
        names = [entry.name for entry in entries]
    return {name.removesuffix(suffix) for name in names if name.endswith(suffix) and not name.startswith(".")}


def read_trimap(path: Path, labels: str) -> NDArray[np.uint8]:
    """A trimap as a mask uint8 (H, W), by one of the policies of LABELS."""
    values = read_mask(path)
    if values.ndim == 3:
        raise DataError(f"{path} is no trimap: it has the mode RGB instead of 8 bits in one channel")
    if wrong := sorted(set(np.unique(values).tolist()) - {1, 2, 3}):
        raise DataError(f"{path} is no trimap: it has the values {wrong}, besides 1 pet, 2 background and 3 border")
    return np.take(np.array([IGNORE, *LABELS[labels]], np.uint8), values)
