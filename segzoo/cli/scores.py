"""What the command `segzoo run` prints of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segzoo.runs.finished import Run

SHOWN = ("iou", "dice", "boundary_iou", "hd95", "pixel_accuracy", "expected_calibration_error")
"""The scores that are printed beside a dataset's own; all others are in `metrics.json`."""


def print_scores(run: Run, definitions: bool = False) -> None:
    """Print scores of classes as a table and the others below, perhaps what all mean, warnings, and the folder."""
    from rich.console import Console
    from rich.table import Table

    from segzoo.scoring.scores import explained, title

    names = (*SHOWN, *run.metrics.get("dataset_scores", {}))
    columns = [name for name in names if name in run.by_class]
    means = {name: f"mean_{name}" for name in columns}
    table = Table(title=run.scored, title_justify="left")
    table.add_column("class")
    for name in columns:
        table.add_column(title(name), justify="right")
    for label in run.classes:
        table.add_row(label, *(_number(run.by_class[name].get(label)) for name in columns))
    table.add_section()
    table.add_row("mean", *(_number(run.overall[mean]) if mean in run.overall else "" for mean in means.values()))
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    console.print("The mean is over the classes that have a score, all weighing the same.", style="dim")
    for name in names:
        if name in run.overall and name not in means.values():
            console.print(f"{title(name)} {_number(run.overall[name])}")
    for name, text in run.metrics["definitions"].items() if definitions else ():
        console.print(f"{name}: {explained(text, run.better.get(name))}", style="dim")
    for sentence in run.warnings:
        console.print(f"warning: {sentence}")
    console.print(f"results in {run.folder}")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
