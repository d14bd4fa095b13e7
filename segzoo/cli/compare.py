"""The command `segzoo compare`: what it prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segzoo.cli.shared import AsJson

if TYPE_CHECKING:
    from rich.table import Table

    from segzoo.benchmarking.comparison import Comparison

DEFINED = ("mean_iou", "image_mean_iou", "difference", "p", "effect_size", "wilcoxon_p", "training_seconds_per_epoch")
"""The figures whose definitions are printed below the tables."""
WIDEST = 1000
"""Columns of the terminal for which no table is folded."""


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of finished runs, two or more.")],
    baseline: Annotated[
        str | None, typer.Option(metavar="RUN|LABEL", help="What the rest is compared with.  [default: the first RUN]")
    ] = None,
    different_data: Annotated[
        bool, typer.Option("--different-data", help="Show runs on different data too; no test between them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare finished runs: means over seeds, and which differences are real."""
    from segzoo.benchmarking.comparison import compare as compare_runs

    found = compare_runs(runs, baseline=baseline, different_data=different_data)
    if as_json:
        print(json.dumps(found.row(), indent=2, allow_nan=False))
    else:
        _print_comparison(found)


def _print_comparison(found: Comparison) -> None:
    from rich.console import Console

    from segzoo.benchmarking import ranking

    standings = found.standings
    scored = standings[0].runs[0].metrics
    title = f"{scored['split']} split, {scored['images']:,} images, mean ± standard deviation over seeds"
    tables = [
        _table(ranking.ranked_rows(standings), title),
        _table(ranking.difference_rows(standings), f"difference from {found.baseline} in the mean IoU of images"),
        _table(ranking.score_rows(standings)),
        _table(ranking.class_rows(standings)),
        _table(ranking.cost_rows({one.label: found.costs(one) for one in standings})),
    ]
    wanted = max(Console(width=WIDEST).measure(table).maximum for table in tables)
    console = Console(width=max(Console().width, wanted), highlight=False, markup=False)
    for table in tables:
        console.print(table)
    for name in DEFINED:
        print(f"{name}: {found.definitions[name]}")


def _table(rows: Sequence[Sequence[str]], title: str | None = None) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for row in rows[1:]:
        table.add_row(*row)
    return table
