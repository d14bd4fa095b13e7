"""One process at a time in a folder that several may want to fill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from segzoo.atomic import unwritable


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Keep other processes and threads out of a folder, which is made if need be; its holder may come in again.

    Raises:
        SegzooError: if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", is_singleton=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            Console(stderr=True).print(f"waiting for another process to fill {folder}", markup=False, soft_wrap=True)
            lock.acquire()
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()
