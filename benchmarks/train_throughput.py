"""How fast segzoo trains, beside the article's script in plain Keras and beside PyTorch.

    python benchmarks/train_throughput.py steps --filters 64 --torch-python OTHER/bin/python
    python benchmarks/train_throughput.py steps --model encoder_unet --torch-python OTHER/bin/python
    python benchmarks/train_throughput.py epochs --filters 16 --root ../shared/data/oxford_pets_small

`steps` times training steps on images that are in memory, of the same network, loss, optimizer and batch: segzoo's as
its trainer takes them, the article's as `fit` does, which has a U-Net only. PyTorch is left out unless it is in the
environment of `--torch-python`, made by `python -m venv OTHER && OTHER/bin/pip install torch numpy`.
`epochs` times whole epochs on real photos, with loader, validation and checkpoints, and the memory that they take.

Each competitor is a process of its own, with as many threads as the others, and works only when it is its turn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from generated import write_pets
from measure import interleaved, origin, ratios, spread, table
from turns import BATCH_SIZE, FIRST_STEPS, Competitor, Round, Training, label

SEGZOO, ARTICLE = "segzoo", "article"
COMPETITORS: dict[str, tuple[str, dict[str, Any]]] = {
    SEGZOO: ("segzoo", {}),
    "segzoo float32": ("segzoo", {"trainer.precision": "float32"}),
    **{
        f"segzoo augmented, {level}": ("segzoo", {"augmentation.name": "standard", "augmentation.level": level})
        for level in ("light", "medium", "strong")
    },
    "segzoo averaged, clipped": (
        "segzoo",
        {"trainer.ema": 0.99, "trainer.clip_norm": 1.0, "trainer.schedule": "cosine", "trainer.warmup": 0.05},
    ),
    ARTICLE: ("article", {}),
    "PyTorch float32": ("torch", {"bfloat16": False, "compile": False}),
    "PyTorch float32 compiled": ("torch", {"bfloat16": False, "compile": True}),
    "PyTorch bfloat16": ("torch", {"bfloat16": True, "compile": False}),
    "PyTorch bfloat16 compiled": ("torch", {"bfloat16": True, "compile": True}),
}
"""The worker and its options for each competitor."""


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    print(options.measure(options))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(required=True)
    by_step = modes.add_parser("steps", help="training steps on images in memory")
    by_step.add_argument("--model", choices=("unet", "encoder_unet"), default="unet")
    by_step.add_argument("--filters", type=int, default=64, help="of the U-Net's first stage")
    by_step.add_argument("--steps", type=int, default=10, help="timed in a round")
    by_step.add_argument("--torch-python", default=sys.executable, metavar="PATH", help="a Python that has PyTorch")
    by_step.add_argument("--only", nargs="+", choices=COMPETITORS, default=list(COMPETITORS), metavar="NAME")
    by_step.set_defaults(measure=steps)
    by_epoch = modes.add_parser("epochs", help="whole epochs on photos")
    by_epoch.add_argument("--filters", type=int, default=16, help="of the first stage")
    by_epoch.add_argument(
        "--root", required=True, metavar="FOLDER", help="in the layout of the Oxford-IIIT Pet dataset"
    )
    by_epoch.add_argument("--val-size", type=int, default=200, help="images to validate")
    by_epoch.set_defaults(measure=epochs)
    for mode in (by_step, by_epoch):
        mode.add_argument("--size", type=int, default=160, help="side of the images in pixels, a multiple of 16")
        mode.add_argument("--rounds", type=int, default=7, help="besides a first one, which is left out")
        mode.add_argument("--threads", type=int, default=os.cpu_count(), help="of each competitor")
    return parser.parse_args(words)


def steps(options: argparse.Namespace) -> str:
    """The report on training steps."""
    torch = torch_version(options.torch_python)
    workers = {"segzoo", "torch" if torch else "", "article" if options.model == "unet" else ""}
    names = [name for name in options.only if COMPETITORS[name][0] in workers]
    lacking = f"Without PyTorch, which {Path(options.torch_python).name} lacks; see --help."
    if not names:
        raise SystemExit(lacking)
    with tempfile.TemporaryDirectory() as root, ExitStack() as running:
        write_pets(Path(root), (options.steps + FIRST_STEPS + 1) * BATCH_SIZE, (options.size, options.size))
        training = {"steps": options.steps, "root": root, "model": options.model}
        turns = {name: start(name, options, running, training).round for name in names}
        interleaved(turns, 1)
        rounds = interleaved(turns, options.rounds)
    network = f"a U-Net of {options.filters} filters" if options.model == "unet" else options.model
    text = [
        f"Training steps of {network} on {options.size}x{options.size} pixels, in batches of {BATCH_SIZE}.",
        f"Medians of {options.rounds} rounds of {options.steps} steps (least - most).",
        *([] if torch else [lacking]),
    ]
    versions = [f"PyTorch {torch}"] if torch else []
    return "\n".join([*text, "", steps_table(rounds), "", origin(["tensorflow", "keras"], *versions, threads(options))])


def steps_table(rounds: Mapping[str, Sequence[Round]]) -> str:
    """Images a second of each, and how the first one compares with it."""
    speeds = {name: [one.images / one.steps for one in found] for name, found in rounds.items()}
    first = next(iter(speeds))
    rows = [
        [label(name, rounds[name]), spread(speed), spread(ratios(speeds[first], speed)), peak(rounds[name])]
        for name, speed in speeds.items()
    ]
    return table(["training", "images/s", f"{first} is so many times as fast", "peak memory, MiB"], rows)


def epochs(options: argparse.Namespace) -> str:
    """The report on whole epochs."""
    with ExitStack() as running:
        training = {"steps": 0, "root": options.root, "val_size": options.val_size, "whole": True}
        turns = {name: start(name, options, running, training).round for name in (SEGZOO, ARTICLE)}
        first = interleaved(turns, 1)
        rounds = interleaved(turns, options.rounds)
        last = interleaved(turns, 1)
    text = [
        f"Whole epochs of a U-Net of {options.filters} filters on {options.size}x{options.size} pixels of "
        f"`{Path(options.root).name}`, in batches of {BATCH_SIZE}, {options.val_size} images to validate.",
        f"Medians of {options.rounds} epochs (least - most).",
    ]
    columns = epochs_table(first, rounds, last)
    return "\n".join([*text, "", columns, "", origin(["tensorflow", "keras"], threads(options))])


def epochs_table(
    first: Mapping[str, Sequence[Round]], rounds: Mapping[str, Sequence[Round]], last: Mapping[str, Sequence[Round]]
) -> str:
    """Seconds of the first epoch, of those after it, and of what comes at the end; and the memory of it all."""
    seconds = {name: [one.epoch for one in found] for name, found in rounds.items()}
    rows = [
        [
            label(name, rounds[name]),
            f"{first[name][0].epoch:.1f}",
            spread(seconds[name]),
            spread(ratios(seconds[name], seconds[SEGZOO])),
            waiting(rounds[name]),
            f"{last[name][0].epoch:.1f}",
            peak(last[name]),
        ]
        for name in rounds
    ]
    header = ["training", "first epoch, with start-up, s", "each later epoch, s", "segzoo is so many times as fast"]
    return table([*header, "waiting for data", "after the last epoch, s", "peak memory, MiB"], rows)


def start(name: str, options: argparse.Namespace, running: ExitStack, training: Mapping[str, Any]) -> Competitor:
    """A competitor that is ready for its turns: one that is not measured, and all that are."""
    worker, settings = COMPETITORS[name]
    python = options.torch_python if worker == "torch" else sys.executable
    task = Training(worker, options.filters, options.size, epochs=options.rounds + 1, options=settings, **training)
    return running.enter_context(Competitor(task, options.threads, python))


def torch_version(python: str) -> str | None:
    """The version of PyTorch in the environment of a Python, if it has it."""
    asked = [python, "-c", "import numpy, torch; print(torch.__version__)"]
    done = subprocess.run(asked, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def waiting(rounds: Sequence[Round]) -> str:
    """The share of the training time that went by waiting for data, if the training tells."""
    training, waited = (
        sum(one.told.get(key, 0.0) for one in rounds) for key in ("training_seconds", "waiting_seconds")
    )
    return f"{waited / training:.1%}" if training else "unknown"


def peak(rounds: Sequence[Round]) -> str:
    """The largest memory, in MiB."""
    return f"{max(one.peak for one in rounds) / 2**20:,.0f}"


def threads(options: argparse.Namespace) -> str:
    return f"threads of each competitor: {options.threads}"


if __name__ == "__main__":
    main()
