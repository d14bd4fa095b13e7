"""What each encoder costs in `encoder_unet`: parameters, FLOPs of a prediction, and the time of a training step.

    python benchmarks/encoders.py --size 160 --rounds 5
    python benchmarks/encoders.py --only efficientnet_lite0 mobilenet_v2

Training steps on random images in memory, with all stand-ins. The time is that of all threads of the processor
together, so that other work on the machine matters little.

Each encoder is in a process of its own, with as many threads as the others, and works only when it is its turn.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from statistics import median

from measure import origin, ratios, spread, table
from stand_ins import measured, step_times
from turns import Round

from segzoo import registry
from segzoo.networks.cost import flops, parameters, traced
from segzoo.networks.precision import fast_precision
from segzoo.plugin import Encoder, Model

MODEL = "encoder_unet"
CLASSES = 3


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    precision = fast_precision()
    common = {"model": MODEL, "kind": "all", "precision": precision}
    trainings = {name: {**common, "settings": {"model.encoder": settings(name)}} for name in options.only}
    rounds = measured(trainings, options)
    print(
        f"Training steps of `{MODEL}` on {options.size}x{options.size} pixels in {precision}, in batches of "
        f"{options.batch_size}.\nMedians of {options.rounds} rounds of {options.steps} steps (least - most)."
    )
    print(f"\n{costs_table(rounds, options.size, options.steps)}\n")
    print(origin(["tensorflow", "keras"], f"threads of each competitor: {options.threads}"))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    known = [entry.name for entry in registry.entries(Encoder)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=known, default=known, metavar="NAME", help="these encoders")
    parser.add_argument("--size", type=int, default=160, help="side of the images in pixels, a multiple of 32")
    parser.add_argument("--batch-size", type=int, default=8, help="images of a step")
    parser.add_argument("--rounds", type=int, default=5, help="besides a first one, which is left out")
    parser.add_argument("--steps", type=int, default=5, help="in a round")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each encoder")
    return parser.parse_args(words)


def settings(encoder: str) -> dict[str, str]:
    """The table of an encoder with random weights."""
    return {"name": encoder, "weights": "none"}


def costs_table(rounds: Mapping[str, Sequence[Round]], size: int, steps: int) -> str:
    """The costs of each encoder, those of least time first."""
    times = step_times(rounds, steps)
    quickest, *_ = order = sorted(times, key=lambda name: median(times[name]))
    rows = []
    for name in order:
        network = registry.create(Model, MODEL, {"encoder": settings(name)}).build((None, None, 3), CLASSES)
        operations = flops(traced(network, (1, size, size, 3)))
        memory = f"{max(one.peak for one in rounds[name]) / 2**20:,.0f}"
        facts = [f"{parameters(network) / 1e6:.1f}", f"{operations / 1e9:.2f}"]
        rows.append([f"`{name}`", *facts, spread(times[name]), spread(ratios(times[name], times[quickest])), memory])
    header = ["encoder", "million parameters", "GFLOPs an image", "ms a step, all threads"]
    return table([*header, f"times that of `{quickest}`", "peak memory, MiB"], rows)


if __name__ == "__main__":
    main()
