"""Checks in another process, which is ended if one of them takes too long."""

from __future__ import annotations

import faulthandler
import os
import pickle
import re
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from subprocess import Popen
from tempfile import TemporaryDirectory
from typing import NamedTuple

from segzoo import registry
from segzoo.errors import PluginError
from segzoo.plugin import Plugin
from segzoo.plugin_errors import line_among
from segzoo.processes.children import started
from segzoo.processes.terminal import quiet
from segzoo.testing import find
from segzoo.testing.checks import Check, Outcome, outcomes

SILENCE = 1.0
"""Seconds without another byte after which a process has said where all its threads are."""


def require_import(target: str, limit: float) -> None:
    """Refuse a plugin, as `find` looks for it, whose import takes more than `limit` seconds, or ends its process.

    Raises:
        PluginError: if it is so; what else is wrong with the import is not told.
    """
    with _elsewhere() as other:
        other.connection.send(target)
        if not other.connection.poll(limit):
            raise PluginError(f"cannot import {target}: {_overdue(other, _package(target), limit)}")
        if not _begun(other.connection):
            raise PluginError(f"cannot import {target}: it ends its process, with code {other.process.wait()}")


def bounded_outcomes(plugin: Plugin, checks: Sequence[Check], limit: float) -> Iterator[Outcome]:
    """As `outcomes`, but a check that takes more than `limit` seconds, or ends its process, has failed and is the last.

    Raises:
        PluginError: if the plugin cannot be sent to another process.
    """
    waiting, name, package = iter(checks), type(plugin).__name__, type(plugin).__module__.partition(".")[0]
    with _elsewhere() as other:
        other.connection.send_bytes(_packed(plugin, checks))
        if not other.connection.poll(limit):
            raise PluginError(f"{name} cannot be imported in another process: {_overdue(other, package, limit)}")
        if not _begun(other.connection):
            raise PluginError(f"{name} cannot be imported in another process")
        try:
            for check in waiting:
                if not other.connection.poll(limit):
                    yield check.failed(_overdue(other, package, limit))
                    break
                yield other.connection.recv()
        except (EOFError, OSError):
            yield check.failed(f"the process that ran it has ended, with code {other.process.wait()}")
    yield from (each.skipped(f"`{check.name}` has not ended") for each in waiting)


class _Other(NamedTuple):
    """Another process, which runs `_serve`."""

    process: Popen[bytes]
    connection: Connection
    stacks: Connection
    """From which the stacks of its threads can be read, once it is asked for them."""


@contextmanager
def _elsewhere() -> Iterator[_Other]:
    """Another process, which is ended after the block."""
    ours, theirs = Pipe()
    stacks, stacks_end = Pipe(duplex=False)
    # What an ended process leaves of its temporary files goes with the folder.
    with ours, theirs, stacks, stacks_end, TemporaryDirectory() as folder:
        descriptors = [theirs.fileno(), stacks_end.fileno()]
        with started(__name__, [*map(str, descriptors)], {"TMPDIR": folder}, descriptors=descriptors) as process:
            theirs.close()
            ours.recv()  # it has begun; that takes its time, which is no plugin's
            yield _Other(process, ours, stacks)


def _package(target: str) -> str:
    """The package of a plugin that `find` looks for."""
    if ":" not in target:
        kind, short = registry.locate(target)
        target = next((entry.target for entry in registry.entries(kind) if entry.name == short), target)
    return target.partition(":")[0].partition(".")[0]


def _packed(plugin: Plugin, checks: Sequence[Check]) -> bytes:
    try:
        return pickle.dumps((plugin, type(plugin).registered, checks))
    except Exception as error:  # what cannot be pickled raises anything
        raise PluginError(f"{type(plugin).__name__} cannot be sent to another process: {error}") from error


def _begun(connection: Connection) -> bool:
    """Whether the process has what it was sent."""
    try:
        return bool(connection.recv())
    except (EOFError, OSError):
        return False


def _overdue(other: _Other, package: str, limit: float) -> str:
    """What to say of a process that has not ended, with the line of a package that one of its threads is at."""
    os.kill(other.process.pid, signal.SIGUSR1)
    said = b""
    while select.select([other.stacks], [], [], SILENCE)[0]:
        said += os.read(other.stacks.fileno(), 1 << 16)
    places = re.findall(r'File "(.+)", line (\d+) in ', said.decode(errors="replace"))
    line = line_among(package, ((file, int(number)) for file, number in places))
    return f"it has not ended after {limit:g} s{f' ({line})' if line else ''}"


def _serve(connection: Connection, stacks: int) -> None:
    """What the process runs. Asked by a signal, it writes the stacks of its threads, be it in Python or in C."""
    faulthandler.register(signal.SIGUSR1, stacks)
    connection.send(True)
    sent = connection.recv()
    if isinstance(sent, str):
        with quiet(), suppress(Exception, SystemExit):
            find(sent)
        connection.send(True)
        return
    plugin, registered, checks = sent
    type(plugin).registered = registered  # what messages call it, which is not among its options
    connection.send(True)
    with quiet():
        for outcome in outcomes(plugin, checks):
            connection.send(outcome)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])), int(sys.argv[2]))
