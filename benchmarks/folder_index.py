"""How long the dataset `folder` takes to open many files, with the index of an earlier time and without.

    python benchmarks/folder_index.py

Each time a new process opens all splits, after it has imported what it needs. The files are links to a few real ones;
what is kept in the index is kept for each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from measure import interleaved, origin, spread, table
from PIL import Image

LINKS = 10_000
"""Names for one file, since file systems bound them."""
SIZE = (24, 32)
"""Height and width of the images."""

OPEN = """
import sys, time
from pathlib import Path
from segzoo_folder import ImageFolder, collection
root, cache = map(Path, sys.argv[1:])
start = time.perf_counter()
dataset = ImageFolder(root=root)
count = sum(len(dataset.open(cache, split)) for split in dataset.describe(cache).splits)
print(count, time.perf_counter() - start)
"""


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000, help="images and masks together")
    parser.add_argument("--rounds", type=int, default=5, help="besides a first one, which is left out")
    options = parser.parse_args(words)
    pairs = options.files // 2
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "root", Path(folder) / "cache"
        write(root, pairs)
        turns = {"with its index": partial(opened, root, cache), "without": partial(anew, root, cache)}
        opened(root, cache)
        interleaved(turns, 1)
        times = interleaved(turns, options.rounds)
    print(
        f"All splits of {pairs:,} images of {SIZE[0]}x{SIZE[1]} pixels and as many masks, opened by a new process.\n"
        f"Medians of {options.rounds} rounds (least - most).\n"
    )
    rows = [[name, spread(taken), spread([2 * pairs / each for each in taken])] for name, taken in times.items()]
    print(table(["opened", "seconds", "files/s"], rows), end="\n\n")
    print(origin(["numpy", "pillow"]))


def write(root: Path, pairs: int) -> None:
    """Images and masks of 0 and 255."""
    for kind, shape in {"images": (*SIZE, 3), "masks": SIZE}.items():
        (root / kind).mkdir(parents=True)
        for index in range(pairs):
            first = root / kind / f"{index - index % LINKS:07}.png"
            if index % LINKS:
                (root / kind / f"{index:07}.png").hardlink_to(first)
            else:
                rng = np.random.default_rng(index)
                pixels = rng.integers(0, 2, shape) * 255
                Image.fromarray(pixels.astype(np.uint8)).save(first)


def opened(root: Path, cache: Path) -> float:
    """Seconds that a new process takes to open all splits."""
    words = [sys.executable, "-c", OPEN, str(root), str(cache)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    count, seconds = done.stdout.split()
    assert int(count) == len(list((root / "images").iterdir()))
    return float(seconds)


def anew(root: Path, cache: Path) -> float:
    """As `opened`, after the index is gone."""
    for index in cache.glob("folder/*/index"):
        index.unlink()
    return opened(root, cache)


if __name__ == "__main__":
    main()
