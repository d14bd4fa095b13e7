"""What a training step of a U-Net is spent on, and how far it is from its convolutions alone.

    python benchmarks/step_profile.py --filters 64 --rounds 7

First, segzoo's step and that of the article's script are timed by turns with the network's convolutions and nothing
else: forward, and the gradients of kernels and inputs, in float32 and in bfloat16. Then a few steps of both are
recorded by TensorFlow's profiler, and the time of their operations is summed by type.

Each competitor is a process of its own, with as many threads as the others, and works only when it is its turn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from generated import write_pets
from measure import interleaved, origin, ratios, spread, table
from turns import BATCH_SIZE, CONVOLUTION, FIRST_STEPS, Competitor, Round, Training, label

TRAININGS: dict[str, tuple[str, dict[str, Any]]] = {"segzoo": ("segzoo", {}), "article": ("article", {})}
ALONE: dict[str, tuple[str, dict[str, Any]]] = {
    "convolutions alone, float32": ("convolutions", {"dtype": "float32"}),
    "convolutions alone, bfloat16": ("convolutions", {"dtype": "bfloat16"}),
}
SHOWN = 8
"""Types of operations with a row of their own."""


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    with tempfile.TemporaryDirectory() as root:
        write_pets(Path(root), (options.steps + FIRST_STEPS + 1) * BATCH_SIZE, (options.size, options.size))
        rounds = measured(TRAININGS | ALONE, options, root, trace=False)
        traced = measured(TRAININGS, options, root, trace=True)
    print(
        f"A training step of a U-Net of {options.filters} filters on {options.size}x{options.size} pixels, in batches "
        f"of {BATCH_SIZE}.\nMedians of {options.rounds} rounds of {options.steps} steps (least - most).\n"
    )
    print(times_table(rounds, options.steps), end="\n\n")
    print("The operations of a step, recorded by TensorFlow's profiler; those of all threads together.\n")
    print(operations_table({name: shares(found, options.steps) for name, found in traced.items()}), end="\n\n")
    print(origin(["tensorflow", "keras"], f"threads of each competitor: {options.threads}"))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=int, default=64, help="of the first stage")
    parser.add_argument("--size", type=int, default=160, help="side of the images in pixels, a multiple of 16")
    parser.add_argument("--rounds", type=int, default=7, help="besides a first one, which is left out")
    parser.add_argument("--steps", type=int, default=5, help="in a round")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each competitor")
    return parser.parse_args(words)


def measured(
    competitors: Mapping[str, tuple[str, dict[str, Any]]], options: argparse.Namespace, root: str, trace: bool
) -> dict[str, list[Round]]:
    """The rounds of each, without the first."""
    with ExitStack() as running:
        turns = {}
        for name, (worker, settings) in competitors.items():
            numbers = (options.filters, options.size, options.steps, options.rounds + 1)
            task = Training(worker, *numbers, root=root, trace=trace, options=settings)
            turns[name] = running.enter_context(Competitor(task, options.threads)).round
        interleaved(turns, 1)
        return interleaved(turns, options.rounds)


def times_table(rounds: Mapping[str, Sequence[Round]], steps: int) -> str:
    """Milliseconds of each, and how many times the convolutions alone that is."""
    times = {name: [1000 * one.steps / steps for one in found] for name, found in rounds.items()}
    rows = [
        [label(name, rounds[name]), spread(found), *(spread(ratios(found, times[alone])) for alone in ALONE)]
        for name, found in times.items()
    ]
    return table(["", "ms a step", *(f"times {alone}" for alone in ALONE)], rows)


def shares(rounds: Sequence[Round], steps: int) -> dict[str, float]:
    """Milliseconds a step for each type of operation, over all rounds."""
    kinds = {kind for one in rounds for kind in one.trace}
    return {kind: 1000 * sum(one.trace.get(kind, 0.0) for one in rounds) / len(rounds) / steps for kind in kinds}


def operations_table(trainings: Mapping[str, Mapping[str, float]]) -> str:
    """The types that take longest, convolutions first, and all others together."""
    most = {
        kind: max(found.get(kind, 0.0) for found in trainings.values())
        for found in trainings.values()
        for kind in found
    }
    kinds = sorted(most, key=lambda kind: (kind != CONVOLUTION, -most[kind]))[:SHOWN]
    totals = {name: sum(found.values()) for name, found in trainings.items()}
    header = ["operations", *(column for name in trainings for column in (f"{name}, ms a step", "share"))]
    parts = {kind: {name: found.get(kind, 0.0) for name, found in trainings.items()} for kind in kinds}
    parts["all others"] = {name: totals[name] - sum(part[name] for part in parts.values()) for name in trainings}
    rows = [
        [kind, *(cell for name in trainings for cell in (f"{part[name]:.1f}", f"{part[name] / totals[name]:.1%}"))]
        for kind, part in parts.items()
    ]
    return table(header, rows)


if __name__ == "__main__":
    main()
