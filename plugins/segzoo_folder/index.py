"""What files hold, looked up once and kept in the cache until a file changes.

A root, with a table that lists its files if there is one, has the folder `folder/KEY` in the cache. In it `index.json`
holds the SHA-256 of its second line, and in that what is known of each file, by its path, size and times. If it is
damaged, it is as if it were not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from segzoo.atomic import write_text
from segzoo.data.processes import in_processes
from segzoo.errors import DataError
from segzoo.locking import holding
from segzoo.manifest import threads
from segzoo.terminal import Bar
from segzoo_folder.files import Stamp
from segzoo_folder.reading import ImageFacts, MaskFacts, look_at_image, look_at_mask

FORMAT = 2
"""Changes with what is kept."""
PIECE = 64
"""Files that are handed to a process at a time."""
FEW = 256
"""Files for which it is not worth starting another process."""

Kind = Literal["images", "masks"]
Facts = dict[Kind, dict[str, Any]]
Table = dict[str, Any]


class Wanted(NamedTuple):
    """The files of a dataset, by what they are taken for."""

    images: Mapping[str, Stamp]
    masks: Mapping[str, Stamp]


class Known(NamedTuple):
    """What the files hold that can be read."""

    images: Mapping[str, ImageFacts]
    masks: Mapping[str, MaskFacts]


def known(root: Path, wanted: Wanted, folder: Path) -> Known:
    """What these files below a root hold; only those are opened that are new or have changed.

    The index is in a folder of its own, which is made if need be.

    Files that cannot be read are left out, and looked at again the next time.

    Raises:
        SegzooError: if the cache cannot be written, or a process ends over a file.
    """
    found, missing = _compared(_load(folder / "index.json"), wanted)
    if not missing:
        return found
    with holding(folder):
        table = _load(folder / "index.json")  # another process may have filled it meanwhile
        found, missing = _compared(table, wanted)
        new = list(_looked_at(root, missing))
        if new:
            _save(folder / "index.json", table, wanted, new)
    images = dict(found.images) | {path: facts for kind, path, facts in new if kind == "images"}
    return Known(images, dict(found.masks) | {path: facts for kind, path, facts in new if kind == "masks"})


def _compared(table: Table, wanted: Wanted) -> tuple[Known, list[tuple[Kind, str]]]:
    """What is known already, and what is to be looked at."""
    types = {"images": ImageFacts, "masks": MaskFacts}
    facts = {kind: [make(*row) for row in table.get(f"{kind} facts", ())] for kind, make in types.items()}
    found: Facts = {"images": {}, "masks": {}}
    missing: list[tuple[Kind, str]] = []
    for kind in found:
        rows, own, seen = table.get(kind, {}), facts[kind], found[kind]
        for path, stamp in getattr(wanted, kind).items():
            row = rows.get(path)
            if row and (row[0], row[1], row[2]) == stamp:
                seen[path] = own[row[3]]
            else:
                missing.append((kind, path))
    return Known(**found), missing


@dataclass(frozen=True)
class _Looker:
    root: Path

    def __call__(self, files: list[tuple[Kind, str]]) -> list[ImageFacts | MaskFacts | None]:
        return [self._look(kind, self.root / path) for kind, path in files]

    def _look(self, kind: Kind, path: Path) -> ImageFacts | MaskFacts | None:
        try:
            return look_at_image(path) if kind == "images" else look_at_mask(path)
        except DataError:  # which whoever reads the sample is told
            return None


def _looked_at(root: Path, files: list[tuple[Kind, str]]) -> Iterator[tuple[Kind, str, Any]]:
    pieces = (files[start : start + PIECE] for start in range(0, len(files), PIECE))
    count = min(threads(), 1 + len(files) // FEW)
    with Bar(len(files)) as bar, closing(in_processes(_Looker(root), pieces, count, _title)) as results:
        for piece, facts in results:
            bar.advance(len(piece), "looking at new files")
            for (kind, path), own in zip(piece, facts, strict=True):
                if own is not None:
                    yield kind, path, own


def _title(piece: list[tuple[Kind, str]]) -> str:
    return f"'{piece[0][1]}' to '{piece[-1][1]}'"


def _load(path: Path) -> Table:
    """The table in a file; empty if there is none, or it is damaged or of another form."""
    try:
        digest, _, text = path.read_text("utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return {}
    return dict(json.loads(text)) if digest == _digest(text) else {}


def _save(path: Path, table: Table, wanted: Wanted, new: Iterable[tuple[Kind, str, Any]]) -> None:
    """Add to the table, and drop what nobody wants any more; equal facts are written once."""
    numbers: dict[Kind, dict[str, int]] = {"images": {}, "masks": {}}
    merged: Table = {"images": {}, "masks": {}}
    for kind, own in numbers.items():
        stamps, old = getattr(wanted, kind), table.get(f"{kind} facts", ())
        rows = ((file, old[row[3]]) for file, row in table.get(kind, {}).items() if tuple(row[:3]) == stamps.get(file))
        for file, facts in (*rows, *((file, facts) for other, file, facts in new if other == kind)):
            number = own.setdefault(json.dumps(facts), len(own))
            merged[kind][file] = (*stamps[file], number)
        merged[f"{kind} facts"] = [json.loads(text) for text in own]
    text = json.dumps(merged, ensure_ascii=True)
    write_text(path, f"{_digest(text)}\n{text}")


def _digest(text: str) -> str:
    return sha256(f"{FORMAT}\n{text}".encode()).hexdigest()
