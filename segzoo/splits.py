"""Splits that nobody has to write down: where a sample belongs is told by its name alone.

The SHA-256 of a name is a number from 0 to 1 that looks drawn by chance and is always the same. Shares and folds are
parts of that line. So a sample that is added or taken away moves no other, on any machine. The price is that sizes
come out as they do when lots are drawn. `docs/explanation/data.md` tells why there is no way around that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol
from unicodedata import normalize

from segzoo.plugin import Split

TRIED = 200
"""Seeds among which `better_seed` looks."""


class Rule(Protocol):
    """Which part of the line belongs to which split."""

    def split(self, position: float) -> Split:
        """The split of a position from 0 to 1."""

    @property
    def shares(self) -> Mapping[Split, float]:
        """How much of the line each split has; those that have nothing of it are not there."""


@dataclass(frozen=True)
class Shares:
    """The beginning of the line is for the scores, what follows for validation, and the rest for training."""

    val: float
    test: float

    def split(self, position: float) -> Split:
        """See `Rule.split`. What is for the scores does not depend on the share for validation."""
        if position < self.test:
            return "test"
        return "val" if position < self.test + self.val else "train"

    @property
    def shares(self) -> Mapping[Split, float]:
        """See `Rule.shares`."""
        shares: dict[Split, float] = {"train": 1 - self.val - self.test, "val": self.val, "test": self.test}
        return {split: share for split, share in shares.items() if share > 0}


@dataclass(frozen=True)
class Folds:
    """The line in parts of equal length: one for the scores, the next one or the first for validation."""

    folds: int
    """At least 3."""
    fold: int
    """The one for the scores, from 0."""

    def split(self, position: float) -> Split:
        """See `Rule.split`."""
        part = int(position * self.folds)
        if part == self.fold:
            return "test"
        return "val" if part == (self.fold + 1) % self.folds else "train"

    @property
    def shares(self) -> Mapping[Split, float]:
        """See `Rule.shares`."""
        return {"train": 1 - 2 / self.folds, "val": 1 / self.folds, "test": 1 / self.folds}


def require_one_way(folds: int | None, fold: int, sizes: Mapping[str, object], part: str) -> None:
    """Raise a ValueError unless options of a dataset say one thing: which of how many parts, or how large splits are.

    `sizes` are the options for the latter by their names, None if they are unset; `part` is what to call a fold.
    """
    if folds is None and fold:
        raise ValueError(f"fold needs folds, the number of {part}s")
    if folds is not None and fold >= folds:
        raise ValueError(f"fold is {fold}, but the {folds} {part}s are numbered 0 to {folds - 1}")
    if folds is not None and any(size is not None for size in sizes.values()):
        raise ValueError(f"{' and '.join(sizes)} do not go with folds, which makes all {part}s of one size")


def position(name: str, seed: int = 0) -> float:
    """Where a name lies, at least 0 and less than 1; spread evenly over names, and for each seed anew."""
    # A Mac may give back the letters of a file's name taken apart.
    text = f"{seed}\0{normalize('NFC', name)}"
    return (int.from_bytes(sha256(text.encode("utf-8", "surrogateescape")).digest()[:8]) >> 11) / 2**53


def divide(groups: Iterable[str], rule: Rule, seed: int = 0) -> list[Split]:
    """The split of each sample, by the name of its group, which stays together; by its own id if it has no like."""
    return [rule.split(position(group, seed)) for group in groups]


def in_blocks(count: int, rule: Rule) -> list[Split]:
    """The splits of consecutive samples that resemble their neighbours: they are the line, from its beginning on."""
    return [rule.split((index + 0.5) / count) for index in range(count)]


def empty(splits: Iterable[Split], rule: Rule) -> list[Split]:
    """The splits that a rule has a share for, and that got no sample."""
    return sorted(set(rule.shares) - set(splits))


def better_seed(groups: Sequence[str], rule: Rule) -> int | None:
    """The seed that gives the splits sizes nearest to their shares; None if each leaves one of them empty.

    The first one of the nearest, by the sum of squares of what the sizes are off. It looks at names only, so nobody's
    score is the better for it.
    """
    sizes = Counter(groups)
    best: tuple[float, int] | None = None
    for seed in range(TRIED):
        counts: Counter[Split] = Counter()
        for split, (_, size) in zip(divide(sizes, rule, seed), sizes.items(), strict=True):
            counts[split] += size
        if not empty(counts, rule):
            off = sum((counts[split] / len(groups) - share) ** 2 for split, share in rule.shares.items())
            best = min(best or (off, seed), (off, seed))
    return best[1] if best else None
