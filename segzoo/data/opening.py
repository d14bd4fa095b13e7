"""Splits of datasets, opened and compared with what the interface says of ids and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from segzoo.data.faults import blaming
from segzoo.data.samples import OnDemand
from segzoo.errors import DataError, PluginError
from segzoo.plugin import Dataset, Samples, Split
from segzoo.plugin_errors import Calling, Promise, shown

IDS = Promise.of(vars(Samples)["ids"].fget)


class OpenedSplit(NamedTuple):
    """A split of a dataset."""

    samples: Samples
    ids: Sequence[str]
    """Of each sample; asked for once, since a dataset may make a new list each time."""
    files: Sequence[tuple[Path, ...]]
    """Of each sample; empty if they are not made of files. Their paths are looked at when they are asked for."""


def open_split(dataset: Dataset, cache: Path, split: Split) -> OpenedSplit:
    """The samples of a split, with as many ids, and as many files if there are any.

    Raises:
        PluginError: if `open`, the samples' `ids` or `files` are not as the interface says, or raise an exception.
        DataError: if the split is empty.
    """
    samples = dataset.open(cache, split)
    with Calling(type(dataset), f"naming the samples of the split '{split}'"):
        count, ids = len(samples), samples.ids
        problem = IDS.broken_by(ids)
        named = 0 if problem else len(ids)
    if problem:
        raise blaming(type(dataset), PluginError(f"`ids` of the split '{split}' are {problem}"))
    if named != count:
        text = f"the split '{split}' has {count:,} samples, but {named:,} ids: each sample needs one"
        raise blaming(type(dataset), PluginError(text))
    if not count:
        raise blaming(type(dataset), DataError(f"the split '{split}' has no images"))
    return OpenedSplit(samples, ids, _files(dataset, cache, split, count))


def _files(dataset: Dataset, cache: Path, split: Split, count: int) -> Sequence[tuple[Path, ...]]:
    """The files of a split of so many samples."""
    files = dataset.files(cache, split)
    with Calling(type(dataset), f"naming the files of the split '{split}'"):
        length = len(files)
    if length not in (0, count):
        text = f"the split '{split}' has {count:,} samples, but files for {length:,}"
        raise blaming(type(dataset), PluginError(text))

    def checked(index: int) -> tuple[Path, ...]:
        with Calling(type(dataset), f"naming the files of the split '{split}'"):
            paths: Any = files[index]
        if not isinstance(paths, tuple | list) or not all(isinstance(path, Path) for path in paths):
            text = f"`files` of the split '{split}' has {shown(paths)} for a sample, which is no tuple of paths"
            raise blaming(type(dataset), PluginError(text))
        return tuple(paths)

    if length:
        checked(0)  # at once, since what is wrong is mostly wrong with all of them
    return OnDemand(length, checked)
