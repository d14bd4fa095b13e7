"""Widths at which networks have as many parameters as the baseline: is it the architecture, or only the size?

`python -m segzoo.benchmarking.matching OUT` adds them to the benchmark in a folder. It builds networks, so it runs in a
process of its own: a process in which TensorFlow works would keep a GPU from the cells.
"""

from __future__ import annotations

import gc
import sys
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segzoo.benchmarking.plan import Plan, read_plan
from segzoo.errors import PluginError, SegzooError
from segzoo.networks.build import build_network, clean_state
from segzoo.networks.cost import parameters
from segzoo.networks.frame import Frame
from segzoo.plugin import Model
from segzoo.processes.terminal import quiet
from segzoo.runs.planning import resolve

WIDEST = 1 << 14
"""No option is tried beyond it."""
NEAR = 0.05
"""Share of the baseline's parameters by which a network may miss them without a remark."""


@dataclass(frozen=True)
class Match:
    """A network with the width chosen for a comparison."""

    model: Model
    parameters: int
    """Trainable ones."""
    note: str
    """Why the counts differ, if they do."""


def match_parameters(
    models: Mapping[str, tuple[str, Model]],
    baseline: str,
    channels: int,
    classes: int,
    image_size: tuple[int, int],
) -> dict[str, Match]:
    """Each model, given by label with its name, at the width whose trainable parameters come nearest the baseline's.

    Widths are whole numbers that the plugin accepts. Counts are taken to grow with the width.

    Raises:
        PluginError: if a network cannot be built at a width that its plugin accepts.
    """

    def count(name: str, model: Model) -> int:
        return count_parameters(model, name, channels, classes, image_size)

    target = count(*models[baseline])
    matches = {}
    for label, (name, model) in models.items():
        if label == baseline:
            matches[label] = Match(model, target, "")
        else:
            matches[label] = _matched(name, model, target, count)
        gc.collect()  # networks refer to themselves, so only the collector frees them
    return matches


def count_parameters(model: Model, name: str, channels: int, classes: int, image_size: tuple[int, int] = (1, 1)) -> int:
    """Trainable parameters of a model's network, for which it is built; the size of images matters to few.

    Raises:
        PluginError: if the network cannot be built.
    """
    frame = Frame.around(image_size if model.fixed_size else (1, 1), model)
    with clean_state():
        return parameters(build_network(model, name, frame, channels, classes))


def _matched(name: str, model: Model, target: int, count: Callable[[str, Model], int]) -> Match:
    widths = _accepted(model)
    if not widths:
        reason = f"its option '{model.width}' is no whole number" if model.width else "it names no option as its width"
        return Match(model, count(name, model), f"keeps its size: {reason}")

    @cache
    def at(index: int) -> int:
        try:
            return count(name, _widened(model, widths[index]))
        except PluginError as error:
            raise PluginError(f"with {model.width} = {widths[index]}: {error}") from error

    unchanged = count(name, model)
    guess = getattr(model, str(model.width)) * sqrt(target / unchanged)  # counts are about quadratic in the width
    chosen = _nearest(at, len(widths), min(bisect_left(widths, guess), len(widths) - 1), target)
    width, size = widths[chosen], at(chosen)
    return Match(_widened(model, width), size, _note(f"{model.width} = {width}", size / target - 1))


def _note(option: str, excess: float) -> str:
    return f"{option} comes nearest, with {excess:+.1%} parameters" if abs(excess) > NEAR else ""


def _accepted(model: Model) -> list[int]:
    """The widths that go with the model's other options, ascending; empty if it has no option for them."""
    if model.width is None or type(getattr(model, model.width)) is not int:
        return []
    return [width for width in range(1, WIDEST + 1) if _accepts(model, width)]


def _accepts(model: Model, width: int) -> bool:
    try:
        _widened(model, width)
    except ValidationError:
        return False
    return True


def _widened(model: Model, width: int) -> Model:
    return type(model).model_validate(model.model_dump() | {str(model.width): width})


def _nearest(at: Callable[[int], int], size: int, start: int, target: int) -> int:
    """The index of 0..size-1 whose value comes nearest the target, the smaller of two; values grow with the index.

    A bracket around the target is found from `start` by steps of which each is twice the last, and then halved: nothing
    far above the target is ever built.
    """
    low, high, step = start, start, 1
    while low > 0 and at(low) > target:
        low, high, step = max(low - step, 0), low, 2 * step
    while high < size - 1 and at(high) <= target:
        low, high, step = high, min(high + step, size - 1), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle) <= target else (low, middle)
    return min((low, high), key=lambda index: abs(at(index) - target))


def matched(plan: Plan) -> Plan:
    """The plan with the widths at which each model has about as many parameters as the baseline, on each dataset.

    Raises:
        SegzooError: if a network cannot be built.
    """
    widths: dict[str, dict[str, dict[str, Any]]] = {}
    notes: dict[str, dict[str, str]] = {}
    definition = plan.definition
    for dataset in definition.datasets:
        experiments = {model.label: resolve(definition.config(dataset, model)) for model in definition.models}
        models = {label: (experiment.config.model.name, experiment.model) for label, experiment in experiments.items()}
        first = experiments[definition.baseline]
        size = first.config.image_size or first.info.image_size
        matches = match_parameters(models, definition.baseline, first.info.channels, len(first.info.classes), size)
        notes[dataset.label] = {label: match.note for label, match in matches.items()}
        widths[dataset.label] = {
            label: {match.model.width: getattr(match.model, match.model.width)} if match.model.width else {}
            for label, match in matches.items()
        }
    return replace(plan, widths=widths, notes=notes)


def main() -> None:
    """Add the widths to a benchmark's `benchmark.toml`."""
    out = Path(sys.argv[1])
    try:
        with quiet():
            plan = matched(read_plan(out))
        plan.write(out)
    except SegzooError as error:
        print(f"segzoo: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
