"""Which images and masks belong together by their names: paths without suffix, below the folder of each.

They have the same name; or the same name without a word such as `image` and `mask` at the beginning or at the end,
which all images or all masks have; or, where that is unambiguous, names that differ only in case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

import numpy as np

from segzoo_folder.pairs import columns, decode, encode

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
"""Words in the names of images and of masks, in lower case."""
SEPARATORS = "-_. "
"""Characters between the words of a name."""

NUMBER = re.compile(rb"(?:[-_. ]?[0-9]+|[-_. ]?\([0-9]+\))$")
"""The number at the end of a name, which tells the masks of an image apart."""


class Affix(NamedTuple):
    """The prefix or suffix that all names of images, or of masks, share within the name of the file."""

    start: str = ""
    end: str = ""

    def has(self, word: re.Pattern[str]) -> bool:
        """Whether a word of it matches; words are separated by separators or begin with a capital."""
        return any(map(word.fullmatch, map(str.lower, re.findall("[A-Z]?[a-z]+|[A-Z]+", self.start + self.end))))

    def add(self, name: str) -> str:
        """A name with the affix."""
        folder, slash, file = name.rpartition("/")
        return f"{folder}{slash}{self.start}{file}{self.end}"

    def remove(self, name: bytes) -> bytes:
        """A name without the affix, if it has it."""
        folder, slash, file = name.rpartition(b"/")
        start, end = (encode(part).lower() for part in self)
        if file.lower().startswith(start) and file.lower().endswith(end):
            file = file[len(start) : len(file) - len(end)]
        return folder + slash + file

    def remove_all(self, names: Names) -> Names:
        """Names without the affix."""
        return columns(((self.remove(name),) for name in names), (np.bytes_,))[0] if self != Affix() else names


Affixes = tuple[Affix, Affix]
"""The affixes of images and of masks."""


class Matches(NamedTuple):
    """The pairs of N images and M masks."""

    images: NDArray[np.intp]
    masks: NDArray[np.intp]
    """Indices of images and masks that belong together, in the order of the images."""
    image_affix: Affix
    mask_affix: Affix

    @property
    def affixes(self) -> Affixes | None:
        """The affixes of images and of masks; None if there are none."""
        return (self.image_affix, self.mask_affix) if any(self.image_affix) or any(self.mask_affix) else None

    def mask_of(self, image: str) -> str:
        """The name that the mask of an image should have."""
        return self.mask_affix.add(decode(self.image_affix.remove(encode(image))))

    def image_of(self, mask: str) -> str:
        """The name that the image of a mask should have."""
        return self.image_affix.add(decode(self.mask_affix.remove(encode(mask))))


def matches(images: Names, masks: Names, affixes: Affixes | None = None) -> Matches:
    """Which of the images (N,) and masks (M,) belong together; the names of each are different.

    What they have in front or behind may be known from others.
    """
    image_affix, mask_affix = affixes or _affixes(images, masks)
    images, masks = image_affix.remove_all(images), mask_affix.remove_all(masks)
    _, image_rows, mask_rows = np.intersect1d(images, masks, assume_unique=affixes is None, return_indices=True)
    images_left = np.delete(np.arange(len(images)), image_rows)
    masks_left = np.delete(np.arange(len(masks)), mask_rows)
    if len(images_left) and len(masks_left):
        more_images, more_masks = _but_for_case(images[images_left], masks[masks_left])
        image_rows = np.append(image_rows, images_left[more_images])
        mask_rows = np.append(mask_rows, masks_left[more_masks])
    order = np.argsort(image_rows)
    return Matches(image_rows[order], mask_rows[order], image_affix, mask_affix)


def _but_for_case(images: Names, masks: Names) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of names that differ only in case, if no other image or mask has the name."""
    sides = []
    for names in (images, masks):
        folded = ((encode(normalize("NFC", decode(name).casefold())),) for name in names)
        different, places, counts = np.unique(columns(folded, (np.bytes_,))[0], return_index=True, return_counts=True)
        sides.append((different[counts == 1], places[counts == 1]))
    (image_names, image_places), (mask_names, mask_places) = sides
    _, first, second = np.intersect1d(image_names, mask_names, assume_unique=True, return_indices=True)
    return image_places[first], mask_places[second]


def _affixes(images: Names, masks: Names) -> Affixes:
    """The affixes without which the names of images and of masks agree.

    Nothing if some agree as they are, if that does not help, or if there are several ways that make different pairs.
    """
    nothing = Affix(), Affix()
    if not len(images) or not len(masks):
        return nothing
    lower_images, lower_masks = np.char.lower(images), np.char.lower(masks)  # of ASCII only: lengths do not change
    if np.isin(lower_masks, lower_images).any():
        return nothing
    ways: dict[bytes, Affixes] = {}
    for image_affix, mask_affix, least in _candidates(images, masks):
        stems = image_affix.remove_all(lower_images), mask_affix.remove_all(lower_masks)
        _, image_rows, mask_rows = np.intersect1d(*stems, return_indices=True)
        if len(image_rows) >= least:
            ways.setdefault(image_rows.tobytes() + mask_rows.tobytes(), (image_affix, mask_affix))
    return next(iter(ways.values())) if len(ways) == 1 else nothing


def _candidates(images: Names, masks: Names) -> Iterator[tuple[Affix, Affix, int]]:
    """Affixes of images and masks to try, and how many pairs they must give to be accepted."""
    known = [[affix for affix in _shared(names) if affix.has(word)] for names, word in ((images, IMAGE), (masks, MASK))]
    image_affixes, mask_affixes = ([Affix(), *affixes] for affixes in known)
    shortest_images, shortest_masks = map(_shortest, known)
    for image_affix, mask_affix in product(image_affixes, mask_affixes):
        if image_affix in shortest_images or mask_affix in shortest_masks:  # image_cat_1 is not the image of mask_dog_1
            yield image_affix, mask_affix, len(masks) // 2 + 1  # of some, the partner may be missing
    for affix in _shared(masks):  # any word, such as _contours
        if affix.end[:1] in tuple(SEPARATORS):
            yield Affix(), affix, len(masks)


def _shortest(affixes: Sequence[Affix]) -> set[Affix]:
    """No affix, the shortest prefix and the shortest suffix."""
    starts = sorted((affix for affix in affixes if affix.start), key=lambda affix: len(affix.start))
    ends = sorted((affix for affix in affixes if affix.end), key=lambda affix: len(affix.end))
    return {Affix(), *starts[:1], *ends[:1]}


def _shared(names: Names) -> Iterator[Affix]:
    """The prefixes and suffixes with letters that all names share, up to a separator or a number."""
    first = decode(names[0]).rpartition("/")[2]
    for place in (*(match.end() for match in re.finditer(rf"[{SEPARATORS}]+|[a-zA-Z](?=[0-9])", first)), len(first)):
        start = encode(first[:place]).lower()
        if all(name.rpartition(b"/")[2].lower().startswith(start) for name in names):
            yield Affix(start=first[:place])
    for match in re.finditer(rf"[{SEPARATORS}]|(?<=[0-9])[a-zA-Z]", first):
        end = first[match.start() :]
        if re.search("[a-zA-Z]", end) and np.char.endswith(np.char.lower(names), encode(end).lower()).all():
            yield Affix(end=end)


class MaskGroups(NamedTuple):
    """Masks grouped by image: the masks of an image have the same group name."""

    names: Names
    """(M,), the name of the group of each mask."""
    matches: Matches
    """Which images belong to which of the different names of groups, in sorted order."""

    @classmethod
    def of(cls, images: Names, names: Names) -> MaskGroups:
        """Groups of these names, matched with the images."""
        return cls(names, matches(images, np.unique(names)))


def group_masks(images: Names, masks: Names) -> MaskGroups:
    """Group the masks (M,) of each of the images (N,); neither images nor masks have a name twice.

    Masks are of the same group if they are in a folder with the name of an image, or if their names differ only in a
    number at the end, where a word such as `mask` is in the name. Any other mask is a group by itself.
    """
    named_as_images = np.isin(masks, images)
    if named_as_images.all():
        return MaskGroups.of(images, masks)
    folders = _folders(masks)
    in_folders = ~named_as_images & ~np.isin(folders, masks)
    if (in_folders & np.isin(folders, images)).any():
        in_folders &= (folders != b"") & ~np.isin(folders, _folders(images))
        return MaskGroups.of(images, np.where(in_folders, folders, masks))
    alone = MaskGroups.of(images, masks)
    if len(alone.matches.masks) == len(masks):
        return alone
    (bases,) = columns(((NUMBER.sub(b"", name),) for name in masks), (np.bytes_,))
    numbered = np.isin(bases, masks) & (bases != masks)
    for several in (numbered, numbered | _ends_in_word(bases)):
        grouped = MaskGroups.of(images, np.where(several, bases, masks))
        if _fits(images, masks, grouped, len(alone.matches.masks)):
            return grouped
    return alone


def _folders(names: Names) -> Names:
    """The folder that each file is in."""
    return columns(((name.rpartition(b"/")[0],) for name in names), (np.bytes_,))[0]


def _ends_in_word(names: Names) -> NDArray[np.bool_]:
    """Whether each name ends in a word such as `mask`."""
    ends = (re.search("[a-zA-Z]*$", decode(name)) for name in names)
    return np.array([bool(end and MASK.fullmatch(end[0].lower())) for end in ends], bool)


def _fits(images: Names, masks: Names, groups: MaskGroups, single: int) -> bool:
    """Whether more masks have images than without groups, and no mask has the name of an image, number included."""
    names, matched = groups
    if matched.mask_affix == Affix() or np.isin(names, np.unique(names)[matched.masks]).sum() <= single:
        return False
    changed = np.flatnonzero(names != masks)
    numbers = (masks[row][len(names[row]) :] for row in changed)
    numbered = [matched.image_of(decode(names[row])) for row in changed]
    others = [encode(name) + number for name, number in zip(numbered, numbers, strict=True)]
    return not np.isin(np.array(others, np.bytes_), images).any()
