"""Warnings about a folder that can be trained on but is probably not meant so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from segzoo.data.pixels import LARGEST, number
from segzoo_folder import ImageFolder
from segzoo_folder.collection import Collection, some
from segzoo_folder.index import Index
from segzoo_folder.labels import TO_OBJECTS, number_objects
from segzoo_folder.masks import Labels, left_out
from segzoo_folder.pairs import decode

ENOUGH_MASKS = 3
"""The number of masks from which on equal ones are no coincidence."""
LEAST_SHARE = 0.1
"""The share of the range that images should use at least, for a contrast that a network can learn from."""
REGION_NAMES = ("regions", "region", "rois", "roi", "fovs", "fov")
"""Names of folders of regions of interest."""
OUTLIERS = 0.05
"""The share of the images that may be darker or brighter than the others."""


def find_warnings(collection: Collection) -> Iterator[str]:
    """The warnings, a line each, with what to do; only the index is read for them."""
    if collection.unsupported:
        count = len(collection.unsupported)
        yield f"files that cannot be read are left out, {count:,} in number: {some(collection.unsupported)}"
    yield from _same_masks(collection.pages.index)
    yield from _numbered_objects(collection)
    yield from _several_masks(collection)
    yield from _unused_regions(collection.assignment.options)
    yield from _low_contrast(collection)


def _same_masks(index: Index) -> Iterator[str]:
    """Warns if all images have the same mask, such as a field of view in a folder `masks`."""
    pairs, owners_of_pages = index.pairs, np.repeat(index.pairs.owners, index.masks.pages)
    digests = index.masks.measured[:, 0]
    if pairs.several:  # of the masks of an image, in whatever order
        owners, places = np.unique(owners_of_pages, return_inverse=True)
        digests = np.zeros(len(owners), np.uint64)
        np.add.at(digests, places, index.masks.measured[:, 0])
    if len(digests) >= ENOUGH_MASKS and (digests == digests[0]).all():
        yield (
            f"all {len(digests):,} masks are the same, such as {decode(pairs.masks[0])}: is it a field of view, or "
            "another region, rather than what is to be learnt? If so, put the masks that were drawn in its place, "
            "and name its folder with `--set dataset.regions=FOLDER`"
        )


def _numbered_objects(collection: Collection) -> Iterator[str]:
    """Warns if values that are read as classes are likelier the numbers of objects."""
    options, labels, index = collection.assignment.options, collection.reading.labels, collection.pages.index
    if not isinstance(labels, Labels) or labels.colored or options.classes or options.values:
        return
    values = {value for group in index.masks.file_groups(index.pairs.masks) for value in group.facts.values}
    values -= set(labels.left_out)
    if number_objects(values - set(left_out(options))):
        yield (
            f"the masks below {options.folder()} hold {len(values)} values without gaps, which are read as classes. If "
            f"they number objects, as is likelier, add {TO_OBJECTS}; if they are classes, name these with the option "
            "classes"
        )


def _several_masks(collection: Collection) -> Iterator[str]:
    """Warns if several masks of an image are taken for objects by default, or are likelier something else."""
    options, index = collection.assignment.options, collection.pages.index
    pairs = index.pairs
    if pairs.several and options.instances is None:
        counts = np.diff(pairs.ends, prepend=0)
        first = pairs[int(np.argmax(counts > 1))]
        yield (
            f"{(counts > 1).sum():,} of {len(pairs):,} images have several masks, such as {first.image}: each is read "
            f"as one object, and all objects as one class. If that is meant, add {TO_OBJECTS}; if each is another "
            "class, put those of an image into one mask, with the values 0, 1, 2"
        )
    groups = index.masks.file_groups(pairs.masks)
    numbered = [group for group in groups if len(set(group.facts.values) - {0, *left_out(options)}) > 1]
    if pairs.several and numbered:
        yield (
            f"{sum(group.size for group in numbered):,} masks, such as {numbered[0].path}, hold more than one value "
            "besides 0, though each of several is read as one object: all that is not 0"
        )
    if options.instances == "border" and not pairs.several and not numbered:
        yield (
            "no mask holds the numbers of two objects, so there is no border between any. Masks of 0 and 255 number "
            "nothing: leave out instances"
        )


def _unused_regions(options: ImageFolder) -> Iterator[str]:
    """Warns of folders that may hold regions of interest and are not used."""
    if options.regions is not None or options.listing is not None:
        return
    root = options.folder()
    for folder in (root / start / name for start in ("", "train") for name in REGION_NAMES):
        if folder.is_dir():
            yield (
                f"{folder} is not looked at: if it holds regions of interest, add "
                f"`--set dataset.regions={folder.name}`, and what is outside of them counts nowhere"
            )


def _low_contrast(collection: Collection) -> Iterator[str]:
    """Warns if nearly all pixels of nearly all training images are in a small part of the range."""
    pixels = collection.reading.pixels
    known = collection.extents[np.isfinite(collection.extents).all(axis=1)]
    if not len(known):
        return
    start, end = pixels.range or (0, LARGEST["uint16"])  # images of 8 bits alone have no extents
    few = int(OUTLIERS * len(known))
    low, high = float(np.sort(known[:, 2])[few]), float(np.sort(known[:, 3])[-1 - few])
    share = (min(high, end) - max(low, start)) / (end - start)
    if share >= LEAST_SHARE:
        return
    used = f"from {number(low)} to {number(high)}" if low < high else f"about {number(low)}"
    yield (
        f"nearly all pixels of the training images of more than 8 bits are {used}, which is "
        f"{max(0, 100 * share):.2g} % of the range from {number(start)} to {number(end)}, so a network hardly sees a "
        f"difference between them{_way_out(collection, low, high)}"
    )


def _way_out(collection: Collection, low: float, high: float) -> str:
    """What to do about images of low contrast."""
    if any(facts.narrow for facts in collection.pages.index.images.facts):
        return "; the images of 8 bits beside them use all of it: scale them alike, and save them anew"
    if low < high:
        return f": add `--set 'dataset.range=[{number(low)}, {number(high)}]'`, which clips what is outside of that"
    return ": look at them"
