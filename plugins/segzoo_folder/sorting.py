"""Which samples are in which split: as the folder says, or dealt out by their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from segzoo.data.splits import Shares
from segzoo.errors import ConfigError, DataError
from segzoo.plugin import Split
from segzoo_folder import SHARE, ImageFolder
from segzoo_folder.index import Pages
from segzoo_folder.kept import kept
from segzoo_folder.layout import SPLITS
from segzoo_folder.lot import Lot
from segzoo_folder.pairs import UNSPLIT, Pairs, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMED = 3
"""Samples that a message names."""


@dataclass(frozen=True)
class Sorting:
    """The split of each sample."""

    options: ImageFolder
    splits: tuple[Split, ...]
    """Those that there are to be."""
    owned: NDArray[np.uint8]
    """Of each sample; an index into SPLITS."""
    lot: Lot | None = None
    """Those that were dealt out."""
    notes: tuple[str, ...] = ()
    """What a run should say of it, a line each."""

    @classmethod
    def of(cls, options: ImageFolder, pages: Pages) -> Sorting:
        """The splits of the pages of a folder.

        Raises:
            ConfigError: if an option says what the folder says as well, or otherwise, or wants too many folds.
            DataError: if a group is in two splits, the folder has no images to train on, or a table of splits does not
                fit it.
        """
        group = _grouping(options, pages.index.pairs)
        owned, notes = _given(options, pages)
        there = tuple(split for number, split in enumerate(SPLITS) if (owned == number).any())
        rule = options.rule()
        if there:
            _require_apart(options, pages, group, owned)
            if "val" in there:
                return cls(options, there, owned, notes=notes)
            rule = Shares(options.val or SHARE, 0)
            owned[owned == SPLITS.index("train")] = UNSPLIT
        rows = np.flatnonzero(owned == UNSPLIT)
        lot = Lot.of(options, rule, pages.take(rows), group)
        owned[rows] = np.fromiter(map(SPLITS.index, lot.dealt()), np.uint8, len(rows))
        splits = tuple(split for split in SPLITS if split in {*there, *rule.shares})
        return cls(options, splits, owned, lot, (*notes, *lot.notes()))

    def indices(self, split: Split) -> NDArray[np.int64]:
        """The samples of a split.

        Raises:
            DataError: if there is no such split, or no sample came to be in it.
        """
        root = self.options.folder()
        if split not in self.splits:
            raise ConfigError(f"the dataset 'folder' in {root} has no split '{split}', but {', '.join(self.splits)}")
        found = np.flatnonzero(self.owned == SPLITS.index(split))
        if not len(found):
            assert self.lot is not None  # else the split would not be there
            raise DataError(f"the split '{split}' of {root} has no images, {self.lot.why_empty(split)}")
        return found


def _given(options: ImageFolder, pages: Pages) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The split of each sample that somebody has said, UNSPLIT where nobody has; and what a run should say of it."""
    owned = pages.index.pairs.splits[pages.owners]
    if options.splits is None:
        return owned, ()
    if (owned != UNSPLIT).any():
        raise ConfigError(f"dataset 'folder', option 'splits': the splits are given in {pages.root}; leave it out")
    owned = kept(options.splits, pages, options.allow_missing)
    new = np.flatnonzero(owned == UNSPLIT)
    owned[new] = SPLITS.index("train")
    if not len(new):
        return owned, ()
    names = ", ".join(pages.id(index) for index in new[:NAMED].tolist())
    more = " and more" if new[NAMED:].size else ""
    return owned, (f"trained on, since {options.splits} does not name them: {len(new):,} samples, {names}{more}",)


def _grouping(options: ImageFolder, pairs: Pairs) -> Callable[[int], str]:
    """What the samples of a pair stay together with: with each other, and what the options or a table say."""
    if options.blocks and (pairs.groups != b"").any():
        raise ConfigError(
            f"dataset 'folder', option 'blocks': {options.listing} has a column group, of what is to stay together; "
            "use one of the two"
        )
    if options.groups is None:
        return lambda index: text(pairs.groups[index]) or text(pairs.ids[index])
    if (pairs.groups != b"").any():
        raise ConfigError(
            f"dataset 'folder', option 'groups': {options.listing} has a column group; use one of the two"
        )
    pattern = re.compile(options.groups)
    without = [index for index, name in enumerate(pairs.ids) if pattern.search(text(name)) is None]
    if without:
        raise ConfigError(
            f"dataset 'folder', option 'groups': {options.groups} is not found in {len(without):,} of {len(pairs):,} "
            f"ids, such as {', '.join(text(pairs.ids[index]) for index in without[:NAMED])}"
        )

    def group(index: int) -> str:
        match = pattern.search(text(pairs.ids[index]))
        return match[1 if pattern.groups else 0] or "" if match else ""

    return group


def _require_apart(options: ImageFolder, pages: Pages, group: Callable[[int], str], owned: NDArray[np.uint8]) -> None:
    """Raise unless the splits that are given can stand."""
    source = options.splits or options.folder()
    train, val = ((owned == SPLITS.index(split)).any() for split in ("train", "val"))
    superfluous = {"test": options.test, "folds": options.folds, "val": options.val if val else None}
    if names := [name for name, value in superfluous.items() if value is not None]:
        raise ConfigError(f"dataset 'folder', option '{names[0]}': the splits are given in {source}; leave it out")
    if not train:
        raise DataError(f"{source} has no images to train on: the split 'train' is not there")
    if options.groups is None and not (pages.index.pairs.groups != b"").any():
        return
    owner: dict[str, int] = {}
    for row, number in zip(pages.owners.tolist(), owned.tolist(), strict=True):
        if (first := owner.setdefault(name := group(row), number)) != number:
            raise DataError(
                f"the group '{name}' is in the splits '{SPLITS[first]}' and '{SPLITS[number]}' of {source}; what "
                "belongs together must be in one"
            )
