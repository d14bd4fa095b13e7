"""A function applied to many items in a pool of processes, for work that holds Python's global lock."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from segzoo.errors import PluginError, SegzooError
from segzoo.processes.children import started

T = TypeVar("T")
R = TypeVar("R")


def in_processes(
    function: Callable[[T], R], items: Iterable[T], count: int, name: Callable[[T], str] = str
) -> Generator[tuple[T, R], None, None]:
    """Each item with the function's value, in the order of completion; items are taken as they are needed.

    The function goes to each of `count` new processes once, so it must be picklable. With a count of 1
    the work is done in this process. Close the iterator, as `contextlib.closing` does, to end the processes early.

    Raises:
        SegzooError: if a process ends over an item, which `name` makes a text of, or the function cannot be sent.
    """
    if count == 1:
        for item in items:
            yield item, function(item)
        return
    waiting, packed = iter(items), _packed(function)
    with ExitStack() as stack:
        processes = dict(_worker(stack) for _ in range(count))
        for connection in processes:
            with suppress(OSError):  # a process that is dead shows when its answer is read
                connection.send_bytes(packed)
        queues: dict[Connection, deque[T]] = {connection: deque() for connection in processes}
        for connection in [*processes] * 2:  # an item to work on, and the next
            _send_next(connection, queues[connection], waiting)
        while busy := [connection for connection, queue in queues.items() if queue]:
            ready = wait(busy)
            for connection in (connection for connection in busy if connection in ready):
                queue = queues[connection]
                value = _received(connection, processes[connection], partial(name, queue[0]))
                item = queue.popleft()
                _send_next(connection, queue, waiting)
                yield item, value


def _worker(stack: ExitStack) -> tuple[Connection, subprocess.Popen[bytes]]:
    """A new process that runs `_serve`, and the connection to it; both are closed with the stack."""
    connection, other_end = Pipe()
    stack.enter_context(connection)
    with other_end:
        descriptor = other_end.fileno()
        return connection, stack.enter_context(started(__name__, [str(descriptor)], descriptors=[descriptor]))


def _packed(function: Callable[[T], R]) -> bytes:
    try:
        return pickle.dumps(function)
    except Exception as error:  # objects that cannot be pickled raise anything
        raise PluginError(
            f"the samples cannot be sent to another process: {error}; `segzoo check` tells more of a dataset"
        ) from error


def _send_next(connection: Connection, queue: deque[T], waiting: Iterator[T]) -> None:
    for item in waiting:
        queue.append(item)
        with suppress(OSError):
            connection.send(item)
        return


def _received(connection: Connection, process: subprocess.Popen[bytes], name: Callable[[], str]) -> Any:
    try:
        value, trace = connection.recv()
    except (EOFError, OSError) as error:
        code = process.wait()
        reason = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise SegzooError(
            f"the process that read {name()} has ended ({reason}): out of memory, or a decoder crashed over a file"
        ) from error
    if trace:
        raise RuntimeError(f"in another process, over {name()}:\n{trace}")
    return value


def _serve(connection: Connection) -> None:
    """What a process runs: it receives the function, then items, until the connection is closed."""
    try:
        function = pickle.loads(connection.recv_bytes())
        while True:
            connection.send(_attempt(function, connection.recv()))
    except (EOFError, OSError):
        return


def _attempt(function: Callable[[Any], Any], item: Any) -> tuple[Any, str]:
    try:
        return function(item), ""
    except Exception:
        return None, traceback.format_exc()


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
