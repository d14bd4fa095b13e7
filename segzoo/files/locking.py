"""Locks on folders: one process at a time fills a folder of the cache, or works in the folder of a run."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from segzoo.errors import ConfigError, SegzooError
from segzoo.files.atomic import unwritable

LOCK = ".lock"
"""The file in a folder that is locked."""
LOCKLESS = {errno.ENOLCK, errno.EOPNOTSUPP}
"""Errors of file systems that cannot lock files, such as NFS without its lock service."""


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Keep other processes and threads out of a folder, which is made if need be; they wait until the block ends.

    The holder may enter again. The lock is released when its process ends, however it ends.

    Raises:
        SegzooError: if the folder cannot be written, or files in it cannot be locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, is_singleton=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            Console(stderr=True).print(f"waiting for another process to fill {folder}", markup=False, soft_wrap=True)
            lock.acquire()
    except OSError as error:
        if error.errno in LOCKLESS:
            raise SegzooError(
                f"the file system of {folder} cannot lock files ({error.strerror}); "
                "name a folder on another disk in SEGZOO_CACHE"
            ) from error
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder; they are refused rather than kept waiting. No lock file stays.

    Raises:
        ConfigError: if another process works in the folder, or it cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise ConfigError(f"another process is at work in {folder}; wait for it, or end it") from None
    except OSError as error:
        raise ConfigError(f"cannot write to {folder} ({error.strerror}); choose another --out") from error
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()


def wait_until_free(folder: Path, seconds: float) -> None:
    """Return when no other process holds the folder, or after so many seconds."""
    with suppress(Timeout), FileLock(folder / LOCK, timeout=seconds):
        pass
