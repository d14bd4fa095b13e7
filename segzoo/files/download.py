"""Downloads that are resumed when the connection breaks.

Pooch does not: it deletes its temporary file when a download breaks off, so that there is nothing to resume.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import Response
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from urllib3.exceptions import HTTPError

from segzoo.errors import DataError
from segzoo.files import stamps
from segzoo.files.archives import Limit, unpack
from segzoo.files.atomic import ensure_room, unwritable
from segzoo.files.locking import holding

PAUSES: Sequence[float] = (1, 2, 4)
"""Seconds to wait before all addresses are tried again; counted anew whenever bytes have come at `SPEED` at least."""
TIMEOUT = (10, 30)
"""Seconds to wait for a connection, and for the next bytes."""
SPEED, WINDOW = 1000, 60
"""Bytes a second at which a file must come at least, and the seconds over which they are counted."""
CHUNK = 2**18
"""Bytes written at a time at most."""


class _BrokenError(Exception):
    """An address that failed, but may work later."""


class _RefusedError(Exception):
    """An address that will not work later either."""


class _SlowError(Exception):
    """A connection that is slower than SPEED."""


def fetch_folder(
    urls: Sequence[str],
    folder: Path,
    sha256: str,
    size: int,
    inside: str = "",
    limit: Limit = Limit(),  # noqa: B008
) -> Path:
    """A folder, from the tar or zip archive of that digest and size in bytes unless it is there already.

    It holds what is in the archive, or in the folder `inside` of it. The archive lies beside it until then, under the
    name that its first address ends with; one that is put there by hand is used. Of several processes that want the
    folder at once, one downloads and the others wait.

    Raises:
        DataError: if no address gives the archive, or it cannot be unpacked safely; see `unpack`.
        SegzooError: if the place cannot be written or its disk is too full.
    """
    archive = folder.with_name(_file_name(urls[0], folder))
    if folder.is_dir() and not archive.exists():
        return folder
    with holding(folder.parent):
        if not folder.is_dir():
            # Photos hardly shrink in an archive, so what it unpacks to is about as large.
            ensure_room(folder.parent, _remaining(archive, size) + size)
            _fetch_archive(urls, archive, sha256, size)
            unpack(archive, folder, inside, limit)
        archive.unlink(missing_ok=True)
    return folder


def _fetch_archive(urls: Sequence[str], archive: Path, sha256: str, size: int) -> None:
    try:
        with progress(archive.name, size) as report:
            fetch(urls, archive, sha256, size, report)
    except DataError as error:
        raise DataError(
            f"{error}\nWithout a network, put {archive.name} ({size:,} bytes) into {archive.parent} "
            "and run the same again"
        ) from error


def fetch(urls: Sequence[str], path: Path, sha256: str, size: int, report: Callable[[int], None]) -> Path:
    """The file of that digest and size in bytes, from the first address that gives it unless it is at `path` already.

    The bytes received are kept as `<name>.part` when the connection fails or is too slow, and the next address, or the
    next call, resumes there. Dates and entity tags are not compared, since servers are not reliable about them: if the
    digest does not fit, the file is downloaded again from the start. `report` is called with the
    number of bytes that are there.

    Raises:
        DataError: if no address gives the file, or the file that is there is another one.
        SegzooError: if the folder cannot be written or its disk is too full.
    """
    part = _part(path)
    with holding(path.parent):
        if path.exists():
            if (digest := stamps.sha256(path)) != sha256:
                raise DataError(f"{path} is not the file wanted: its SHA-256 is {digest}, not {sha256}; delete it")
            return path
        if _length(part) >= size and stamps.sha256(part) != sha256:
            part.unlink()
        ensure_room(path.parent, _remaining(path, size))
        try:
            _from_any(urls, path, sha256, size, report)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise unwritable(path.parent, error, size) from error
    return path


@contextmanager
def progress(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on the terminal, if there is one; a function to be called with the number of bytes received."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(name, total=size)

        def report(done: int) -> None:
            if bar.tasks[0].completed:
                bar.update(task, completed=done)
            else:  # bytes of an earlier run do not count for the speed
                bar.reset(task, completed=done)

        yield report


def _from_any(urls: Sequence[str], path: Path, sha256: str, size: int, report: Callable[[int], None]) -> None:
    """Complete the part file from the addresses in turn, and again after each of PAUSES."""
    part, remaining, reasons = _part(path), list(urls), dict.fromkeys(urls, "")
    most, since, pauses = _length(part), monotonic(), iter(PAUSES)
    while True:
        for url in tuple(remaining):
            try:
                _complete(url, part, sha256, size, report)
            except _BrokenError as error:
                reasons[url] = str(error)
            except _RefusedError as error:
                reasons[url] = str(error)
                remaining.remove(url)
            else:
                return
        if _length(part) - most > SPEED * (monotonic() - since):
            most, since, pauses = _length(part), monotonic(), iter(PAUSES)
        pause = next(pauses, None)
        if pause is None or not remaining:
            kept = f"; the {_length(part):,} bytes that came are kept, to go on from" if _length(part) else ""
            tried = "".join(f"\n  {url}: {reasons[url]}" for url in urls)
            raise DataError(f"cannot download {path.name}{kept}{tried}")
        time.sleep(pause)


def _complete(url: str, part: Path, sha256: str, size: int, report: Callable[[int], None]) -> None:
    """Download and verify the part file; if it does not verify and was resumed, download it from the start."""
    if _receive(url, part, size, report):
        with suppress(_RefusedError):
            return _verify(part, sha256)
        _receive(url, part, size, report)
    return _verify(part, sha256)


def _receive(url: str, part: Path, size: int, report: Callable[[int], None]) -> bool:
    """Append the missing bytes to the part file; true if it still holds bytes of before."""
    have, goes_on, why = _length(part), True, "the connection broke off"
    if have == size:
        return True
    try:
        with _asked(url, have) as response:
            goes_on = _goes_on(response, part, size)
            with part.open("ab" if goes_on else "wb") as file:
                report(file.tell())
                for chunk in _steady(response):
                    file.write(chunk)
                    report(file.tell())
                    if file.tell() > size:  # else a server could fill the disk
                        break
                file.flush()
                os.fsync(file.fileno())
    except _SlowError:
        why = f"fewer than {SPEED:,} bytes a second came"
    except HTTPError:
        pass  # the length tells
    if _length(part) < size:
        raise _BrokenError(f"{why} after {_length(part):,} of {size:,} bytes")
    return goes_on and have > 0


@contextmanager
def _asked(url: str, have: int) -> Iterator[Response]:
    """The response to a request for the bytes from `have` on; errors in words for users."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    hooks = {"response": _hang_up}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT, hooks=hooks) as response:
            yield response
    except requests.Timeout as error:
        raise _BrokenError("no answer in time") from error
    except requests.exceptions.SSLError as error:
        raise _BrokenError("its certificate is not trusted") from error
    except requests.exceptions.ProxyError as error:
        raise _BrokenError("no connection to the proxy that HTTP_PROXY or HTTPS_PROXY names") from error
    except requests.ConnectionError as error:
        raise _BrokenError("no connection") from error
    except requests.RequestException as error:
        raise _RefusedError(str(error)) from error


def _hang_up(response: Response, **_: Any) -> None:
    """Close the response of a redirect, which requests would read to its end, however long or slow it is."""
    if response.is_redirect:
        response.close()


def _steady(response: Response) -> Iterator[bytes]:
    """The bytes of a body as they come; a `_SlowError` where they are fewer than `SPEED` allows over a `WINDOW`."""
    came, since = 0, monotonic()
    # Not `iter_content`, which would unpack what a server declares to be gzip-encoded, and wait for a whole chunk.
    while chunk := response.raw.read1(CHUNK, decode_content=False):
        yield chunk
        came, seconds = came + len(chunk), monotonic() - since
        if seconds >= WINDOW:
            if came < SPEED * seconds:
                raise _SlowError
            came, since = 0, monotonic()


def _goes_on(response: Response, part: Path, size: int) -> bool:
    """Whether a response begins where the part file ends, rather than with the first byte."""
    status, have = response.status_code, _length(part)
    if status == requests.codes.partial:
        offered = response.headers.get("Content-Range", "")
        # It may end sooner than asked for, and the server need not know how long the file is.
        if not re.fullmatch(rf"bytes {have}-\d+/({size}|\*)", offered):
            raise _RefusedError(f"offers '{offered}' when asked for the bytes from {have} of {size}")
        return True
    if status == requests.codes.requested_range_not_satisfiable:
        part.unlink()
        raise _BrokenError("the file is shorter than what has come of it")
    if status != requests.codes.ok:
        passing = status >= 500 or status in (requests.codes.request_timeout, requests.codes.too_many_requests)
        raise (_BrokenError if passing else _RefusedError)(f"HTTP {status} {response.reason}")
    length = response.headers.get("Content-Length")
    if length not in (None, str(size)):
        raise _RefusedError(f"offers {length} bytes instead of {size}")
    return False


def _remaining(path: Path, size: int) -> int:
    """The bytes that `fetch` has yet to bring of a file of that size."""
    return 0 if path.exists() else size - _length(_part(path))


def _verify(part: Path, sha256: str) -> None:
    digest = stamps.sha256(part)
    if digest != sha256:
        part.unlink()
        raise _RefusedError(f"the SHA-256 of what came is {digest}, not {sha256}")


def _file_name(url: str, folder: Path) -> str:
    """The name that an address ends with, unless it has none or that of the folder."""
    name = Path(urlsplit(url).path).name
    return f"{folder.name}.archive" if name in ("", folder.name) else name


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
