"""The folder of a run: created or reopened, locked by one process at a time, and removed if it stays empty."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from segzoo.errors import ConfigError, SegzooError
from segzoo.files.atomic import leftovers
from segzoo.files.locking import LOCK, alone

EARLY = {LOCK, "config.toml", "log.txt", "splits.csv"}
"""Files that a run leaves before it has any result."""


@contextmanager
def run_folder(out: Path | None, name: str, resume: bool) -> Iterator[Path]:
    """The folder of a run: `out`, which is new unless the run resumes in it; else the next free name below `runs`.

    Gone again if the run fails before it has anything to show.

    Raises:
        ConfigError: if it holds something else, cannot be written, or another process works in it.
    """
    folder = _make(out, resume) if out else _next_free(Path("runs"), name)
    with alone(folder):
        begun = (folder / "config.toml").exists()
        for path in leftovers(folder):
            path.unlink()
        try:
            yield folder
        except (SegzooError, KeyboardInterrupt) as error:
            if not begun and _names(folder) <= EARLY:
                shutil.rmtree(folder)
            elif isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(f"to go on, repeat the command with --resume --out {folder}") from None
            raise


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _make(folder: Path, resume: bool) -> Path:
    try:
        if folder.is_dir():
            names = _names(folder)
            if resume and ("config.toml" in names or names <= EARLY | {path.name for path in leftovers(folder)}):
                return folder
            if resume:
                raise ConfigError(f"{folder} holds other files and no run that could go on; choose another --out")
            if not names:
                folder.rmdir()
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ConfigError(f"{folder} exists already and is not empty; choose another --out") from None
    except OSError as error:
        raise ConfigError(f"cannot write to {folder} ({error.strerror}); choose another --out") from error
    return folder


def _next_free(parent: Path, name: str) -> Path:
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        if not folder.exists():
            return _make(folder, resume=False)
    raise AssertionError
