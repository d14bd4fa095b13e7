"""Child processes that end when their parent ends, however it ends.

A child holds the reading end of a pipe as its standard input. The system closes the writing end when the parent is
gone, be it by SIGKILL; then the child ends itself. So nothing is left that works on in a folder beside the next start.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

PERIOD = 0.05
"""Seconds between two checks of a child."""


@dataclass(frozen=True)
class Ended:
    """How a child has ended, and what it took."""

    code: int
    """Its exit code; if a signal ended it, minus the number of the signal."""
    seconds: float
    """From its start to its end."""
    peak_memory_bytes: int
    """The most that was resident of it at once, without processes that it started."""
    overdue: bool
    """Whether it was ended for its time limit."""


def nothing() -> None:
    """Does nothing."""


@contextmanager
def started(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str] = {},
    output: IO[bytes] | None = None,
    descriptors: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m MODULE ARGUMENTS…` in a new process, which ignores Ctrl-C, and ends with the block or this process.

    What it prints goes to `output`, or else to where this process prints. It can use the open files `descriptors`.
    """
    # The child finds modules where this process does, also in folders that a notebook added; with -P, in no others.
    path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, module, *arguments],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env={**os.environ, "PYTHONPATH": path, **environment},
        pass_fds=descriptors,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            end(process.pid)
            process.wait()
        if process.stdin:
            process.stdin.close()


def run_child(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str] = {},
    log: Path | None = None,
    limit: float | None = None,
    meanwhile: Callable[[], None] = nothing,
) -> Ended:
    """Run `python -m MODULE ARGUMENTS…` in a process of its own, for `limit` seconds at most.

    What it prints goes to the end of `log`, or else to where this process prints. `meanwhile` is called again and
    again; if it raises, or on Ctrl-C, the child is ended. The child itself ignores Ctrl-C.
    """
    start = time.perf_counter()
    overdue, peak = False, 0
    with ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else None
        process = stack.enter_context(started(module, arguments, environment, output))
        while process.returncode is None:
            time.sleep(PERIOD)
            peak = max(peak, _resident(process.pid))
            meanwhile()
            if limit is not None and time.perf_counter() - start > limit:
                overdue = True
                end(process.pid)
            usage = _reap(process, 0 if overdue else os.WNOHANG)
    # What the system counted in the end is exact, but begins with what this process had: see `_resident`.
    peak = usage if usage > _resident(os.getpid()) else peak
    return Ended(process.returncode, time.perf_counter() - start, peak, overdue)


def _resident(pid: int) -> int:
    """The most bytes that were resident of a process since it began its program; 0 where only its end tells.

    `wait4` counts what the parent had when it started the process, which may be a notebook with gigabytes.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _reap(process: subprocess.Popen[bytes], options: int) -> int:
    """Wait for the process as `os.wait4`; the most bytes that were resident of it."""
    pid, status, usage = os.wait4(process.pid, options)
    if pid:
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def end(pid: int) -> None:
    """End a process and those that it has started."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [*process.children(recursive=True), process]:  # the last may be the process that runs this
            with suppress(psutil.NoSuchProcess):
                member.kill()


def _watch() -> None:
    """Ends this process when the other end of standard input is closed."""
    while os.read(0, 1):
        pass
    end(os.getpid())


def main() -> None:
    """Run a module as `python -m` does, for as long as the parent lives."""
    threading.Thread(target=_watch, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.argv.pop(0)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
