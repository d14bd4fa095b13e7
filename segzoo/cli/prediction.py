"""The command `segzoo predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from segzoo.cli.shared import AsJson, ImageSize, interruptible, size_of
from segzoo.errors import ConfigError
from segzoo.plugin import View

if TYPE_CHECKING:
    from segzoo.inference.ensemble import Blend, Precision
    from segzoo.inference.outputs import Depth
    from segzoo.inference.predictions import Predictions
    from segzoo.networks.frame import Frame
    from segzoo.networks.symmetries import Symmetries


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run, or a .keras file.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES", help="Image files, and folders of them.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Write masks and tables into this folder.")],
    also: Annotated[
        list[Path], typer.Option(metavar="RUN", help="Average the probabilities with those of this run; repeatable.")
    ] = [],  # noqa: B006
    overlays: Annotated[bool, typer.Option("--overlays/--no-overlays", help="Draw the masks over the images.")] = True,
    probabilities: Annotated[
        str | None, typer.Option(metavar="uint8|float16", help="Write the probabilities of all classes.")
    ] = None,
    objects: Annotated[bool, typer.Option("--objects", help="List the connected objects in objects.csv.")] = False,
    tta: Annotated[
        str | None, typer.Option(metavar="flips|d4", help="Average over mirrored, or also turned, images.")
    ] = None,
    overlap: Annotated[float | None, typer.Option(help="Part of a tile that overlaps the next.")] = None,
    blend: Annotated[
        str, typer.Option(metavar="mean|cut", help="Average tiles where they overlap, or cut off their borders.")
    ] = "mean",
    scale: Annotated[float | None, typer.Option(help="Resize images by this factor, and see them in tiles.")] = None,
    precision: Annotated[
        str, typer.Option(metavar="auto|float32|bfloat16", help="What the network computes in.")
    ] = "auto",
    image_size: ImageSize = None,
    view: Annotated[
        str | None, typer.Option(metavar="resize|crop", help="Of a .keras file: how it sees images.")
    ] = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Of a .keras file: what sizes are multiples of.")] = None,
    offset: Annotated[int | None, typer.Option(min=0, help="Of a .keras file: what sizes have beyond those.")] = None,
    margin: Annotated[int | None, typer.Option(min=0, help="Of a .keras file: the border it does not predict.")] = None,
    class_names: Annotated[
        str | None, typer.Option(metavar="NAME,NAME,…", help="Of a .keras file: what its classes are called.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict images with a trained network; goes on where it was; exit code 1 if an image could not be read."""
    from segzoo.inference.predictions import predict_files

    frame = _frame(image_size, {"view": view, "stride": stride, "offset": offset, "margin": margin})
    names = class_names.split(",") if class_names else ()
    with interruptible():
        done = predict_files(
            run,
            images,
            out,
            also=also,
            frame=frame,
            classes=names,
            tta=cast("Symmetries | None", tta),
            overlap=overlap,
            blend=cast("Blend", blend),
            scale=scale,
            precision=cast("Precision", precision),
            overlays=overlays,
            probabilities=cast("Depth | None", probabilities),
            objects=objects,
        )
    print(json.dumps(_row(done), indent=2) if as_json else _text(done))
    if done.failed:
        raise typer.Exit(1)


def _frame(image_size: str | None, others: dict[str, Any]) -> Frame | None:
    """What of an image the network of a file sees; None if nothing is said of it."""
    from segzoo.networks.frame import Frame

    said = {name: value for name, value in others.items() if value is not None}
    if (size := size_of(image_size)) is None:
        if said:
            raise ConfigError(f"--{next(iter(said))} is for a .keras file, and needs --image-size beside it")
        return None
    if said.get("view") not in (None, *get_args(View)):
        raise ConfigError(f"--view {said['view']}: there are {' and '.join(get_args(View))}")
    return Frame(size, **said)


def _row(done: Predictions) -> dict[str, Any]:
    """The predictions as JSON."""
    counts = {"predicted": done.predicted, "skipped": done.skipped, "passed_over": done.passed_over}
    return {"folder": str(done.folder), **counts, "failed": done.failed, "images": [*done.rows()]}


def _text(done: Predictions) -> str:
    """The predictions as text: the share of each class, and what was not predicted."""
    lines = [f"{name}: {share:.1%} of the pixels" for name, share in done.shares().items()]
    counts = [f"{done.predicted:,} predicted"]
    counts += [f"{done.skipped:,} already there"] if done.skipped else []
    counts += [f"{len(done.failed):,} not readable"] if done.failed else []
    counts += [f"{done.passed_over:,} other files passed over"] if done.passed_over else []
    return "\n".join([*lines, ", ".join(counts), f"results in {done.folder}"])
