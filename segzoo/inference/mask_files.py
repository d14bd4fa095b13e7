"""Masks that another tool has made of the samples of a split: found by names, and held to what they are of."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.faults import outside
from segzoo.data.images import read_mask
from segzoo.data.samples import CheckedSamples
from segzoo.errors import ConfigError, DataError
from segzoo.files.filenames import file_names
from segzoo.inference.sources import SUFFIXES
from segzoo.processes.threads import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 3
"""Samples or files of a kind of fault that are named."""

PAGE = re.compile(r"(.+)#(\d+)")
"""The id of a page of a file."""
WHITE = 255
"""What many tools save for the second of two classes."""


class MaskFile(NamedTuple):
    """A mask in a file."""

    path: Path
    page: int
    """Counted from 0."""

    def __str__(self) -> str:
        return f"{self.path}{f', page {self.page}' if self.page else ''}"


def find_masks(folder: Path, samples: CheckedSamples) -> list[MaskFile]:
    """The mask of each sample: in a file below a folder that is called like its id, like a file for it, or its image.

    Suffixes do not count. An id with slashes is a path below the folder; `NAME#003` may be the page 3 of NAME.

    Raises:
        ConfigError: if there is no such folder, or several files are called like a sample.
        DataError: if there is no file for a sample.
    """
    if not folder.is_dir():
        raise ConfigError(f"--predictions {folder}: there is no such folder")
    files = _by_name(folder)
    found = [next(((files[name], page) for name, page in names if name in files), None) for names in _names(samples)]
    missing = [name for name, masks in zip(samples.ids, found, strict=True) if masks is None]
    if missing:
        inside = folder / "masks"  # as `segzoo predict` calls it
        instead = f"; or are they in {inside}?" if inside.is_dir() else ""
        raise DataError(
            f"{folder} has no mask of {len(missing):,} of the {len(samples):,} samples of the split '{samples.split}', "
            f"such as {', '.join(map(repr, missing[:SHOWN]))}: a mask is called like the id of its sample or like its "
            f"image, as {folder / missing[0]}.png{instead}"
        )
    known = [masks for masks in found if masks]
    if several := [paths for paths, _ in known if paths[1:]]:
        raise ConfigError(f"{several[0][0]} and {several[0][1]} are called alike: keep the one that is to be scored")
    return [MaskFile(paths[0], page) for paths, page in known]


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """The image files below a folder by their paths in it without suffixes, hidden files left out."""
    files = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        short = path.relative_to(folder)
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in short.parts):
            files[short.with_suffix("").as_posix()].append(path)
    return files


def _names(samples: CheckedSamples) -> Iterator[list[tuple[str, int]]]:
    """What the file with the mask of each sample may be called, without a suffix, and the page of it."""
    ids = samples.ids
    pages = [PAGE.fullmatch(name) for name in ids]
    stacks = [page[1] if page else name for name, page in zip(ids, pages, strict=True)]
    images = [paths[0].stem for paths in samples.files] or [PurePosixPath(name).name for name in stacks]
    files, times = file_names({*ids, *stacks}), Counter(image for image, _ in {*zip(images, stacks, strict=True)})
    for name, stack, page, image in zip(ids, stacks, pages, images, strict=True):
        number = int(page[2]) if page else 0
        plain = PurePosixPath(stack)
        without = str(plain.with_suffix("")) if plain.suffix.lower() in SUFFIXES else stack
        alone = [(f"{image}{name.removeprefix(stack)}", 0), (image, number)] if times[image] == 1 else []
        yield [(name, 0), (files[name], 0), (stack, number), (without, number), (files[stack], number), *alone]


@dataclass(frozen=True)
class MaskedSamples(Sequence["tuple[NDArray[np.uint8], NDArray[np.uint8]]"]):
    """The true mask (H, W) of each sample, and the labels (H, W, 1) in a file of another tool."""

    samples: CheckedSamples
    files: Sequence[MaskFile]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any, /) -> Any:
        _, mask = self.samples[index]
        file = self.files[index]
        labels = read_mask(*file)
        if labels.ndim != 2:
            raise DataError(f"{file} is in colour: save the numbers of the classes, a channel of integers")
        if labels.shape != mask.shape:
            sizes = [f"{height}x{width}" for height, width in (labels.shape, mask.shape)]
            raise DataError(f"{file} is {sizes[0]} pixels, its sample '{self.samples.ids[index]}' {sizes[1]}")
        classes = len(self.samples.info.classes)
        if classes == 2 and not np.any((labels > 0) & (labels != WHITE)):
            labels = labels // WHITE
        if labels.max() >= classes:
            values = outside(labels, classes)
            raise DataError(f"{file} has labels that are no class: {values}; classes are 0 to {classes - 1}")
        return mask, labels.astype(np.uint8)[..., None]

    def check(self) -> None:
        """Read all.

        Raises:
            DataError: naming the first files that cannot be scored, and how many there are.
        """

        def fault(index: int) -> str:
            try:
                self[index]
            except DataError as error:
                return str(error)
            return ""

        if faults := [*filter(None, in_parallel(fault, range(len(self))))]:
            more = f"; and {len(faults) - SHOWN:,} more files" if faults[SHOWN:] else ""
            raise DataError(f"{'; '.join(faults[:SHOWN])}{more}")
