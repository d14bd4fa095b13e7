"""The command `segzoo compare`: what it prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segzoo.cli.shared import AsJson, Definitions

if TYPE_CHECKING:
    from rich.table import Table

    from segzoo.benchmarking.ranking import RankedModel
    from segzoo.benchmarking.tables import Results

WIDEST = 1000
"""Columns of the terminal for which no table is folded."""


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of finished runs, two or more.")],
    baseline: Annotated[
        str | None,
        typer.Option(metavar="RUN|LABEL", help="What the rest is compared with.  \\[default: the first RUN]"),
    ] = None,
    different_data: Annotated[
        bool, typer.Option("--different-data", help="Show runs on different data too; no test between them.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the tables, all scores and a page into this new folder.")
    ] = None,
    definitions: Definitions = False,
    as_json: AsJson = False,
) -> None:
    """Compare finished runs: means over seeds, and which differences are real."""
    from segzoo.benchmarking.comparison import compare as compare_runs
    from segzoo.benchmarking.leaderboard import explanations

    comparison = compare_runs(runs, baseline=baseline, different_data=different_data, out=out)
    if as_json:
        print(json.dumps(comparison.row(), indent=2, allow_nan=False))
        return
    print_results(comparison)
    for line in comparison.facts():
        print(line)
    for name, text in explanations(comparison).items() if definitions else ():
        print(f"{name}: {text}")
    if out:
        print(f"results in {out}")


def print_results(results: Results) -> None:
    """Print the models on each dataset and their costs as tables, and the warnings of the runs."""
    from rich.console import Console

    tables = {dataset: _tables(results, dataset, ranked) for dataset, ranked in results.sections.items()}
    every = [table for of_dataset in tables.values() for table in of_dataset]
    wanted = max(Console(width=WIDEST).measure(table).maximum for table in every)
    console = Console(width=max(Console().width, wanted), highlight=False, markup=False)
    for dataset, of_dataset in tables.items():
        console.print(f"\n{dataset}")
        for table in of_dataset:
            console.print(table)
        for sentence in results.warnings(dataset):
            console.print(f"warning: {sentence}", soft_wrap=True)


def _tables(results: Results, dataset: str, ranked: Sequence[RankedModel]) -> list[Table]:
    from segzoo.benchmarking import formatting

    costs = {model.label: results.size(dataset, model.label) | results.costs(dataset, model.label) for model in ranked}
    scored = "; or ".join(dict.fromkeys(run.scored for model in ranked for run in model.runs))
    tables = [
        _table(formatting.ranked_rows(ranked), f"{scored}, mean ± sd over seeds" if scored else None),
        _table(formatting.difference_rows(ranked), f"difference from {results.baseline} in the mean IoU of images"),
        _table(formatting.score_rows(ranked)),
        _table(formatting.class_rows(ranked)),
        _table(formatting.cost_rows(costs)),
    ]
    return [table for table in tables if table.row_count]


def _table(rows: Sequence[Sequence[str]], title: str | None = None) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for row in rows[1:]:
        table.add_row(*row)
    return table
