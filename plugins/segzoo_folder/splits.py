"""Which samples are in which split: as the folder or a table says, or by a random split of their groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.samples import OnDemand
from segzoo.data.splits import FEW, Folds, Rule, Shares, different, divide
from segzoo.errors import ConfigError, DataError, suggestion
from segzoo.plugin import Split
from segzoo_folder import SHARE, ImageFolder
from segzoo_folder.index import Pages
from segzoo_folder.layout import SPLITS, split_named
from segzoo_folder.listing import rows_of
from segzoo_folder.pairs import UNSPLIT, Pairs, decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 3
"""Samples that a message names."""

COLUMNS = ("id", "split")
"""The columns that a table of splits must have; others are not read."""


@dataclass(frozen=True)
class SplitAssignment:
    """The split of each sample."""

    options: ImageFolder
    splits: tuple[Split, ...]
    """The splits of the dataset."""
    split_numbers: NDArray[np.uint8]
    """Of each sample an index into SPLITS."""
    random: RandomSplit | None = None
    """The samples that were split at random."""
    notes: tuple[str, ...] = ()
    """Notes for a run, a line each."""

    @classmethod
    def of(cls, options: ImageFolder, pages: Pages) -> SplitAssignment:
        """The splits of the pages of a folder.

        Raises:
            ConfigError: if an option contradicts or repeats what the folder says, or there are too many folds.
            DataError: if a group is in two splits, the folder has no images to train on, or a table of splits does not
                fit it.
        """
        group = _grouping(options, pages.index.pairs)
        split_numbers, notes = _given(options, pages)
        present = tuple(split for number, split in enumerate(SPLITS) if (split_numbers == number).any())
        rule = options.rule()
        if present:
            _require_apart(options, pages, group, split_numbers)
            if "val" in present:
                return cls(options, present, split_numbers, notes=notes)
            rule = Shares(options.val or SHARE, 0)
            split_numbers[split_numbers == SPLITS.index("train")] = UNSPLIT
        rows = np.flatnonzero(split_numbers == UNSPLIT)
        random = RandomSplit.of(options, rule, pages.take(rows), group)
        split_numbers[rows] = np.fromiter(map(SPLITS.index, random.splits()), np.uint8, len(rows))
        splits = tuple(split for split in SPLITS if split in {*present, *rule.shares})
        return cls(options, splits, split_numbers, random, (*notes, *random.notes()))

    def indices(self, split: Split) -> NDArray[np.int64]:
        """The samples of a split.

        Raises:
            DataError: if there is no such split, or no sample came to be in it.
        """
        root = self.options.folder()
        if split not in self.splits:
            raise ConfigError(f"the dataset 'folder' in {root} has no split '{split}', but {', '.join(self.splits)}")
        indices = np.flatnonzero(self.split_numbers == SPLITS.index(split))
        if not len(indices):
            assert self.random is not None  # else the split would not be there
            raise DataError(f"the split '{split}' of {root} has no images, {self.random.why_empty(split)}")
        return indices


def _given(options: ImageFolder, pages: Pages) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The split of each sample that the folder or a table gives, else UNSPLIT; and notes for a run."""
    split_numbers = pages.index.pairs.splits[pages.owners]
    if options.splits is None:
        return split_numbers, ()
    if (split_numbers != UNSPLIT).any():
        raise ConfigError(f"dataset 'folder', option 'splits': the splits are given in {pages.root}; leave it out")
    split_numbers = read_splits(options.splits, pages, options.allow_missing)
    new = np.flatnonzero(split_numbers == UNSPLIT)
    split_numbers[new] = SPLITS.index("train")
    if not len(new):
        return split_numbers, ()
    names = ", ".join(pages.id(index) for index in new[:SHOWN].tolist())
    more = " and more" if new[SHOWN:].size else ""
    return split_numbers, (
        f"trained on, since {options.splits} does not name them: {len(new):,} samples, {names}{more}",
    )


def _grouping(options: ImageFolder, pairs: Pairs) -> Callable[[int], str]:
    """The group of each pair, whose samples stay in one split: as the options or a table say, else the pair itself."""
    if options.blocks and (pairs.groups != b"").any():
        raise ConfigError(
            f"dataset 'folder', option 'blocks': {options.listing} has a column group, of what is to stay together; "
            "use one of the two"
        )
    if options.groups is None:
        return lambda index: decode(pairs.groups[index]) or decode(pairs.ids[index])
    if (pairs.groups != b"").any():
        raise ConfigError(
            f"dataset 'folder', option 'groups': {options.listing} has a column group; use one of the two"
        )
    pattern = re.compile(options.groups)
    without = [index for index, name in enumerate(pairs.ids) if pattern.search(decode(name)) is None]
    if without:
        raise ConfigError(
            f"dataset 'folder', option 'groups': {options.groups} is not found in {len(without):,} of {len(pairs):,} "
            f"ids, such as {', '.join(decode(pairs.ids[index]) for index in without[:SHOWN])}"
        )

    def group(index: int) -> str:
        match = pattern.search(decode(pairs.ids[index]))
        return match[1 if pattern.groups else 0] or "" if match else ""

    return group


def _require_apart(
    options: ImageFolder, pages: Pages, group: Callable[[int], str], split_numbers: NDArray[np.uint8]
) -> None:
    """Raise unless the given splits include training and keep each group in one split."""
    source = options.splits or options.folder()
    train, val = ((split_numbers == SPLITS.index(split)).any() for split in ("train", "val"))
    superfluous = {"test": options.test, "folds": options.folds, "val": options.val if val else None}
    if names := [name for name, value in superfluous.items() if value is not None]:
        raise ConfigError(f"dataset 'folder', option '{names[0]}': the splits are given in {source}; leave it out")
    if not train:
        raise DataError(f"{source} has no images to train on: the split 'train' is not there")
    if options.groups is None and not (pages.index.pairs.groups != b"").any():
        return
    split_of_group: dict[str, int] = {}
    for row, number in zip(pages.owners.tolist(), split_numbers.tolist(), strict=True):
        if (first := split_of_group.setdefault(name := group(row), number)) != number:
            raise DataError(
                f"the group '{name}' is in the splits '{SPLITS[first]}' and '{SPLITS[number]}' of {source}; what "
                "belongs together must be in one"
            )


@dataclass(frozen=True)
class RandomSplit:
    """The random split of samples by shares or folds, which keeps groups together."""

    options: ImageFolder
    rule: Rule
    sizes: NDArray[np.int64]
    """The number of samples of each block of consecutive ones; 1 for a sample that is in no block."""
    groups: Sequence[str]
    """The group of each sample that is in no block."""
    different: int
    """How many groups there are, counted up to FEW or to the number of folds."""
    kind: str
    """What to call a group of several: `file`, if only the pages of a file stay together, or `group`."""

    @classmethod
    def of(cls, options: ImageFolder, rule: Rule, pages: Pages, group: Callable[[int], str]) -> RandomSplit:
        """The split of these pages, of which `group` tells the group of each pair.

        Raises:
            ConfigError: if there are more folds than groups.
        """
        files, counts = np.unique(pages.owners, return_counts=True)
        owners = files[counts == 1] if options.blocks else pages.owners
        groups = OnDemand(len(owners), lambda index: group(int(owners[index])))
        named = options.groups is not None or (pages.index.pairs.groups != b"").any()
        kind = "file" if len(files) < len(pages) and not named else "group"
        sizes = counts if options.blocks else np.ones(len(owners), np.int64)
        random = cls(options, rule, sizes, groups, different(groups, max(FEW, options.folds or 0)), kind)
        random._require_folds()
        return random

    def splits(self) -> Iterator[Split]:
        """The split of each sample."""
        single = iter(divide(self.groups, self.rule, self.options.split_seed))
        for size in self.sizes.tolist():
            yield from self.rule.spread(size) if size > 1 else [next(single)]

    def notes(self) -> Iterator[str]:
        """Notes for a run."""
        if len(self.rule.shares) <= self.different < FEW:
            yield (
                f"{self._what()} are few to be dealt out, so images that are added or removed may move others to "
                "another split. To keep the splits, name the table that a run has written: `--set "
                "dataset.splits=RUN/splits.csv`"
            )

    def why_empty(self, split: Split) -> str:
        """Why a split that has a share got no sample, and what to do."""
        folds = isinstance(self.rule, Folds)
        if (self.sizes > 1).any():
            way = "Take fewer folds" if folds else "Add pages"
            return f"since no file has enough pages to be split in blocks. {way}, or leave out the option blocks"
        if self.different < FEW:
            return f"since {self._what()} must do for {len(self.rule.shares)} splits. {self._way_out()}"
        way, other = "fewer folds" if folds else "a larger share", self.options.split_seed + 1
        return (
            f"since its share of {self._what()} is only {self.rule.shares[split]:.2%}, and chance gave it none: take "
            f"{way}, or another seed, as with `--set dataset.split_seed={other}`"
        )

    def _require_folds(self) -> None:
        """Raise unless each fold has a group."""
        folds = self.options.folds
        if not isinstance(self.rule, Folds) or folds is None or self.different >= folds or (self.sizes > 1).any():
            return
        way = f"Take {self.different} at most" if self.different > 2 else self._way_out()
        raise ConfigError(f"dataset 'folder', option 'folds': {self._what()} must do for {folds} parts. {way}")

    def _what(self) -> str:
        """The number of samples and groups, in words."""
        images = _counted(len(self.groups), "image")
        if self.different in (len(self.groups), max(FEW, self.options.folds or 0)):
            return images
        return f"{images} in {_counted(self.different, self.kind)}"

    def _way_out(self) -> str:
        """What to do where there are too few groups for the splits."""
        if self.kind == "file" and len(self.groups) >= len(self.rule.shares):
            return (
                "Split the pages of each file in blocks of consecutive ones, with `--set dataset.blocks=true`; or say "
                "where each file belongs, with the folders train/, val/ and test/"
            )
        if isinstance(self.rule, Shares) and self.rule.test and self.different > 1:
            return "Add images, or do without scores of images that are kept back, with `--set dataset.test=0`"
        return f"Add images{'' if len(self.groups) == self.different else f' of another {self.kind}'}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def read_splits(file: Path, pages: Pages, allow_missing: bool) -> NDArray[np.uint8]:
    """The split of each sample, an index into SPLITS; UNSPLIT if the table does not name it.

    Raises:
        DataError: if the table cannot be read, lacks a column or a value, names a split that there is none of, or a
            sample twice, or one that is not there, which `allow_missing` passes over.
    """
    named: dict[str, int] = {}
    for name, split, place in _read(file):
        if named.setdefault(name, split) != split:
            raise DataError(f"{place}: '{name}' is in the split '{SPLITS[named[name]]}' already; keep one of the two")
    split_numbers = np.fromiter(
        (named.pop(pages.id(index), UNSPLIT) for index in range(len(pages))), np.uint8, len(pages)
    )
    if named and not allow_missing:
        raise DataError(
            f"{file} names {len(named):,} samples that {pages.root} does not hold: {', '.join([*named][:SHOWN])}"
            f"{' and more' if named.keys() - [*named][:SHOWN] else ''}. Take their lines out, or pass over them with "
            "`--set dataset.allow_missing=true`"
        )
    return split_numbers


def _read(file: Path) -> Iterator[tuple[str, int, str]]:
    """Id, split and a name for messages of each row."""
    for place, row in rows_of(file):
        name, split = (_cell(row, column, place) for column in COLUMNS)
        if (split_name := split_named(split)) is None:
            raise DataError(f"{place}: there is no split '{split}'{suggestion(split, SPLITS)}")
        yield name, SPLITS.index(split_name), place


def _cell(row: Mapping[str, Any], column: str, place: str) -> str:
    if column not in row:
        raise DataError(
            f"{place} has no column {column}; there are {', '.join(map(str, row))}. The first line must name the "
            f"columns: {','.join(COLUMNS)}"
        )
    if not isinstance(row[column], str) or not row[column].strip():
        raise DataError(f"{place}: {column} is {row[column]!r}; it must be a text")
    return str(row[column]).strip()
