"""Which of several masks are of one image, told by their names: each of them draws one object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from segzoo_folder.matching import MASK, Affix, matches
from segzoo_folder.pairs import coded, columns, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo_folder.matching import Names

NUMBER = re.compile(rb"(?:[-_. ]?[0-9]+|[-_. ]?\([0-9]+\))$")
"""What tells the masks of an image apart, at the end of their names."""


def owners(images: Names, masks: Names) -> Names:
    """What the masks (M,) of each of the images (N,) have in common, (M,); the names of either are all different.

    That is the folder that they are in, if it has the name of an image; or their name but for a number at the end of
    it, where a word such as `mask` is in the name. All others are masks by themselves.
    """
    if np.isin(masks, images).all():
        return masks
    folders = _folders(masks)
    inside = ~np.isin(masks, images) & ~np.isin(folders, masks)
    if (inside & np.isin(folders, images)).any():
        inside &= (folders != b"") & ~np.isin(folders, _folders(images))
        return np.where(inside, folders, masks)
    alone = matches(images, masks)
    if len(alone.masks) == len(masks):
        return masks
    (bases,) = columns(((NUMBER.sub(b"", name),) for name in masks), (np.bytes_,))
    numbered = np.isin(bases, masks) & (bases != masks)
    for several in (numbered, numbered | _ends_in_word(bases)):
        if _fits(images, masks, names := np.where(several, bases, masks), len(alone.masks)):
            return names
    return masks


def _folders(names: Names) -> Names:
    """The folder that each file is in."""
    return columns(((name.rpartition(b"/")[0],) for name in names), (np.bytes_,))[0]


def _ends_in_word(names: Names) -> NDArray[np.bool_]:
    """Whether a name ends in a word that masks are called by."""
    ends = (re.search("[a-zA-Z]*$", text(name)) for name in names)
    return np.array([bool(end and MASK.fullmatch(end[0].lower())) for end in ends], bool)


def _fits(images: Names, masks: Names, names: Names, alone: int) -> bool:
    """Whether masks of these names have images, more than are so by themselves, and none an image of its number."""
    groups, places = np.unique(names, return_inverse=True)
    found = matches(images, groups)
    if found.mask_affix == Affix() or np.isin(places, found.masks).sum() <= alone:
        return False
    changed = np.flatnonzero(names != masks)
    numbers = (masks[row][len(names[row]) :] for row in changed)
    others = [coded(found.image_of(text(names[row]))) + number for row, number in zip(changed, numbers, strict=True)]
    return not np.isin(np.array(others, np.bytes_), images).any()
