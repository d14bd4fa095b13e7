"""Splits by the hashes of names, so that nobody has to write them down.

The SHA-256 of a name gives a pseudorandom position from 0 to 1. Shares and folds are intervals of positions. So a
sample that is added or removed moves no other, on any machine. But the sizes of the splits vary as in a random draw,
which is too rough for few samples: below FEW groups the positions only decide the order, and the shares how many of
them each split gets. `docs/explanation/data.md` says what is guaranteed.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol
from unicodedata import normalize

from segzoo.plugin import Split

FEW = 100
"""From so many groups on, the split of a group depends on its name alone."""


class Rule(Protocol):
    """Which positions belong to which split."""

    def split(self, position: float) -> Split:
        """The split of a position from 0 to 1."""

    def spread(self, count: int) -> list[Split]:
        """The splits of so many groups in order: each has its share, and at least one group where there are enough."""

    @property
    def shares(self) -> Mapping[Split, float]:
        """The share of positions of each split that has any."""


@dataclass(frozen=True)
class Shares:
    """The lowest positions are for the scores, those that follow for validation, and the rest for training."""

    val: float
    test: float

    def split(self, position: float) -> Split:
        """See `Rule.split`. What is for the scores does not depend on the share for validation."""
        if position < self.test:
            return "test"
        return "val" if position < self.test + self.val else "train"

    def spread(self, count: int) -> list[Split]:
        """See `Rule.spread`. Of two groups, one is for training and one for validation."""
        test = min(_rounded(self.test * count), max(0, count - 2))
        val = min(_rounded(self.val * count), max(0, count - test - 1))
        parts: dict[Split, int] = {"test": test, "val": val, "train": count - test - val}
        return [split for split, size in parts.items() for _ in range(size)]

    @property
    def shares(self) -> Mapping[Split, float]:
        """See `Rule.shares`."""
        shares: dict[Split, float] = {"train": 1 - self.val - self.test, "val": self.val, "test": self.test}
        return {split: share for split, share in shares.items() if share > 0}


@dataclass(frozen=True)
class Folds:
    """Intervals of equal length: one is for the scores, the next (after the last, the first) for validation."""

    folds: int
    """At least 3."""
    fold: int
    """The interval for the scores, counted from 0."""

    def split(self, position: float) -> Split:
        """See `Rule.split`."""
        return self._of(int(position * self.folds))

    def spread(self, count: int) -> list[Split]:
        """See `Rule.spread`. There are enough where there are as many groups as folds."""
        return [self._of((2 * index + 1) * self.folds // (2 * count)) for index in range(count)]

    def _of(self, part: int) -> Split:
        if part == self.fold:
            return "test"
        return "val" if part == (self.fold + 1) % self.folds else "train"

    @property
    def shares(self) -> Mapping[Split, float]:
        """See `Rule.shares`."""
        return {"train": 1 - 2 / self.folds, "val": 1 / self.folds, "test": 1 / self.folds}


def require_one_way(folds: int | None, fold: int, sizes: Mapping[str, object], part: str) -> None:
    """Raise a ValueError unless options of a dataset ask either for folds or for sizes of splits.

    `sizes` are the options for the latter by their names, None if they are unset; `part` is what to call a fold.
    """
    if folds is None and fold:
        raise ValueError(f"fold needs folds, the number of {part}s")
    if folds is not None and fold >= folds:
        raise ValueError(f"fold is {fold}, but the {folds} {part}s are numbered 0 to {folds - 1}")
    if folds is not None and any(size is not None for size in sizes.values()):
        raise ValueError(f"{' and '.join(sizes)} do not go with folds, which makes all {part}s of one size")


def position(name: str, seed: int = 0) -> float:
    """The position of a name, at least 0 and less than 1: uniform over names, and independent for each seed."""
    # macOS may decompose the accented letters of file names.
    text = f"{seed}\0{normalize('NFC', name)}"
    return (int.from_bytes(sha256(text.encode("utf-8", "surrogateescape")).digest()[:8]) >> 11) / 2**53


def divide(groups: Sequence[str], rule: Rule, seed: int = 0) -> list[Split]:
    """The split of each sample, by the name of its group, which stays together; without a group, by its id.

    From FEW groups on, adding a group moves no other. Below, each split has its share of the groups, and at least one.
    """
    places = array("d", (position(group, seed) for group in groups))
    if different(groups) >= FEW:
        return [rule.split(place) for place in places]
    order = sorted(set(places))
    owners = dict(zip(order, rule.spread(len(order)), strict=True))
    return [owners[place] for place in places]


def different(groups: Iterable[str], most: int = FEW) -> int:
    """How many different groups there are, counted up to `most`."""
    seen: set[str] = set()
    for group in groups:
        seen.add(normalize("NFC", group))
        if len(seen) == most:
            break
    return len(seen)


def _rounded(share: float) -> int:
    """A share of a number of samples, rounded: at least 1, unless the share is 0."""
    return max(1, math.floor(share + 0.5)) if share else 0
