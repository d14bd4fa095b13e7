"""The files below a folder that may be images, in columns, and what tells that none came or went: none is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unicodedata import normalize

import numpy as np

from segzoo.errors import DataError
from segzoo_folder.kinds import PLAIN, READABLE, told
from segzoo_folder.layout import folders, hidden, is_folder
from segzoo_folder.pairs import coded, columns, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABSENT = 0
"""The stamp of a file that is not there."""
FOLDER = b""
"""In place of the name of a file: it is a folder."""


class Stamped(NamedTuple):
    """Folders or tables with their stamps."""

    paths: NDArray[np.bytes_]
    """Relative to the root, or absolute."""
    stamps: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Sequence[Stamped]) -> Stamped:
        """Those of several parts."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def stand(self, root: Path) -> bool:
        """Whether none has changed since."""
        return all(stamp_of(root / text(path)) == stamp for path, stamp in zip(*self, strict=True))


class Strange(NamedTuple):
    """Files that may be images and are not read, sorted by their names without folder and suffix."""

    names: NDArray[np.bytes_]
    """All different, and those of no files that are read."""
    paths: NDArray[np.bytes_]
    """Relative to the root."""
    kinds: NDArray[np.uint8]
    """UNREADABLE or UNKNOWN."""


class Files(NamedTuple):
    """The images below a folder, sorted by their names without folder and suffix."""

    names: NDArray[np.bytes_]
    """All different."""
    paths: NDArray[np.bytes_]
    """Relative to the root."""
    stamps: NDArray[np.int64]
    doubled: tuple[str, ...]
    """Files that have the name of another, a line each."""
    strange: Strange
    """Others that may be images."""
    folders: Stamped
    """All that were looked through."""

    @classmethod
    def below(cls, root: Path, folder: str) -> Files:
        """Those below a folder, whose path is relative to the root."""
        names, paths, stamps, kinds = columns(_rows(root, folder), (np.bytes_, np.bytes_, np.int64, np.uint8))
        folders = Stamped(*(column[names == FOLDER] for column in (paths, stamps)))
        order = np.lexsort((paths, kinds, names))[len(folders.paths) :]  # their name is the first
        names, paths, stamps, kinds = names[order], paths[order], stamps[order], kinds[order]
        again = np.flatnonzero(names[1:] == names[:-1]) + 1
        read = kinds == READABLE
        same = again[read[again]]
        both = ((root / text(paths[index - 1]), root / text(paths[index]), text(names[index])) for index in same)
        doubled = tuple(f"{first} and {other} are both {name}" for first, other, name in both)
        first = np.ones(len(names), bool)
        first[again] = False  # what is there as JPEG and raw is not missed
        strange = Strange(*(column[first & ~read] for column in (names, paths, kinds)))
        first &= read
        return cls(names[first], paths[first], stamps[first], doubled, strange, folders)

    def take(self, rows: NDArray[np.integer[Any]]) -> Files:
        """Some of them, in this order."""
        return self._replace(names=self.names[rows], paths=self.paths[rows], stamps=self.stamps[rows])

    def named(self, indices: NDArray[np.intp]) -> Iterator[tuple[str, str]]:
        """Names and paths of some."""
        for index in indices.tolist():
            yield text(self.names[index]), text(self.paths[index])


def _rows(root: Path, folder: str) -> Iterator[tuple[bytes, bytes, int, int]]:
    """Name, path, stamp and kind of the folders, which have none, and of the files that may be images.

    Below `*/images`, names begin with that of the folder in place of the star.
    """
    above, star, kind = folder.partition("*")
    if not star:
        yield from _below(root, folder)
        return
    yield FOLDER, coded(above), stamp_of(root / above), READABLE
    for sample in folders(root / above):
        yield from _below(root, f"{above}{sample}{kind}", f"{sample}/")


def _below(root: Path, folder: str, start: str = "") -> Iterator[tuple[bytes, bytes, int, int]]:
    """Rows of what is below a folder; the names of files begin so."""
    for path, stamp in _walk(root, folder):
        if path[-1] == "/":
            yield FOLDER, coded(path), stamp, READABLE
            continue
        stem, kind = told(path)
        if kind != PLAIN:
            yield coded(_text(f"{start}{stem[len(folder) + 1 :]}", root, path)), coded(path), stamp, kind


def _text(name: str, root: Path, path: str) -> str:
    """A name as others may write it: a Mac takes its letters apart. A DataError if it is no text."""
    if name.isascii():
        return name
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(root / path).decode("utf-8", "backslashreplace")
        raise DataError(f"the name of {shown} is not in UTF-8; rename it, as the program convmv does") from error
    return normalize("NFC", name)


def _walk(root: Path, folder: str) -> Iterator[tuple[str, int]]:
    """Path and stamp of a folder and all below it, but for what is `hidden`; the paths of folders end in a slash.

    Links are followed, though not in a circle.
    """
    try:
        waiting, seen = [(folder, (root / folder).stat())], set()
    except FileNotFoundError:
        yield f"{folder}/", ABSENT  # a split may have images only; each of them lacks its mask
        return
    while waiting:
        prefix, facts = waiting.pop()
        yield f"{prefix}/", _stamp(facts)
        if (facts.st_dev, facts.st_ino) in seen:
            continue
        seen.add((facts.st_dev, facts.st_ino))
        with os.scandir(f"{root}/{prefix}") as entries:
            for entry in entries:
                name = entry.name
                if hidden(name):
                    continue
                if is_folder(entry):
                    waiting.append((f"{prefix}/{name}", entry.stat()))
                else:
                    yield f"{prefix}/{name}", stamp_of(entry)


def stamp_of(file: os.DirEntry[str] | Path) -> int:
    """A number that changes with the size of a file and the times of the last change of it and of its inode.

    ABSENT for a link that leads nowhere.
    """
    try:
        return _stamp(file.stat())
    except OSError:
        return ABSENT


def _stamp(facts: os.stat_result) -> int:
    # Of whole numbers Python's hash is the same in every process.
    return hash((facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))
