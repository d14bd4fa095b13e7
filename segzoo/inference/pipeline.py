"""From image files to files of predictions: reading, predicting and writing at the same time.

Images are read ahead and what is made of them is written by threads, so that the network seldom waits. Large images
neither are held as a whole nor share batches with others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from queue import Queue
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from segzoo.data.pixels import Pixels, open_pages
from segzoo.data.rows import Rows
from segzoo.errors import DataError
from segzoo.inference.ensemble import Ensemble
from segzoo.inference.results import Measured, Results
from segzoo.inference.sources import Source
from segzoo.inference.strips import LARGEST, Size
from segzoo.networks.prediction import BATCH
from segzoo.processes.processors import threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Chunks = Iterable[NDArray[Any]]
    """Logits (h, W, K) of the next rows of a file."""

SMALL = 2**22
"""Pixels of the largest image that shares batches with others."""
AHEAD = 2 * BATCH
"""Files that are read ahead, or wait to be written, if they are small."""
FIRST = 4
"""Files that are read before it is known how large they are."""
WAITING = 2
"""Chunks of logits that wait to be written."""


class Prepared(NamedTuple):
    """An image file that can be predicted."""

    source: Source
    sizes: Sequence[Size]
    """Height and width of each page."""
    pages: Sequence[Callable[[], Rows]]
    """The pixels of each page, as often as they are asked for."""

    @property
    def pixels(self) -> int:
        """Of all pages."""
        return sum(height * width for height, width in self.sizes)

    @property
    def alone(self) -> bool:
        """Whether it shares no batch with other files, so that not many large ones are in memory at once."""
        return self.pixels > SMALL


class Done(NamedTuple):
    """What has become of an image file."""

    source: Source
    measured: Measured | None
    """None if it could not be predicted."""
    error: str = ""
    """Why."""


class _AbandonedError(Exception):
    """The logits of a file end before its rows do."""


class Pipeline:
    """Predicts image files. Use it as a context manager, which ends its threads."""

    def __init__(self, ensemble: Ensemble, results: Results, tell: Callable[[int, int], None]) -> None:
        """`tell` is given how many more rows of a file are predicted, and how many the file has."""
        self._ensemble, self._results, self._tell = ensemble, results, tell
        # At most one of them waits, as it writes, for logits; for these another may have to read the next image.
        self._threads = ThreadPoolExecutor(max(2, threads()))
        self._writing: deque[tuple[Prepared, Future[Measured]]] = deque()
        self._unreadable: deque[Done] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def run(self, sources: Iterable[Source]) -> Iterator[Done]:
        """What has become of each file, about in the order of the files.

        Raises:
            SegzooError: if files cannot be written.
        """
        for _, group in groupby(self._prepared(sources), lambda file: file.source.path if file.alone else None):
            yield from self._predict(group)
        yield from self._ended(0)

    def _prepared(self, sources: Iterable[Source]) -> Iterator[Prepared]:
        """The files that can be read, in order, while others are read ahead: LARGEST pixels, if they are all alike."""
        coming, waiting, ahead = iter(sources), deque[tuple[Source, Future[Prepared]]](), FIRST
        while True:
            for source in islice(coming, max(0, ahead - len(waiting))):
                waiting.append((source, self._threads.submit(read, source, self._ensemble, self._results)))
            if not waiting:
                return
            source, future = waiting.popleft()
            try:
                file = future.result()
            except DataError as error:
                self._tell(1, 1)
                self._unreadable.append(Done(source, None, str(error)))
            else:
                ahead = min(max(1, LARGEST // file.pixels), AHEAD)
                yield file

    def _predict(self, files: Iterator[Prepared]) -> Iterator[Done]:
        begun: deque[Prepared] = deque()

        def images() -> Iterator[Callable[[], Rows]]:
            for file in files:
                begun.append(file)
                yield from file.pages

        logits = self._ensemble.logits(images())
        try:
            for first in logits:
                pages = chain([first], islice(logits, len(begun[0].pages) - 1))
                self._write(begun[0], pages)
                begun.popleft()
                yield from self._ended(AHEAD)
        except DataError as error:  # of a file that is read as it is predicted, and so is alone
            yield Done(begun[0].source, None, str(error))

    def _write(self, file: Prepared, pages: Iterator[Rows]) -> None:
        """Hand the logits of the pages of a file to the thread that writes it."""
        queue: Queue[Chunks | type[_AbandonedError] | None] = Queue(WAITING)
        failed, writing = Event(), None
        total = sum(height for height, _ in file.sizes)
        try:
            writing = self._threads.submit(self._written, file, queue, failed)
            for rows in pages:
                if self._ensemble.at_once:
                    queue.put(rows)  # to be enlarged by the thread that writes
                    self._tell(rows.size[0], total)
                    continue
                for chunk in rows:
                    queue.put([chunk])
                    self._tell(len(chunk), total)
                    if failed.is_set():
                        break
            queue.put(None)
        except BaseException:  # also Ctrl-C while the thread is started: it may be at work, and nobody know it
            queue.put(_AbandonedError)
            with suppress(_AbandonedError, DataError):
                if writing:
                    writing.result()
            raise
        self._writing.append((file, writing))

    def _written(self, file: Prepared, queue: Queue[Any], failed: Event) -> Measured:
        items = _received(queue)
        try:
            return self._results.write(file.source.name, file.sizes, file.pages, chain.from_iterable(items))
        except BaseException:
            failed.set()
            with suppress(_AbandonedError):
                deque(items, maxlen=0)  # the thread that predicts may be waiting to put more
            raise

    def _ended(self, most: int) -> Iterator[Done]:
        """The files that are written, and as many as it takes to leave at most so many to be written."""
        while self._unreadable:
            yield self._unreadable.popleft()
        while self._writing and (
            self._writing[0][1].done() or len(self._writing) > most or sum(f.pixels for f, _ in self._writing) > LARGEST
        ):
            file, writing = self._writing.popleft()
            try:
                yield Done(file.source, writing.result())
            except DataError as error:
                yield Done(file.source, None, str(error))


def read(source: Source, ensemble: Ensemble, results: Results) -> Prepared:
    """An image file with its pixels in memory, or ready to be read row by row if it is large.

    Raises:
        DataError: if it cannot be read, or what is wanted cannot be made of it.
    """
    path, pixels = source.path, ensemble.first.pixels
    with open_pages(path, pixels) as pages:
        sizes = pages.sizes
        results.require(str(path), sizes)
        if sum(height * width for height, width in sizes) > LARGEST:
            return Prepared(
                source, sizes, [partial(_rows, path, pixels, page, size) for page, size in enumerate(sizes)]
            )
        arrays = [pages.rows(page).array() for page in range(len(sizes))]
    return Prepared(source, sizes, [partial(Rows.of, array) for array in arrays])


def _rows(path: Path, pixels: Pixels, page: int, size: Size) -> Rows:
    """The pixels of a page of a file that is open while they are asked for."""

    def chunks() -> Iterator[NDArray[Any]]:
        with open_pages(path, pixels) as pages:
            yield from pages.rows(page)

    return Rows(size, chunks())


def _received(queue: Queue[Any]) -> Iterator[Chunks]:
    for item in iter(queue.get, None):
        if item is _AbandonedError:
            raise _AbandonedError
        yield item
