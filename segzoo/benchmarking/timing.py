"""How fast trained networks are, measured side by side: `python -m segzoo.benchmarking.timing OUT`.

While networks train, other work of the machine slows down some of them only. So their speed is measured separately, in
rounds: in each, every network has its turn, and every other round goes backwards. A machine that slows down affects
all alike, and medians over the rounds leave out what affects a single round. The baseline is timed twice, as if it were
two networks: what it differs from itself is the noise floor, below which no difference of two networks means anything.

A network is built as in its run, from the run's configuration, in float32, with the weights that it began with: the
arithmetic takes as long whatever the numbers are.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import psutil

from segzoo.benchmarking.cells import cell_folders, read_record
from segzoo.benchmarking.costs import TIMING
from segzoo.benchmarking.plan import FILE
from segzoo.errors import ConfigError, PluginError, SegzooError
from segzoo.files.atomic import write_text
from segzoo.networks import cost
from segzoo.processes.terminal import note, quiet
from segzoo.runs.finished import open_run
from segzoo.runs.manifest import environment

ROUNDS = 10
SECONDS = 20.0
"""Of each network, over all rounds."""
BATCH = 8
"""Images of a call for the throughput."""
DEFINITIONS = {
    "input_shape": "height, width and channels of one input of the network",
    "parameters": "numbers that training may change",
    "flops": "multiplications and additions in the convolutions and matrix products of one input; a multiply-add is 2",
    "latency_p50_ms": "time of a call with one input: median over rounds of each round's median",
    "latency_p95_ms": "95th percentile of the time of a call with one input, over the calls of all rounds",
    "throughput_images_per_s": f"inputs per second in calls with {BATCH}: median over rounds",
    "noise_floor": "largest by smallest latency_p50_ms of the baseline, timed as if it were several networks",
}


@dataclass(frozen=True)
class Network:
    """A network that is ready to be timed."""

    facts: dict[str, Any]
    single: Callable[[], object]
    """Takes one input through the network."""
    batch: Callable[[], object]
    """Takes `BATCH` inputs through the network."""


@dataclass(frozen=True)
class Times:
    """The times of a network, by round."""

    latencies: list[list[float]] = field(default_factory=list)
    """Seconds of each call with one input."""
    rates: list[float] = field(default_factory=list)
    """Inputs per second in batches."""

    @property
    def latency(self) -> float:
        """The median over rounds of each round's median, in seconds."""
        return median(map(median, self.latencies))

    def figures(self) -> dict[str, Any]:
        """The figures that follow from the times; see `DEFINITIONS`."""
        every = [seconds for times in self.latencies for seconds in times]
        return {
            "latency_p50_ms": 1000 * self.latency,
            "latency_p95_ms": 1000 * float(np.percentile(every, 95)),
            "throughput_images_per_s": median(self.rates),
            "throughput_batch": BATCH,
        }


def measure(
    folders: Mapping[str, Mapping[str, Path]],
    rounds: int,
    threads: int,
    baseline: str | None = None,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """Time the networks of finished runs, given by dataset and model; returns what `timing.json` holds.

    It needs a process of its own, in which TensorFlow has not begun to work with another number of threads. A network
    takes `seconds` over all rounds, or more where that is not enough for two calls of each kind in each round.

    Raises:
        SegzooError: if TensorFlow works already.
    """
    _fix_threads(threads)
    datasets = {}
    for dataset, models in folders.items():
        note(f"timing the networks of {dataset}: {', '.join(models)}")
        datasets[dataset] = _compared(models, rounds, baseline, seconds)
    return {
        "machine": environment()["machine"],
        "threads": threads,
        "rounds": rounds,
        "definitions": DEFINITIONS,
        "datasets": datasets,
    }


def finished(out: Path) -> dict[str, dict[str, Path]]:
    """A finished run of each model on each dataset in a benchmark's folder."""
    folders: dict[str, dict[str, Path]] = {}
    for folder in cell_folders(out):
        if (record := read_record(folder)) and record.status == "done":
            dataset, model = folder.parts[-3:-1]
            folders.setdefault(dataset, {}).setdefault(model, folder)
    return folders


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the networks of a benchmark and write its `timing.json`."""
    parser = argparse.ArgumentParser(prog="python -m segzoo.benchmarking.timing", description=main.__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder of a benchmark whose runs are finished")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each network, over all rounds")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    try:
        definition = _definition(options.out)
        with quiet():
            folders, baseline = finished(options.out), definition["baseline"]
            measured = measure(folders, options.rounds, definition["threads"], baseline, options.seconds)
        write_text(options.out / TIMING, json.dumps(measured, indent=2, allow_nan=False) + "\n")
    except SegzooError as error:
        print(f"segzoo: {error}", file=sys.stderr)
        sys.exit(2)
    for dataset, figures in measured["datasets"].items():
        if floor := figures["noise_floor"]:  # None where no network could be built
            note(f"{dataset}: noise floor {floor:.3f}")


def _definition(out: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((out / FILE).read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"there is no benchmark in {out}: name the folder of one, as `segzoo benchmark` does"
        ) from error


def _fix_threads(count: int) -> None:
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(count)
    except RuntimeError as error:
        raise SegzooError(
            "TensorFlow is at work already, and its threads are fixed: measure in a process of its own, as "
            "`python -m segzoo.benchmarking.timing OUT` is"
        ) from error


def _compared(models: Mapping[str, Path], rounds: int, baseline: str | None, seconds: float) -> dict[str, Any]:
    """The figures of networks on one dataset, timed together or, where memory is short, in groups with the baseline."""
    waiting = sorted(models, key=lambda label: label != baseline)  # the baseline first
    left_out: dict[str, str] = {}
    least = psutil.virtual_memory().available // 2
    pair: list[Network] = []
    while waiting and not pair:
        first = waiting.pop(0)
        pair = _loaded(first, models[first], left_out, copies=2)
    figures: dict[str, Any] = {}
    floor: list[float] = []
    while pair and (waiting or not figures):
        group = _group(models, waiting, least, left_out)
        times = time_rounds([pair[0], *group.values(), pair[1]], rounds, seconds)
        floor += [times[0].latency, times[-1].latency]
        for label, network, taken in zip([first, *group], [pair[0], *group.values()], times, strict=False):
            figures.setdefault(label, network.facts | taken.figures())
        del group
        gc.collect()  # networks refer to themselves
    return {"noise_floor": max(floor) / min(floor) if floor else None, "models": figures, "left_out": left_out}


def _group(models: Mapping[str, Path], waiting: list[str], least: int, left_out: dict[str, str]) -> dict[str, Network]:
    """The next of those that wait, at least one, for as long as so many bytes of memory are free."""
    group: dict[str, Network] = {}
    while waiting and (not group or psutil.virtual_memory().available > least):
        label = waiting.pop(0)
        for network in _loaded(label, models[label], left_out):
            group[label] = network
    return group


def _loaded(label: str, folder: Path, left_out: dict[str, str], copies: int = 1) -> list[Network]:
    """The network of a run, in so many copies; none if it cannot be built, and then the others are timed without it."""
    try:
        return [load(folder) for _ in range(copies)]
    except Exception as error:
        left_out[label] = f"{type(error).__name__}: {error}".splitlines()[0]
        note(f"{label} is not timed: {left_out[label]}")
        return []


def load(folder: Path) -> Network:
    """The network of a finished run, built from its configuration and warmed up.

    Raises:
        SegzooError: if its plugin is no longer there, or no longer makes a network of these options.
    """
    run = open_run(folder)
    built, shape = run.build(), (*run.frame.input_size, run.info.channels)
    functions = {count: cost.traced(built, (count, *shape)) for count in (1, BATCH)}
    single, batch = (_call(function, count, shape) for count, function in functions.items())
    single(), batch()  # the first call allocates, and arranges weights for the processor
    return Network(
        {
            "parameters": cost.parameters(built),
            "flops": _flops(functions[1], run.config.model.name),
            "input_shape": list(shape),
        },
        single,
        batch,
    )


def _flops(function: Any, name: str) -> int | None:
    try:
        return cost.flops(function)
    except PluginError as error:
        note(f"{name}: {error}")
        return None


def _call(function: Any, count: int, shape: tuple[int, int, int]) -> Callable[[], object]:
    import tensorflow as tf

    images = np.random.default_rng(0).uniform(-1, 1, (count, *shape)).astype(np.float32)
    return lambda: function(tf.constant(images)).numpy()


def time_rounds(networks: Sequence[Network], rounds: int, seconds: float) -> list[Times]:
    """Time each network in each round, in alternating order, for `seconds` of each over all rounds."""
    times = [Times() for _ in networks]
    order = list(zip(networks, times, strict=True))
    share = seconds / rounds / 2
    for turn in range(rounds):
        for network, taken in order[:: -1 if turn % 2 else 1]:
            taken.latencies.append(_seconds(network.single, share))
            taken.rates.append(BATCH / median(_seconds(network.batch, share)))
    return times


def _seconds(call: Callable[[], object], share: float) -> list[float]:
    """What each call takes, until the share of time is over; of one call at least.

    The first is not counted: while others had their turns, caches have lost what it needs.
    """
    call()
    taken: list[float] = []
    end = perf_counter() + share
    while not taken or perf_counter() < end:
        start = perf_counter()
        call()
        taken.append(perf_counter() - start)
    return taken


if __name__ == "__main__":
    main()
