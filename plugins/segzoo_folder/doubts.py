"""What is odd about a folder as a whole: it can be trained on, but may not be what it is taken for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from segzoo_folder.collection import Collection
from segzoo_folder.index import Index
from segzoo_folder.labels import TO_OBJECTS, number_objects
from segzoo_folder.pairs import text
from segzoo_folder.reading import Labels

SEVERAL = 3
"""Masks from which on it is no chance if all are the same."""


def doubts(collection: Collection) -> Iterator[str]:
    """What is odd, a line each, and what to do about it; nothing is read for it but the index."""
    yield from _same_masks(collection.pages.index)
    yield from _objects(collection)


def _same_masks(index: Index) -> Iterator[str]:
    """Whether all images have one and the same mask, as if a folder of something else were called `masks`."""
    pairs, known = index.pairs, np.repeat(index.pairs.owners, index.masks.pages)
    digests = index.masks.measured[:, 0]
    if pairs.several:  # of the masks of an image, in whatever order
        owners, places = np.unique(known, return_inverse=True)
        digests = np.zeros(len(owners), np.uint64)
        np.add.at(digests, places, index.masks.measured[:, 0])
    if len(digests) >= SEVERAL and (digests == digests[0]).all():
        yield (
            f"all {len(digests):,} masks are the same, such as {text(pairs.masks[0])}: is it a field of view, or "
            "another region, rather than what is to be learnt? If so, put the masks that were drawn in its place"
        )


def _objects(collection: Collection) -> Iterator[str]:
    """Whether what is read as classes is likelier the numbers of objects."""
    options, labels, index = collection.sorting.options, collection.reading.labels, collection.pages.index
    if not isinstance(labels, Labels) or labels.colored or options.classes or options.values:
        return
    values = {value for one in index.masks.held(index.pairs.masks) for value in one.facts.values}
    if number_objects(values):
        yield (
            f"the masks below {options.folder()} hold {len(values)} values without gaps, which are read as classes. If "
            f"they number objects, as is likelier, add {TO_OBJECTS}; if they are classes, name these with the option "
            "classes"
        )
