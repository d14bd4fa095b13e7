"""A cell of a benchmark: run in a process of its own, and read from its folder.

The process is `python -m segzoo.benchmarking.cells FOLDER`. It does what `segzoo run --resume --out FOLDER` does with
the configuration in the folder, but for two things: it waits for a process of an earlier start that is about to end,
and the last line that it prints says what went wrong. What became of the cell is in its `cell.json`.
"""

from __future__ import annotations

import faulthandler
import json
import shlex
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from segzoo.benchmarking.plan import Cell, Plan
from segzoo.errors import ConfigError, SegzooError
from segzoo.files.atomic import write_text
from segzoo.files.locking import wait_until_free
from segzoo.plugin_errors import lack_of_memory
from segzoo.processes.children import Ended, nothing, run_child
from segzoo.runs.finished import Run, open_run
from segzoo.runs.folder import RunFolder

FILE = "cell.json"
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that fix the number of threads of TensorFlow, OpenMP and NumPy."""
PATIENCE = 60.0
"""Seconds in which a process ends whose parent has ended."""


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
    """The state of a cell; its `cell.json`."""

    status: Literal["begun", "done", "failed"]
    """Begun: its process is running, or ended together with the benchmark and will be resumed."""
    reason: str | None
    """Why it failed, in a line."""
    command: str
    """What repeats it, typed in the benchmark's folder."""
    seconds: float
    """Wall time with start-up, of all attempts that ended by themselves."""
    peak_memory_bytes: int | None
    """The most that an attempt had resident at once; None if no attempt has ended by itself."""
    threads: int
    attempts: int

    def write(self, folder: Path) -> Record:
        """Keep it in the folder of the cell; returns itself."""
        write_text(folder / FILE, json.dumps(asdict(self), indent=2) + "\n")
        return self


@dataclass(frozen=True)
class CellResult:
    """A cell with what its run has left."""

    cell: Cell
    status: Literal["done", "failed", "missing"]
    reason: str
    """Why it is not done."""
    command: str
    """What repeats it, typed in the benchmark's folder; empty if it was not begun."""
    run: Run | None
    """What it has left; None if it is not done."""
    record: Record | None
    """Its `cell.json`; None if there is none, as for a run made by hand."""

    @property
    def threads(self) -> int | None:
        """Threads that the run might use; None if it was not begun."""
        if self.record:
            return self.record.threads
        return self.run.threads if self.run else None


def folder_of(out: Path, cell: Cell) -> Path:
    """The folder of a cell in that of its benchmark."""
    return out / "cells" / str(cell)


def cell_folders(out: Path) -> list[Path]:
    """The folders of all cells that have begun, by dataset, model and seed."""
    return sorted(path.parent for path in out.glob(f"cells/*/*/seed-*/{FILE}"))


def read_record(folder: Path) -> Record | None:
    """The record in the folder of a cell; None if it has not begun, or the file is damaged."""
    try:
        return Record(**json.loads((folder / FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def read_results(out: Path, plan: Plan) -> list[CellResult]:
    """All cells by dataset, model and seed, whatever has become of them and whenever."""
    definition = plan.definition
    return [
        _read_result(out, Cell(dataset.label, model.label, seed))
        for dataset in definition.datasets
        for model in definition.models
        for seed in definition.seeds_of(model)
    ]


def _read_result(out: Path, cell: Cell) -> CellResult:
    folder = folder_of(out, cell)
    record = read_record(folder)
    command = record.command if record else ""
    if record and record.status == "done":
        try:
            return CellResult(cell, "done", "", command, open_run(folder), record)
        except ConfigError as error:
            return CellResult(cell, "failed", str(error), command, None, record)
    if record and record.status == "failed":
        return CellResult(cell, "failed", record.reason or "no reason given", command, None, record)
    return CellResult(cell, "missing", "not finished" if folder.exists() else "not begun", command, None, record)


def attempt(task: Task, meanwhile: Callable[[], None] = nothing) -> Record:
    """Run a cell, or resume it; a cell that is done is left as it is.

    If `meanwhile`, which is called again and again, raises, the attempt is broken off and may be resumed later.
    """
    record = _earlier_record(task)
    if record.status == "done":
        return record
    if RunFolder(task.folder).finished:  # it was done, but the benchmark ended before that was written down
        return replace(record, status="done", reason=None).write(task.folder)
    record = replace(record, status="begun", reason=None, attempts=record.attempts + 1).write(task.folder)
    log = RunFolder(task.folder).log
    ended = run_child(
        "segzoo.benchmarking.cells", [str(task.folder)], task.environment, log, task.limit, meanwhile=meanwhile
    )
    return replace(
        record,
        status="failed" if ended.code else "done",
        reason=_reason(ended, log, task.limit) if ended.code else None,
        seconds=round(record.seconds + ended.seconds, 3),
        peak_memory_bytes=max(record.peak_memory_bytes or 0, ended.peak_memory_bytes),
    ).write(task.folder)


def failed(task: Task, reason: str) -> Record:
    """Record that a cell failed for something outside of its process."""
    return replace(_earlier_record(task), status="failed", reason=reason).write(task.folder)


def _earlier_record(task: Task) -> Record:
    """The record of earlier attempts, or that of a cell without any."""
    # TensorFlow repeats its results to the bit in as many threads.
    command = [f"{THREADS[0]}={task.threads}", *repeating(task.folder)]
    begun = Record("begun", None, shlex.join(command), 0.0, None, task.threads, 0)
    return read_record(task.folder) or begun


def _reason(ended: Ended, log: Path, limit: float | None) -> str:
    """Why a cell failed, in a line."""
    if ended.overdue:
        return f"out of time: it was not done after {limit:g} s"
    if ended.code == -signal.SIGKILL:
        gigabytes = ended.peak_memory_bytes / 1e9
        return f"killed, as the system does when memory runs out; it had {gigabytes:.1f} GB resident at most"
    if ended.code < 0:
        return f"it crashed: {signal.Signals(-ended.code).name}"
    errors = [line for line in log.read_text("utf-8", "replace").splitlines() if line.startswith("segzoo: ")]
    return errors[-1].removeprefix("segzoo: ") if errors else f"it ended with exit code {ended.code}"


def repeating(folder: Path) -> list[str]:
    """The command that repeats the run in `OUT/cells/DATASET/MODEL/seed-N`, typed in OUT."""
    place = Path(*folder.parts[-4:])
    return ["segzoo", "run", "--config", str(RunFolder(place).config), "--out", str(Path("repeated", *place.parts[1:]))]


def main() -> None:
    """Run the cell in the folder that is the argument; exit code 2 for an error of segzoo's, 1 for any other."""
    from segzoo.runs.experiment import conduct
    from segzoo.runs.planning import plan

    faulthandler.enable()  # the log then holds the traceback of a crash in C++ code
    folder = Path(sys.argv[1])
    sys.argv = repeating(folder)  # the manifest says how the run was made
    wait_until_free(folder, PATIENCE)
    try:
        conduct(plan(None, {}, {}, folder, resume=True), folder, resume=True)
    except Exception as error:
        lack = lack_of_memory(error)
        if isinstance(error, SegzooError) and not lack:
            print(f"segzoo: {error}", file=sys.stderr)
            sys.exit(2)
        traceback.print_exc()
        what, culprit = "out of memory" if lack else "it crashed", lack or error
        print(f"segzoo: {what}: {type(culprit).__name__}: {culprit}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
