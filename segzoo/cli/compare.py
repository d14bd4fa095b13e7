"""The command `segzoo compare`: what it prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segzoo.cli.shared import AsJson

if TYPE_CHECKING:
    from rich.table import Table

    from segzoo.benchmarking.comparison import Comparison
    from segzoo.benchmarking.standings import Standing

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
    costs = {one.label: found.costs(one) for one in found.standings}
    print_standings(found.standings, costs, found.baseline)
    for name in DEFINED:
        print(f"{name}: {found.definitions[name]}")


def print_standings(standings: Sequence[Standing], costs: Mapping[str, Mapping[str, Any]], baseline: str) -> None:
    """Print the models on one dataset and their costs, by label, as tables."""
    from rich.console import Console

    from segzoo.benchmarking import ranking

    scored = [run.metrics for one in standings for run in one.runs][:1]
    titles = [f"{scores['split']} split, {scores['images']:,} images, mean ± sd over seeds" for scores in scored]
    tables = [
        _table(ranking.ranked_rows(standings), *titles),
        _table(ranking.difference_rows(standings), f"difference from {baseline} in the mean IoU of images"),
        _table(ranking.score_rows(standings)),
        _table(ranking.class_rows(standings)),
        _table(ranking.cost_rows(costs)),
    ]
    wanted = max(Console(width=WIDEST).measure(table).maximum for table in tables)
    console = Console(width=max(Console().width, wanted), highlight=False, markup=False)
    for table in tables:
        if table.row_count:
            console.print(table)


def _table(rows: Sequence[Sequence[str]], title: str | None = None) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for row in rows[1:]:
        table.add_row(*row)
    return table
