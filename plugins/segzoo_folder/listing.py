"""The listing: a table of images and masks, and optionally of their splits, groups and regions of interest."""

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

from segzoo.data.image_files import require_regular
from segzoo.errors import DataError, suggestion
from segzoo_folder.files import stamp_of
from segzoo_folder.layout import IMAGES, SPLITS, split_named
from segzoo_folder.pairs import UNSPLIT, Pairs, columns, decode, encode

if TYPE_CHECKING:
    from numpy.typing import NDArray

REQUIRED, OPTIONAL = ("image", "mask"), ("split", "group", "region")
"""The columns that a table must have and may have; others are ignored unless their names are similar."""
SIMILARITY = 0.75
"""The similarity of names, up to 1, from which on another name is taken for a typing error."""
SEPARATORS = ",;\t"
"""The possible separators of a CSV file; the most frequent in its first line is taken."""


def listed(root: Path, file: Path) -> Pairs:
    """The pairs of a table, in its order, whether their files exist or not.

    Raises:
        DataError: if the table cannot be read, lacks a column or a value, or names a split that there is none of.
    """
    if not file.exists() and not file.is_symlink():
        raise DataError(
            f"cannot read the table {file}, which is not there; the path of a listing is relative to the root"
        )
    rows = (_encoded(row, place) for place, row in rows_of(file))
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
    """The ids of the samples of these images, short where they are unique."""
    base, above = (f"{os.path.normpath(path)}/" for path in (root, folder))
    short_ids = columns(((encode(_sample_id(decode(image), base, above)),) for image in images), (np.bytes_,))[0]
    _, indices, counts = np.unique(short_ids, return_inverse=True, return_counts=True)
    if (counts == 1).all():
        return short_ids
    rows = zip(images, (counts[indices] > 1).tolist(), strict=True)
    return columns(((encode(_sample_id(decode(image), base, above, long)),) for image, long in rows), (np.bytes_,))[0]


def _sample_id(image: str, root: str, folder: str, long: bool = False) -> str:
    """The path of an image without suffix, relative to the root, or to the folder of the table if it is elsewhere.

    Unless it is to be long, it is without `images`, so that a table gives the same ids as the folder itself, and
    without the `..` that lead out of the folder of the table.
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


def _encoded(row: Mapping[str, Any], place: str) -> tuple[bytes, bytes, bytes, bytes, int]:
    """Image, mask, group, region and split of a row."""
    absent = [column for column in REQUIRED if column not in row]
    if absent:
        present = f"there are {', '.join(map(str, row))}" if row else "it has none"
        advice = "The first line must name the columns: image,mask"
        if {"id", "split"} <= row.keys():
            advice = "A table of splits alone, such as that of a run, is named with `--set dataset.splits=FILE`"
        raise DataError(f"{place} has no column {' and no '.join(absent)}; {present}. {advice}")
    for name in row:
        if name not in (*REQUIRED, *OPTIONAL) and (similar := get_close_matches(name, OPTIONAL, 1, SIMILARITY)):
            raise DataError(
                f"{place} has a column '{name}', which is not known; rename it to {similar[0]}, or otherwise"
            )
    values = {column: row.get(column) for column in (*REQUIRED, *OPTIONAL)}
    for column, value in values.items():
        if value is not None and not isinstance(value, str):
            raise DataError(f"{place}: {column} is {value!r}; write it in quotation marks")
    image, mask, split, group, region = (str(value or "").strip() for value in values.values())
    if not image or not mask:
        raise DataError(f"{place}: {'mask' if image else 'image'} is empty")
    split_name = split_named(split)
    if split and not split_name:
        raise DataError(f"{place}: there is no split '{split}'{suggestion(split, SPLITS)}")
    image, mask, region = (path and PurePosixPath(path.replace("\\", "/")).as_posix() for path in (image, mask, region))
    return (
        encode(image),
        encode(mask),
        encode(group),
        encode(region),
        SPLITS.index(split_name) if split_name else UNSPLIT,
    )


def rows_of(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of a table, each with its place for messages.

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
    """The lines of a CSV file; the case of the names of its columns does not matter."""
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
