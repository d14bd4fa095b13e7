"""Options that several commands have, and how they are parsed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from segzoo.errors import ConfigError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Definitions = Annotated[bool, typer.Option("--definitions", help="Print what the figures mean, too.")]
ImageSize = Annotated[str | None, typer.Option(metavar="160|160x224", help="Side, or height x width, in pixels.")]
Settings = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="An option of a plugin, as in model.filters=16.")
]


def options_of(name: str, kind: str, settings: list[str]) -> dict[str, Any]:
    """The options that `--set` names of one plugin, whose kind begins each key."""
    from segzoo.runs.config import parse_setting, with_settings

    return with_settings({}, kind, name, dict(map(parse_setting, settings)))


def size_of(text: str | None) -> tuple[int, int] | None:
    """`160` or `160x224` as height and width."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise ConfigError(f"--image-size {text}: write a side, as in 160, or height x width, as in 160x224")
    return int(sides[0]), int(sides[-1])


@contextmanager
def interruptible() -> Iterator[None]:
    """Ends the program with a line and code 130 on Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        print(": ".join(["segzoo: interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        raise typer.Exit(130) from None
