"""Splits that a table keeps, such as the `splits.csv` of a run: of those samples that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.errors import DataError, suggestion
from segzoo_folder.index import Pages
from segzoo_folder.layout import SPLITS, meant
from segzoo_folder.listing import rows_of
from segzoo_folder.pairs import UNSPLIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = ("id", "split")
"""What a row must have; others are of no concern here."""
NAMED = 3
"""Samples that a message names."""


def kept(file: Path, pages: Pages, allow_missing: bool) -> NDArray[np.uint8]:
    """The split of each sample, an index into SPLITS; UNSPLIT if the table does not name it.

    Raises:
        DataError: if the table cannot be read, lacks a column or a value, names a split that there is none of, or a
            sample twice, or one that is not there, which `allow_missing` passes over.
    """
    named: dict[str, int] = {}
    for name, split, place in _read(file):
        if named.setdefault(name, split) != split:
            raise DataError(f"{place}: '{name}' is in the split '{SPLITS[named[name]]}' already; keep one of the two")
    owned = np.fromiter((named.pop(pages.id(index), UNSPLIT) for index in range(len(pages))), np.uint8, len(pages))
    if named and not allow_missing:
        raise DataError(
            f"{file} names {len(named):,} samples that {pages.root} does not hold: {', '.join([*named][:NAMED])}"
            f"{' and more' if named.keys() - [*named][:NAMED] else ''}. Take their lines out, or pass over them with "
            "`--set dataset.allow_missing=true`"
        )
    return owned


def _read(file: Path) -> Iterator[tuple[str, int, str]]:
    """Id, split and a name for messages of each row."""
    for place, row in rows_of(file):
        name, split = (_cell(row, column, place) for column in COLUMNS)
        if (owner := meant(split)) is None:
            raise DataError(f"{place}: there is no split '{split}'{suggestion(split, SPLITS)}")
        yield name, SPLITS.index(owner), place


def _cell(row: Mapping[str, Any], column: str, place: str) -> str:
    if column not in row:
        raise DataError(
            f"{place} has no column {column}; there are {', '.join(map(str, row))}. The first line must name the "
            f"columns: {','.join(COLUMNS)}"
        )
    if not isinstance(row[column], str) or not row[column].strip():
        raise DataError(f"{place}: {column} is {row[column]!r}; it must be a text")
    return str(row[column]).strip()
