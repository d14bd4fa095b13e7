"""What it is worth that other layers stand in for some of a network's in training, in time and in memory.

    python benchmarks/stand_ins.py canet --batch-size 16

Training steps of a network by its name, on the same random images in memory, with each kind of stand-ins. The time is
that of all threads of the processor together, so that other work on the machine matters little.

Each competitor is a process of its own, with as many threads as the others, and works only when it is its turn.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from measure import interleaved, origin, ratios, spread, table
from turns import Competitor, Round, Training

from segzoo.runs.config import parse_setting

KINDS = {"none": "Keras' layers", "normalization": "batch normalization", "all": "all stand-ins"}
"""The stand-ins of each competitor."""
PRECISIONS = {"float32": "float32", "mixed_bfloat16": "bfloat16"}


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    settings = dict(map(parse_setting, options.set))
    trainings = {
        f"{name}, {PRECISIONS[precision]}": {"settings": settings, "kind": kind, "precision": precision}
        for precision in options.precision
        for kind, name in KINDS.items()
    }
    rounds = measured({name: {"model": options.model, **given} for name, given in trainings.items()}, options)
    print(
        f"Training steps of `{' '.join([options.model, *options.set])}` on {options.size}x{options.size} pixels, in "
        f"batches of {options.batch_size}.\nMedians of {options.rounds} rounds of {options.steps} steps (least - most)."
    )
    print(f"\n{steps_table(rounds, options.steps)}\n")
    print(origin(["tensorflow", "keras"], f"threads of each competitor: {options.threads}"))


def measured(trainings: Mapping[str, Mapping[str, Any]], options: argparse.Namespace) -> dict[str, list[Round]]:
    """The rounds of trainings that take turns, without the first; see `stand_ins_worker.py` for what each is given."""
    with ExitStack() as running:
        turns = {}
        for name, given in trainings.items():
            given = {**given, "batch_size": options.batch_size}
            task = Training("stand_ins", 0, options.size, options.steps, options.rounds + 1, options=given)
            turns[name] = running.enter_context(Competitor(task, options.threads)).round
        interleaved(turns, 1)
        return interleaved(turns, options.rounds)


def step_times(rounds: Mapping[str, Sequence[Round]], steps: int) -> dict[str, list[float]]:
    """Milliseconds of all threads of the processor in a step, in each round."""
    return {name: [1000 * one.told["seconds"] / steps for one in found] for name, found in rounds.items()}


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a network of `segzoo list models`")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="its options, as in `segzoo run`")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=list(PRECISIONS), help="of the steps")
    parser.add_argument("--size", type=int, default=160, help="side of the images in pixels")
    parser.add_argument("--batch-size", type=int, default=8, help="images of a step")
    parser.add_argument("--rounds", type=int, default=7, help="besides a first one, which is left out")
    parser.add_argument("--steps", type=int, default=5, help="in a round")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each competitor")
    return parser.parse_args(words)


def steps_table(rounds: Mapping[str, Sequence[Round]], steps: int) -> str:
    """Processor time of a step of each, and how it compares with the first one."""
    times = step_times(rounds, steps)
    first = next(iter(times))
    rows = [
        [
            name,
            spread(found),
            spread(ratios(times[first], found)),
            f"{max(one.peak for one in rounds[name]) / 2**20:,.0f}",
        ]
        for name, found in times.items()
    ]
    return table(["training", "ms a step, all threads", "times as fast as the first", "peak memory, MiB"], rows)


if __name__ == "__main__":
    main()
