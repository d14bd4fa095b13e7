"""Archives unpacked as what strangers sent: files and folders only, inside of one folder only, and only so much.

The reading is left to `tarfile` and `zipfile`, the writing is not: what may be written is decided here, for both.
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
from itertools import pairwise
from pathlib import Path, PurePath
from typing import IO, Any, NamedTuple, cast

from segzoo.errors import DataError
from segzoo.files.atomic import ensure_room, unwritable
from segzoo.files.locking import holding

CHUNK = 2**18
"""Bytes copied at a time."""
RATIO, LEAST = 100, 2**30
"""Files of an archive may have so many times its bytes, or so many bytes if that is more."""
HEADERS = 2**20
"""Bytes that a tar may spend on telling what comes next; `tarfile` keeps all of them in memory."""
DEPTH = 32
"""Folders that a file may be in."""
MISFITS = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
"""What goes wrong with a path for which the disk is not to blame."""
COMPRESSIONS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
"""What a compressed tar begins with, and what reads it."""


class Limit(NamedTuple):
    """How much an archive may unpack to. Some archives of a few megabytes unpack to more than any disk holds."""

    size: int | None = None
    """Bytes of all files together; unset, a hundred times those of the archive, or 1 GiB if that is more."""
    members: int = 1_000_000
    """Files and folders."""


class _Member(NamedTuple):
    name: str
    folder: bool
    fault: str
    """Why it is refused; empty if it is not."""
    open: Callable[[], IO[bytes] | None]


class _RefusedError(Exception):
    """A member that is not unpacked, and why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name!r} {why}")


def unpack(
    archive: Path,
    folder: Path,
    inside: str = "",
    limit: Limit = Limit(),  # noqa: B008
) -> None:
    """Turn a tar or zip archive, or the folder `inside` of it, into a new folder, which is whole when it gets its name.

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
    left = largest
    try:
        with closing(_members(archive)) as members:
            for count, member in enumerate(members, start=1):
                if count > limit.members:
                    raise DataError(f"the archive {archive} is refused: it has more than {limit.members:,} members")
                left -= _write(member, folder, left)
                if left < 0:
                    raise DataError(f"the archive {archive} is refused: it unpacks to more than {largest:,} bytes")
    except _RefusedError as error:
        raise DataError(f"the archive {archive} is refused: its member {error}") from error
    except Exception as error:  # every compression has errors of its own
        # Nothing is written at a place that cannot be, but read: where a damaged header says that the bytes are.
        if isinstance(error, DataError) or (isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)):
            raise
        raise DataError(f"the archive {archive} is damaged, or neither tar nor zip: {error}") from error


def _write(member: _Member, folder: Path, left: int) -> int:
    """Make the file or folder of a member; the bytes written, which are at most one chunk more than are left."""
    path = PurePath(member.name)
    if path.anchor or ".." in path.parts:
        raise _RefusedError(member.name, "leads out of the folder")
    if fault := member.fault or ("lies too deep" if len(path.parts) > DEPTH else ""):
        raise _RefusedError(member.name, fault)
    target, written = folder / path, 0
    try:
        (target if member.folder else target.parent).mkdir(parents=True, exist_ok=True)
        if member.folder:
            return 0
        file = target.open("xb")
    except OSError as error:
        if error.errno in MISFITS:
            raise _RefusedError(member.name, f"has no place: {os.strerror(error.errno).lower()}") from error
        raise
    with file, cast("IO[bytes]", member.open()) as source:
        while written <= left and (chunk := source.read(CHUNK)):
            written += file.write(chunk)
    return written


def _members(archive: Path) -> Generator[_Member, None, None]:
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"PK"):
        return _zip_members(archive)
    read = next((read for magic, read in COMPRESSIONS.items() if start.startswith(magic)), Path.open)
    return _tar_members(read(archive, "rb"))


def _zip_members(archive: Path) -> Generator[_Member, None, None]:
    with zipfile.ZipFile(archive) as file:
        infos = sorted(file.infolist(), key=lambda info: info.header_offset)
        for info, following in pairwise(infos):
            # A header has 30 bytes and the name. Bombs have one lot of bytes belong to thousands of files.
            if info.header_offset + 30 + len(info.filename) + info.compress_size > following.header_offset:
                raise _RefusedError(following.filename, "overlaps another one")
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where it was not made on Unix
            fault = "is neither file nor folder" if kind not in (0, stat.S_IFREG, stat.S_IFDIR) else ""
            fault = "is encrypted" if info.flag_bits & 1 else fault
            yield _Member(info.filename, info.is_dir(), fault, partial(file.open, info))


def _tar_members(stream: IO[bytes]) -> Generator[_Member, None, None]:
    with stream:
        rationed = _Rationed(stream)
        with tarfile.open(fileobj=cast("IO[bytes]", rationed), mode="r:") as tar:
            while info := tar.next():
                tar.members.clear()  # type: ignore[attr-defined]  # else all those of a large archive stay in memory
                fault = "" if info.isreg() or info.isdir() else "is neither file nor folder"
                rationed.left = info.size
                yield _Member(info.name, info.isdir(), fault, partial(tar.extractfile, info))
                rationed.left = HEADERS
            rationed.seek(tar.offset)
            # tarfile takes a header that it cannot read for the end.
            if rationed.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("the mark of its end is missing")


class _Rationed:
    """A file that gives only so many bytes, since `tarfile` reads as much as a header claims, into memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self.seek, self.tell, self._file = file.seek, file.tell, file
        self.left = HEADERS

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise tarfile.ReadError("a header claims more than there can be")
        return self._file.read(size)
