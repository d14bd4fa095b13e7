"""Samples that are checked whenever they are read, and their fingerprints."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

import numpy as np

from segzoo.data.faults import (
    blaming,
    different_types,
    fault_of_form,
    fault_of_labels,
    fault_of_split,
    label_counts,
    pair,
)
from segzoo.errors import ConfigError, DataError, SegzooError
from segzoo.plugin import Dataset, Info, Samples, Split
from segzoo.plugin_errors import Calling
from segzoo.processes.threads import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")


class Reading(NamedTuple):
    """What is kept of a sample that has been read, as JSON knows it but for the keys of `labels`."""

    digest: str
    """SHA-256 of its size and pixels."""
    type: str
    """That of the image."""
    labels: Mapping[int, int]
    """How many pixels of the mask have each label."""


class Readings:
    """What is kept of the samples of a split that have been read, by index. Many threads add to it."""

    def __init__(self) -> None:
        self.first: dict[int, Reading] = {}
        """What was read of each sample first."""
        self.repeated: set[int] = set()
        """Samples that were read again."""
        self.different: set[int] = set()
        """Those of them whose size or pixels were others then."""
        self._lock, self._total = Lock(), 0
        self._then: Callable[[], None] | None = None

    def expect(self, total: int, then: Callable[[], None]) -> None:
        """Have a function called once, in the thread that reads the last of so many samples."""
        self._total, self._then = total, then

    def add(self, index: int, reading: Reading) -> None:
        """A sample was read."""
        with self._lock:
            first = self.first.setdefault(index, reading)
            if first is not reading:
                self.repeated.add(index)
                if first.digest != reading.digest:
                    self.different.add(index)
        self._end()

    def recall(self, readings: Mapping[int, Reading]) -> None:
        """An earlier run has read these samples, which have not changed since."""
        with self._lock:
            for index, reading in readings.items():
                self.first.setdefault(index, reading)
        self._end()

    def _end(self) -> None:
        with self._lock:
            if len(self.first) < self._total:
                return
            then, self._then = self._then, None
        if then:
            then()


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
    readings: Readings = field(default_factory=Readings)
    """Of the run's samples. They are noted with what is prepared and taken back with it, so that a split is checked and
    its fingerprint known without reading it again."""

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
    """The samples of a split, each checked when it is read against the description of its dataset.

    When all have been read, the split is checked as a whole. Nothing is read for it: what it takes is kept of each.
    """

    source: Samples
    info: Info
    split: Split
    identity: Identity = field(default_factory=Identity)
    files: Sequence[tuple[Path, ...]] = ()
    """See `Dataset.files`; looked into only when a sample is wrong."""
    dataset: type[Dataset] = Dataset
    """Whose samples they are, for messages."""
    types: dict[str, str] = field(default_factory=dict)
    """Each type of an image that was read, with the name of an image that has it; all splits of a run share it."""

    def __post_init__(self) -> None:
        if len(self) == 0:
            raise blaming(self.dataset, DataError(f"the split '{self.split}' has no images"))
        self.identity.readings.expect(len(self), self._check)

    @property
    def ids(self) -> Sequence[str]:
        """The ids of the source."""
        return self.source.ids

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int, /) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        with Calling(self.dataset, f"reading sample '{self.ids[index]}' of the split '{self.split}'"):
            sample = self.source[index]
        try:
            image, mask, labels = self._checked(sample, self._name(index))
        except SegzooError as error:
            raise blaming(self.dataset, type(error)(f"{error}{self._of_files(index)}")) from error
        digest = hashlib.sha256(repr(image.shape).encode())
        for array in (image, mask):
            digest.update(np.ascontiguousarray(array).data)  # without a copy, which `tobytes` makes
        reading = Reading(digest.hexdigest(), image.dtype.name, labels)
        self._require_type(index, reading)
        self.identity.readings.add(index, reading)
        return image, mask

    def fingerprint(self) -> str:
        """SHA-256 over ids, sizes and pixels, in order; reads only samples that have not been read yet."""
        readings = self.identity.readings.first
        self._read(index for index in range(len(self)) if index not in readings)
        total = hashlib.sha256()
        for index, name in enumerate(self.ids):
            total.update(name.encode() + b"\0" + bytes.fromhex(readings[index].digest))
        return total.hexdigest()

    def read_again(self, indices: Iterable[int]) -> None:
        """Read those of some samples that have been read only once, so that it shows whether they stay the same."""
        self._read(index for index in indices if index not in self.identity.readings.repeated)

    @property
    def labels(self) -> Counter[int]:
        """How many pixels of the samples that have been read have each label."""
        total = Counter[int]()
        for reading in self.identity.readings.first.values():
            total.update(reading.labels)
        return total

    def _read(self, indices: Iterable[int]) -> None:
        def read(index: int) -> None:
            self[index]  # which is not kept, since a split need not fit in memory

        in_parallel(read, indices)

    def _checked(self, sample: Any, name: str) -> tuple[NDArray[Any], NDArray[np.uint8], dict[int, int]]:
        """Image, mask and counts of labels of a sample."""
        image, mask = pair(sample, name)
        if wrong := fault_of_form(image, mask, self.info, name):
            raise wrong.error
        labels = label_counts(mask)
        if wrong := fault_of_labels(labels, self.info, name):
            raise wrong.error
        return image, mask, labels

    def _check(self) -> None:
        for index, reading in sorted(self.identity.readings.first.items()):
            self._require_type(index, reading)
        if wrong := fault_of_split(self.labels, self.info, self.split):
            raise blaming(self.dataset, wrong)

    def _require_type(self, index: int, reading: Reading) -> None:
        if reading.type not in self.types:
            self.types[reading.type] = self._name(index)
        if wrong := different_types(self.types.copy()):
            raise blaming(self.dataset, wrong)

    def _name(self, index: int) -> str:
        return f"'{self.ids[index]}' of the split '{self.split}'"

    def _of_files(self, index: int) -> str:
        return f" (in {', '.join(map(str, self.files[index]))})" if self.files else ""


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


def spread(length: int, count: int) -> list[int]:
    """At most so many indices, from the first to the last, evenly."""
    return sorted(set(np.linspace(0, length - 1, min(length, count)).round().astype(int).tolist()))


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
