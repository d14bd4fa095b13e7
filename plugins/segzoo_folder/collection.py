"""The dataset of a folder: everything that is decided about it, and the samples of each split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.images import channels_first
from segzoo.data.pixels import Pixels
from segzoo.data.samples import OnDemand
from segzoo.errors import DataError
from segzoo.plugin import Info, Split
from segzoo_folder import ImageFolder
from segzoo_folder.files import stamp_of
from segzoo_folder.images import decide_pixels, shared_channels, suggest
from segzoo_folder.index import Index, Pages
from segzoo_folder.inspection import inspect, inspect_image, inspect_mask
from segzoo_folder.labels import find_labels
from segzoo_folder.layout import SPLITS, without_masks
from segzoo_folder.masks import Instances, Labels, apply_region
from segzoo_folder.pairs import Pair
from segzoo_folder.scan import Scan
from segzoo_folder.scan import scan as scan_folder
from segzoo_folder.splits import SplitAssignment

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 3
"""Files that a message lists."""


@dataclass(frozen=True)
class Reading:
    """How the files of a sample become pixels and labels."""

    pixels: Pixels
    labels: Labels | Instances


@dataclass(frozen=True)
class Samples:
    """The samples of a split."""

    pages: Pages
    reading: Reading

    @property
    def ids(self) -> Sequence[str]:
        """See `Pages.id`."""
        return OnDemand(len(self), self.pages.id)

    @property
    def files(self) -> Sequence[tuple[Path, ...]]:
        """See `Pages.files`."""
        return OnDemand(len(self), self.pages.files)

    def __len__(self) -> int:
        return len(self.pages)

    def __getitem__(self, index: int, /) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Image (H, W, C) and mask uint8 (H, W).

        Raises:
            DataError: if a file cannot be read, differs in form from others, or image and mask differ in size or pages.
        """
        self.pages.require_same_page_count(index)
        root, pair = self.pages.root, self.pages.pair(index)
        number = max(0, int(self.pages.numbers[index]))
        image, labels = self.reading.pixels.read(root / pair.image, number), self._labels(pair, number)
        if labels.shape == image.shape[1:] != image.shape[:2]:
            raise DataError(f"{root / pair.image} has another size than its mask{channels_first(image.shape)}")
        return image, labels

    def _labels(self, pair: Pair, page: int) -> NDArray[np.uint8]:
        """The labels of a page of a pair, with IGNORE outside of its region of interest."""
        root = self.pages.root
        labels = self.reading.labels.read([root / path for path in pair.masks], page)
        return apply_region(labels, root / pair.region, page) if pair.region else labels


@dataclass(frozen=True)
class Collection:
    """The description of a folder, and what reading its samples takes."""

    info: Info
    reading: Reading
    pages: Pages
    assignment: SplitAssignment
    extents: NDArray[Any]
    """The rows of EXTENTS of the training images, as far as they are known."""
    unsupported: tuple[str, ...] = ()
    """Files of unsupported formats, which are left out."""

    def samples(self, split: Split) -> Samples:
        """The samples of a split.

        Raises:
            DataError: if there is no such split, or no image came to be in it.
        """
        return Samples(self.pages.take(self.assignment.indices(split)), self.reading)


_latest: dict[tuple[Path, str | None, str | None, str | None, Path], tuple[Scan, Index]] = {}
"""The last scan of a folder and its index."""


def collection(options: ImageFolder, cache: Path, refresh: bool) -> Collection:
    """The dataset of a folder; only new and changed files are opened.

    The times of 100,000 files take a good part of a second to read, so only `refresh`, at the start of a run, reads
    them; otherwise the last scan is used until a file is added or removed.

    Raises:
        ConfigError: if no folder is named, or an option does not go with what is there.
        DataError: if files have no partner, or their contents are ambiguous.
    """
    root = options.folder()
    key = root, options.listing, options.regions, options.stack, cache
    scan, index = _latest.get(key, (None, None))
    if refresh or scan is None or not scan.unchanged(root):
        _latest.clear()
        scan, index = scan_folder(root, options.listing, options.regions), None
    _require_valid(options, scan)
    if index is None:
        index = inspect(root, scan.pairs, _index_folder(options, cache), options.stack)
        _latest[key] = replace(scan, pairs=index.pairs), index
    stamp = stamp_of(options.splits) if options.splits else None
    return replace(_collected(options.model_dump_json(), index, stamp), unsupported=scan.unsupported)


@lru_cache(maxsize=1)  # a run asks several times; as long as no file changes, the answer is the same
def _collected(options_json: str, index: Index, splits: int | None) -> Collection:
    """The dataset for these options, this index, and a table of splits with this stamp."""
    options = ImageFolder.model_validate_json(options_json)
    root, pairs = options.folder(), index.pairs
    images, masks = index.images.file_groups(pairs.images), index.masks.file_groups(pairs.masks)
    if not images:
        inspect_image(root / pairs[0].image, options.stack)  # raises the error of the file
        raise DataError(f"the images below {root} cannot be read; `segzoo data verify` tells why")
    if not masks:
        inspect_mask(root / pairs[0].masks[0])
        raise DataError(f"the masks below {root} cannot be read; `segzoo data verify` tells why")
    pages = Pages.of(root, index)
    assignment = SplitAssignment.of(options, pages)
    channels = options.channels or shared_channels(root, images)
    objects = options.instances is not None or pairs.several
    labels = Instances.of(options, pairs.several) if objects else find_labels(options, masks)
    train = np.flatnonzero(assignment.split_numbers == SPLITS.index("train"))
    extents = pages.take(train).extents()
    reading = Reading(decide_pixels(options, channels, images, extents), labels)
    sizes = [size for group in images for size in [(group.facts.height, group.facts.width)] * group.size]
    suggestion = suggest(sizes, len(train))
    pixels = reading.pixels
    info = Info(reading.labels.classes, channels, assignment.splits, *suggestion, pixels.range, pixels.reading)
    return Collection(info, reading, pages, assignment, extents)


def _index_folder(options: ImageFolder, cache: Path) -> Path:
    """The folder of the index in the cache."""
    options_of_index = (part or "" for part in (options.listing, options.stack, options.regions))
    name = "\0".join([str(options.folder()), *options_of_index]).encode("utf-8", "surrogateescape")
    return cache / "folder" / sha256(name).hexdigest()[:16]


def _require_valid(options: ImageFolder, scan: Scan) -> None:
    """Raise if samples have a name twice or lack regions of interest; if files are missing, unless that is allowed."""
    root = options.folder()
    if scan.duplicates:
        raise DataError(
            f"{root} has {len(scan.duplicates):,} times two files for one sample: {some(scan.duplicates)}; remove one "
            "of each, or write a table of those to take, for `--set dataset.listing=FILE.csv`"
        )
    if scan.missing_regions:
        raise DataError(
            f"{root} lacks the regions of interest of {len(scan.missing_regions):,} images: "
            f"{some(scan.missing_regions)}. Each image needs one; if all of it counts, that is white all over"
        )
    if not options.allow_missing or not len(scan.pairs):
        _require_complete(options, scan)


def _require_complete(options: ImageFolder, scan: Scan) -> None:
    """Raise unless each image has a mask, each mask an image, and all are of formats that can be read."""
    root, faults = options.folder(), []
    way = "To take those that are complete, add `--set dataset.allow_missing=true`" if len(scan.pairs) else ""
    if scan.unsupported:
        kinds = "kinds" if len(scan.unsupported) > 1 else "a kind"
        faults.append(f"has {_files(scan.unsupported)} of {kinds} that cannot be read: {some(scan.unsupported)}")
    if scan.missing:
        together = "Images and masks belong together by their names without suffix, or as a listing says"
        if options.listing is not None:
            together = f"Paths in a listing are relative to {root}, unless they are absolute"
        faults.append(f"lacks {_files(scan.missing)}: {some(scan.missing)}. {together}")
        table = "None has its fellow: write a table that names both, for `--set dataset.listing=FILE.csv`"
        way = way or "\n".join([table, *without_masks(root)])
    if faults:
        raise DataError(f"{root} {'. It '.join(faults)}{f'. {way}' if way else ''}")


def _files(lines: Sequence[str]) -> str:
    return f"{len(lines):,} file{'s' if len(lines) > 1 else ''}"


def some(lines: Sequence[str]) -> str:
    """The first lines, for a message."""
    return f"{'; '.join(lines[:SHOWN])}{' and more' if lines[SHOWN:] else ''}"
