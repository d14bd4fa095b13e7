"""The samples of a folder, of which each is looked up and decoded when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.images import channels_first
from segzoo.data.samples import OnDemand
from segzoo.errors import DataError
from segzoo_folder.index import Index
from segzoo_folder.marks import within
from segzoo_folder.pairs import Pair, text
from segzoo_folder.reading import EXTENTS, Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE = -1
"""In place of the number of a page: the file has only one."""


@dataclass(frozen=True)
class Pages:
    """The pages of the files of a folder, or some of them: each is a sample."""

    root: Path
    index: Index
    owners: NDArray[np.int32]
    """Which of the pairs of the index each is of."""
    numbers: NDArray[np.int32]
    """Which page of it, from 0; or WHOLE."""

    @classmethod
    def of(cls, root: Path, index: Index) -> Pages:
        """All pages; a file that cannot be read counts as one, and so does one of more or fewer pages than its mask."""
        masked = index.pairs.owners
        ours, theirs = index.images.pages, index.masks.pages
        counts = ours.clip(min=1)
        np.maximum.at(counts, masked, theirs)
        counts[masked[(ours[masked] != theirs) & (ours[masked] > 0) & (theirs > 0)]] = 1
        owners = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        firsts = np.cumsum(counts) - counts
        numbers = np.where(counts[owners] == 1, WHOLE, np.arange(len(owners)) - firsts[owners])
        return cls(root, index, owners, numbers.astype(np.int32))

    def extents(self) -> NDArray[Any]:
        """The rows of EXTENTS of those images that can be read; none if all have 8 bits, of which nothing is known."""
        images = self.index.images
        if all(one.narrow for one in images.facts):
            return EXTENTS
        readable = images.pages[self.owners] > 0
        extents: NDArray[Any] = images.measured[(images.starts[self.owners] + self.numbers.clip(min=0))[readable]]
        return extents

    def take(self, indices: NDArray[np.integer[Any]]) -> Pages:
        """Some of them, in this order."""
        return Pages(self.root, self.index, self.owners[indices], self.numbers[indices])

    def __len__(self) -> int:
        return len(self.owners)

    def id(self, index: int) -> str:
        """A path below `images`, without suffix; of a page of several `NAME#003`, counted from 0."""
        name, number = text(self.index.pairs.ids[self.owners[index]]), self.numbers[index]
        return name if number == WHOLE else f"{name}#{number:03}"

    def require_alike(self, index: int) -> None:
        """Raise a DataError if image and mask have different numbers of pages, of which none belong together."""
        owner, pairs = int(self.owners[index]), self.index.pairs
        ours = self.index.images.pages_of(owner)
        for row in pairs.masks_of(owner) if self.numbers[index] == WHOLE else ():
            theirs = self.index.masks.pages_of(row)
            if ours and theirs and ours != theirs:
                raise DataError(
                    f"{self.root / text(pairs.images[owner])} has {_counted(ours)}, but its mask "
                    f"{self.root / text(pairs.masks[row])} has {_counted(theirs)}: save as many of both. If the pages "
                    "are channels of one image, add `--set dataset.stack=channels`"
                )

    def pair(self, index: int) -> Pair:
        """What it is a page of."""
        return self.index.pairs[self.owners[index]]

    def files(self, index: int) -> tuple[Path, ...]:
        """The image, its masks, and its region if it has one."""
        pair = self.pair(index)
        return tuple(self.root / path for path in (pair.image, *pair.masks, pair.region) if path)


def _counted(pages: int) -> str:
    return f"{pages:,} page{'s' if pages > 1 else ''}"


@dataclass(frozen=True)
class Images:
    """The samples of a split."""

    pages: Pages
    reading: Reading

    @property
    def ids(self) -> Sequence[str]:
        """See `Pages.id`."""
        return OnDemand(len(self), self.pages.id)

    @property
    def files(self) -> Sequence[tuple[Path, ...]]:
        """See `Pages.files`."""
        return OnDemand(len(self), self.pages.files)

    def __len__(self) -> int:
        return len(self.pages)

    def __getitem__(self, index: int, /) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Image (H, W, C) and mask uint8 (H, W).

        Raises:
            DataError: if a file cannot be read, or is not as others are, or image and mask do not belong together.
        """
        self.pages.require_alike(index)
        root, pair = self.pages.root, self.pages.pair(index)
        number = max(0, int(self.pages.numbers[index]))
        image, labels = self.reading.pixels.read(root / pair.image, number), self._labels(pair, number)
        if labels.shape == image.shape[1:] != image.shape[:2]:
            raise DataError(f"{root / pair.image} has another size than its mask{channels_first(image.shape)}")
        return image, labels

    def _labels(self, pair: Pair, page: int) -> NDArray[np.uint8]:
        """A page of the masks of a pair, as far as it is in its region."""
        root = self.pages.root
        labels = self.reading.labels.read([root / path for path in pair.masks], page)
        return within(labels, root / pair.region, page) if pair.region else labels
