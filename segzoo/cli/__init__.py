"""The command line: parse, call, print."""

from __future__ import annotations

import json
import platform
import sys
import traceback
from importlib.metadata import distributions
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segzoo.cli import data
from segzoo.cli.benchmark import benchmark
from segzoo.cli.compare import compare
from segzoo.cli.evaluation import evaluate
from segzoo.cli.prediction import predict
from segzoo.cli.scores import print_scores
from segzoo.cli.shared import AsJson, Definitions, ImageSize, Settings, interruptible, options_of, size_of
from segzoo.defaults import DEFAULTS
from segzoo.errors import (
    DISTRIBUTION,
    OTHER_DISTRIBUTION,
    ConfigError,
    PluginRaisedError,
    SegzooError,
    suggestion,
)

if TYPE_CHECKING:
    from segzoo.testing import Outcome

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data.app, name="data")
app.command()(benchmark)
app.command()(compare)
app.command()(predict)
app.command()(evaluate)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 a check failed, 2 an error of the user's, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    words = [word for word in arguments if word != "--traceback"]
    try:
        _refuse_other_program()
        app(words)
    except SegzooError as error:
        log = error.log if isinstance(error, PluginRaisedError) else None
        if len(words) < len(arguments):
            traceback.print_exception(error.exception if isinstance(error, PluginRaisedError) else error)
        print(f"segzoo: {error}{f'; the traceback is in {log}' if log else ''}", file=sys.stderr)
        sys.exit(2)


def _print_versions(asked: bool) -> None:
    """Print the versions of segzoo and of what it computes with, from their metadata."""
    if not asked:
        return
    from segzoo.registry.installed import Installed

    installed = Installed()
    for name in (DISTRIBUTION, "tensorflow", "keras"):
        print(name, installed.version(name) or "is not installed")
    print("Python", platform.python_version())
    raise typer.Exit


@app.callback()
def everywhere(
    traceback: Annotated[
        bool, typer.Option("--traceback", help="After an error, show its traceback; may stand after the command too.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_versions, is_eager=True, help="Print the versions and exit.")
    ] = False,
) -> None:
    """A zoo of segmentation networks, datasets and trainers in which everything is a plugin."""


def _refuse_other_program() -> None:
    """Raises ConfigError where pip has installed another program into the package `segzoo`.

    The files of either may have replaced those of the other, so nothing that needs the package's `__init__` is used.
    """
    # An empty folder of metadata is what an interrupted pip leaves.
    if any(dist.read_text("METADATA") for dist in distributions(name=OTHER_DISTRIBUTION)):
        raise ConfigError(
            f"the distribution '{OTHER_DISTRIBUTION}' is another program, and its files replace files of this one; "
            f"type: pip uninstall {OTHER_DISTRIBUTION} {DISTRIBUTION}; pip install {DISTRIBUTION}"
        )


@app.command("list")
def list_plugins(
    kind: Annotated[
        str, typer.Argument(metavar="[models|encoders|datasets|augmentations|trainers|losses|trackers]")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show what is installed, and what is broken and why; imports none of it."""
    from segzoo import registry

    kinds = {registry.plural(k): k for k in registry.KINDS}
    if kind and kind not in kinds:
        raise ConfigError(f"there are no plugins called '{kind}'{suggestion(kind, kinds)}")
    entries = registry.listing(*(k for name, k in kinds.items() if kind in ("", name)))
    if as_json:
        print(json.dumps([entry.row() for entry in entries], indent=2))
        return
    headings = {k.kind: name for name, k in kinds.items()}
    names = max((len(entry.name) for entry in entries), default=0)
    providers = max((len(f"{entry.distribution} {entry.version}") for entry in entries), default=0)
    for part, of_part in groupby(entries, key=lambda entry: entry.kind):
        print(headings.get(part, part))
        for entry in of_part:
            text = f"BROKEN: {entry.problem}" if entry.problem else entry.summary
            print(f"  {entry.name:<{names}}  {entry.distribution + ' ' + entry.version:<{providers}}  {text}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in `segzoo list`, or models/NAME.")],
    settings: Settings = [],  # noqa: B006
    image_size: ImageSize = None,
    classes: Annotated[int, typer.Option(min=1, max=255, help="Classes for which a network is built.")] = 3,
    diagram: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the network into this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show one plugin: its options, its paper; of a network also its parameters and shapes."""
    from segzoo import registry
    from segzoo.cli import facts
    from segzoo.files.atomic import write_text

    options = options_of(name, registry.locate(name)[0].kind, settings)
    size = size_of(image_size) or (256, 256)
    if diagram:
        write_text(diagram, facts.draw(name, options, size, classes))
        return
    shown = facts.show(name, options, size, classes)
    print(json.dumps(shown, indent=2) if as_json else _facts_text(shown))


@app.command()
def run(
    model: Annotated[str | None, typer.Argument(metavar="MODEL")] = None,
    dataset: Annotated[str | None, typer.Argument(metavar="DATASET")] = None,
    augmentation: Annotated[
        str | None, typer.Option(help=f"Name of an augmentation.  \\[default: {DEFAULTS['augmentation']}]")
    ] = None,
    trainer: Annotated[str | None, typer.Option(help=f"Name of a trainer.  \\[default: {DEFAULTS['trainer']}]")] = None,
    loss: Annotated[str | None, typer.Option(help=f"Name of a loss.  \\[default: {DEFAULTS['loss']}]")] = None,
    trackers: Annotated[
        list[str],
        typer.Option("--tracker", metavar="NAME", help="Name of a tracker that follows the run; also several times."),
    ] = [],  # noqa: B006
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Take what is not said here from it.")
    ] = None,
    settings: Settings = [],  # noqa: B006
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training images.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps, if that is less.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Seconds of training, if that is less.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides every random draw.  \\[default: 0]")] = None,
    image_size: ImageSize = None,
    view: Annotated[
        str | None, typer.Option(metavar="resize|crop", help="Whether the network sees images resized, or in crops.")
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(metavar="RUN|FILE.keras", help="Begin with its weights of equal name and shape, not random ones."),
    ] = None,
    leave_out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Leave out the samples of a list; see `data verify`.")
    ] = None,
    keep_checkpoint: Annotated[
        bool | None,
        typer.Option(
            "--keep-checkpoint/--no-keep-checkpoint",
            help="Keep the checkpoint of the finished run, to train it longer.  \\[default: it is removed]",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A new folder for the results.  \\[default: runs/MODEL-DATASET]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out where it has stopped.")] = False,
    definitions: Definitions = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the whole configuration and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train MODEL on DATASET, score it and draw what it sees."""
    from segzoo.inspection.leave_out import read_list
    from segzoo.runs.config import parse_setting
    from segzoo.runs.experiment import conduct
    from segzoo.runs.planning import plan

    names = {"model": model, "dataset": dataset, "augmentation": augmentation, "trainer": trainer, "loss": loss}
    budget = {"epochs": epochs, "steps": steps, "seconds": seconds}
    numbers = budget | {"image_size": size_of(image_size), "view": view, "seed": seed, "init": init}
    others = {"leave_out": read_list(leave_out) if leave_out else None, "keep_checkpoint": keep_checkpoint}
    followed = {"tracker": trackers or None}
    words = names | numbers | others | followed
    resolved = plan(config, words, dict(map(parse_setting, settings)), out, resume)
    if dry_run:
        print(resolved.config.to_toml(), end="")
        return
    with interruptible():
        result = conduct(resolved, out, resume)
    if as_json:
        print(json.dumps({"folder": str(result.folder), **result.metrics}, indent=2))
    else:
        print_scores(result, definitions)


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in `segzoo list`, or package:Class.")],
    settings: Settings = [],  # noqa: B006
    limit: Annotated[
        float, typer.Option(min=1, help="Seconds that the import or a check may take, downloads included.")
    ] = 600,
    as_json: AsJson = False,
) -> None:
    """Run the conformance checks on a plugin; exit code 1 if any fails."""
    from dataclasses import asdict

    from segzoo.runs.config import parse_setting
    from segzoo.testing import find, run_checks

    if ":" in name:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does: the plugin may not be installed yet
    plugin = find(name, dict(map(parse_setting, settings)), limit)
    outcomes = run_checks(plugin, (lambda outcome: None) if as_json else _print_outcome, limit)
    if as_json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=2))
    if any(outcome.result == "failed" for outcome in outcomes):
        raise typer.Exit(1)


def _print_outcome(outcome: Outcome) -> None:
    print(f"{outcome.result:<8} {outcome.check}{': ' + outcome.message if outcome.message else ''}", flush=True)
    if outcome.result == "failed":
        print(f"         why: {outcome.why}")


def _facts_text(facts: dict[str, Any]) -> str:
    """The facts of a plugin as a page of text: what is long below, what is short in lines `key: value`."""
    lines = [f"{facts['name']} ({facts['kind']}, {facts['distribution']}, {facts['class']})", "", facts["description"]]
    short = {key: value for key, value in facts.items() if key not in ("name", "kind", "distribution", "class")}
    lines.append("")
    for key, value in short.items():
        if key not in ("description", "options") and value not in ("", [], None):
            lines.append(f"{key.replace('_', ' ')}: {_value_text(value)}")
    if facts["options"]:
        lines += ["", "options"]
    for option in facts["options"]:
        bounds = f" {option['range']}" if option["range"] else ""
        lines.append(f"  {option['name']} = {_value_text(option['value'])}   ({option['type']}{bounds})")
        lines.append(f"      {option['description']}")
    return "\n".join(lines)


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return (" x " if all(isinstance(part, int) for part in value) else ", ").join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
