"""The image files that are to be predicted, and the names of what is made of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from segzoo.data.image_files import FORMATS
from segzoo.errors import ConfigError
from segzoo.files.filenames import file_names

SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
"""Of the files that are taken from folders, in lower case."""


@dataclass(frozen=True)
class Source:
    """An image file."""

    path: Path
    """Its path, as the user has named it or the folder that it is in."""
    name: str
    """What files that are made of it are called, without a suffix."""


@dataclass(frozen=True)
class Sources:
    """What paths of files and folders lead to."""

    files: Sequence[Source]
    """Each image file once by each of its names, in the order of the paths; those of a folder sorted."""
    passed_over: int
    """Files in folders that are no images, by their suffixes; hidden ones are not counted."""


def find_sources(paths: Sequence[Path], out: Path) -> Sources:
    """The images that files and folders name. Folders are searched with all in them, but for hidden files and `out`.

    A file that is named is taken whatever its suffix, and also if it is not there: reading it tells.
    The name is that of the file, or its path below the folder; with its suffix, or its longer path, if several files
    would have the same.

    Raises:
        ConfigError: if a folder has no images, is `out` or cannot be read.
    """
    found: dict[tuple[str, str], tuple[Path, PurePath]] = {}
    passed_over = 0
    for path in paths:
        files = list(_below(path, out)) if path.is_dir() else [path]
        images = [file for file in files if file == path or file.suffix.lower() in SUFFIXES]
        if not images:
            raise ConfigError(f"there are no images below {path}; those that can be read end in {_endings()}")
        passed_over += len(files) - len(images)
        for file in images:
            short = PurePath(file.name) if file == path else file.relative_to(path)
            found.setdefault((os.path.realpath(file), file.name), (file, short))
    names = _names(list(found.values()))
    return Sources([Source(path, name) for (path, _), name in zip(found.values(), names, strict=True)], passed_over)


def _below(folder: Path, out: Path) -> Iterator[Path]:
    """The files below a folder, sorted, with links to folders followed as long as they lead to no folder above."""
    left_out = os.path.realpath(out)
    if os.path.realpath(folder) == left_out:
        raise ConfigError(f"{folder} holds the images, and cannot be that of the results; choose another --out")

    def search(place: Path, above: frozenset[str]) -> Iterator[Path]:
        real = os.path.realpath(place)
        if real in above or real == left_out:
            return
        for entry, is_folder in _entries(place):
            if is_folder:
                yield from search(entry, above | {real})
            else:
                yield entry

    yield from search(folder, frozenset())


def _entries(folder: Path) -> list[tuple[Path, bool]]:
    """What is in a folder, sorted, but for what is hidden, and whether it is a folder."""
    try:
        return [(entry, entry.is_dir()) for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    except OSError as error:
        raise ConfigError(
            f"cannot read the folder {folder} ({error.strerror}); name folders that you may read"
        ) from error


def _endings() -> str:
    return ", ".join(sorted(SUFFIXES))


def _names(files: Sequence[tuple[Path, PurePath]]) -> list[str]:
    """A name for each file: the first of its texts that no other file has, as the name of a file."""
    texts: list[Callable[[Path, PurePath], str]] = [
        lambda path, short: short.with_suffix("").as_posix(),
        lambda path, short: short.as_posix(),
        lambda path, short: path.as_posix(),
        lambda path, short: os.path.abspath(path),  # noqa: PTH100, since a link is called as itself
    ]
    ids = [texts[0](*file) for file in files]
    for text in texts[1:]:
        counts = Counter(ids)
        ids = [name if counts[name] == 1 else text(*file) for file, name in zip(files, ids, strict=True)]
    names = file_names(ids)
    return [names[name] for name in ids]
