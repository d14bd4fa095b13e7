"""One process at a time in a folder that several may want to fill."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from segzoo.errors import SegzooError
from segzoo.files.atomic import unwritable

LOCKLESS = {errno.ENOLCK, errno.EOPNOTSUPP}
"""What file systems say that cannot lock files, such as NFS without its lock service."""


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Keep other processes and threads out of a folder, which is made if need be; its holder may come in again.

    It is free again when its holder ends, however that comes about.

    Raises:
        SegzooError: if the folder cannot be written, or files in it cannot be locked.
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
