"""Which files of a folder belong together, found without opening any of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from segzoo.errors import DataError
from segzoo_folder.files import ABSENT, READABLE, UNKNOWN, UNREADABLE, Files, Stamped, reason, stamp_of
from segzoo_folder.layout import IMAGES, MASKS, SPLITS, Place, expected, places, there
from segzoo_folder.listing import listed
from segzoo_folder.matching import Affixes, Matches, Owners, matches, owners
from segzoo_folder.pairs import UNSPLIT, Pairs, coded, columns, merged, spans, text

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)  # equal only to itself: to compare so many names takes long
class Found:
    """The pairs of a folder by their ids, and what is wrong with it, a line each."""

    pairs: Pairs
    lacking: tuple[str, ...]
    """Images without a mask, masks without an image, files that a table names and that are not there."""
    doubled: tuple[str, ...]
    """Files of which two would be the same sample."""
    unread: tuple[str, ...]
    """Files of kinds that cannot be read, and may be images or masks."""
    without_region: tuple[str, ...]
    """Images without a region of interest, where others have one or are to have one."""
    places: Stamped
    """The folders that were looked through, or the table."""

    def stands(self, root: Path) -> bool:
        """Whether no file has come or gone since, as none has if no folder changed; not whether one has changed."""
        return self.places.stand(root)


def find(root: Path, listing: str | None, regions: str | None = None) -> Found:
    """The pairs in a folder, by their names or as a table lists them; with a folder of regions of interest, or none.

    Raises:
        DataError: if the folder is not there or not to be read, has no layout that is known, or the table cannot be
            read.
    """
    try:
        return _find(root, listing, regions)
    except OSError as error:
        raise DataError(f"cannot look through {error.filename}: {error.strerror}; see to the rights of it") from error


def _find(root: Path, listing: str | None, regions: str | None) -> Found:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; {expected()}")
    if listing is not None:
        return _listed(root, root / listing)
    known = places(root)
    if not known:
        raise DataError(f"{root} has no layout that the dataset 'folder' knows; {expected()}\n{there(root)}")
    found = _together([_matched(root, place, regions) for place in known])
    if not len(found.pairs) and not found.lacking and not found.unread:
        raise DataError(f"{root} holds no images; {expected()}\n{there(root)}")
    return found


def _together(found: list[Found]) -> Found:
    return Found(
        merged([one.pairs for one in found]),
        tuple(line for one in found for line in one.lacking),
        tuple(line for one in found for line in one.doubled),
        tuple(line for one in found for line in one.unread),
        tuple(line for one in found for line in one.without_region),
        Stamped.joined([one.places for one in found]),
    )


def _matched(root: Path, place: Place, regions: str | None) -> Found:
    """The pairs of one folder with images and one with masks, by the names of the files without suffix."""
    images, masks = (Files.below(root, folder) for folder in (place.images, place.masks))
    if place.each:
        images = _in_folders(root, images, "images")
    titles, found = Owners.of(images.names, _folders(masks)) if place.each else owners(images.names, masks.names)
    groups, places, counts = np.unique(titles, return_inverse=True, return_counts=True)
    order, starts = np.argsort(places, kind="stable"), np.cumsum(counts) - counts
    titled = masks.take(order[starts])._replace(names=groups)
    images_alone, masks_alone, unread = alone(root, images, titled, found)
    lacking = [
        f"{root / path} has no mask {place.beside(place.masks, found.mask_of(name))}"
        for name, path in images.named(images_alone)
    ]
    lacking += [
        f"{root / path} has no image {place.beside(place.images, found.image_of(name))}"
        for name, path in titled.named(masks_alone)
    ]
    own = masks.take(order[spans(starts[found.masks], counts[found.masks])])
    pairs = _pairs(place, images.take(found.images), own, np.cumsum(counts[found.masks]))
    seen = Stamped.joined([images.folders, masks.folders])
    whole = Found(pairs, tuple(lacking), (*images.doubled, *masks.doubled), unread, (), seen)
    return whole if regions is None else _with_regions(root, place, regions, images.take(found.images), whole)


def _with_regions(root: Path, place: Place, folder: str, images: Files, found: Found) -> Found:
    """What was found, with the regions of interest of the images that have masks, in a folder beside theirs."""
    regions = Files.below(root, where := place.regions(root, folder))
    if place.each:
        regions = _in_folders(root, regions, "regions")
    matched = matches(images.names, regions.names)
    without = np.setdiff1d(np.arange(len(images.names)), matched.images, assume_unique=True)
    lines = [
        f"{root / path} has no region {place.beside(where, matched.mask_of(name))}"
        for name, path in images.named(without)
    ]
    paths, stamps = np.zeros(len(images.names), regions.paths.dtype), np.zeros(len(images.names), np.int64)
    paths[matched.images], stamps[matched.images] = regions.paths[matched.masks], regions.stamps[matched.masks]
    return replace(
        found,
        pairs=replace(found.pairs, regions=paths, region_stamps=stamps),
        doubled=(*found.doubled, *regions.doubled),
        without_region=tuple(lines),
        places=Stamped.joined([found.places, regions.folders]),
    )


def _folders(files: Files) -> NDArray[np.bytes_]:
    """The folder of the sample that each file is of."""
    return columns(((name.partition(b"/")[0],) for name in files.names), (np.bytes_,))[0]


def _in_folders(root: Path, files: Files, kind: str) -> Files:
    """Images or regions in folders of which each has one, by the names of these; a DataError if one has several."""
    names = _folders(files)
    again = np.flatnonzero(names[1:] == names[:-1])
    if len(again):
        first, other = (root / text(path) for path in files.paths[again[0] : again[0] + 2])
        raise DataError(
            f"{first} and {other} are two {kind} of one sample: of folders with {IMAGES} and {MASKS} in each, each "
            "holds one image, and a mask of each object on it. If they are patients or films, write a table with the "
            "columns image, mask and group, for `--set dataset.listing=FILE.csv`"
        )
    return files._replace(names=names).take(np.argsort(names))


def _pairs(place: Place, images: Files, masks: Files, ends: NDArray[np.int64]) -> Pairs:
    """The pairs of images and of masks, of which those of each image end there."""
    count = len(images.names)
    return Pairs(
        np.char.add(coded(place.prefix), images.names),
        images.paths,
        masks.paths,
        ends,
        np.zeros(count, "S1"),
        np.zeros(count, "S1"),
        np.full(count, SPLITS.index(place.split) if place.split else UNSPLIT, np.uint8),
        images.stamps,
        masks.stamps,
        np.zeros(count, np.int64),
    )


class Alone(NamedTuple):
    """What of a folder with images and one with masks is not paired."""

    images: NDArray[np.intp]
    masks: NDArray[np.intp]
    """Indices of those of which not even a file that is not read is the partner."""
    unread: tuple[str, ...]
    """Files of kinds that cannot be read, a line each; those of unknown kinds only where they are partners."""


class _Side(NamedTuple):
    """Images or masks without a partner: those that are read, then the others."""

    names: NDArray[np.bytes_]
    paths: NDArray[np.bytes_]
    kinds: NDArray[np.uint8]

    @classmethod
    def of(cls, files: Files, read: NDArray[np.intp]) -> _Side:
        return cls(
            np.append(files.names[read], files.strange.names),
            np.append(files.paths[read], files.strange.paths),
            np.append(np.full(len(read), READABLE, np.uint8), files.strange.kinds),
        )

    def but(self, indices: NDArray[np.intp], kind: int) -> NDArray[np.intp]:
        """The indices of all others than these that are of a kind."""
        return np.setdiff1d(np.flatnonzero(self.kinds == kind), indices, assume_unique=True)


def alone(root: Path, images: Files, masks: Files, found: Matches) -> Alone:
    """What is to be told of images and masks, of which some belong together."""
    left, right = (
        np.setdiff1d(np.arange(len(files.names)), done, assume_unique=True)
        for files, done in ((images, found.images), (masks, found.masks))
    )
    own, other = _Side.of(images, left), _Side.of(masks, right)
    mine, theirs = _partners(own, other, found.affixes)
    lines = [
        line
        for image, mask in zip(mine.tolist(), theirs.tolist(), strict=True)
        for line in _of_pair(root, text(own.paths[image]), own.kinds[image], text(other.paths[mask]), other.kinds[mask])
    ]
    for side, done in ((own, mine), (other, theirs)):
        paths = map(text, side.paths[side.but(done, UNREADABLE)])
        lines += [f"{root / path} {reason(path)}, or move it away" for path in paths]
    return Alone(left[own.but(mine, READABLE)], right[other.but(theirs, READABLE)], tuple(lines))


def _of_pair(root: Path, image: str, image_kind: int, mask: str, mask_kind: int) -> Iterator[str]:
    if image_kind != READABLE:
        yield f"{root / image}, the image of {mask}, {reason(image)}"
    if mask_kind != READABLE:
        yield f"{root / mask}, the mask of {image}, {reason(mask)}"


def _partners(own: _Side, other: _Side, affixes: Affixes | None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of pairs, of which the image or the mask is not read."""
    pairs: list[NDArray[np.intp]] = [np.zeros(0, np.intp)] * 2
    for kinds in ((READABLE, UNREADABLE), (READABLE, UNREADABLE, UNKNOWN)):  # the latter may be called anything
        rows = [
            np.setdiff1d(np.flatnonzero(np.isin(side.kinds, kinds)), done, assume_unique=True)
            for side, done in zip((own, other), pairs, strict=True)
        ]
        found = matches(own.names[rows[0]], other.names[rows[1]], affixes)
        affixes = found.affixes
        places = zip(pairs, rows, (found.images, found.masks), strict=True)
        pairs = [np.append(done, row[place]) for done, row, place in places]
    strange = (own.kinds[pairs[0]] != READABLE) | (other.kinds[pairs[1]] != READABLE)
    return pairs[0][strange], pairs[1][strange]


def _listed(root: Path, file: Path) -> Found:
    """The pairs that a table names and whose files are there."""
    pairs = listed(root, file)
    stamps = np.stack([pairs.image_stamps, pairs.mask_stamps], axis=1)
    absent = [(pairs.images, pairs.masks)[kind][row] for row, kind in np.argwhere(stamps == ABSENT).tolist()]
    order = np.argsort(pairs.ids, kind="stable")
    again = np.flatnonzero(pairs.ids[order[1:]] == pairs.ids[order[:-1]]) + 1
    doubled = [
        f"{root / pairs[first].image} and {root / pairs[other].image}, in {file.name}, are both {pairs[other].id}"
        for first, other in zip(order[again - 1].tolist(), order[again].tolist(), strict=True)
    ]
    kept = np.delete(order, again)
    gone = np.flatnonzero((pairs.regions != b"") & (pairs.region_stamps == ABSENT)).tolist()
    return Found(
        pairs.take(kept[(stamps[kept] != ABSENT).all(axis=1)]),
        tuple(f"{_absence(root / text(path))}, but {file.name} names it" for path in absent),
        tuple(doubled),
        (),
        tuple(f"{root / pairs[row].image} has no region {root / pairs[row].region}, as it should" for row in gone),
        Stamped(np.array([coded(str(file))]), np.array([stamp_of(file)], np.int64)),
    )


def _absence(path: Path) -> str:
    return f"{path} is {f'a link to {path.readlink()}, which is ' if path.is_symlink() else ''}not there"
