"""Files and folders that are written beside their place and renamed when complete, so that nobody reads half of one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from segzoo.errors import FULL_DISK, ConfigError, SegzooError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, of the same suffix, which becomes `path` when the block ends well.

    When it does not, be it for Ctrl-C, what was written is removed, and an earlier file of that name is left as it was.

    Raises:
        SegzooError: if the folder cannot be written or its disk is full.
    """
    temporary = path.with_name(f".{token_hex(4)}-{path.name}")
    try:
        temporary.touch()  # fail now if the folder cannot be written, not after the work of the block
        yield temporary
        with temporary.open("rb+") as file:  # else a power cut could leave the name without the bytes
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # The block may fail for other files; such errors are passed on.
        if error.errno in FULL_DISK or str(error.filename) == str(temporary):
            raise unwritable(path.parent, error) from error
        raise
    finally:
        if temporary.exists():
            temporary.unlink()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` to write into, which becomes `path`, new or empty until then, when the block ends well.

    When it does not, be it for Ctrl-C, nothing is left.

    Raises:
        ConfigError: if `path` holds something, or cannot be written.
    """
    target = path.absolute()  # so that the current folder has a name
    temporary = target.with_name(f".{token_hex(4)}-{target.name}")
    try:
        with _writing(path):
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise ConfigError(f"{path} exists already and is not empty; choose another --out")
            temporary.mkdir(parents=True)
        yield temporary
        with _writing(path):
            if not path.exists():
                temporary.rename(path)
            else:  # a folder that exists is kept: it may be the current folder of a process
                for file in temporary.iterdir():
                    file.replace(path / file.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write to {folder} ({error.strerror}); choose another --out") from error


def remove_folder(path: Path) -> None:
    """Remove a folder, if it is there, so that nobody sees half of it: its name goes first."""
    temporary = path.with_name(f".{token_hex(4)}-{path.name}")
    with suppress(OSError):  # it is not there, or cannot be removed, and stays as it is
        path.rename(temporary)
        shutil.rmtree(temporary)


def leftovers(folder: Path) -> list[Path]:
    """What processes left below a folder that were killed inside `atomic_file` or `remove_folder`."""
    return list(folder.rglob(f".{'[0-9a-f]' * 8}-*"))


def remove_leftovers(folder: Path) -> None:
    """Remove what they left."""
    for path in leftovers(folder):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8 with Unix line ends, as `atomic_file` does."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def ensure_room(folder: Path, needed: int) -> None:
    """Raise a SegzooError unless the disk of a folder has as many bytes free as are needed."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SegzooError(
            f"the disk of {folder} is too full: {needed:,} bytes are needed, {free:,} are free; "
            f"make room, or name a folder on another disk in SEGZOO_CACHE"
        )


def unwritable(folder: Path, error: OSError, needed: int = 0) -> SegzooError:
    """What to tell the user when writing in a folder failed; `needed` is the number of bytes to write, if known."""
    if error.errno in FULL_DISK:
        amount = f"{needed:,} bytes are needed" if needed else "make room"
        return SegzooError(f"the disk of {folder} is full: {amount}, or choose a folder on another disk")
    reason = (error.strerror or str(error)).lower()
    return SegzooError(f"cannot write in {folder}: {reason}; choose a folder that you can write")
