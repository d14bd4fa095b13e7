"""Samples that are checked whenever they are read, and their fingerprints."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, overload

import numpy as np

from segzoo.errors import ConfigError, DataError, PluginError, SegzooError
from segzoo.plugin import IGNORE, Dataset, Info, Samples, Split
from segzoo.plugin_errors import Calling
from segzoo.processes.threads import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True)
class Identity:
    """What identifies the samples of a split without decoding them.

    By it, what is prepared of samples that do not fit in memory is found again in the cache. The samples that a run
    gives to a trainer have an attribute `identity`. A trainer that wraps them, to change or to choose among them, gives
    its samples an attribute of that name, made by `changed`; without one they are prepared anew in each run.
    """

    label: str = ""
    """A file name for what is prepared of them: the same for the same options of the dataset and the same split."""
    stamp: Callable[[], str] = str
    """See `Dataset.stamp`; empty if it is not known whether the samples change, so that each run prepares them anew."""
    digests: dict[int, str] = field(default_factory=dict)
    """SHA-256 of size and pixels of the run's samples that have been read, by index. They are noted with what is
    prepared and taken back with it, so that the fingerprint of a split is known without reading it again."""

    @classmethod
    def of(cls, samples: Samples) -> Identity | None:
        """The identity of samples; None if they have none, as those that a dataset opens."""
        identity: Identity | None = getattr(samples, "identity", None)
        return identity

    def changed(self, how: str) -> Identity:
        """The identity of samples that are made of these.

        `how` becomes part of a file name. It tells apart all ways in which a trainer changes samples, options included,
        as in `contrast-1.5`.
        """
        return replace(self, label=f"{self.label}-{how}")


@dataclass(frozen=True)
class CheckedSamples:
    """The samples of a split, each checked when it is read against the description of its dataset."""

    source: Samples
    info: Info
    split: Split
    identity: Identity = field(default_factory=Identity)
    files: Callable[[], Sequence[tuple[Path, ...]]] = tuple
    """See `Dataset.files`; asked for only when a sample is wrong."""
    dataset: type[Dataset] = Dataset
    """Whose samples they are, for messages."""

    def __post_init__(self) -> None:
        with Calling(self.dataset, f"looking at the split '{self.split}'"):
            count, different = len(self.source), len(set(self.ids))
        if count == 0:
            raise DataError(f"the split '{self.split}' has no images")
        if different != count:
            raise PluginError(f"the split '{self.split}' has {count} samples, but not as many different ids")

    @property
    def ids(self) -> Sequence[str]:
        """The ids of the source."""
        return self.source.ids

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int, /) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        with Calling(self.dataset, f"reading sample '{self.ids[index]}' of the split '{self.split}'"):
            image, mask = self.source[index]
        if wrong := fault(image, mask, self.info, f"'{self.ids[index]}' of the split '{self.split}'"):
            raise type(wrong.error)(f"{wrong.error}{self._of_files(index)}")
        pixels = repr(image.shape).encode() + image.tobytes() + mask.tobytes()
        self.identity.digests[index] = hashlib.sha256(pixels).hexdigest()
        return image, mask

    def fingerprint(self) -> str:
        """SHA-256 over ids, sizes and pixels, in order; reads only samples that have not been read yet."""
        digests = self.identity.digests

        def read(index: int) -> None:
            self[index]  # which is not kept, since a split need not fit in memory

        in_parallel(read, [index for index in range(len(self)) if index not in digests])
        total = hashlib.sha256()
        for index, name in enumerate(self.ids):
            total.update(name.encode() + b"\0" + bytes.fromhex(digests[index]))
        return total.hexdigest()

    def _of_files(self, index: int) -> str:
        files = self.files()
        return f" (in {', '.join(map(str, files[index]))})" if files else ""


@dataclass(frozen=True)
class Subset:
    """Some samples of a split, in the order of their indices."""

    source: Samples
    indices: Sequence[int]

    @property
    def ids(self) -> Sequence[str]:
        """The ids of the samples of the subset."""
        names = self.source.ids
        return OnDemand(len(self), lambda index: names[self.indices[index]])

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        return self.source[self.indices[index]]


def remaining(ids: Mapping[Split, Sequence[str]], left_out: Collection[str]) -> dict[Split, Sequence[int]]:
    """The indices of the samples of each split that are not left out.

    Raises:
        ConfigError: if one of the ids to leave out is in no split.
    """
    unknown = set(left_out)
    for names in ids.values():
        unknown.difference_update(names)
    if unknown:
        first = sorted(unknown)[:3]
        raise ConfigError(
            f"leave_out: {len(unknown):,} of {len(left_out):,} ids are in no split of the dataset, such as "
            f"{', '.join(map(repr, first))}; make the list again with `segzoo data verify --quarantine`"
        )
    gone = frozenset(left_out)
    return {
        split: [index for index, name in enumerate(names) if name not in gone] if gone else range(len(names))
        for split, names in ids.items()
    }


class Fault(NamedTuple):
    """What is wrong with a sample."""

    kind: Literal["invalid", "size", "labels"]
    error: SegzooError


def fault(image: NDArray[Any], mask: NDArray[Any], info: Info, name: str) -> Fault | None:
    """The first thing that is wrong with a sample of that name; None if it fits the description of its dataset."""
    if image.dtype not in (np.uint8, np.uint16) or image.ndim != 3:
        text = f"image {name} is {image.dtype} {image.shape}, not uint8 or uint16 (H, W, C)"
        return Fault("invalid", PluginError(text))
    if mask.dtype != np.uint8 or mask.ndim != 2:
        return Fault("invalid", PluginError(f"the mask of {name} is {mask.dtype} {mask.shape}, not uint8 (H, W)"))
    if image.shape[2] != info.channels:
        text = f"image {name} has {image.shape[2]} channels, the dataset says {info.channels}"
        return Fault("invalid", DataError(text))
    if image.shape[:2] != mask.shape:
        return Fault("size", DataError(f"image {name} is {_size(image)} pixels, its mask {_size(mask)}"))
    if wrong := outside(mask[mask != IGNORE], len(info.classes)):
        text = (
            f"the mask of {name} has labels that are no class: {wrong}; allowed are 0 to {len(info.classes) - 1}, "
            f"and {IGNORE} for pixels to leave out"
        )
        return Fault("labels", DataError(text))
    return None


class OnDemand(Sequence[T]):
    """A sequence whose items are made when they are asked for, such as the paths of a dataset with a million ids."""

    def __init__(self, length: int, make: Callable[[int], T]) -> None:
        self._indices, self._make = range(length), make

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int, /) -> T: ...

    @overload
    def __getitem__(self, index: slice, /) -> list[T]: ...

    def __getitem__(self, index: int | slice, /) -> T | list[T]:
        chosen = self._indices[index]
        return self._make(chosen) if isinstance(chosen, int) else [self._make(position) for position in chosen]


def _size(array: NDArray[Any]) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"


def outside(values: NDArray[Any], num_classes: int) -> str:
    """The first of the values that are no class, as text; empty if all are classes."""
    wrong = np.unique(values[(values < 0) | (values >= num_classes)])
    return ", ".join(map(str, wrong[:10])) + (", …" if len(wrong) > 10 else "")
