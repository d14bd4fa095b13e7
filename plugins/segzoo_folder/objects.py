"""Which of several masks are of one image, told by their names: each of them draws one object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from segzoo_folder.matching import MASK, Affix, Matches, matches
from segzoo_folder.pairs import coded, columns, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo_folder.matching import Names

NUMBER = re.compile(rb"(?:[-_. ]?[0-9]+|[-_. ]?\([0-9]+\))$")
"""What tells the masks of an image apart, at the end of their names."""


class Owners(NamedTuple):
    """What masks have in common with those of the same image, and the images of these."""

    names: Names
    """(M,), the same for the masks of an image."""
    found: Matches
    """Which images belong to which of the different names, in their order."""

    @classmethod
    def of(cls, images: Names, names: Names) -> Owners:
        """With the images that these names belong to."""
        return cls(names, matches(images, np.unique(names)))


def owners(images: Names, masks: Names) -> Owners:
    """What the masks (M,) of each of the images (N,) have in common; the names of either are all different.

    That is the folder that they are in, if it has the name of an image; or their name but for a number at the end of
    it, where a word such as `mask` is in the name. All others are masks by themselves.
    """
    same = np.isin(masks, images)
    if same.all():
        return Owners.of(images, masks)
    folders = _folders(masks)
    inside = ~same & ~np.isin(folders, masks)
    if (inside & np.isin(folders, images)).any():
        inside &= (folders != b"") & ~np.isin(folders, _folders(images))
        return Owners.of(images, np.where(inside, folders, masks))
    alone = Owners.of(images, masks)
    if len(alone.found.masks) == len(masks):
        return alone
    (bases,) = columns(((NUMBER.sub(b"", name),) for name in masks), (np.bytes_,))
    numbered = np.isin(bases, masks) & (bases != masks)
    for several in (numbered, numbered | _ends_in_word(bases)):
        together = Owners.of(images, np.where(several, bases, masks))
        if _fits(images, masks, together, len(alone.found.masks)):
            return together
    return alone


def _folders(names: Names) -> Names:
    """The folder that each file is in."""
    return columns(((name.rpartition(b"/")[0],) for name in names), (np.bytes_,))[0]


def _ends_in_word(names: Names) -> NDArray[np.bool_]:
    """Whether a name ends in a word that masks are called by."""
    ends = (re.search("[a-zA-Z]*$", text(name)) for name in names)
    return np.array([bool(end and MASK.fullmatch(end[0].lower())) for end in ends], bool)


def _fits(images: Names, masks: Names, owners: Owners, alone: int) -> bool:
    """Whether more masks have images than by themselves, and none could be that of an image with its number."""
    names, found = owners
    if found.mask_affix == Affix() or np.isin(names, np.unique(names)[found.masks]).sum() <= alone:
        return False
    changed = np.flatnonzero(names != masks)
    numbers = (masks[row][len(names[row]) :] for row in changed)
    others = [coded(found.image_of(text(names[row]))) + number for row, number in zip(changed, numbers, strict=True)]
    return not np.isin(np.array(others, np.bytes_), images).any()
