"""The terminal during a run: a progress bar and a line for each epoch, without the messages of TensorFlow."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import UnsupportedOperation
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from segzoo.errors import SegzooError

TAIL = 20
"""Lines of the log that are shown after a crash."""


@contextmanager
def chatter_to(log: Path) -> Iterator[None]:
    """Send what C++ code writes to file descriptor 2 to `log`; Python's own sys.stderr still reaches the user.

    TensorFlow writes there while it is imported and first used, whatever TF_CPP_MIN_LOG_LEVEL says.
    """
    sys.stderr.flush()
    kept, python_stderr = os.dup(2), sys.stderr
    with suppress(AttributeError, UnsupportedOperation):  # a notebook's stderr has no descriptor
        if sys.stderr.fileno() == 2:
            sys.stderr = os.fdopen(os.dup(kept), "w", buffering=1, encoding=sys.stderr.encoding, errors="replace")
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    crashed = False
    try:
        yield
    except Exception as error:
        crashed = not isinstance(error, SegzooError)
        raise
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        if sys.stderr is not python_stderr:
            sys.stderr.close()
            sys.stderr = python_stderr
        if crashed:
            print(*log.read_text("utf-8", "replace").splitlines()[-TAIL:], sep="\n", file=sys.stderr)


@contextmanager
def quiet() -> Iterator[None]:
    """As `chatter_to`, where there is no folder to keep a log in."""
    with tempfile.TemporaryDirectory() as folder, chatter_to(Path(folder) / "log.txt"):
        yield


def note(text: str) -> None:
    """Print a line for the user, where there is no bar."""
    Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def messages_to(log: Path, packages: Iterable[str]) -> Iterator[None]:
    """Send what these packages say with Python's `logging`, from INFO on, to `log` instead of the terminal."""
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in packages]
    settings = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, settings, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()


class Bar:
    """A progress bar on the user's terminal, over images unless told otherwise; without a terminal, only its lines.

    As long as the number of items is not known, `total` is None: the bar only shows that something happens.
    """

    def __init__(
        self, total: int | None, columns: Sequence[ProgressColumn] = (), doing: str = "reading images", done: int = 0
    ) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            *(columns or _image_columns()), console=self._console, disable=not self._console.is_terminal, transient=True
        )
        self._task = self._progress.add_task(doing, total=total, completed=done)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def advance(self, items: float, doing: str) -> None:
        """So many more items are done; the text says what is being done now."""
        self._progress.update(self._task, advance=items, description=doing)

    def expect(self, items: int) -> None:
        """Set the total, now that it is known."""
        self._progress.update(self._task, total=items)

    def start_at(self, items: int) -> None:
        """Some items were done by an earlier process, which says nothing of today's speed."""
        self._progress.reset(self._task, completed=items)

    def line(self, text: str) -> None:
        """Print a line above the bar, which stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _image_columns() -> list[ProgressColumn]:
    text, share = TextColumn("{task.description}"), TaskProgressColumn("{task.percentage:3.0f} %")
    return [text, BarColumn(), share, _Rate(), TimeRemainingColumn()]


class _Rate(ProgressColumn):
    """Images a second over the last seconds."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} images/s" if task.speed else "")
