"""Reading all samples of a dataset, in as many processes as there are processors to use.

Results come back a few samples at a time and are not kept, so the memory does not grow with the dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from segzoo import registry
from segzoo.data.faults import described
from segzoo.data.opening import open_split
from segzoo.errors import ConfigError, SegzooError
from segzoo.files.cache import cache_folder
from segzoo.inspection.chunks import Chunk
from segzoo.plugin import Dataset, Info, Samples, Split
from segzoo.processes.pool import in_processes
from segzoo.processes.processors import threads
from segzoo.processes.terminal import Bar
from segzoo.runs.config import dataset_of

CHUNK = 8
"""Samples that are handed to a process at a time."""
FEW = 64
"""Samples for which another process is not worth its start."""

UNKNOWN = Info((), 0, ())
"""The description of a dataset that could not be described."""

R = TypeVar("R")


class Problem(NamedTuple):
    """Why a dataset, or one split of it, cannot be opened."""

    split: Split | None
    error: SegzooError


@dataclass
class OpenedDataset:
    """A dataset, with those of its splits that can be opened."""

    name: str
    dataset: Dataset
    info: Info = UNKNOWN
    samples: dict[Split, Samples] = field(default_factory=dict)
    ids: dict[Split, Sequence[str]] = field(default_factory=dict)
    """Of each sample; asked for once, since a dataset may make a new list each time."""
    files: dict[Split, Sequence[tuple[Path, ...]]] = field(default_factory=dict)
    """Of each sample; empty if they are not made of files."""
    problems: list[Problem] = field(default_factory=list)

    def chunks(self) -> Iterator[Chunk]:
        """All samples, in order."""
        for split, ids in self.ids.items():
            files = self.files[split]
            for start in range(0, len(ids), CHUNK):
                indices = range(start, min(start + CHUNK, len(ids)))
                paths = [files[index] for index in indices] if files else [()] * len(indices)
                before = files[start - 1] if files and start else ()
                yield Chunk(split, indices, [ids[index] for index in indices], paths, before)


def create_dataset(
    name: str | None, settings: Mapping[str, Any] | None = None, config: Path | None = None
) -> tuple[str, Dataset]:
    """The dataset of that name, or of a run's file, with settings such as `{"dataset.root": "photos"}`; and its name.

    Raises:
        ConfigError: if the name, the file or a setting does not fit.
    """
    choice = dataset_of(config, name, settings)
    return choice.name, registry.create(Dataset, choice.name, choice.options).resolved()


def open_dataset(name: str, dataset: Dataset) -> OpenedDataset:
    """A dataset opened as far as it can be; what cannot be opened is among the problems.

    Raises:
        ConfigError: if options are wrong.
    """
    opened, cache = OpenedDataset(name, dataset), cache_folder()
    with recording_problems(opened, None):
        dataset.prepare(cache)
        opened.info = described(dataset, cache)
    for split in opened.info.splits:
        with recording_problems(opened, split):
            opened.samples[split], opened.ids[split], opened.files[split] = open_split(dataset, cache, split)
    return opened


@contextmanager
def recording_problems(opened: OpenedDataset, split: Split | None) -> Iterator[None]:
    """Add an error of the block to the problems of a dataset, unless options are wrong."""
    try:
        yield
    except ConfigError:
        raise
    except SegzooError as error:
        opened.problems.append(Problem(split, error))


def open_complete(name: str, dataset: Dataset) -> OpenedDataset:
    """As `open_dataset`, of a dataset of which every split can be opened.

    Raises:
        SegzooError: as `open_dataset`, or if a split cannot be opened.
    """
    opened = open_dataset(name, dataset)
    for _, error in opened.problems:
        raise error
    return opened


def read_chunks(
    opened: OpenedDataset, function: Callable[[Chunk], R], processes: int | None = None
) -> Iterator[tuple[Chunk, R]]:
    """Each chunk with the value of a picklable function, in no particular order, with a bar on the terminal.

    Raises:
        SegzooError: if a process ends over a chunk, or the samples cannot be sent to one.
    """
    total = sum(map(len, opened.samples.values()))
    count = processes or min(threads(), 1 + total // FEW)
    with Bar(total) as bar, closing(in_processes(function, opened.chunks(), count, _title)) as results:
        for chunk, result in results:
            bar.advance(len(chunk.indices), "reading images")
            yield chunk, result


def _title(chunk: Chunk) -> str:
    return f"'{chunk.ids[0]}' to '{chunk.ids[-1]}' of the split '{chunk.split}'"
