"""A table that says which image has which mask, in which split it is, and with which others it belongs together."""

from __future__ import annotations

import csv
import io
import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.images import require_regular
from segzoo.errors import DataError, suggestion
from segzoo_folder.files import stamp_of
from segzoo_folder.layout import IMAGES, SPLITS, split_named
from segzoo_folder.pairs import UNSPLIT, Pairs, columns, decode, encode

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS, MORE = ("image", "mask"), ("split", "group", "region")
"""What a row must have, and what it may have; others are of no concern here, unless they are almost called so."""
ALMOST = 0.75
"""How much of a name must be alike, of 1."""
SEPARATORS = ",;\t"
"""What is between the columns of a CSV file: its first line tells."""


def listed(root: Path, file: Path) -> Pairs:
    """The pairs that a table names, in its order, whether their files are there or not.

    Raises:
        DataError: if the table cannot be read, lacks a column or a value, or names a split that there is none of.
    """
    if not file.exists() and not file.is_symlink():
        raise DataError(
            f"cannot read the table {file}, which is not there; the path of a listing is relative to the root"
        )
    rows = (_coded(row, place) for place, row in rows_of(file))
    images, masks, groups, regions, splits = columns(rows, (*[np.bytes_] * 4, np.uint8))
    if not len(images):
        raise DataError(f"{file} lists no images")
    for column, given in {"split": splits != UNSPLIT, "region": regions != b""}.items():
        if given.any() and not given.all():
            first = decode(images[np.argmin(given)])
            raise DataError(f"{file}: some rows have a {column}, but not that of {first}; give all one, or none")
    ids, ends = _ids(root, file.parent, images), np.arange(1, len(images) + 1)
    stamps = (_stamps(root, paths) for paths in (images, masks, regions))
    return Pairs(ids, images, masks, ends, groups, regions, splits, *stamps)


def _ids(root: Path, folder: Path, images: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """The names of the samples of these images, short where that leaves them different."""
    base, above = (f"{os.path.normpath(path)}/" for path in (root, folder))
    short = columns(((encode(_name(decode(image), base, above)),) for image in images), (np.bytes_,))[0]
    _, indices, counts = np.unique(short, return_inverse=True, return_counts=True)
    if (counts == 1).all():
        return short
    rows = zip(images, (counts[indices] > 1).tolist(), strict=True)
    return columns(((encode(_name(decode(image), base, above, long)),) for image, long in rows), (np.bytes_,))[0]


def _name(image: str, root: str, folder: str, long: bool = False) -> str:
    """The path of an image, without suffix, below the root; where it lies elsewhere, from the folder of the table.

    Unless it is to be long, without `images`, so that a table gives the same ids as the folder itself, and without
    the `..` that lead out of the folder of the table.
    """
    path = os.path.normpath(Path(root, image))
    if path.startswith(root):
        name, start = path.removeprefix(root), f"{IMAGES}/"
    else:
        name = os.path.relpath(path, folder)
        start = "../" * name.split("/").count("..")
    name = name if long else name.removeprefix(start)
    return name.removesuffix(PurePosixPath(name).suffix)


def _stamps(root: Path, paths: NDArray[np.bytes_]) -> NDArray[np.int64]:
    if not paths.any():
        return np.zeros(len(paths), np.int64)
    different, places = np.unique(paths, return_inverse=True)
    return np.array([stamp_of(root / decode(path)) for path in different], np.int64)[places]


def _coded(row: Mapping[str, Any], place: str) -> tuple[bytes, bytes, bytes, bytes, int]:
    """Image, mask, group, region and split of a row."""
    unknown = [column for column in COLUMNS if column not in row]
    if unknown:
        named = f"there are {', '.join(map(str, row))}" if row else "it has none"
        way = "The first line must name the columns: image,mask"
        if {"id", "split"} <= row.keys():
            way = "A table of splits alone, such as that of a run, is named with `--set dataset.splits=FILE`"
        raise DataError(f"{place} has no column {' and no '.join(unknown)}; {named}. {way}")
    for name in row:
        if name not in (*COLUMNS, *MORE) and (near := get_close_matches(name, MORE, 1, ALMOST)):
            raise DataError(f"{place} has a column '{name}', which is not known; rename it to {near[0]}, or otherwise")
    values = {column: row.get(column) for column in (*COLUMNS, *MORE)}
    for column, value in values.items():
        if value is not None and not isinstance(value, str):
            raise DataError(f"{place}: {column} is {value!r}; write it in quotation marks")
    image, mask, split, group, region = (str(value or "").strip() for value in values.values())
    if not image or not mask:
        raise DataError(f"{place}: {'mask' if image else 'image'} is empty")
    owner = split_named(split)
    if split and not owner:
        raise DataError(f"{place}: there is no split '{split}'{suggestion(split, SPLITS)}")
    image, mask, region = (path and PurePosixPath(path.replace("\\", "/")).as_posix() for path in (image, mask, region))
    return encode(image), encode(mask), encode(group), encode(region), SPLITS.index(owner) if owner else UNSPLIT


def rows_of(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of a table, each with a name for messages.

    Raises:
        DataError: if it cannot be read.
    """
    require_regular(file)
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
        raise DataError(f"cannot read the table {file}: {error.strerror}") from error
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
