"""Unpacking archives that nobody has looked into: only files and folders, into one folder, up to a size.

`tarfile` and `zipfile` read, refuse what is damaged, and give no more bytes of a file than its header says. Besides:

- `_write` writes for both. The `data` filter of `tarfile` allows links, through which most ways out of a folder went;
  overwrites a file that is there twice; nests folders without bound; and knows nothing of zip.
- Sizes and numbers are bounded before anything is written, which neither of the two does.
- `_Rationed` bounds the headers of a tar, which `tarfile` reads into memory as a whole.
- The end of a tar must be marked: `tarfile` takes a damaged header for the end, and gives half of the files.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from pathlib import Path, PurePath
from typing import IO, Any, NamedTuple, cast

from segzoo.errors import DataError
from segzoo.files.atomic import ensure_room, unwritable
from segzoo.files.locking import holding

RATIO, LEAST = 100, 2**30
"""The files of an archive may have RATIO times its bytes, or LEAST bytes if that is more."""
HEADERS = 2**20
"""Bytes that the headers of a member of a tar may have; `tarfile` keeps all of them in memory."""
DEPTH = 32
"""Folders that a file may be nested in."""
MISFITS = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
"""Errors that are due to the path of a member, not to the disk."""
COMPRESSIONS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
"""The first bytes of a compressed tar, and the function that opens it."""


class Limit(NamedTuple):
    """How much an archive may unpack to. Some archives of a few megabytes unpack to more than any disk holds."""

    size: int | None = None
    """Bytes of all files together; unset, a hundred times those of the archive, or 1 GiB if that is more."""
    members: int = 1_000_000
    """Files and folders."""


class _Member(NamedTuple):
    name: str
    is_folder: bool
    size: int
    """Bytes that it unpacks to; neither `tarfile` nor `zipfile` gives more."""
    open: Callable[[], IO[bytes] | None]


class _RefusedError(Exception):
    """Why an archive is not unpacked."""


def unpack(
    archive: Path,
    folder: Path,
    inside: str = "",
    limit: Limit = Limit(),  # noqa: B008
) -> None:
    """Unpack a tar or zip archive, or the folder `inside` of it, into a new folder, which gets its name at the end.

    Raises:
        DataError: if the archive is damaged, lacks the folder, unpacks to more than the limit, or has members that are
            neither files nor folders, are encrypted, lead out of the folder, or are there twice.
        SegzooError: if the place cannot be written or its disk is too full.
    """
    temporary = folder.with_name(f"{folder.name}.part")
    with holding(folder.parent):
        size = archive.stat().st_size
        ensure_room(folder.parent, size)
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
        try:
            temporary.mkdir()
            _extract(archive, temporary, limit)
            if not (temporary / inside).is_dir():
                raise DataError(f"the archive {archive} holds no folder '{inside}'")
            if hasattr(os, "sync"):  # else a power cut could leave the name without the bytes
                os.sync()
            (temporary / inside).replace(folder)
        except OSError as error:
            raise unwritable(folder.parent, error, size) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _extract(archive: Path, folder: Path, limit: Limit) -> None:
    largest = max(RATIO * archive.stat().st_size, LEAST) if limit.size is None else limit.size
    total = 0
    try:
        with closing(_members(archive)) as members:
            for count, member in enumerate(members, start=1):
                total += max(0, member.size)
                if count > limit.members:
                    raise _RefusedError(f"it has more than {limit.members:,} members")
                if total > largest:
                    raise _RefusedError(f"it unpacks to more than {largest:,} bytes")
                _write(member, folder)
    except _RefusedError as error:
        raise DataError(f"the archive {archive} is refused: {error}") from error
    except Exception as error:  # every compression has errors of its own
        # EINVAL is of reading, where a damaged header leads to; other numbers are of writing.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise DataError(f"the archive {archive} is damaged, or neither tar nor zip: {error}") from error


def _write(member: _Member, folder: Path) -> None:
    """Make the file or folder of a member."""
    path = PurePath(member.name)
    if path.anchor or ".." in path.parts:
        raise _RefusedError(f"its member {member.name!r} leads out of the folder")
    if len(path.parts) > DEPTH:
        raise _RefusedError(f"its member {member.name!r} lies too deep")
    target = folder / path
    try:
        (target if member.is_folder else target.parent).mkdir(parents=True, exist_ok=True)
        if member.is_folder:
            return
        file = target.open("xb")
    except OSError as error:
        if error.errno in MISFITS:
            reason = os.strerror(error.errno).lower()
            raise _RefusedError(f"its member {member.name!r} has no place: {reason}") from error
        raise
    with file, cast("IO[bytes]", member.open()) as source:
        shutil.copyfileobj(source, file)


def _members(archive: Path) -> Generator[_Member, None, None]:
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"PK"):
        return _zip_members(archive)
    read = next((read for magic, read in COMPRESSIONS.items() if start.startswith(magic)), Path.open)
    return _tar_members(read(archive, "rb"))


def _zip_members(archive: Path) -> Generator[_Member, None, None]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if info.flag_bits & 1:
                raise _RefusedError(f"its member {info.filename!r} is encrypted")
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):  # 0: not made on Unix
                raise _RefusedError(f"its member {info.filename!r} is neither file nor folder")
            yield _Member(info.filename, info.is_dir(), info.file_size, partial(file.open, info))


def _tar_members(stream: IO[bytes]) -> Generator[_Member, None, None]:
    with stream:
        rationed = _Rationed(stream)
        with tarfile.open(fileobj=cast("IO[bytes]", rationed), mode="r:") as tar:
            while info := tar.next():
                tar.members.clear()  # type: ignore[attr-defined]  # else it keeps the headers of all members
                if not (info.isreg() or info.isdir()):
                    raise _RefusedError(f"its member {info.name!r} is neither file nor folder")
                rationed.left = info.size
                yield _Member(info.name, info.isdir(), info.size, partial(tar.extractfile, info))
                rationed.left = HEADERS
            rationed.seek(tar.offset)
            # tarfile takes a header that it cannot read for the end of the archive.
            if rationed.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("the mark of its end is missing")


class _Rationed:
    """A file that gives only `left` bytes: `tarfile` reads as many bytes into memory as a header claims."""

    def __init__(self, file: IO[bytes]) -> None:
        self.seek, self.tell, self._file = file.seek, file.tell, file
        self.left = HEADERS

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise tarfile.ReadError("a header claims more than there can be")
        return self._file.read(size)
