"""A table that says which image has which mask, in which split it is, and with which others it belongs together."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any

from segzoo.errors import DataError, suggestion
from segzoo_folder.files import ABSENT, Found, Pair, Stamp, stamp_of
from segzoo_folder.layout import IMAGES, SPLITS

COLUMNS, MORE = ("image", "mask"), ("split", "group")
"""What a row must have, and what it may have; others are of no concern here, unless they are almost called so."""
ALMOST = 0.75
"""How much of a name must be alike, of 1."""
SEPARATORS = ",;\t"
"""What is between the columns of a CSV file: its first line tells."""


def listed(root: Path, file: Path) -> Found:
    """The pairs that a table names.

    Raises:
        DataError: if the table cannot be read, lacks a column or a value, or names a split that there is none of.
    """
    pairs = [_pair(row, place) for place, row in _rows(file)]
    if not pairs:
        raise DataError(f"{file} lists no images")
    if any(pair.split for pair in pairs) and not all(pair.split for pair in pairs):
        first = next(pair for pair in pairs if not pair.split)
        raise DataError(f"{file}: some rows have a split, but not that of {first.image}; give all one, or none")
    paths = dict.fromkeys(path for pair in pairs for path in (pair.image, pair.mask))
    return _checked(root, file, pairs, {path: stamp_of(root / path) for path in paths})


def _checked(root: Path, file: Path, pairs: Sequence[Pair], stamps: Mapping[str, Stamp]) -> Found:
    known: dict[str, str] = {}
    lacking, doubled, kept = [], [], []
    for pair in pairs:
        absent = [path for path in (pair.image, pair.mask) if stamps[path] == ABSENT]
        lacking += [f"{root / path} is not there, but {file.name} names it" for path in absent]
        if pair.id in known:
            doubled.append(f"{root / known[pair.id]} and {root / pair.image}, in {file.name}, are both {pair.id}")
        elif not absent:
            kept.append(pair)
        known.setdefault(pair.id, pair.image)
    kept.sort(key=lambda pair: pair.id)
    own = tuple((path, stamps[path]) for pair in kept for path in (pair.image, pair.mask))
    return Found(tuple(kept), own, tuple(lacking), tuple(doubled), ((str(file), stamp_of(file)),))


def _pair(row: Mapping[str, Any], place: str) -> Pair:
    unknown = [column for column in COLUMNS if column not in row]
    if unknown:
        named = f"there are {', '.join(map(str, row))}" if row else "it has none"
        raise DataError(
            f"{place} has no column {' and no '.join(unknown)}; {named}. The first line must name the columns: "
            "image,mask"
        )
    for name in row:
        if name not in (*COLUMNS, *MORE) and (near := get_close_matches(name, MORE, 1, ALMOST)):
            raise DataError(f"{place} has a column '{name}', which is not known; rename it to {near[0]}, or otherwise")
    values = {column: row.get(column) for column in (*COLUMNS, *MORE)}
    for column, value in values.items():
        if value is not None and not isinstance(value, str):
            raise DataError(f"{place}: {column} is {value!r}; write it in quotation marks")
    image, mask, split, group = (str(value or "").strip() for value in values.values())
    if not image or not mask:
        raise DataError(f"{place}: {'mask' if image else 'image'} is empty")
    if split and split not in SPLITS:
        raise DataError(f"{place}: there is no split '{split}'{suggestion(split, SPLITS)}")
    image, mask = (PurePosixPath(path.replace("\\", "/")).as_posix() for path in (image, mask))
    # Without the folder that it has anyway, so that a table gives the same ids as the folder itself.
    name = PurePosixPath(image).with_suffix("").as_posix().removeprefix(f"{IMAGES}/")
    return Pair(name, image, mask, next((known for known in SPLITS if known == split), None), group or None)


def _rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of a table, each with a name for messages."""
    try:
        text = file.read_text("utf-8-sig")
        if file.suffix.lower() == ".toml":
            rows = tomllib.loads(text).get("samples")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise DataError(f"{file} has no tables [[samples]]; write one for each image, with image and mask")
            yield from ((f"{file}, table {number} of samples", row) for number, row in enumerate(rows, 1))
        else:
            yield from _lines(file, text)
    except OSError as error:
        raise DataError(f"cannot read the table {file}: {error.strerror}; its path is relative to the root") from error
    except UnicodeDecodeError as error:
        raise DataError(f"cannot read the table {file}: it is not in UTF-8; save it as `CSV UTF-8`") from error
    except (tomllib.TOMLDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the table {file}: {error}") from error


def _lines(file: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The lines of a CSV file; the names of its columns are told apart however they are written."""
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=max(SEPARATORS, key=first.count), strict=True)
    names = [name.strip().lower() for name in next(rows, ())]
    for row in rows:
        place = f"{file}, line {rows.line_num}"
        if len(row) > len(names):
            raise DataError(
                f"{place} has {len(row)} entries for {len(names)} columns; put a name with a separator in it into "
                'quotation marks, as in "a,b.png"'
            )
        if row:
            yield place, dict(zip_longest(names, row, fillvalue=""))
