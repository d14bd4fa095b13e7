"""Which samples are in which split: as the folder says, or dealt out by their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from segzoo.errors import ConfigError, DataError
from segzoo.plugin import Split
from segzoo.samples import OnDemand
from segzoo.splits import Rule, Shares, better_seed, divide, in_blocks
from segzoo_folder import SHARE, ImageFolder
from segzoo_folder.layout import SPLITS
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
    dealt: Sequence[str] = ()
    """The groups of those that were dealt out."""
    rule: Rule | None = None
    """What they were dealt out by."""
    paged: bool = False
    """Whether some samples are pages of one file."""

    @classmethod
    def of(cls, options: ImageFolder, pairs: Pairs, owners: NDArray[np.int32]) -> Sorting:
        """The splits of samples, each of which is of one of the pairs.

        Raises:
            ConfigError: if an option says what the folder says as well, or otherwise.
            DataError: if a group is in two splits, or the folder has no images to train on.
        """
        group, owned = _grouping(options, pairs), pairs.splits[owners]
        there = tuple(split for number, split in enumerate(SPLITS) if (owned == number).any())
        rule = options.rule()
        if there:
            _require_apart(options, pairs, group, there)
            if "val" in there:
                return cls(options, there, owned)
            rule = Shares(options.val or SHARE, 0)
            owned[owned == SPLITS.index("train")] = UNSPLIT
        rows = np.flatnonzero(owned == UNSPLIT)
        groups = OnDemand(len(rows), lambda index: group(owners[rows[index]]))
        dealt = (
            _in_blocks(options, rule, pairs, owners[rows])
            if options.blocks
            else divide(groups, rule, options.split_seed)
        )
        owned[rows] = np.fromiter(map(SPLITS.index, dealt), np.uint8, len(rows))
        splits = tuple(split for split in SPLITS if split in {*there, *rule.shares})
        return cls(options, splits, owned, groups, rule, len(pairs) < len(owners))

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
            raise self._emptied(split)
        return found

    def _emptied(self, split: Split) -> DataError:
        assert self.rule is not None  # else the split would not be there
        count, groups, root = len(self.dealt), len(set(self.dealt)), self.options.folder()
        told = f"the split '{split}' of {root} has no images"
        if self.options.blocks:
            return DataError(f"{told}: its share is less than a page. Choose larger ones, or fewer folds")
        what = f"{count:,} image{'s' if count > 1 else ''}"
        what += "" if count == groups else f" in {groups:,} group{'s' if groups > 1 else ''}"
        told += f", since there are few to be dealt out by chance: {what}."
        seed = better_seed(self.dealt, self.rule)
        if seed is None:
            return DataError(
                f"{told} No seed fills every split, since what belongs together stays so. {self._way_out()}"
            )
        owned = divide(self.dealt, self.rule, seed)
        sizes = ", ".join(f"{name} {owned.count(name):,}" for name in self.rule.shares)
        return DataError(f"{told} Deal them out in another way: `--set dataset.split_seed={seed}` gives {sizes}")

    def _way_out(self) -> str:
        """What fills the splits where no seed does."""
        if self.paged:
            return (
                "Split the pages of each file in blocks of consecutive ones, with `--set dataset.blocks=true`; or say "
                "where each file belongs, with the folders train/, val/ and test/"
            )
        where = "say where each belongs, with the folders train/, val/ and test/ or the column split of a listing"
        if isinstance(self.rule, Shares) and self.rule.test and len(set(self.dealt)) > 1:
            return f"Do without scores of images that are kept back, with `--set dataset.test=0`, or {where}"
        return f"Add images, or {where}"


def _in_blocks(options: ImageFolder, rule: Rule, pairs: Pairs, owners: NDArray[np.int32]) -> Iterator[Split]:
    """The splits of samples, those of the pages of a file in blocks."""
    if (pairs.groups != b"").any():
        raise ConfigError(
            f"dataset 'folder', option 'blocks': {options.listing} has a column group, of what is to stay together; "
            "use one of the two"
        )
    different, counts = np.unique(owners, return_counts=True)
    for pair, count in zip(different.tolist(), counts.tolist(), strict=True):
        yield from in_blocks(count, rule) if count > 1 else divide([pairs[pair].id], rule, options.split_seed)


def _grouping(options: ImageFolder, pairs: Pairs) -> Callable[[int], str]:
    """What the samples of a pair stay together with: with each other, and what the options or a table say."""
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


def _require_apart(options: ImageFolder, pairs: Pairs, group: Callable[[int], str], there: Sequence[Split]) -> None:
    """Raise unless the splits that are given can stand."""
    root = options.folder()
    superfluous = {"test": options.test, "folds": options.folds, "val": options.val if "val" in there else None}
    if names := [name for name, value in superfluous.items() if value is not None]:
        raise ConfigError(f"dataset 'folder', option '{names[0]}': the splits are given in {root}; leave it out")
    if "train" not in there:
        raise DataError(f"{root} has no images to train on: the split 'train' is not there")
    if options.groups is None and not (pairs.groups != b"").any():
        return
    owner: dict[str, Split] = {}
    for index, number in enumerate(pairs.splits.tolist()):
        name, split = group(index), SPLITS[number]
        if owner.setdefault(name, split) != split:
            raise DataError(
                f"the group '{name}' is in the splits '{owner[name]}' and '{split}' of {root}; what belongs together "
                "must be in one"
            )
