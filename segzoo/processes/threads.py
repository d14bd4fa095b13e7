"""A function applied to many items in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from segzoo.processes.processors import threads

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The function's value for each item, by as many threads as this process has processors; raises the first error."""
    with ThreadPoolExecutor(threads()) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:  # after an error or Ctrl-C the rest is not waited for
            pool.shutdown(wait=False, cancel_futures=True)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items in the same order, each made in a thread while the item before it is processed."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
