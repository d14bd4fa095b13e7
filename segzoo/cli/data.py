"""The commands about data: is it right, what is in it, what does it look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segzoo.cli.shared import AsJson, Settings, interruptible

if TYPE_CHECKING:
    from rich.table import Table

    from segzoo.inspection.findings import Finding, Verification
    from segzoo.inspection.statistics import Statistics

SHOWN = 20
"""Findings of a kind that are printed."""

app = typer.Typer(help="Verify, count and look at the data of a dataset.", no_args_is_help=True)

Name = Annotated[
    str | None, typer.Argument(metavar="DATASET", help="As in `segzoo list datasets`; not needed with --config.")
]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="Take the dataset and its options from the file of a run.")
]


@app.command()
def verify(
    dataset: Name = None,
    settings: Settings = [],  # noqa: B006
    config: Config = None,
    quarantine: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write a list of the samples with errors, for --leave-out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every sample and name what is wrong with it; exit code 1 if there are errors."""
    from segzoo.inspection.verification import verify as verify_dataset
    from segzoo.processes.terminal import quiet

    with interruptible(), quiet():
        verification = verify_dataset(dataset, settings=_parsed(settings), config=config, quarantine=quarantine)
    if as_json:
        print(json.dumps(verification.row(), indent=2))
    else:
        _print_findings(verification)
        if quarantine:
            print(_quarantined(len(verification.bad_ids), quarantine))
    if verification.errors:
        raise typer.Exit(1)


@app.command()
def stats(
    dataset: Name = None,
    settings: Settings = [],  # noqa: B006
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Count sizes, classes and brightness, and suggest class weights."""
    from segzoo.inspection.statistics import stats as count
    from segzoo.processes.terminal import quiet

    with interruptible(), quiet():
        statistics = count(dataset, settings=_parsed(settings), config=config)
    if as_json:
        print(json.dumps(statistics.row(), indent=2))
    else:
        _print_statistics(statistics)


@app.command()
def preview(
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder for the pictures.")],
    dataset: Name = None,
    settings: Settings = [],  # noqa: B006
    config: Config = None,
    split: Annotated[str | None, typer.Option(help="Only this split.  \\[default: all]")] = None,
    count: Annotated[int, typer.Option(min=1, help="Samples of a split.")] = 12,
    augmentation: Annotated[
        str | None, typer.Option(help="Name of an augmentation, to see what a training sees of `train`.")
    ] = None,
) -> None:
    """Draw samples with their masks: a sheet of each split, and a page of HTML."""
    from segzoo.inspection.contact_sheets import preview as draw
    from segzoo.processes.terminal import quiet

    parsed = _parsed(settings)
    with interruptible(), quiet():
        page = draw(dataset, out, settings=parsed, config=config, split=split, count=count, augmentation=augmentation)
    print(f"{', '.join(sorted(path.name for path in out.glob('*.png')))} and {page.name} are in {out}")


def _parsed(settings: list[str]) -> dict[str, Any]:
    from segzoo.runs.config import parse_setting

    return dict(map(parse_setting, settings))


def _quarantined(count: int, file: Path) -> str:
    if not count:
        return f"no single sample has an error, so the list {file} is empty"
    listed = "1 sample is" if count == 1 else f"{count:,} samples are"
    return f"{listed} in {file}; add `--leave-out {file}` to `segzoo run`"


def _print_findings(verification: Verification) -> None:
    from rich.console import Console

    from segzoo.inspection.findings import KINDS

    console = Console(highlight=False, markup=False, soft_wrap=True)
    if verification.findings:
        console.print(_findings_table(verification))
    for severity, kind in verification.counts():
        findings = [
            finding for finding in verification.findings if (finding.severity, finding.kind) == (severity, kind)
        ]
        console.print(f"{severity}, {kind}: {KINDS[kind]}", style="bold red" if severity == "error" else "bold yellow")
        for finding in findings[:SHOWN]:
            console.print(f"  {_line(finding)}")
        if findings[SHOWN:]:
            console.print(f"  … and {len(findings) - SHOWN:,} more; --json prints all")
    splits = ", ".join(f"{split} {count:,}" for split, count in verification.samples.items())
    errors = len(verification.errors)
    console.print(
        f"{verification.dataset}: {sum(verification.samples.values()):,} samples ({splits or 'none could be opened'}), "
        f"{errors:,} errors, {len(verification.findings) - errors:,} warnings"
    )


def _findings_table(verification: Verification) -> Table:
    from rich.table import Table

    table = Table(title=f"findings in {verification.dataset}", title_justify="left")
    table.add_column("finding")
    table.add_column("severity")
    columns = [
        *verification.samples,
        *sorted({finding.split for finding in verification.findings} - set(verification.samples), key=str),
    ]
    for split in columns:
        table.add_column(split or "dataset", justify="right")
    for (severity, kind), counts in verification.counts().items():
        table.add_row(kind, severity, *(f"{counts[split]:,}" if counts[split] else "" for split in columns))
    return table


def _line(finding: Finding) -> str:
    sample = " ".join(part for part in (finding.split, f"'{finding.id}'" if finding.id else "") if part)
    named = f"{finding.file}: " if finding.file and finding.file not in finding.what else ""
    return f"{sample}: {named}{finding.what}" if sample else f"{named}{finding.what}"


def _print_statistics(statistics: Statistics) -> None:
    from rich.console import Console

    from segzoo.inspection.statistics import DEFINITIONS

    console = Console(highlight=False, markup=False, soft_wrap=True)
    if statistics.range:
        low, high = statistics.range
        console.print(f"the smallest and the largest pixel value stand for {low:,.6g} and {high:,.6g} in the files")
    for split, figures in statistics.splits.items():
        console.print(f"{split}: {figures['images']:,} images", style="bold")
        if figures["wrong"]:
            wrong = f"{figures['wrong']:,} images more are unreadable or wrong, and not counted"
            console.print(f"{wrong}: `segzoo data verify` names them", style="bold red")
        console.print(_sizes_text(figures))
        console.print(_classes_table(figures))
        console.print(_channels_table(figures))
    for name, text in DEFINITIONS.items():
        console.print(f"{name}: {text}", style="dim")


def _sizes_text(figures: dict[str, Any]) -> str:
    sizes = figures["sizes"]
    if not sizes["different"]:
        return "no sizes"
    sides = [
        f"{name} {sizes[name]['least']:,} to {sizes[name]['most']:,} pixels, median {sizes[name]['median']:,}"
        for name in ("height", "width")
    ]
    common = [f"{size['height']} x {size['width']} ({size['images']:,} images)" for size in sizes["most_common"]]
    types = ", ".join(f"{name} ({count:,} images)" for name, count in figures["types"].items())
    return (
        f"{'; '.join(sides)}\n{sizes['different']:,} different sizes; most common, height x width: {', '.join(common)}"
        f"\n{len(figures['channels'])} channels, {types}; {figures['ignored_pixels']:,} pixels are ignored"
    )


def _classes_table(figures: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table()
    for heading in ("class", "pixels", "share", "images", "weight"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for name, counts in figures["classes"].items():
        share = "" if counts["share"] is None else f"{100 * counts['share']:.2f} %"
        weight = "absent" if counts["weight"] is None else f"{counts['weight']:.4f}"
        table.add_row(name, f"{counts['pixels']:,}", share, f"{counts['images']:,}", weight)
    return table


def _channels_table(figures: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table()
    for heading in ("channel", "mean", "std"):
        table.add_column(heading, justify="right")
    for number, channel in enumerate(figures["channels"]):
        table.add_row(
            str(number), *("" if value is None else f"{value:.3f}" for value in (channel["mean"], channel["std"]))
        )
    return table
