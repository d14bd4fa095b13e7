"""Cells on a Dask cluster: of this machine, or one that is there already.

A worker whose process dies takes its cell with it, and Dask gives the cell to another, where it goes on. All machines
see the same folders: the benchmark's and the cache.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from segzoo.benchmarking.cells import Record, Task, attempt, failed
from segzoo.errors import DISTRIBUTION, ConfigError

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 10
"""Seconds in which a scheduler answers."""


class _AbandonedError(Exception):
    """Nobody wants the cell any more: the benchmark has ended."""


def require_dask(address: str | None) -> None:
    """See to it that Dask is installed, and that there is a cluster at the address.

    Raises:
        ConfigError: if it is not, or no scheduler answers.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"cells on several workers need Dask: pip install '{DISTRIBUTION}[dask]', or leave out --jobs and --dask"
        ) from error
    if address:
        with ExitStack() as stack:
            _connected(stack, 1, address)


def on_cluster(tasks: Sequence[Task], jobs: int, address: str | None) -> Generator[tuple[Task, Record], None, None]:
    """Each cell with what has become of it, in the order in which they end, from `jobs` processes or the cluster.

    Close the iterator to end what is at work.

    Raises:
        ConfigError: if no scheduler answers.
    """
    from distributed import KilledWorker, as_completed

    with ExitStack() as stack:
        client = _connected(stack, jobs, address)
        futures = {client.submit(_attempt, task, key=f"cell-{task.folder}", pure=False): task for task in tasks}
        for future in as_completed(futures):
            task = futures[future]
            try:
                yield task, future.result()
            except KilledWorker as error:
                yield task, failed(task, f"the workers that ran it died, one after the other: {error.last_worker}")


def _connected(stack: ExitStack, jobs: int, address: str | None) -> Client:
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said of the cells
    try:
        if address is None:
            # Cells are processes of their own, so a worker's own memory says nothing.
            address = stack.enter_context(
                LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,  # in the workers too
                )
            )
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
