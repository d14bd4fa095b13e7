"""The scan of a folder: which files are images and masks of the same samples; none is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from segzoo.errors import DataError
from segzoo_folder.files import ABSENT, READABLE, UNKNOWN, UNSUPPORTED, Files, Stamps, stamp_of, why_unsupported
from segzoo_folder.layout import IMAGES, MASKS, SPLITS, SplitFolders, contents, known_layouts, split_folders
from segzoo_folder.listing import listed
from segzoo_folder.matching import Affixes, MaskGroups, Matches, group_masks, matches
from segzoo_folder.pairs import UNSPLIT, Pairs, columns, decode, encode, merged, spans

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)  # equal only to itself: to compare so many names takes long
class Scan:
    """The pairs of a folder by their ids, and its faults, a line each."""

    pairs: Pairs
    missing: tuple[str, ...]
    """Images without a mask, masks without an image, and files of a table that do not exist."""
    duplicates: tuple[str, ...]
    """Pairs of files that would be the same sample."""
    unsupported: tuple[str, ...]
    """Files of unsupported formats that may be images or masks."""
    missing_regions: tuple[str, ...]
    """Images without a region of interest, where regions are used."""
    searched: Stamps
    """The folders that were scanned, or the table."""

    def unchanged(self, root: Path) -> bool:
        """Whether no file was added or removed since, which changes its folder; files may have changed in place."""
        return self.searched.unchanged(root)


def scan(root: Path, listing: str | None, regions: str | None = None) -> Scan:
    """Scan a folder for pairs, by the names of files or as a table lists them, and for regions of interest if asked.

    Raises:
        DataError: if the folder is not there or not to be read, has no layout that is known, or the table cannot be
            read.
    """
    try:
        return _scan(root, listing, regions)
    except OSError as error:
        raise DataError(f"cannot look through {error.filename}: {error.strerror}; see to the rights of it") from error


def _scan(root: Path, listing: str | None, regions: str | None) -> Scan:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; {known_layouts()}")
    if listing is not None:
        return _listed(root, root / listing)
    layout = split_folders(root)
    if not layout:
        raise DataError(f"{root} has no layout that the dataset 'folder' knows; {known_layouts()}\n{contents(root)}")
    result = _combined([_scan_split(root, folders, regions) for folders in layout])
    if not len(result.pairs) and not result.missing and not result.unsupported:
        raise DataError(f"{root} holds no images; {known_layouts()}\n{contents(root)}")
    return result


def _combined(parts: list[Scan]) -> Scan:
    return Scan(
        merged([part.pairs for part in parts]),
        tuple(line for part in parts for line in part.missing),
        tuple(line for part in parts for line in part.duplicates),
        tuple(line for part in parts for line in part.unsupported),
        tuple(line for part in parts for line in part.missing_regions),
        Stamps.joined([part.searched for part in parts]),
    )


def _scan_split(root: Path, folders: SplitFolders, regions: str | None) -> Scan:
    """The pairs of the images and masks of a split, matched by the names of the files without suffix."""
    images, masks = (Files.below(root, folder) for folder in (folders.images, folders.masks))
    if folders.per_sample:
        images = _named_by_folder(root, images, "images")
        groups, matched = MaskGroups.of(images.names, _folders(masks))
    else:
        groups, matched = group_masks(images.names, masks.names)
    names, numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order, starts = np.argsort(numbers, kind="stable"), np.cumsum(counts) - counts
    first_masks = masks.take(order[starts])._replace(names=names)
    rest = unpaired(root, images, first_masks, matched)
    scan = Scan(
        _pairs(
            folders,
            images.take(matched.images),
            masks.take(order[spans(starts[matched.masks], counts[matched.masks])]),
            np.cumsum(counts[matched.masks]),
        ),
        (*_missing(root, folders, images.take(rest.images), first_masks.take(rest.masks), matched),),
        (*images.duplicates, *masks.duplicates),
        rest.unsupported,
        (),
        Stamps.joined([images.folders, masks.folders]),
    )
    return scan if regions is None else _with_regions(root, folders, regions, images.take(matched.images), scan)


def _missing(root: Path, folders: SplitFolders, images: Files, masks: Files, matched: Matches) -> Iterator[str]:
    """The files that these images and masks lack, a line each."""
    for name, path in images.names_and_paths():
        yield f"{root / path} has no mask {folders.expected_file(folders.masks, matched.mask_of(name))}"
    for name, path in masks.names_and_paths():
        yield f"{root / path} has no image {folders.expected_file(folders.images, matched.image_of(name))}"


def _with_regions(root: Path, folders: SplitFolders, folder: str, images: Files, scan: Scan) -> Scan:
    """The scan with the regions of interest of the images that have masks, from a folder beside theirs."""
    regions = Files.below(root, region_folder := folders.regions(root, folder))
    if folders.per_sample:
        regions = _named_by_folder(root, regions, "regions")
    matched = matches(images.names, regions.names)
    without = np.setdiff1d(np.arange(len(images.names)), matched.images, assume_unique=True)
    lines = [
        f"{root / path} has no region {folders.expected_file(region_folder, matched.mask_of(name))}"
        for name, path in images.take(without).names_and_paths()
    ]
    paths, stamps = np.zeros(len(images.names), regions.paths.dtype), np.zeros(len(images.names), np.int64)
    paths[matched.images], stamps[matched.images] = regions.paths[matched.masks], regions.stamps[matched.masks]
    return replace(
        scan,
        pairs=replace(scan.pairs, regions=paths, region_stamps=stamps),
        duplicates=(*scan.duplicates, *regions.duplicates),
        missing_regions=tuple(lines),
        searched=Stamps.joined([scan.searched, regions.folders]),
    )


def _folders(files: Files) -> NDArray[np.bytes_]:
    """The folder of the sample that each file is of."""
    return columns(((name.partition(b"/")[0],) for name in files.names), (np.bytes_,))[0]


def _named_by_folder(root: Path, files: Files, kind: str) -> Files:
    """Images or regions named by the folders that they are in; a DataError if a folder holds several."""
    names = _folders(files)
    repeated = np.flatnonzero(names[1:] == names[:-1])
    if len(repeated):
        first, other = (root / decode(path) for path in files.paths[repeated[0] : repeated[0] + 2])
        raise DataError(
            f"{first} and {other} are two {kind} of one sample: of folders with {IMAGES} and {MASKS} in each, each "
            "holds one image, and a mask of each object on it. If they are patients or films, write a table with the "
            "columns image, mask and group, for `--set dataset.listing=FILE.csv`"
        )
    return files._replace(names=names).take(np.argsort(names))


def _pairs(folders: SplitFolders, images: Files, masks: Files, ends: NDArray[np.int64]) -> Pairs:
    """The pairs of these images and masks; `ends` says where the masks of each image end."""
    count = len(images.names)
    return Pairs(
        np.char.add(encode(folders.prefix), images.names),
        images.paths,
        masks.paths,
        ends,
        np.zeros(count, "S1"),
        np.zeros(count, "S1"),
        np.full(count, SPLITS.index(folders.split) if folders.split else UNSPLIT, np.uint8),
        images.stamps,
        masks.stamps,
        np.zeros(count, np.int64),
    )


class Unpaired(NamedTuple):
    """Images and masks without a partner."""

    images: NDArray[np.intp]
    masks: NDArray[np.intp]
    """Indices of those whose partner is not even a file of an unsupported format."""
    unsupported: tuple[str, ...]
    """Files of unsupported formats, a line each; those of unknown formats only where they are partners."""


class _Candidates(NamedTuple):
    """Images or masks without a partner: those that can be read, then those of unsupported or unknown formats."""

    names: NDArray[np.bytes_]
    paths: NDArray[np.bytes_]
    kinds: NDArray[np.uint8]

    @classmethod
    def of(cls, files: Files, read: NDArray[np.intp]) -> _Candidates:
        return cls(
            np.append(files.names[read], files.unsupported.names),
            np.append(files.paths[read], files.unsupported.paths),
            np.append(np.full(len(read), READABLE, np.uint8), files.unsupported.kinds),
        )

    def others(self, indices: NDArray[np.intp], kind: int) -> NDArray[np.intp]:
        """The indices of a kind, except for these."""
        return np.setdiff1d(np.flatnonzero(self.kinds == kind), indices, assume_unique=True)


def unpaired(root: Path, images: Files, masks: Files, matched: Matches) -> Unpaired:
    """The images and masks that are not matched, with the files of unsupported formats that belong to them."""
    images_left, masks_left = (
        np.setdiff1d(np.arange(len(side.names)), rows, assume_unique=True)
        for side, rows in ((images, matched.images), (masks, matched.masks))
    )
    image_side, mask_side = _Candidates.of(images, images_left), _Candidates.of(masks, masks_left)
    image_rows, mask_rows = _partners(image_side, mask_side, matched.affixes)
    lines = [
        line
        for image, mask in zip(image_rows.tolist(), mask_rows.tolist(), strict=True)
        for line in _of_pair(
            root,
            decode(image_side.paths[image]),
            image_side.kinds[image],
            decode(mask_side.paths[mask]),
            mask_side.kinds[mask],
        )
    ]
    for side, rows in ((image_side, image_rows), (mask_side, mask_rows)):
        paths = map(decode, side.paths[side.others(rows, UNSUPPORTED)])
        lines += [f"{root / path} {why_unsupported(path)}, or move it away" for path in paths]
    return Unpaired(
        images_left[image_side.others(image_rows, READABLE)],
        masks_left[mask_side.others(mask_rows, READABLE)],
        tuple(lines),
    )


def _of_pair(root: Path, image: str, image_kind: int, mask: str, mask_kind: int) -> Iterator[str]:
    if image_kind != READABLE:
        yield f"{root / image}, the image of {mask}, {why_unsupported(image)}"
    if mask_kind != READABLE:
        yield f"{root / mask}, the mask of {image}, {why_unsupported(mask)}"


def _partners(
    images: _Candidates, masks: _Candidates, affixes: Affixes | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of pairs of which the image or the mask is of an unsupported format."""
    pairs: list[NDArray[np.intp]] = [np.zeros(0, np.intp)] * 2
    for kinds in (
        (READABLE, UNSUPPORTED),
        (READABLE, UNSUPPORTED, UNKNOWN),
    ):  # unknown formats last: those may be anything
        rows = [
            np.setdiff1d(np.flatnonzero(np.isin(side.kinds, kinds)), paired, assume_unique=True)
            for side, paired in zip((images, masks), pairs, strict=True)
        ]
        matched = matches(images.names[rows[0]], masks.names[rows[1]], affixes)
        affixes = matched.affixes
        matches_of_sides = zip(pairs, rows, (matched.images, matched.masks), strict=True)
        pairs = [np.append(paired, row[indices]) for paired, row, indices in matches_of_sides]
    unsupported = (images.kinds[pairs[0]] != READABLE) | (masks.kinds[pairs[1]] != READABLE)
    return pairs[0][unsupported], pairs[1][unsupported]


def _listed(root: Path, file: Path) -> Scan:
    """The pairs of a table whose files exist."""
    pairs = listed(root, file)
    stamps = np.stack([pairs.image_stamps, pairs.mask_stamps], axis=1)
    absent = [(pairs.images, pairs.masks)[kind][row] for row, kind in np.argwhere(stamps == ABSENT).tolist()]
    order = np.argsort(pairs.ids, kind="stable")
    repeated = np.flatnonzero(pairs.ids[order[1:]] == pairs.ids[order[:-1]]) + 1
    duplicates = [
        f"{root / pairs[first].image} and {root / pairs[other].image}, in {file.name}, are both {pairs[other].id}"
        for first, other in zip(order[repeated - 1].tolist(), order[repeated].tolist(), strict=True)
    ]
    first_of_each = np.delete(order, repeated)
    without_region = np.flatnonzero((pairs.regions != b"") & (pairs.region_stamps == ABSENT)).tolist()
    return Scan(
        pairs.take(first_of_each[(stamps[first_of_each] != ABSENT).all(axis=1)]),
        tuple(f"{_absence(root / decode(path))}, but {file.name} names it" for path in absent),
        tuple(duplicates),
        (),
        tuple(
            f"{root / pairs[row].image} has no region {root / pairs[row].region}, as it should"
            for row in without_region
        ),
        Stamps(np.array([encode(str(file))]), np.array([stamp_of(file)], np.int64)),
    )


def _absence(path: Path) -> str:
    return f"{path} is {f'a link to {path.readlink()}, which is ' if path.is_symlink() else ''}not there"
