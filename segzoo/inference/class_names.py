"""The classes of a dataset as those of a network, by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.errors import ConfigError, suggestion
from segzoo.plugin import IGNORE, Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray


def matched(dataset: str, names: Sequence[str], network: Sequence[str], renamed: Mapping[str, str]) -> list[int]:
    """The class of the network that each class of a dataset is, by its name or what it is renamed to.

    The dataset is named as in a message. Several of its classes may be one of the network.

    Raises:
        ConfigError: if a class of the dataset is none of the network, or one that is renamed is not there.
    """
    for old, new in renamed.items():
        for name, known, owner in ((old, names, dataset), (new, network, "the network")):
            if name not in known:
                raise ConfigError(f"--map {old}={new}: {owner} has no class '{name}'{suggestion(name, known)}")
    targets = [renamed.get(name, name) for name in names]
    unmatched = [name for name, target in zip(names, targets, strict=True) if target not in network]
    if unmatched:
        classes, others = (", ".join(map(repr, group)) for group in (unmatched, network))
        typed = " ".join(f"--map '{name}=CLASS'" for name in unmatched)
        raise ConfigError(
            f"{dataset} has classes that the network does not know: {classes}. The network's are {others}: "
            f"say which of them each is, with {typed}"
        )
    return [network.index(target) for target in targets]


@dataclass(frozen=True)
class Relabelled:
    """The samples of a dataset with the classes of a network in their masks."""

    source: Samples
    labels: Sequence[int]
    """The new label for each label of the source."""

    @property
    def ids(self) -> Sequence[str]:
        """The ids of the source."""
        return self.source.ids

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int, /) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        image, mask = self.source[index]
        table = np.full(256, IGNORE, np.uint8)
        table[: len(self.labels)] = self.labels
        return image, table[mask]
