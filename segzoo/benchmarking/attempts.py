"""One cell from its start to its `cell.json`, whatever becomes of it."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from segzoo.benchmarking.cell import repeating
from segzoo.files.atomic import write_text
from segzoo.processes.children import Ended, nothing, run_child

FILE = "cell.json"
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that fix the number of threads of TensorFlow, OpenMP and NumPy."""


@dataclass(frozen=True)
class Task:
    """What has to be known to run a cell; may be sent to another machine."""

    folder: Path
    """`OUT/cells/DATASET/MODEL/seed-N`, which holds the run's `config.toml`."""
    cache: Path
    threads: int
    limit: float | None
    """Seconds that an attempt may take."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables under which the run is the same wherever it runs."""
        return dict.fromkeys(THREADS, str(self.threads)) | {"SEGZOO_CACHE": str(self.cache)}


@dataclass(frozen=True)
class Record:
    """What has become of a cell; its `cell.json`."""

    status: Literal["begun", "done", "failed"]
    """Begun: it is at work, or has ended with the benchmark and will go on."""
    reason: str | None
    """Why it failed, in a line."""
    command: str
    """What repeats it, typed in the benchmark's folder."""
    seconds: float
    """Wall time with start-up, of all attempts that ended by themselves."""
    peak_memory_bytes: int | None
    """The most that an attempt had resident at once; None if none has ended by itself."""
    threads: int
    attempts: int

    def write(self, folder: Path) -> Record:
        """Keep it in the folder of the cell; returns itself."""
        write_text(folder / FILE, json.dumps(asdict(self), indent=2) + "\n")
        return self


def read_record(folder: Path) -> Record | None:
    """What has become of the cell in a folder; None if it has not begun, or nobody can tell."""
    try:
        return Record(**json.loads((folder / FILE).read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):  # damaged, it is as if it were not there
        return None


def one_by_one(tasks: Iterable[Task]) -> Generator[tuple[Task, Record], None, None]:
    """Each cell with what has become of it."""
    for task in tasks:
        yield task, attempt(task)


def attempt(task: Task, meanwhile: Callable[[], None] = nothing) -> Record:
    """Run a cell, or go on with it where it was; one that is done is left as it is.

    If `meanwhile`, which is called again and again, raises, the attempt is broken off and may go on later.
    """
    record = _so_far(task)
    if record.status == "done":
        return record
    if (task.folder / "manifest.json").exists():  # it was done, but the benchmark ended before that was written down
        return replace(record, status="done", reason=None).write(task.folder)
    record = replace(record, status="begun", reason=None, attempts=record.attempts + 1).write(task.folder)
    log = task.folder / "log.txt"
    ended = run_child(
        "segzoo.benchmarking.cell", [str(task.folder)], task.environment, log, task.limit, meanwhile=meanwhile
    )
    return replace(
        record,
        status="failed" if ended.code else "done",
        reason=reason(ended, log, task.limit) if ended.code else None,
        seconds=round(record.seconds + ended.seconds, 3),
        peak_memory_bytes=max(record.peak_memory_bytes or 0, ended.peak_memory_bytes),
    ).write(task.folder)


def failed(task: Task, why: str) -> Record:
    """Write down that a cell failed for something outside of its process."""
    return replace(_so_far(task), status="failed", reason=why).write(task.folder)


def _so_far(task: Task) -> Record:
    # To the bit, TensorFlow repeats what it does in as many threads.
    command = [f"{THREADS[0]}={task.threads}", *repeating(task.folder)]
    begun = Record("begun", None, shlex.join(command), 0.0, None, task.threads, 0)
    return read_record(task.folder) or begun


def reason(ended: Ended, log: Path, limit: float | None) -> str:
    """Why a cell failed, in a line."""
    if ended.overdue:
        return f"out of time: it was not done after {limit:g} s"
    if ended.code == -signal.SIGKILL:
        gigabytes = ended.peak_memory_bytes / 1e9
        return f"killed, as the system does when memory runs out; it had {gigabytes:.1f} GB resident at most"
    if ended.code < 0:
        return f"it crashed: {signal.Signals(-ended.code).name}"
    said = [line for line in log.read_text("utf-8", "replace").splitlines() if line.startswith("segzoo: ")]
    return said[-1].removeprefix("segzoo: ") if said else f"it ended with exit code {ended.code}"
