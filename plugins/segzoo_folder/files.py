"""Which files of a folder belong together, found without opening any of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segzoo.errors import DataError
from segzoo_folder.advice import expected, there
from segzoo_folder.layout import IMAGES, MASKS, SPLITS, Place, places
from segzoo_folder.matching import matches
from segzoo_folder.objects import Owners, owners
from segzoo_folder.pairs import UNSPLIT, Pairs, coded, columns, merged, spans, text
from segzoo_folder.unread import alone
from segzoo_folder.walking import Files, Stamped

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
        from segzoo_folder.listing import listed

        return listed(root, root / listing)
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
