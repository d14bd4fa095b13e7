"""Which samples are in which split: as the folder says, or dealt out by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from segzoo.errors import ConfigError, DataError
from segzoo.plugin import Split
from segzoo.splits import Rule, Shares, better_seed, divide, in_blocks
from segzoo_folder import SHARE, ImageFolder
from segzoo_folder.files import Pair
from segzoo_folder.layout import SPLITS

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
    paged: bool = False
    """Whether some samples are pages of one file."""

    @classmethod
    def of(cls, options: ImageFolder, pairs: Sequence[Pair]) -> Sorting:
        """The splits of samples, each given by its pair.

        Raises:
            ConfigError: if an option says what the folder says as well, or otherwise.
            DataError: if a group is in two splits, or the folder has no images to train on.
        """
        groups = _groups(options, pairs)
        given = [pair.split for pair in pairs if pair.split]
        paged = len({pair.id for pair in pairs}) < len(pairs)
        if not given:
            rule = options.rule()
            owned = _dealt(options, rule, pairs, groups)
            return cls(options, tuple(split for split in SPLITS if split in rule.shares), owned, groups, rule, paged)
        _require_apart(options, given, groups)
        splits = tuple(split for split in SPLITS if split in given or split == "val")
        if "val" in given:
            return cls(options, splits, given)
        rule = Shares(options.val or SHARE, 0)
        train = [index for index, split in enumerate(given) if split == "train"]
        dealt = [groups[index] for index in train]
        owned = list(given)
        for index, split in zip(train, _dealt(options, rule, [pairs[index] for index in train], dealt), strict=True):
            owned[index] = split
        return cls(options, splits, owned, dealt, rule, paged)

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


def _dealt(options: ImageFolder, rule: Rule, pairs: Sequence[Pair], groups: Sequence[str]) -> list[Split]:
    """The splits of samples for which none is given; the pages of a file follow each other."""
    if not options.blocks:
        return divide(groups, rule, options.split_seed)
    if any(pair.group for pair in pairs):
        raise ConfigError(
            f"dataset 'folder', option 'blocks': {options.listing} has a column group, of what is to stay together; "
            "use one of the two"
        )
    counts = Counter(pair.id for pair in pairs)
    alone = {name: divide([name], rule, options.split_seed) for name, count in counts.items() if count == 1}
    return [split for name, count in counts.items() for split in alone.get(name) or in_blocks(count, rule)]


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
