"""The pairs of a folder and what their files hold, in a file of the cache.

A root, with a table that lists its files if there is one, has the folder `folder/KEY` in the cache. In it `index` holds
the SHA-256 of all that follows; then, as JSON, the different things that files hold, and the lengths and types of the
columns; then the columns: the pairs with the stamps of their files, of each file which of those things it holds, and of
each page what was measured of it. If it is damaged, it is as if it were not there.

The columns are mapped: of a million pairs, what nobody asks for stays on the disk, and processes share the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from hashlib import file_digest, sha256
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple

import numpy as np

from segzoo.errors import DataError
from segzoo.files.atomic import whole
from segzoo_folder.pairs import Pairs, text
from segzoo_folder.reading import DIGESTS, EXTENTS, Facts, ImageFacts, MaskFacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 5
"""Changes with what is kept."""
DIGEST = 2 * sha256().digest_size + 1
"""Bytes of the first line."""
UNKNOWN = -1
"""In place of an index into the facts: the file is new, has changed, or cannot be read."""

Kind = Literal["images", "masks"]
KINDS: tuple[Kind, Kind] = ("images", "masks")
MEASURES = {"images": EXTENTS, "masks": DIGESTS}
"""What is measured of a page: a row such as the rows of these arrays."""


class Held(NamedTuple, Generic[Facts]):
    """What some files hold, all of them the same."""

    facts: Facts
    files: int
    """How many."""
    path: str
    """Of the first of them."""


@dataclass(frozen=True, eq=False)
class Known(Generic[Facts]):
    """What is known of the images, or of the masks."""

    facts: tuple[Facts, ...]
    """The different ones."""
    numbers: NDArray[np.int32]
    """Which of them each file holds; or UNKNOWN."""
    measured: NDArray[Any]
    """A row for each page of each file that is known, in their order; see `Look`."""

    @property
    def pages(self) -> NDArray[np.int64]:
        """The number of pages of each file; 0 if it is unknown."""
        return np.array([*(one.pages for one in self.facts), 0])[self.numbers]

    def pages_of(self, row: int) -> int:
        """The number of pages of a file; 0 if it is unknown."""
        number = int(self.numbers[row])
        return 0 if number == UNKNOWN else self.facts[number].pages

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where among what was measured the pages of each file begin."""
        return np.cumsum(self.pages) - self.pages

    def held(self, paths: NDArray[np.bytes_]) -> list[Held[Facts]]:
        """What files of these paths hold, in the order of the first of each; those that cannot be read are left out."""
        numbers, firsts, counts = np.unique(self.numbers, return_index=True, return_counts=True)
        order = [place for place in np.argsort(firsts).tolist() if numbers[place] != UNKNOWN]
        return [Held(self.facts[numbers[row]], int(counts[row]), text(paths[firsts[row]])) for row in order]


@dataclass(frozen=True, eq=False)
class Index:
    """The pairs of a folder, and what their files hold. Pickled it is but the name of its file."""

    path: Path
    digest: str
    pairs: Pairs
    images: Known[ImageFacts]
    masks: Known[MaskFacts]

    def __reduce__(self) -> tuple[Any, ...]:
        return mapped, (self.path, self.digest)

    @property
    def complete(self) -> bool:
        """Whether there is no file that nothing is known of."""
        return not any((own.numbers == UNKNOWN).any() for own in (self.images, self.masks))


def load(path: Path) -> Index | None:
    """The index in a file; None if there is none, or it is damaged or of another form."""
    try:
        with path.open("rb") as file:
            digest = file.read(DIGEST).decode().strip()
            return mapped(path, digest) if _digest(file) == digest else None
    except (OSError, ValueError):
        return None


def mapped(path: Path, digest: str) -> Index:
    """The index in a file, if it is the one with this digest.

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
    *own, images, extents, masks, digests = columns
    extents, digests = extents.reshape(-1, *EXTENTS.shape[1:]), digests.reshape(-1, *DIGESTS.shape[1:])
    image_facts = tuple(ImageFacts(*row) for row in head["images"])
    mask_facts = tuple(
        MaskFacts(count, colored, tuple(values), tuple(palette), lossy)
        for count, colored, values, palette, lossy in head["masks"]
    )
    return Index(path, digest, Pairs(*own), Known(image_facts, images, extents), Known(mask_facts, masks, digests))


def save(path: Path, pairs: Pairs, known: Mapping[Kind, Known[Any]]) -> str:
    """Write an index; returns its digest."""
    measured = [column for kind in KINDS for column in (known[kind].numbers, known[kind].measured.ravel())]
    columns = [*(getattr(pairs, own.name) for own in fields(pairs)), *measured]
    head = {"columns": [(len(column), column.dtype.str) for column in columns]}
    facts = {kind: known[kind].facts for kind in KINDS}
    with whole(path) as temporary, temporary.open("rb+") as file:
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
    """Of what follows in a file."""
    return file_digest(file, partial(sha256, f"{FORMAT}\n".encode())).hexdigest()
