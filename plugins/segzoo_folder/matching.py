"""Which images and masks belong together, told by their names: paths without suffix, below the folder of each.

They have the same name; or the same but for a word such as `image` and `mask` at the beginning or at the end, which all
images or all masks have; or, where that leaves no doubt, the same but for the case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

import numpy as np

from segzoo_folder.pairs import coded, columns, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Names = NDArray[np.bytes_]

IMAGE = re.compile(
    "im(g|age)?s?|frames?|input|orig(inal)?|patch|photos?|pic(ture)?s?|raw|rgb|sat(ellite)?|scans?|slice|tile|volume|"
    "ct|mri?|test|train(ing)?"
)
MASK = re.compile(
    "masks?|msk|labels?|lab|lbl|seg(s|m|mentations?)?|gt|ground|truth|groundtruth|ann|anno(t|tations?)?|targets?|manual|"
    "matte|trimap|semantic|class(es)?|binary"
)
"""The words that images and masks are called by, in lower case."""
SIGNS = "-_. "
"""What is between the words of a name."""

NUMBER = re.compile(rb"(?:[-_. ]?[0-9]+|[-_. ]?\([0-9]+\))$")
"""What tells the masks of an image apart, at the end of their names."""


class Affix(NamedTuple):
    """What all names of images, or all of masks, have in front or behind, within the name of the file itself."""

    start: str = ""
    end: str = ""

    def has(self, word: re.Pattern[str]) -> bool:
        """Whether one of its words, told by signs and capitals, is such a word."""
        return any(map(word.fullmatch, map(str.lower, re.findall("[A-Z]?[a-z]+|[A-Z]+", self.start + self.end))))

    def on(self, name: str) -> str:
        """A name with it."""
        folder, slash, file = name.rpartition("/")
        return f"{folder}{slash}{self.start}{file}{self.end}"

    def off(self, name: bytes) -> bytes:
        """A name without it, if it has it."""
        folder, slash, file = name.rpartition(b"/")
        start, end = (coded(part).lower() for part in self)
        if file.lower().startswith(start) and file.lower().endswith(end):
            file = file[len(start) : len(file) - len(end)]
        return folder + slash + file

    def off_all(self, names: Names) -> Names:
        """Names without it."""
        return columns(((self.off(name),) for name in names), (np.bytes_,))[0] if self != Affix() else names


Affixes = tuple[Affix, Affix]
"""Those of images and masks."""


class Matches(NamedTuple):
    """The pairs of N images and M masks."""

    images: NDArray[np.intp]
    masks: NDArray[np.intp]
    """Indices of those that belong together, in the order of the images."""
    image_affix: Affix
    mask_affix: Affix

    @property
    def affixes(self) -> Affixes | None:
        """Those of images and masks; None if they have none."""
        return (self.image_affix, self.mask_affix) if any(self.image_affix) or any(self.mask_affix) else None

    def mask_of(self, image: str) -> str:
        """The name that the mask of an image should have."""
        return self.mask_affix.on(text(self.image_affix.off(coded(image))))

    def image_of(self, mask: str) -> str:
        """The name that the image of a mask should have."""
        return self.image_affix.on(text(self.mask_affix.off(coded(mask))))


def matches(images: Names, masks: Names, affixes: Affixes | None = None) -> Matches:
    """Which of the images (N,) and masks (M,) belong together; the names of each are different.

    What they have in front or behind may be known from others.
    """
    image_affix, mask_affix = affixes or _affixes(images, masks)
    images, masks = image_affix.off_all(images), mask_affix.off_all(masks)
    _, own, others = np.intersect1d(images, masks, assume_unique=affixes is None, return_indices=True)
    left, right = (np.delete(np.arange(len(names)), done) for names, done in ((images, own), (masks, others)))
    if len(left) and len(right):
        more, others_more = _but_for_case(images[left], masks[right])
        own, others = np.append(own, left[more]), np.append(others, right[others_more])
    order = np.argsort(own)
    return Matches(own[order], others[order], image_affix, mask_affix)


def _but_for_case(images: Names, masks: Names) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of names that are the same but for the case, if there are no two images or masks of the name."""
    sides = []
    for names in (images, masks):
        folded = ((coded(normalize("NFC", text(name).casefold())),) for name in names)
        different, places, counts = np.unique(columns(folded, (np.bytes_,))[0], return_index=True, return_counts=True)
        sides.append((different[counts == 1], places[counts == 1]))
    (own, own_places), (others, other_places) = sides
    _, first, second = np.intersect1d(own, others, assume_unique=True, return_indices=True)
    return own_places[first], other_places[second]


def _affixes(images: Names, masks: Names) -> Affixes:
    """What is to be taken off the names of images and of masks, so that they agree.

    Nothing if some agree as they are, if that does not help, or if there are several ways that make different pairs.
    """
    nothing = Affix(), Affix()
    if not len(images) or not len(masks):
        return nothing
    lower, others = np.char.lower(images), np.char.lower(masks)  # of ASCII only, so that no name changes its length
    if np.isin(others, lower).any():
        return nothing
    found: dict[bytes, Affixes] = {}
    for image_affix, mask_affix, least in _ways(images, masks):
        _, own, other = np.intersect1d(image_affix.off_all(lower), mask_affix.off_all(others), return_indices=True)
        if len(own) >= least:
            found.setdefault(own.tobytes() + other.tobytes(), (image_affix, mask_affix))
    return next(iter(found.values())) if len(found) == 1 else nothing


def _ways(images: Names, masks: Names) -> Iterator[tuple[Affix, Affix, int]]:
    """Affixes of images and masks that may be meant, and how many pairs they must give to be taken for it."""
    known = [[affix for affix in _shared(names) if affix.has(word)] for names, word in ((images, IMAGE), (masks, MASK))]
    (image_affixes, least_images), (mask_affixes, least_masks) = (([Affix(), *own], _least(own)) for own in known)
    for own, other in product(image_affixes, mask_affixes):
        if own in least_images or other in least_masks:  # image_cat_1 is not the image of mask_dog_1
            yield own, other, len(masks) // 2 + 1  # of some, the partner may be missing
    for affix in _shared(masks):  # any word, such as _contours
        if affix.end[:1] in tuple(SIGNS):
            yield Affix(), affix, len(masks)


def _least(affixes: Sequence[Affix]) -> set[Affix]:
    """Nothing, the shortest beginning and the shortest end."""
    starts = sorted((affix for affix in affixes if affix.start), key=lambda affix: len(affix.start))
    ends = sorted((affix for affix in affixes if affix.end), key=lambda affix: len(affix.end))
    return {Affix(), *starts[:1], *ends[:1]}


def _shared(names: Names) -> Iterator[Affix]:
    """What all names begin or end with, up to a sign or a number, if there are letters in it."""
    first = text(names[0]).rpartition("/")[2]
    for place in (*(found.end() for found in re.finditer(rf"[{SIGNS}]+|[a-zA-Z](?=[0-9])", first)), len(first)):
        start = coded(first[:place]).lower()
        if all(name.rpartition(b"/")[2].lower().startswith(start) for name in names):
            yield Affix(start=first[:place])
    for found in re.finditer(rf"[{SIGNS}]|(?<=[0-9])[a-zA-Z]", first):
        end = first[found.start() :]
        if re.search("[a-zA-Z]", end) and np.char.endswith(np.char.lower(names), coded(end).lower()).all():
            yield Affix(end=end)


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
