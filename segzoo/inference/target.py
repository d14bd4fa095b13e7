"""What is to be scored in an evaluation: a split of a dataset, be it that of a run or another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from segzoo import registry
from segzoo.data.faults import described
from segzoo.data.samples import CheckedSamples
from segzoo.errors import ConfigError
from segzoo.files.cache import cache_folder
from segzoo.plugin import Dataset, Info, Split
from segzoo.runs.config import Choice, dataset_of
from segzoo.runs.finished import Run
from segzoo.runs.opening import open_splits


@dataclass(frozen=True)
class Target:
    """The split of a dataset that is to be scored; nothing of it is read yet."""

    choice: Choice
    dataset: Dataset
    info: Info
    split: Split
    left_out: Sequence[str] | None = None
    known: str | None = None
    """What the run has noted of these samples, if they are its own."""

    @property
    def name(self) -> str:
        """What to call the dataset in a message."""
        return f"dataset '{self.choice.name}'"

    def open(self) -> CheckedSamples:
        """Its samples.

        Raises:
            SegzooError: as `open_splits`.
        """
        return open_splits(self.dataset, self.choice, self.info, self.left_out)[self.split]


def target_of(run: Run | None, name: str | None, settings: Mapping[str, Any], split: Split | None) -> Target:
    """A split of the dataset of that name or, without a name, of the run's; by default that which the run scored.

    Raises:
        SegzooError: if there is no such dataset or split, or a setting does not fit.
    """
    own = None if name else run
    choice = dataset_of(own.files.config if own else None, name, settings)
    dataset = registry.create(Dataset, choice.name, choice.options).resolved()
    info = described(dataset, cache_folder())
    wanted = split or (own.metrics["split"] if own else "test")
    if wanted not in info.splits:
        raise ConfigError(f"dataset '{choice.name}' has no split '{wanted}'; there are: {', '.join(info.splits)}")
    target = Target(choice.filled(dataset), dataset, info, wanted)
    if own is None or settings:
        return target
    return replace(target, left_out=own.config.leave_out, known=own.fingerprints.get(wanted))
