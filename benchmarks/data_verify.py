"""How fast `segzoo data verify` is with all processors beside one process, and how its memory grows with the dataset.

    python benchmarks/data_verify.py --root ../shared/data/oxford_pets_small

Both read all pairs by turns. The memory is that of the command and all its processes together, at its peak, for folders
of generated pairs of files that it has never seen.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psutil
from generated import BACKGROUND, BORDER, PET, write_pets
from measure import interleaved, origin, ratios, seconds, spread, table

from segzoo.inspection.verification import verify
from segzoo.processes.processors import threads

SIZE = (24, 32)
"""Height and width of generated photos: small, so that hundreds of thousands fit on a disk."""
INTERVAL = 0.02
"""Seconds between two looks at the memory."""


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    settings = {"dataset.root": str(options.root), "dataset.split": "article", "dataset.allow_missing": True}
    settings["dataset.val_size"] = options.val_size
    names = {f"{threads()} processes": threads(), "1 process": 1}
    turns = {
        name: partial(seconds, partial(verify, "oxford_pets", settings=settings, processes=processes))
        for name, processes in names.items()
    }
    count = sum(verify("oxford_pets", settings=settings).samples.values())
    interleaved(turns, 1)
    times = interleaved(turns, options.rounds)
    print(
        f"`segzoo.verify` of the {count:,} pairs of `{options.root.name}`, from its call to its return.\n"
        f"Medians of {options.rounds} rounds (least - most).\n"
    )
    one = times["1 process"]
    rows = [
        [name, spread(taken), spread([count / each for each in taken]), spread(ratios(one, taken))]
        for name, taken in times.items()
    ]
    print(table(["processes", "seconds", "pairs/s", "so many times as fast as one"], rows), end="\n\n")
    print(
        f"`segzoo data verify folder`, without an index, of generated pairs of {SIZE[0]}x{SIZE[1]} pixels: memory of "
        f"all its processes together, at the peak.\nMedians of {options.memory_rounds} rounds (least - most).\n"
    )
    figures = {size: peaks(size, options.memory_rounds) for size in options.files}
    rows = [
        [f"{size:,}", spread([mib for mib, _ in found]), spread([taken for _, taken in found])]
        for size, found in figures.items()
    ]
    print(table(["pairs", "MiB", "seconds"], rows), end="\n\n")
    print(origin(["numpy", "pillow"]))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--root", type=Path, required=True, metavar="FOLDER", help="in the layout of the Oxford-IIIT Pet dataset"
    )
    parser.add_argument("--val-size", type=int, default=200, help="pairs in the split for validation")
    parser.add_argument("--rounds", type=int, default=7, help="besides a first one, which is left out")
    parser.add_argument(
        "--files", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="sizes of generated datasets, in pairs"
    )
    parser.add_argument("--memory-rounds", type=int, default=3, help="for each size")
    return parser.parse_args(words)


def peaks(count: int, rounds: int) -> list[tuple[float, float]]:
    """MiB at the peak and seconds, each round."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        write_pets(root, count, SIZE)
        (root / "annotations" / "trimaps").rename(root / "masks")
        return [peak(root, Path(folder) / f"cache-{number}") for number in range(rounds)]


def peak(root: Path, cache: Path) -> tuple[float, float]:
    """The most memory that one command and its processes hold at a time, in MiB, and its seconds."""
    options = {"root": root, "values": [PET, BACKGROUND, BORDER]}
    settings = [word for key, value in options.items() for word in ("--set", f"dataset.{key}={value}")]
    command = [sys.executable, "-m", "segzoo", "data", "verify", "folder", *settings]
    start, most = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"SEGZOO_CACHE": str(cache)}) as process:
        while process.poll() is None:
            most = max(most, held(psutil.Process(process.pid)))
            time.sleep(INTERVAL)
    if process.returncode not in (0, 1):  # 1: drawn photos may look alike
        raise SystemExit(f"{' '.join(command)} ended with code {process.returncode}")
    return most / 2**20, time.perf_counter() - start


def held(process: psutil.Process) -> int:
    """Bytes of a process and its children; what several share is divided among them, where the system tells (PSS)."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            facts = one.memory_full_info()
            total += getattr(facts, "pss", facts.rss)
        except psutil.Error:  # it has just ended
            continue
    return total


if __name__ == "__main__":
    main()
