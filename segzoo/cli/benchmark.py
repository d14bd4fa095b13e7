"""The command that compares models: datasets x models x seeds under one protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from segzoo.cli.compare import print_results
from segzoo.cli.shared import AsJson, interruptible


def benchmark(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What is compared, and how.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of results.  \\[default: runs/FILE]")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Cells at once on this machine.")] = 1,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run the cells on this Dask cluster, as tcp://host:8786.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try failed cells again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run models x datasets x seeds and compare them; goes on where it was; exit code 1 if a cell failed."""
    from segzoo.benchmarking.benchmark import benchmark as compare

    with interruptible():
        results = compare(file, out=out, jobs=jobs, dask=dask, retry=retry)
    if as_json:
        print(json.dumps(results.row(), indent=2))
    else:
        print_results(results)
        print(f"results in {results.folder}")
    if any(cell.status != "done" for cell in results.cells):
        raise typer.Exit(1)
