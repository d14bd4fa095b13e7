"""Masks that another tool has made of the samples of a split: found by names, and held to what they are of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

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

WHITE = 255
"""What many tools save for the second of two classes."""


def find_masks(folder: Path, samples: CheckedSamples) -> list[Path]:
    """The file below a folder that is called like each sample: as its id, as the name of files for it, or as its image.

    Suffixes do not count. An id with slashes is a path below the folder.

    Raises:
        ConfigError: if there is no such folder, or several files are called like a sample.
        DataError: if there is no file for a sample.
    """
    if not folder.is_dir():
        raise ConfigError(f"--predictions {folder}: there is no such folder")
    files = _by_name(folder)
    found = [next((files[name] for name in names if name in files), []) for names in _names(samples)]
    missing = [samples.ids[index] for index, paths in enumerate(found) if not paths]
    if missing:
        raise DataError(
            f"{folder} has no mask of {len(missing):,} of the {len(samples):,} samples of the split '{samples.split}', "
            f"such as {', '.join(map(repr, missing[:SHOWN]))}: a mask is called like the id of its sample or like its "
            f"image, as {folder / missing[0]}.png"
        )
    if several := [paths for paths in found if paths[1:]]:
        raise ConfigError(f"{several[0][0]} and {several[0][1]} are called alike: keep the one that is to be scored")
    return [path for (path,) in found]


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """The image files below a folder by their paths in it without suffixes, hidden files left out."""
    files = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        short = path.relative_to(folder)
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in short.parts):
            files[short.with_suffix("").as_posix()].append(path)
    return files


def _names(samples: CheckedSamples) -> Iterator[list[str]]:
    """What the mask of each sample may be called, without a suffix."""
    ids, named = samples.ids, file_names(samples.ids)
    images = [paths[0].stem for paths in samples.files] or [PurePosixPath(name).name for name in ids]
    times = Counter(images)
    for name, image in zip(ids, images, strict=True):
        plain = PurePosixPath(name)
        without = str(plain.with_suffix("")) if plain.suffix.lower() in SUFFIXES else name
        yield [name, without, named[name], *([image] if times[image] == 1 else [])]


@dataclass(frozen=True)
class MaskedSamples(Sequence["tuple[NDArray[np.uint8], NDArray[np.uint8]]"]):
    """The true mask (H, W) of each sample, and the labels (H, W, 1) in a file of another tool."""

    samples: CheckedSamples
    paths: Sequence[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any, /) -> Any:
        _, mask = self.samples[index]
        labels, path = read_mask(self.paths[index]), self.paths[index]
        if labels.ndim != 2:
            raise DataError(f"{path} is in colour: save the numbers of the classes, a channel of integers")
        if labels.shape != mask.shape:
            sizes = [f"{height}x{width}" for height, width in (labels.shape, mask.shape)]
            raise DataError(f"{path} is {sizes[0]} pixels, its sample '{self.samples.ids[index]}' {sizes[1]}")
        classes = len(self.samples.info.classes)
        if classes == 2 and not np.any((labels > 0) & (labels != WHITE)):
            labels = labels // WHITE
        if labels.max() >= classes:
            values = outside(labels, classes)
            raise DataError(f"{path} has labels that are no class: {values}; classes are 0 to {classes - 1}")
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
