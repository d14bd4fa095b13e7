"""The command `segzoo evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from segzoo.cli.scores import print_scores
from segzoo.cli.shared import AsJson, Definitions, Settings, interruptible
from segzoo.errors import ConfigError
from segzoo.plugin import Split

if TYPE_CHECKING:
    from segzoo.networks.symmetries import Symmetries
    from segzoo.runs.finished import Run


def evaluate(
    first: Annotated[str, typer.Argument(metavar="RUN", help="Folder of a finished run; none with --predictions.")],
    second: Annotated[
        str | None, typer.Argument(metavar="DATASET", help="Name of a dataset.  \\[default: that of the run]")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Score the masks in this folder instead of a network.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="train|val|test", help="What to score.  \\[default: that of the run, or test]")
    ] = None,
    settings: Settings = [],  # noqa: B006
    renamed: Annotated[
        list[str], typer.Option("--map", metavar="OLD=NEW", help="A class of the dataset, and of the network.")
    ] = [],  # noqa: B006
    tta: Annotated[
        str | None, typer.Option(metavar="flips|d4", help="Predict mirrored (and turned) images too.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Of masks: their name.  \\[default: that of DIR]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of masks: the seed that their tool was trained from.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A new folder.  \\[default: RUN/evaluations/DATASET-SPLIT]"),
    ] = None,
    definitions: Definitions = False,
    as_json: AsJson = False,
) -> None:
    """Score a trained network, or masks that another tool has made, on a split of a dataset."""
    from segzoo.inference.trained import SUFFIX
    from segzoo.runs.config import parse_setting

    data = {"split": _one_of("--split", split, get_args(Split)), "settings": dict(map(parse_setting, settings))}
    of_masks, of_network = (
        {"--name": name, "--seed": seed},
        {"DATASET after it": second, "--map": renamed, "--tta": tta},
    )
    for option, value in (of_network if predictions else of_masks).items():
        if value not in (None, []):
            kind = "masks, with --predictions" if option in of_masks else "networks, not for --predictions"
            raise ConfigError(f"{option} is for {kind}")
    if Path(first).suffix == SUFFIX:
        raise ConfigError(f"{first} does not say how it sees images: score it with `segzoo.evaluate`, and a frame")
    with interruptible():
        result = (
            _of_masks(predictions, first, out, data, name, seed)
            if predictions
            else _of_network(first, second, out, data, renamed, tta)
        )
    if as_json:
        print(json.dumps({"folder": str(result.folder), **result.metrics}, indent=2))
    else:
        print_scores(result, definitions)


def _of_network(
    run: str, dataset: str | None, out: Path | None, data: dict[str, Any], renamed: list[str], tta: str | None
) -> Run:
    from segzoo.inference.evaluations import evaluate as evaluate_network

    names = dict(map(_pair, renamed))
    return evaluate_network(Path(run), dataset, **data, renamed=names, tta=cast("Symmetries | None", tta), out=out)


def _of_masks(
    predictions: Path, dataset: str, out: Path | None, data: dict[str, Any], name: str | None, seed: int | None
) -> Run:
    from segzoo.inference.evaluations import evaluate_masks

    if out is None:
        raise ConfigError("--predictions: say where the scores are to be written, with --out DIR")
    data["split"] = data["split"] or "test"
    return evaluate_masks(predictions, dataset, **data, out=out, name=name, seed=seed or 0)


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals:
        raise ConfigError(f"--map {text}: write OLD=NEW, a class of the dataset and that of the network")
    return old.strip(), new.strip()


def _one_of(option: str, value: str | None, known: tuple[str, ...]) -> str | None:
    if value not in (None, *known):
        raise ConfigError(f"{option} {value}: there are {', '.join(known)}")
    return value
