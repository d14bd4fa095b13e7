"""Which files of a folder belong together, found without opening any of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segzoo.errors import DataError
from segzoo_folder.layout import SPLITS, Place, expected, places, there
from segzoo_folder.matching import matches
from segzoo_folder.pairs import UNSPLIT, Pairs, coded, merged
from segzoo_folder.unread import alone
from segzoo_folder.walking import Files, Stamped


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
    places: Stamped
    """The folders that were looked through, or the table."""

    def stands(self, root: Path) -> bool:
        """Whether no file has come or gone since, as none has if no folder changed; not whether one has changed."""
        return self.places.stand(root)


def find(root: Path, listing: str | None) -> Found:
    """The pairs in a folder, by their names or as a table lists them.

    Raises:
        DataError: if the folder is not there or not to be read, has no layout that is known, or the table cannot be
            read.
    """
    try:
        return _find(root, listing)
    except OSError as error:
        raise DataError(f"cannot look through {error.filename}: {error.strerror}; see to the rights of it") from error


def _find(root: Path, listing: str | None) -> Found:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; {expected()}")
    if listing is not None:
        from segzoo_folder.listing import listed

        return listed(root, root / listing)
    found = _together([_matched(root, place) for place in places(root)])
    if not len(found.pairs) and not found.lacking and not found.unread:
        raise DataError(f"{root} holds no images; {expected()}\n{there(root)}")
    return found


def _together(found: list[Found]) -> Found:
    return Found(
        merged([one.pairs for one in found]),
        tuple(line for one in found for line in one.lacking),
        tuple(line for one in found for line in one.doubled),
        tuple(line for one in found for line in one.unread),
        Stamped.joined([one.places for one in found]),
    )


def _matched(root: Path, place: Place) -> Found:
    """The pairs of one folder with images and one with masks, by the names of the files without suffix."""
    images, masks = (Files.below(root, folder) for folder in (place.images, place.masks))
    found = matches(images.names, masks.names)
    images_alone, masks_alone, unread = alone(root, images, masks, found)
    lacking = [
        f"{root / path} has no mask {place.masks}/{found.mask_of(name)}.*" for name, path in images.named(images_alone)
    ]
    lacking += [
        f"{root / path} has no image {place.images}/{found.image_of(name)}.*" for name, path in masks.named(masks_alone)
    ]
    names, own, others = images.names[found.images], found.images, found.masks
    pairs = Pairs(
        np.char.add(coded(place.prefix), names),
        images.paths[own],
        masks.paths[others],
        np.arange(1, len(names) + 1),
        np.zeros(len(names), "S1"),
        np.zeros(len(names), "S1"),
        np.full(len(names), SPLITS.index(place.split) if place.split else UNSPLIT, np.uint8),
        images.stamps[own],
        masks.stamps[others],
        np.zeros(len(names), np.int64),
    )
    places = Stamped.joined([images.folders, masks.folders])
    return Found(pairs, tuple(lacking), (*images.doubled, *masks.doubled), unread, places)
