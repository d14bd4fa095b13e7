"""Which samples are in which split: as the folder says, or dealt out by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from segzoo.errors import ConfigError, DataError
from segzoo.plugin import Split
from segzoo.splits import Rule, Shares, better_seed, divide
from segzoo_folder import SHARE, ImageFolder
from segzoo_folder.files import SPLITS, Pair

NAMED = 3
"""Samples that a message names."""


@dataclass(frozen=True)
class Sorting:
    """The split of each sample."""

    options: ImageFolder
    splits: tuple[Split, ...]
    """Those that there are to be."""
    owned: Sequence[Split]
    """Of each sample."""
    dealt: Sequence[str] = ()
    """The groups of those that were dealt out."""
    rule: Rule | None = None
    """What they were dealt out by."""

    @classmethod
    def of(cls, options: ImageFolder, pairs: Sequence[Pair]) -> Sorting:
        """The splits of samples, each given by its pair.

        Raises:
            ConfigError: if an option says what the folder says as well.
            DataError: if a group is in two splits, or the folder has no images to train on.
        """
        groups = _groups(options, pairs)
        given = [pair.split for pair in pairs if pair.split]
        if not given:
            rule = options.rule()
            owned = divide(groups, rule, options.split_seed)
            return cls(options, tuple(split for split in SPLITS if split in rule.shares), owned, groups, rule)
        _require_apart(options, given, groups)
        splits = tuple(split for split in SPLITS if split in given or split == "val")
        if "val" in given:
            return cls(options, splits, given)
        rule = Shares(options.val or SHARE, 0)
        dealt = [group for group, split in zip(groups, given, strict=True) if split == "train"]
        found = iter(divide(dealt, rule, options.split_seed))
        return cls(options, splits, [next(found) if split == "train" else split for split in given], dealt, rule)

    def indices(self, split: Split) -> list[int]:
        """The samples of a split.

        Raises:
            DataError: if there is no such split, or no sample came to be in it.
        """
        root = self.options.folder()
        if split not in self.splits:
            raise ConfigError(f"the dataset 'folder' in {root} has no split '{split}', but {', '.join(self.splits)}")
        found = [index for index, own in enumerate(self.owned) if own == split]
        if not found:
            raise self._emptied(split)
        return found

    def _emptied(self, split: Split) -> DataError:
        assert self.rule is not None  # else the split would not be there
        count, groups, root = len(self.dealt), len(set(self.dealt)), self.options.folder()
        what = f"{count:,} images" if count == groups else f"{count:,} images in {groups:,} groups"
        told = f"the split '{split}' of {root} has no images: {what} were dealt out by chance, which are few."
        seed = better_seed(self.dealt, self.rule)
        if seed is None:
            return DataError(
                f"{told} No seed fills every split, since a group stays together, and so do the pages of a file. Say "
                "where each belongs with the folders train/, val/ and test/, or with the column split of a listing"
            )
        owned = divide(self.dealt, self.rule, seed)
        sizes = ", ".join(f"{name} {owned.count(name):,}" for name in self.rule.shares)
        return DataError(f"{told} Deal them out in another way: `--set dataset.split_seed={seed}` gives {sizes}")


def _groups(options: ImageFolder, pairs: Sequence[Pair]) -> list[str]:
    """What each sample stays together with: the pages of a file, and what the options or a table say."""
    if options.groups is None:
        return [pair.group or pair.id for pair in pairs]
    if any(pair.group for pair in pairs):
        raise ConfigError(
            f"dataset 'folder', option 'groups': {options.listing} has a column group; use one of the two"
        )
    pattern = re.compile(options.groups)
    found = [pattern.search(pair.id) for pair in pairs]
    without = [pair.id for pair, match in zip(pairs, found, strict=True) if match is None]
    if without:
        raise ConfigError(
            f"dataset 'folder', option 'groups': {options.groups} is not found in {len(without):,} of {len(pairs):,} "
            f"ids, such as {', '.join(without[:NAMED])}"
        )
    return [match[1 if pattern.groups else 0] or "" for match in found if match]


def _require_apart(options: ImageFolder, given: Sequence[Split], groups: Sequence[str]) -> None:
    """Raise unless the splits that are given can stand."""
    root = options.folder()
    superfluous = {"test": options.test, "folds": options.folds, "val": options.val if "val" in given else None}
    if names := [name for name, value in superfluous.items() if value is not None]:
        raise ConfigError(f"dataset 'folder', option '{names[0]}': the splits are given in {root}; leave it out")
    if "train" not in given:
        raise DataError(f"{root} has no images to train on: the split 'train' is not there")
    owner: dict[str, Split] = {}
    for group, split in zip(groups, given, strict=True):
        if owner.setdefault(group, split) != split:
            raise DataError(
                f"the group '{group}' is in the splits '{owner[group]}' and '{split}' of {root}; what belongs together "
                "must be in one"
            )
