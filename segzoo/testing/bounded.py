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
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory

from segzoo.errors import PluginError
from segzoo.plugin import Plugin
from segzoo.plugin_errors import line_among
from segzoo.processes.children import started
from segzoo.processes.terminal import quiet
from segzoo.testing.checks import Check, Outcome, outcomes

SILENCE = 1.0
"""Seconds without another byte after which a process has said where all its threads are."""


def bounded_outcomes(plugin: Plugin, checks: Sequence[Check], limit: float) -> Iterator[Outcome]:
    """As `outcomes`, but a check that takes more than `limit` seconds, or ends its process, has failed and is the last.

    Raises:
        PluginError: if the plugin cannot be sent to another process.
    """
    waiting = iter(checks)
    ours, theirs = Pipe()
    stacks, stacks_end = Pipe(duplex=False)
    # What an ended process leaves of its temporary files goes with the folder.
    with ours, theirs, stacks, stacks_end, TemporaryDirectory() as folder:
        descriptors = [theirs.fileno(), stacks_end.fileno()]
        with started(__name__, [*map(str, descriptors)], {"TMPDIR": folder}, descriptors=descriptors) as process:
            theirs.close()
            ours.send_bytes(_packed(plugin, checks))
            if not _begun(ours):
                raise PluginError(f"{type(plugin).__name__} cannot be imported in another process")
            try:
                for check in waiting:
                    if not ours.poll(limit):
                        line = _line(type(plugin), process.pid, stacks.fileno())
                        yield check.failed(f"it has not ended after {limit:g} s{f' ({line})' if line else ''}")
                        break
                    yield ours.recv()
            except (EOFError, OSError):
                yield check.failed(f"the process that ran it has ended, with code {process.wait()}")
    yield from (each.skipped(f"`{check.name}` has not ended") for each in waiting)


def _packed(plugin: Plugin, checks: Sequence[Check]) -> bytes:
    try:
        return pickle.dumps((plugin, type(plugin).registered, checks))
    except Exception as error:  # what cannot be pickled raises anything
        raise PluginError(f"{type(plugin).__name__} cannot be sent to another process: {error}") from error


def _begun(connection: Connection) -> bool:
    """Whether the process has the plugin; its imports take their time, which is no check's."""
    try:
        return bool(connection.recv())
    except (EOFError, OSError):
        return False


def _line(plugin: type[Plugin], process: int, stacks: int) -> str:
    """The line of the plugin's code that a process is at, in any of its threads; empty if it is in other code."""
    os.kill(process, signal.SIGUSR1)
    said = b""
    while select.select([stacks], [], [], SILENCE)[0]:
        said += os.read(stacks, 1 << 16)
    places = re.findall(r'File "(.+)", line (\d+) in ', said.decode(errors="replace"))
    return line_among(plugin.__module__.partition(".")[0], ((file, int(number)) for file, number in places))


def _serve(connection: Connection, stacks: int) -> None:
    """What the process runs. Asked by a signal, it writes the stacks of its threads, be it in Python or in C."""
    faulthandler.register(signal.SIGUSR1, stacks)
    plugin, registered, checks = connection.recv()
    type(plugin).registered = registered  # what messages call it, which is not among its options
    connection.send(True)
    with quiet():
        for outcome in outcomes(plugin, checks):
            connection.send(outcome)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])), int(sys.argv[2]))
