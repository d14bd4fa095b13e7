"""Time and memory of predicting an image that is larger than what a network sees, beside MONAI's sliding window.

    python benchmarks/large_image.py --sides 2048 4096 8192 --torch-python OTHER/bin/python

An RGB image in a tiled TIFF becomes a TIFF of its classes, by `segzoo predict` and by a script that calls MONAI's
`sliding_window_inference`: the same U-Net, tiles, overlap and batches. Each is a process of its own, and the ways take
turns. Without MONAI, segzoo is measured alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from measure import interleaved, origin, ratios, spread, table

from segzoo.networks.prediction import BATCH
from segzoo.networks.tiles import DEFAULT

CLASSES = 4
"""Those of `shapes`, on which the network is trained, for a step."""
BLOCK = 256
"""Rows of the image that are made at once, and the side of the file's tiles."""
SEGZOO, MONAI = "segzoo", "MONAI"


class Usage(NamedTuple):
    """What a process has taken."""

    seconds: float
    processor: float
    """Seconds of all processors together."""
    memory: float
    """MiB at its peak."""


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    with tempfile.TemporaryDirectory() as folder:
        train(options, Path(folder, "run"))
        rows = [row for side in options.sides for row in measured(side, options, Path(folder))]
    header = ["image", "way", "seconds", "of all processors", "peak memory, MiB", "segzoo is so many times as fast"]
    text = [
        f"A U-Net of {options.filters} filters, tiles of {options.tile}x{options.tile} that overlap by "
        f"{options.overlap:g}, in batches of {BATCH}.",
        f"Median of {options.rounds} rounds (least - most); the processes' start is part of it.",
    ]
    print("\n".join([*text, "", table(header, rows), "", origin(["tensorflow", "keras"])]))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[2048, 4096, 8192, 16384], help="of the images")
    parser.add_argument("--filters", type=int, default=4)
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--overlap", type=float, default=DEFAULT.overlap)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch-python", help="the Python of an environment with PyTorch, MONAI and tifffile")
    return parser.parse_args(words)


def train(options: argparse.Namespace, folder: Path) -> None:
    """A run whose network has seen a single batch."""
    words = ["run", "unet", "shapes", "--steps", "1", "--view", "crop", "--image-size", str(options.tile)]
    taken([sys.executable, "-m", "segzoo", *words, "--set", f"model.filters={options.filters}", "--out", str(folder)])


def measured(side: int, options: argparse.Namespace, folder: Path) -> Iterator[list[str]]:
    """The rows of the table for an image of that height and width."""
    image = folder / f"{side}.tif"
    write_image(image, side)
    ways: dict[str, Callable[[], Usage]] = {SEGZOO: partial(by_segzoo, image, options, folder)}
    if options.torch_python:
        ways[MONAI] = partial(by_monai, image, options, folder)
    usages = interleaved(ways, options.rounds)
    image.unlink()
    for name, found in usages.items():
        seconds, processor, memory = ([usage[i] for usage in found] for i in range(3))
        faster = ratios(seconds, [usage.seconds for usage in usages[SEGZOO]])
        yield [f"{side}x{side}", name, spread(seconds), spread(processor), spread(memory), spread(faster)]


def write_image(path: Path, side: int) -> None:
    """An image of random blots, which compresses about as micrographs do."""
    rng = np.random.default_rng(0)
    blots = rng.integers(0, 256, (BLOCK // 8, side // 8 + 1, 3), np.uint8).repeat(8, 0).repeat(8, 1)[:, :side]
    rows = (np.roll(blots, top, axis=1) ^ rng.integers(0, 8, blots.shape, np.uint8) for top in range(0, side, BLOCK))
    tiles = (band[:, left : left + BLOCK] for band in rows for left in range(0, side, BLOCK))
    tile = {"tile": (BLOCK, BLOCK), "compression": "deflate", "photometric": "rgb"}
    tifffile.imwrite(path, tiles, shape=(side, side, 3), dtype=np.uint8, **tile)


def by_segzoo(image: Path, options: argparse.Namespace, folder: Path) -> Usage:
    out = tempfile.mkdtemp(dir=folder)
    words = ["predict", str(folder / "run"), str(image), "--out", out, "--overlap", str(options.overlap)]
    return taken([sys.executable, "-m", "segzoo", *words, "--precision", "float32", "--no-overlays"])


def by_monai(image: Path, options: argparse.Namespace, folder: Path) -> Usage:
    worker = Path(__file__).with_name("monai_worker.py")
    names = {"filters": options.filters, "classes": CLASSES, "tile": options.tile, "overlap": options.overlap}
    words = [f"--{name}={value}" for name, value in {**names, "batch": BATCH}.items()]
    return taken([options.torch_python, str(worker), str(image), str(folder / "monai.tif"), *words])


def taken(command: Sequence[str]) -> Usage:
    """What a command takes, from its start to its end."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(os.cpu_count())}
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} has failed: {' '.join(command)}")
    return Usage(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
