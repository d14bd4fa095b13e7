"""The files below a folder that may be images, in columns, and what tells that none came or went: none is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

import numpy as np

from segzoo.errors import DataError
from segzoo_folder.layout import SUFFIXES, hidden
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


class Files(NamedTuple):
    """The files below a folder that may be images, sorted by their names without folder and suffix."""

    names: NDArray[np.bytes_]
    """All different."""
    paths: NDArray[np.bytes_]
    """Relative to the root."""
    stamps: NDArray[np.int64]
    doubled: tuple[str, ...]
    """Files that have the name of another, a line each."""
    folders: Stamped
    """All that were looked through."""

    @classmethod
    def below(cls, root: Path, folder: str) -> Files:
        """Those below a folder, whose path is relative to the root."""
        names, paths, stamps = columns(_rows(root, folder), (np.bytes_, np.bytes_, np.int64))
        folders = Stamped(*(column[names == FOLDER] for column in (paths, stamps)))
        order = np.lexsort((paths, names))[len(folders.paths) :]  # their name is the first
        names, paths, stamps = names[order], paths[order], stamps[order]
        again = np.flatnonzero(names[1:] == names[:-1]) + 1
        both = ((root / text(paths[index - 1]), root / text(paths[index]), text(names[index])) for index in again)
        doubled = tuple(f"{first} and {other} are both {name}" for first, other, name in both)
        kept = np.delete(np.arange(len(names)), again)
        return cls(names[kept], paths[kept], stamps[kept], doubled, folders)

    def but(self, indices: NDArray[np.intp]) -> Iterator[tuple[str, str]]:
        """Name and path of all others than these."""
        for index in np.delete(np.arange(len(self.names)), indices).tolist():
            yield text(self.names[index]), text(self.paths[index])


def _rows(root: Path, folder: str) -> Iterator[tuple[bytes, bytes, int]]:
    """Name, path and stamp of the folders, and of the files with the suffix of an image."""
    for path, stamp in _walk(root, folder):
        if path[-1] == "/":
            yield FOLDER, coded(path), stamp
            continue
        stem, dot, suffix = path.rpartition(".")
        if dot and f".{suffix.lower()}" in SUFFIXES:
            yield coded(_text(stem[len(folder) + 1 :], root, path)), coded(path), stamp


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
    waiting, seen = [folder], set()
    while waiting:
        prefix = waiting.pop()
        yield f"{prefix}/", stamp_of(root / prefix)
        try:
            place = (root / prefix).stat()
        except FileNotFoundError:
            continue  # a split may have images only; each of them lacks its mask
        if (place.st_dev, place.st_ino) in seen:
            continue
        seen.add((place.st_dev, place.st_ino))
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                name = entry.name
                if hidden(name):
                    continue
                if entry.is_dir():
                    waiting.append(f"{prefix}/{name}")
                else:
                    yield f"{prefix}/{name}", stamp_of(entry)


def stamp_of(file: os.DirEntry[str] | Path) -> int:
    """A number that changes with the size of a file and the times of the last change of it and of its inode.

    ABSENT for a link that leads nowhere.
    """
    try:
        facts = file.stat()
    except OSError:
        return ABSENT
    # Of whole numbers Python's hash is the same in every process.
    return hash((facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))
