"""What the user sees while a run works: a progress bar and a line an epoch, and nothing of TensorFlow's chatter."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import UnsupportedOperation
from pathlib import Path

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
    with suppress(AttributeError, UnsupportedOperation):  # a notebook's stderr has no descriptor, and needs no care
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
    """A line for the user, where there is no bar."""
    Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def messages_to(log: Path, packages: Iterable[str]) -> Iterator[None]:
    """Send what these packages say with Python's `logging`, from INFO on, to `log` instead of the terminal."""
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in packages]
    found = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, found, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()


class Bar:
    """A progress bar over images on the user's terminal; where there is no terminal, only the lines between.

    As long as nobody knows how many images there will be, `total` is None: the bar only shows that something happens.
    """

    def __init__(self, total: int | None) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn("{task.percentage:3.0f} %"),
            _Rate(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("reading images", total=total)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def advance(self, images: int, doing: str) -> None:
        """Some images done, of what is now being done."""
        self._progress.update(self._task, advance=images, description=doing)

    def expect(self, images: int) -> None:
        """The total is known now."""
        self._progress.update(self._task, total=images)

    def start_at(self, images: int) -> None:
        """Some images were done by an earlier process, which says nothing of today's speed."""
        self._progress.reset(self._task, completed=images)

    def line(self, text: str) -> None:
        """A line that stays, above the bar."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class _Rate(ProgressColumn):
    """Images a second over the last seconds."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} images/s" if task.speed else "")
