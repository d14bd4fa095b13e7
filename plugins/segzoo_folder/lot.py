"""Samples of which nobody has said in which split they are: how they are dealt out, and why a split got none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from segzoo.data.samples import OnDemand
from segzoo.data.splits import FEW, Folds, Rule, Shares, different, divide
from segzoo.errors import ConfigError
from segzoo.plugin import Split
from segzoo_folder import ImageFolder
from segzoo_folder.index import Pages

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Lot:
    """Samples that are dealt out by a rule."""

    options: ImageFolder
    rule: Rule
    sizes: NDArray[np.int64]
    """Of each block of consecutive samples how many it has; a sample that is in no block is 1."""
    groups: Sequence[str]
    """What each sample that is in no block stays together with."""
    different: int
    """How many groups there are, counted up to FEW or to the number of folds."""
    kind: str
    """What to call a group of several: `file`, if only the pages of a file stay together, or `group`."""

    @classmethod
    def of(cls, options: ImageFolder, rule: Rule, pages: Pages, group: Callable[[int], str]) -> Lot:
        """Pages of files, of each of which `group` tells what they stay together with.

        Raises:
            ConfigError: if there are more folds than groups.
        """
        files, counts = np.unique(pages.owners, return_counts=True)
        owners = files[counts == 1] if options.blocks else pages.owners
        groups = OnDemand(len(owners), lambda index: group(int(owners[index])))
        named = options.groups is not None or (pages.index.pairs.groups != b"").any()
        kind = "file" if len(files) < len(pages) and not named else "group"
        sizes = counts if options.blocks else np.ones(len(owners), np.int64)
        lot = cls(options, rule, sizes, groups, different(groups, max(FEW, options.folds or 0)), kind)
        lot._require_folds()
        return lot

    def dealt(self) -> Iterator[Split]:
        """The split of each sample."""
        alone = iter(divide(self.groups, self.rule, self.options.split_seed))
        for size in self.sizes.tolist():
            yield from self.rule.spread(size) if size > 1 else [next(alone)]

    def notes(self) -> Iterator[str]:
        """What a run should say of it."""
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
        """The samples in words."""
        images = _counted(len(self.groups), "image")
        if self.different in (len(self.groups), max(FEW, self.options.folds or 0)):
            return images
        return f"{images} in {_counted(self.different, self.kind)}"

    def _way_out(self) -> str:
        """What fills the splits where there are too few groups for them."""
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
