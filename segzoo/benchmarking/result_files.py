"""Results as files: `results.csv`, `timings.csv`, `results.json`, `images.csv` and `leaderboard.md`.

What depends on the speed of the machine is kept apart, as in a run: `results.csv` and `images.csv` hold no times, and
`results.json` holds them below its key `timings` only. So a benchmark that was stopped and resumed has the same results
as one that was not.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from segzoo.benchmarking.cells import CellResult
from segzoo.benchmarking.leaderboard import leaderboard
from segzoo.benchmarking.tables import Benchmark, Results, read_benchmark
from segzoo.files.atomic import atomic_file, write_text
from segzoo.files.tables import csv_text


def tabulate(out: Path) -> Benchmark:
    """Read the cells of the benchmark in `out` and write its results there, in place of earlier ones.

    Raises:
        ConfigError: if there is no benchmark, or cells of one dataset do not have the same data.
    """
    benchmark = read_benchmark(out)
    write_results(benchmark, out)
    return benchmark


def write_results(results: Results, out: Path) -> None:
    """Write the files into a folder, in place of earlier ones; each gets its name when it is complete."""
    texts = {
        "results.csv": csv_text(results.results),
        "timings.csv": csv_text(results.timings),
        "results.json": json.dumps(results.row(), indent=2, allow_nan=False) + "\n",
        "leaderboard.md": leaderboard(results),
    }
    _write_images(out / "images.csv", results.cells)
    for name, text in texts.items():
        write_text(out / name, text)


def _write_images(path: Path, cells: Sequence[CellResult]) -> None:
    """The rows of all `images.csv`, one cell after the other, in one table; columns that a dataset lacks are empty."""
    done = [(cell.cell, cell.run, cell.run.image_columns) for cell in cells if cell.run]
    columns = list(dict.fromkeys(["id", *(name for _, _, columns_of_cell in done for name in columns_of_cell)]))
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["dataset", "model", "seed", *columns])
        for cell, run, columns_of_cell in done:
            # Before each row comes the cell's place, and at its end an empty value for the columns that it lacks.
            places = [3 + columns_of_cell.index(name) if name in columns_of_cell else -1 for name in columns]
            pick = itemgetter(0, 1, 2, *places)
            writer.writerows(pick([*cell, *row, ""]) for row in run.image_rows())
