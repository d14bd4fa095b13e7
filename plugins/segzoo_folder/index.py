"""The index: the pairs of a folder and what their files hold, in a file of the cache.

A root, or a table in it that lists files, has the folder `folder/KEY` in the cache. The file `index` in it holds the
SHA-256 of all that follows; then, as JSON, the different facts of files, and the lengths and types of the columns; then
the columns: the pairs with the stamps of their files, the number of the facts of each file, and the measurements of
each page. A damaged index is ignored and written anew.

The columns are memory-mapped: of a million pairs, only what is used is read, and processes share it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from hashlib import file_digest, sha256
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

import numpy as np

from segzoo.errors import DataError
from segzoo.files.atomic import atomic_file
from segzoo_folder.pairs import Pair, Pairs, decode

if TYPE_CHECKING:
    from numpy.typing import NDArray


MOST = 256
"""Different values or colours of a mask that are remembered, and one more to tell that there are more."""

EXTENTS = np.empty((0, 4))
"""Of images: the least and the largest value of a page, and those that SELDOM of its values are below and above.

Of 8 bits they are not known, and NaN; where values are not all finite they are infinite. Opacity is left out.
"""
DIGESTS = np.empty((0, 1), np.uint64)
"""Of masks: a digest of the labels of a page."""
SELDOM = 0.001
"""Share of the values of a page that may be outliers at either end, such as hot pixels of a camera."""

FORMAT = 5
"""The version of the format."""
DIGEST = 2 * sha256().digest_size + 1
"""Bytes of the first line."""
UNKNOWN = -1
"""In place of the number of the facts: the file is new, has changed, or cannot be read."""
KINDS: tuple[Kind, Kind] = ("images", "masks")
MEASURES = {"images": EXTENTS, "masks": DIGESTS}
"""The form of the measurements of a page: a row of these arrays."""

SINGLE_PAGE = -1
"""In place of the number of a page: the file has a single page."""


class ImageFacts(NamedTuple):
    """What the header of an image says; of a TIFF, that of its first page."""

    pages: int
    height: int
    width: int
    channels: int
    alpha: bool
    dtype: str

    @property
    def narrow(self) -> bool:
        """Whether its values have 8 bits."""
        return np.dtype(self.dtype).itemsize == 1


class MaskFacts(NamedTuple):
    """What the pixels of a mask are, on all its pages."""

    pages: int
    colored: bool
    """Whether the values are colours, as 0xRRGGBB."""
    values: Sequence[int]
    """The different ones, in order, of the pages in colour if there are such; of many, the MOST + 1 lowest.

    NOT_A_NUMBER is among them if some pixels are not a number.
    """
    palette: Sequence[int]
    """Of indices the colours 0xRRGGBB that they stand for on the first page, -1 for none; of other masks empty."""
    lossy: bool
    """Whether the format is one that may have changed the pixels."""


Facts = TypeVar("Facts", ImageFacts, MaskFacts)

Kind = Literal["images", "masks"]


class FileGroup(NamedTuple, Generic[Facts]):
    """Files that have the same facts."""

    facts: Facts
    size: int
    """The number of files."""
    path: str
    """The path of the first of them."""


@dataclass(frozen=True, eq=False)
class Inspected(Generic[Facts]):
    """The results of inspecting the images, or the masks."""

    facts: tuple[Facts, ...]
    """The different facts."""
    numbers: NDArray[np.int32]
    """The number of the facts of each file, or UNKNOWN."""
    measured: NDArray[Any]
    """The measurements of each page of each known file, in their order; see MEASURES."""

    @property
    def pages(self) -> NDArray[np.int64]:
        """The number of pages of each file; 0 if it is unknown."""
        return np.array([*(facts.pages for facts in self.facts), 0])[self.numbers]

    def pages_of(self, row: int) -> int:
        """The number of pages of a file; 0 if it is unknown."""
        number = int(self.numbers[row])
        return 0 if number == UNKNOWN else self.facts[number].pages

    @property
    def starts(self) -> NDArray[np.int64]:
        """The first row of each file in `measured`."""
        return np.cumsum(self.pages) - self.pages

    def file_groups(self, paths: NDArray[np.bytes_]) -> list[FileGroup[Facts]]:
        """The files of these paths grouped by facts, in the order of the first of each, without unreadable ones."""
        numbers, firsts, counts = np.unique(self.numbers, return_index=True, return_counts=True)
        order = [place for place in np.argsort(firsts).tolist() if numbers[place] != UNKNOWN]
        return [FileGroup(self.facts[numbers[row]], int(counts[row]), decode(paths[firsts[row]])) for row in order]


@dataclass(frozen=True, eq=False)
class Index:
    """The pairs of a folder, and what their files hold. Only the path of its file is pickled."""

    path: Path
    digest: str
    pairs: Pairs
    images: Inspected[ImageFacts]
    masks: Inspected[MaskFacts]

    def __reduce__(self) -> tuple[Any, ...]:
        return mapped, (self.path, self.digest)

    @property
    def complete(self) -> bool:
        """Whether something is known of every file."""
        return not any((side.numbers == UNKNOWN).any() for side in (self.images, self.masks))


def load(path: Path) -> Index | None:
    """The index in a file; None if there is none, or it is damaged or of another version."""
    try:
        with path.open("rb") as file:
            digest = file.read(DIGEST).decode().strip()
            return mapped(path, digest) if _digest(file) == digest else None
    except (OSError, ValueError):
        return None


def mapped(path: Path, digest: str) -> Index:
    """The index in a file, if it has this digest.

    Raises:
        DataError: if it is another one by now.
    """
    with path.open("rb") as file:
        if file.read(DIGEST).decode("ascii", "replace").strip() != digest:
            raise DataError(f"the files of the dataset have changed meanwhile, {path} tells; type the command again")
        head = json.loads(file.readline())
        start, raw = file.tell(), np.asarray(np.memmap(file, np.uint8, "r"))
    columns = []
    for length, code in head["columns"]:
        end = start + length * np.dtype(code).itemsize
        columns.append(raw[start:end].view(code))
        start = end
    *pair_columns, images, extents, masks, digests = columns
    extents, digests = extents.reshape(-1, *EXTENTS.shape[1:]), digests.reshape(-1, *DIGESTS.shape[1:])
    image_facts = tuple(ImageFacts(*row) for row in head["images"])
    mask_facts = tuple(
        MaskFacts(count, colored, tuple(values), tuple(palette), lossy)
        for count, colored, values, palette, lossy in head["masks"]
    )
    return Index(
        path,
        digest,
        Pairs(*pair_columns),
        Inspected(image_facts, images, extents),
        Inspected(mask_facts, masks, digests),
    )


def save(path: Path, pairs: Pairs, known: Mapping[Kind, Inspected[Any]]) -> str:
    """Write an index; returns its digest."""
    measured = [column for kind in KINDS for column in (known[kind].numbers, known[kind].measured.ravel())]
    columns = [*(getattr(pairs, column.name) for column in fields(pairs)), *measured]
    head = {"columns": [(len(column), column.dtype.str) for column in columns]}
    facts = {kind: known[kind].facts for kind in KINDS}
    with atomic_file(path) as temporary, temporary.open("rb+") as file:
        file.seek(DIGEST)  # which is known last
        file.write(f"{json.dumps(head | facts)}\n".encode())
        for column in columns:
            file.write(column.tobytes())
        file.seek(DIGEST)
        digest = _digest(file)
        file.seek(0)
        file.write(f"{digest}\n".encode())
    return digest


def _digest(file: BufferedReader | BufferedRandom) -> str:
    """The digest of what follows in a file."""
    return file_digest(file, partial(sha256, f"{FORMAT}\n".encode())).hexdigest()


@dataclass(frozen=True)
class Pages:
    """The pages of the files of a folder, or some of them: each is a sample."""

    root: Path
    index: Index
    owners: NDArray[np.int32]
    """The number of the pair of each page."""
    numbers: NDArray[np.int32]
    """The number of each page within its file, from 0; or SINGLE_PAGE."""

    @classmethod
    def of(cls, root: Path, index: Index) -> Pages:
        """All pages; a file that cannot be read counts as one, and so does one of more or fewer pages than its mask."""
        mask_owners = index.pairs.owners
        image_pages, mask_pages = index.images.pages, index.masks.pages
        counts = image_pages.clip(min=1)
        np.maximum.at(counts, mask_owners, mask_pages)
        counts[
            mask_owners[(image_pages[mask_owners] != mask_pages) & (image_pages[mask_owners] > 0) & (mask_pages > 0)]
        ] = 1
        owners = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        firsts = np.cumsum(counts) - counts
        numbers = np.where(counts[owners] == 1, SINGLE_PAGE, np.arange(len(owners)) - firsts[owners])
        return cls(root, index, owners, numbers.astype(np.int32))

    def extents(self) -> NDArray[Any]:
        """The rows of EXTENTS of those images that can be read; none if all have 8 bits, of which nothing is known."""
        images = self.index.images
        if all(facts.narrow for facts in images.facts):
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
        name, number = decode(self.index.pairs.ids[self.owners[index]]), self.numbers[index]
        return name if number == SINGLE_PAGE else f"{name}#{number:03}"

    def require_same_page_count(self, index: int) -> None:
        """Raise a DataError if image and mask have different numbers of pages."""
        owner, pairs = int(self.owners[index]), self.index.pairs
        image_pages = self.index.images.pages_of(owner)
        for row in pairs.masks_of(owner) if self.numbers[index] == SINGLE_PAGE else ():
            mask_pages = self.index.masks.pages_of(row)
            if image_pages and mask_pages and image_pages != mask_pages:
                raise DataError(
                    f"{self.root / decode(pairs.images[owner])} has {_page_count(image_pages)}, but its mask "
                    f"{self.root / decode(pairs.masks[row])} has {_page_count(mask_pages)}: save as many of both. If "
                    "the pages are channels of one image, add `--set dataset.stack=channels`"
                )

    def pair(self, index: int) -> Pair:
        """The pair that a page belongs to."""
        return self.index.pairs[self.owners[index]]

    def files(self, index: int) -> tuple[Path, ...]:
        """The image, its masks, and its region if it has one."""
        pair = self.pair(index)
        return tuple(self.root / path for path in (pair.image, *pair.masks, pair.region) if path)


def _page_count(pages: int) -> str:
    return f"{pages:,} page{'s' if pages > 1 else ''}"
