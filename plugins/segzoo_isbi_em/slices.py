"""Reading the slices of the ISBI challenge of 2012 and their labels, from its volumes or from single files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.images import pages, read_image, read_mask
from segzoo.errors import DataError
from segzoo_isbi_em import SLICES

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOLUMES = ("train-volume.tif", "train-labels.tif")
FOLDERS = ("train/image", "train/label")
CELL = 255
"""What the labels say of cells; membranes are 0."""


class Pair(NamedTuple):
    """Where a slice and its labels are."""

    image: Path
    label: Path
    page: int


@dataclass(frozen=True)
class Slices:
    """Slices and their labels, decoded when asked for."""

    folder: Path
    numbers: tuple[int, ...]

    @property
    def ids(self) -> Sequence[str]:
        """Such as `slice-07`, for the file `7.png`, or for the page 7 counted from 0."""
        return [f"slice-{number:02}" for number in self.numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int, /) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Image (H, W, 1) and mask uint8 (H, W), 0 membrane and 1 cell.

        Raises:
            DataError: if a file cannot be read, is not grey, or has labels other than 0 and 255.
        """
        image, label, page = pair(self.folder, self.numbers[index])
        return read_image(image, 1, page), read_label(label, page)


def read_label(path: Path, page: int) -> NDArray[np.uint8]:
    """Labels 0 and 255 as a mask uint8 (H, W) of 0 and 1."""
    labels = read_mask(path, page)
    if labels.ndim != 2:
        raise DataError(f"{path} is in colour; the labels of membranes are grey, 0 and 255")
    if wrong := sorted(set(np.unique(labels).tolist()) - {0, CELL}):
        place = f"page {page} of {path}, counted from 0," if path.name in VOLUMES else f"{path}"
        raise DataError(
            f"{place} has the labels {', '.join(map(str, wrong[:5]))}{' and more' if wrong[5:] else ''}, "
            "besides 0 for membrane and 255 for cell; was it resized or saved as a JPEG?"
        )
    mask: NDArray[np.uint8] = (labels == CELL).astype(np.uint8)
    return mask


def in_volumes(folder: Path) -> bool:
    """Whether the slices are to be read from the volumes; if there are single files too, those are not looked at."""
    return any((folder / name).exists() for name in VOLUMES)


def pair(folder: Path, number: int) -> Pair:
    """Where the slice of a number is, or should be."""
    if in_volumes(folder):
        return Pair(folder / VOLUMES[0], folder / VOLUMES[1], number)
    return Pair(folder / FOLDERS[0] / f"{number}.png", folder / FOLDERS[1] / f"{number}.png", 0)


def absent(folder: Path) -> list[Path]:
    """The files that are not there."""
    wanted = {path: None for number in range(SLICES) for path in pair(folder, number)[:2]}
    return [path for path in wanted if not path.is_file()]


def require_complete(folder: Path) -> None:
    """Raise a DataError unless all slices are there."""
    if not in_volumes(folder) and not all((folder / name).is_dir() for name in FOLDERS):
        raise DataError(
            f"{folder} holds neither {' and '.join(VOLUMES)} "
            f"nor {' and '.join(f'{name}/0.png to {SLICES - 1}.png' for name in FOLDERS)}"
        )
    if lacking := absent(folder):
        names = ", ".join(str(path.relative_to(folder)) for path in lacking[:3])
        raise DataError(f"{folder} lacks {names}{f' and {len(lacking) - 3} more' if lacking[3:] else ''}")
    if in_volumes(folder):
        counts = {folder / name: pages(folder / name) for name in VOLUMES}
        if set(counts.values()) != {SLICES}:
            page_counts = " and ".join(f"{path} has {count} pages" for path, count in counts.items())
            raise DataError(f"{page_counts}, but the challenge's volumes have {SLICES} each; is one cut off?")
