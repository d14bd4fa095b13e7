"""What the processes that read a dataset are sent, in a module by itself so that they start quickly."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from segzoo.errors import SegzooError
from segzoo.plugin import Split
from segzoo.plugin_errors import with_line


class Chunk(NamedTuple):
    """Samples that a process reads at a time."""

    split: Split
    indices: range
    ids: Sequence[str]
    files: Sequence[tuple[Path, ...]]
    """Of each index; none if the samples are not made of files."""
    files_before: tuple[Path, ...] = ()
    """Of the index before the first."""


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep the warnings of decoders from the terminal, where they would break the progress bar."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def error_text(error: BaseException) -> str:
    """What an error says, in words for the user."""
    return str(error) if isinstance(error, SegzooError) else with_line(error)
