"""A function applied to many items in a pool of processes, for work that holds Python's global lock."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import wait
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from segzoo.errors import PluginError, SegzooError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

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
    with _started(count) as processes:
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


def _received(connection: Connection, process: BaseProcess, name: Callable[[], str]) -> Any:
    try:
        value, trace = connection.recv()
    except (EOFError, OSError) as error:
        process.join()
        code = process.exitcode or 0
        reason = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise SegzooError(
            f"the process that read {name()} has ended ({reason}): out of memory, or a decoder crashed over a file"
        ) from error
    if trace:
        raise RuntimeError(f"in another process, over {name()}:\n{trace}")
    return value


@contextmanager
def _started(count: int) -> Iterator[dict[Connection, BaseProcess]]:
    """New processes by the connections to them; they are ended with the block."""
    # Not forked: a copy of a process that has threads, such as TensorFlow's, may deadlock.
    context = multiprocessing.get_context("spawn")
    processes: dict[Connection, BaseProcess] = {}
    try:
        with _main_module_hidden():
            for _ in range(count):
                ours, theirs = context.Pipe()
                processes[ours] = context.Process(target=_serve, args=(theirs,), daemon=True)
                processes[ours].start()
                theirs.close()
        yield processes
    finally:
        for connection, process in processes.items():
            connection.close()
            if process.pid:
                process.terminate()
                process.join()


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Hide the main module and Ctrl-C from processes that are started in the block.

    They would import the module again, and so run a script that has no `if __name__ == "__main__"`. And Ctrl-C, which
    the terminal sends to all, is handled by the parent.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    handler = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)


def _serve(connection: Connection) -> None:
    """What a process runs: it receives the function, then items, until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
