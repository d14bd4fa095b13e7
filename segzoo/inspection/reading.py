"""Going through a whole dataset: opened as far as it can be, and looked at in as many processes as processors.

What is looked at comes back a few samples at a time and nobody keeps it, so the memory does not grow with the dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from segzoo import registry
from segzoo.errors import ConfigError, DataError, PluginError, SegzooError
from segzoo.files.cache import cache_folder
from segzoo.inspection.chunks import Piece, described
from segzoo.plugin import Dataset, Info, Samples, Split
from segzoo.processes.pool import in_processes
from segzoo.processes.processors import threads
from segzoo.processes.terminal import Bar
from segzoo.runs.config import dataset_of

PIECE = 8
"""Samples that are handed to a process at a time."""
FEW = 64
"""Samples for which it is not worth starting another process."""

UNKNOWN = Info((), 0, ())
"""What is known of a dataset that could not be described."""

R = TypeVar("R")


class Problem(NamedTuple):
    """Why a dataset, or one split of it, cannot be opened."""

    split: Split | None
    error: Exception


@dataclass
class Opened:
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

    def pieces(self) -> Iterator[Piece]:
        """All samples, in order."""
        for split, ids in self.ids.items():
            files = self.files[split]
            for start in range(0, len(ids), PIECE):
                indices = range(start, min(start + PIECE, len(ids)))
                own = [files[index] for index in indices] if files else [()] * len(indices)
                before = files[start - 1] if files and start else ()
                yield Piece(split, indices, [ids[index] for index in indices], own, before)


def named(
    name: str | None, settings: Mapping[str, Any] | None = None, config: Path | None = None
) -> tuple[str, Dataset]:
    """The dataset of that name, or of a run's file, with settings such as `{"dataset.root": "photos"}`; and its name.

    Raises:
        ConfigError: if the name, the file or a setting does not fit.
    """
    choice = dataset_of(config, name, settings)
    return choice.name, registry.create(Dataset, choice.name, choice.options).resolved()


def opened(name: str, dataset: Dataset) -> Opened:
    """A dataset opened as far as it can be; what cannot be opened is among the problems.

    Raises:
        SegzooError: if options or the plugin itself are wrong, not the data.
    """
    found, cache = Opened(name, dataset), cache_folder()
    with noted(found, None):
        dataset.prepare(cache)
        found.info = dataset.describe(cache)
    for split in found.info.splits:
        with noted(found, split):
            samples, files = dataset.open(cache, split), dataset.files(cache, split)
            if len(files) not in (0, len(samples)):
                raise PluginError(f"the split '{split}' has {len(samples)} samples, but files for {len(files)}")
            if not len(samples):
                raise DataError(f"the split '{split}' has no images")
            found.samples[split], found.ids[split], found.files[split] = samples, samples.ids, files
    return found


@contextmanager
def noted(found: Opened, split: Split | None) -> Iterator[None]:
    """Makes an error of the block a problem of a dataset, unless options or the plugin are wrong."""
    try:
        yield
    except (ConfigError, PluginError):
        raise
    except Exception as error:  # plugins meet with anything in the folders of others
        found.problems.append(Problem(split, error))


def whole(name: str, dataset: Dataset) -> Opened:
    """As `opened`, of a dataset of which every split can be opened.

    Raises:
        SegzooError: as `opened`, or if one cannot.
    """
    found = opened(name, dataset)
    for _, error in found.problems:
        raise error if isinstance(error, SegzooError) else DataError(described(error)) from error
    return found


def survey(found: Opened, look: Callable[[Piece], R], processes: int | None = None) -> Iterator[tuple[Piece, R]]:
    """What `look`, which must be picklable, makes of each piece, in no particular order; with a bar on the terminal.

    Raises:
        SegzooError: if a process ends over a piece, or the samples cannot be sent to one.
    """
    total = sum(map(len, found.samples.values()))
    count = processes or min(threads(), 1 + total // FEW)
    with Bar(total) as bar, closing(in_processes(look, found.pieces(), count, _title)) as results:
        for piece, result in results:
            bar.advance(len(piece.indices), "reading images")
            yield piece, result


def _title(piece: Piece) -> str:
    return f"'{piece.ids[0]}' to '{piece.ids[-1]}' of the split '{piece.split}'"
