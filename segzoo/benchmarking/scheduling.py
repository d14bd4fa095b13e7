"""Cells on this machine, one at a time or several at once, or on a Dask cluster.

Each cell has a process of its own, so threads suffice to wait for them. A Dask worker whose process dies takes its cell
with it, and Dask gives the cell to another worker, which resumes it; all machines see the same folders: the benchmark's
and the cache.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING

from segzoo.benchmarking.cells import Record, Task, attempt, failed
from segzoo.errors import DISTRIBUTION, ConfigError

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 10
"""Seconds in which a scheduler answers."""


class _AbandonedError(Exception):
    """The result of the cell is no longer wanted: the benchmark has ended."""


def on_this_machine(tasks: Sequence[Task], jobs: int) -> Generator[tuple[Task, Record], None, None]:
    """Each cell with its record, in the order in which they end; `jobs` run at once.

    Close the iterator to end the cells that are running; they can be resumed.
    """
    ended = Event()

    def wanted() -> None:
        if ended.is_set():
            raise _AbandonedError

    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(attempt, task, wanted): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # before a thread is free for the next cell
            ended.set()


def require_cluster(address: str) -> None:
    """Check that Dask is installed, and that a scheduler answers at the address.

    Raises:
        ConfigError: if it is not, or no scheduler answers.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"cells on a cluster need Dask: pip install '{DISTRIBUTION}[dask]', or leave out --dask"
        ) from error
    with ExitStack() as stack:
        _connected(stack, address)


def on_cluster(tasks: Sequence[Task], address: str) -> Generator[tuple[Task, Record], None, None]:
    """Each cell with its record, in the order in which they end, from the workers of the cluster.

    Close the iterator to end the cells that are running.

    Raises:
        ConfigError: if no scheduler answers.
    """
    import distributed

    with ExitStack() as stack:
        client = _connected(stack, address)
        futures = {client.submit(_attempt, task, key=f"cell-{task.folder}", pure=False): task for task in tasks}
        for future in distributed.as_completed(futures):
            task = futures[future]
            try:
                yield task, future.result()
            except distributed.KilledWorker as error:
                yield task, failed(task, f"the workers that ran it died, one after the other: {error.last_worker}")


def _connected(stack: ExitStack, address: str) -> Client:
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # the records of the cells tell what matters
    try:
        return stack.enter_context(Client(address, timeout=PATIENCE))
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Dask scheduler answers at {address} ({error}); is it the one that runs?") from error


def _attempt(task: Task) -> Record:
    """`attempt` in a worker, for as long as the scheduler wants it."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> None:
        state = worker.state.tasks.get(key)
        if state is None or state.state != "executing":
            raise _AbandonedError(key)

    return attempt(task, wanted)
