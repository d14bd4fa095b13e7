"""What a cell of a benchmark takes more than the bare run of the same configuration.

    python benchmarks/cell_overhead.py --rounds 5

Whole processes by turns, on a short training of the dataset `shapes`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measure import interleaved, origin, seconds, spread, table

from segzoo.benchmarking.cells import Task, attempt
from segzoo.benchmarking.definition import parse
from segzoo.benchmarking.plan import Plan, decide
from segzoo.files.cache import cache_folder
from segzoo.runs.folder import RunFolder

DEFINITION = {
    "models": [{"name": "unet", "filters": 4, "depth": 2}],
    "datasets": [{"name": "shapes", "size": 32, "train": 16, "val": 8, "test": 8}],
    "seeds": [0],
    "epochs": 1,
}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="besides a first one, which is left out")
    rounds = parser.parse_args(words).rounds

    plan = decide(parse(DEFINITION, Path(__file__)))
    with tempfile.TemporaryDirectory() as folder:
        files = RunFolder(Path(folder))
        files.write_config(plan.config(plan.cells()[0]))
        turns = {
            "`segzoo run`": lambda: seconds(lambda: bare_run(files.config)),
            "the same as a cell": lambda: seconds(lambda: cell(plan, files.config)),
        }
        interleaved(turns, 1)
        times = interleaved(turns, rounds)
    rows = [[name, spread(taken)] for name, taken in times.items()]
    bare, as_cell = times.values()
    rows.append(["difference", spread([one - other for one, other in zip(as_cell, bare, strict=True)])])
    print(f"Medians of {rounds} rounds (least - most).\n")
    print(table(["process", "seconds"], rows), end="\n\n")
    print(origin(["tensorflow", "keras"]))


def bare_run(config: Path) -> None:
    """The run, from the start of its process to its end."""
    out = config.parent / "run"
    command = [sys.executable, "-m", "segzoo", "run", "--config", str(config), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    shutil.rmtree(out)


def cell(plan: Plan, config: Path) -> None:
    """The cell, from when it is known to when it is written down."""
    folder = config.parent / "cells" / str(plan.cells()[0])
    folder.mkdir(parents=True)
    shutil.copy(config, folder)
    record = attempt(Task(folder, cache_folder(), plan.definition.threads or 1, None))
    assert record.status == "done", record.reason
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
