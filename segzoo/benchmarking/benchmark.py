"""A benchmark from its definition to its tables: `segzoo benchmark`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from segzoo import registry
from segzoo.benchmarking import plan as plans
from segzoo.benchmarking import timing
from segzoo.benchmarking.cells import Task, folder_of, read_record
from segzoo.benchmarking.costs import TIMING
from segzoo.benchmarking.definition import read_definition
from segzoo.benchmarking.plan import Cell, Plan, decide, read_plan
from segzoo.benchmarking.progress import CellsBar
from segzoo.benchmarking.scheduling import on_cluster, on_this_machine, require_cluster
from segzoo.data.faults import described
from segzoo.data.samples import remaining
from segzoo.errors import ConfigError, SegzooError
from segzoo.files.atomic import leftovers
from segzoo.files.cache import cache_folder
from segzoo.files.locking import LOCK, alone
from segzoo.plugin import Dataset
from segzoo.processes.children import run_child
from segzoo.processes.terminal import note
from segzoo.runs.folder import RunFolder

if TYPE_CHECKING:
    from segzoo.benchmarking.tables import Benchmark


def benchmark(
    file: Path, *, out: Path | None = None, jobs: int = 1, dask: str | None = None, retry: bool = False
) -> Benchmark:
    """Train and score models x datasets x seeds under one protocol; what `segzoo benchmark` does.

    The definition is in the TOML file; the results go to the folder `out`, by default `runs/` and the name of the file.
    If that has a benchmark of the same definition, it goes on where it was: what is done stays, and what failed is
    tried again with `retry`. Cells run one by one, or `jobs` at once, or on the Dask cluster at the address `dask`.

    Raises:
        SegzooError: if the definition, the data or the folder does not do. A cell that fails is a row of the results.
    """
    if jobs > 1 and dask:
        raise ConfigError("--jobs is for this machine, --dask for a cluster with workers: leave out one of them")
    out = (out or Path("runs", file.stem)).absolute()
    earlier = read_plan(out) if (out / "cells").exists() else None
    plan = decide(read_definition(file), earlier)
    if dask:
        require_cluster(dask)
    with _folder(out):
        _prepare(plan)
        if earlier and earlier.definition.baseline != plan.definition.baseline:
            (out / TIMING).unlink(missing_ok=True)  # the noise floor is the baseline's
        plan.write(out)
        if plan.definition.match == "parameters":
            plan = _matched(plan, out)
        try:
            _run_cells(plan, out, jobs, dask, retry)
            _time(plan, out)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("to go on, repeat the command") from None
        from segzoo.benchmarking.result_files import tabulate

        return tabulate(out)


@contextmanager
def _folder(out: Path) -> Iterator[None]:
    """The folder of a benchmark, locked against other processes; removed at the end if it is empty.

    Raises:
        ConfigError: if it holds something else, cannot be written, or another process works in it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        foreign = {path.name for path in out.iterdir()} - {LOCK} - {path.name for path in leftovers(out)}
    except OSError as error:
        raise ConfigError(f"cannot write to {out} ({error.strerror}); choose another --out") from error
    if foreign and not (out / plans.FILE).exists():
        raise ConfigError(f"{out} holds other files and no benchmark; choose another --out")
    try:
        with alone(out):
            yield
    finally:
        with suppress(OSError):  # it is not empty, or on a disk that cannot be written
            out.rmdir()


def _prepare(plan: Plan) -> None:
    """Download and verify all data before the first cell, so that no two cells do so at the same time."""
    cache = cache_folder()
    for entry in plan.definition.datasets:
        dataset = registry.create(Dataset, entry.name, entry.options)
        dataset.prepare(cache)
        # A folder of the user's own may lack ids that are left out.
        opened = {split: dataset.open(cache, split) for split in described(dataset, cache).splits}
        remaining({split: samples.ids for split, samples in opened.items()}, entry.run.get("leave_out", ()))


def _matched(plan: Plan, out: Path) -> Plan:
    matched = {(dataset, label) for dataset, widths in plan.widths.items() for label in widths}
    if matched >= {(cell.dataset, cell.model) for cell in plan.cells()}:
        return plan
    if run_child("segzoo.benchmarking.matching", [str(out)]).code:
        raise SegzooError("no widths were found at which the networks have as many parameters; the line above says why")
    return read_plan(out)


def _run_cells(plan: Plan, out: Path, jobs: int, dask: str | None, retry: bool) -> None:
    cells = {cell: folder_of(out, cell) for cell in plan.cells()}
    records = {cell: read_record(folder) for cell, folder in cells.items()}
    settled = ("done",) if retry else ("done", "failed")
    to_run = [cell for cell, record in records.items() if record is None or record.status not in settled]
    tasks = [_task(plan, cell, cells[cell]) for cell in to_run]
    names = {cells[cell]: str(cell) for cell in to_run}
    with CellsBar(len(cells), len(cells) - len(to_run)) as bar:
        failures = [record for record in records.values() if record and record.status == "failed"]
        if failures and not retry:
            bar.line(f"cells that failed before: {len(failures)}; --retry tries them again")
        at_work = on_cluster(tasks, dask) if tasks and dask else on_this_machine(tasks, jobs)
        with closing(at_work):
            for task, record in at_work:
                bar.ended(names[task.folder], task.folder, record)


def _task(plan: Plan, cell: Cell, folder: Path) -> Task:
    """The task of a cell that is not done; its configuration is written into its folder."""
    config, files = plan.config(cell), RunFolder(folder)
    if files.begun:
        if changed := files.read_config().differences(config):
            raise ConfigError(
                f"the run in {folder} was begun with other options: {'; '.join(changed)}; delete the folder"
            )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_config(config)
    return Task(folder, cache_folder(), plan.definition.threads or 1, plan.definition.time_limit)


def _time(plan: Plan, out: Path) -> None:
    """Measure the speed of the networks, unless it is known for all that have a finished run."""
    records = {cell: read_record(folder_of(out, cell)) for cell in plan.cells()}
    done = {(cell.dataset, cell.model) for cell, record in records.items() if record and record.status == "done"}
    if done <= _timed(out):
        return
    if run_child("segzoo.benchmarking.timing", [str(out), "--seconds", str(timing.SECONDS)]).code:
        note("the networks could not be timed: the tables lack their speed; repeat the command to try it again")


def _timed(out: Path) -> set[tuple[str, str]]:
    path = out / TIMING
    datasets = json.loads(path.read_text("utf-8"))["datasets"] if path.exists() else {}
    return {(name, model) for name, figures in datasets.items() for model in [*figures["models"], *figures["left_out"]]}
