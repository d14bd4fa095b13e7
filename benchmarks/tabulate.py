"""How long the tables of a benchmark of many stored cells take, and how much memory.

    python benchmarks/tabulate.py

The cells are generated: folders as runs leave them, with scores drawn at random. The tables are made by a process of
its own, whose start-up is counted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tomli_w
from measure import origin, spread, table

from segzoo.benchmarking.cells import Record
from segzoo.networks.frame import Frame
from segzoo.plugin import Info
from segzoo.runs.config import compose
from segzoo.runs.folder import RunFolder
from segzoo.runs.manifest import manifest
from segzoo.scoring.overlap import Overlap

CLASSES = ("background", "circle", "square", "triangle")
BY_IMAGE = ("iou", "boundary_iou", "hd95")
"""Scores of each class that an image has."""
WORK = """
from pathlib import Path
from segzoo.benchmarking.result_files import tabulate
tabulate(Path({!r}))
print(next(line.split()[1] for line in Path("/proc/self/status").open() if line.startswith("VmHWM:")))
"""
"""Prints the KiB that it had resident at its peak, as Linux tells; `wait4` would count those of its parent too."""


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    counts = {kind: [f"{kind}-{i}" for i in range(getattr(options, kind))] for kind in ("models", "datasets")}
    seeds = list(range(options.seeds))
    cells = [(dataset, model, seed) for dataset in counts["datasets"] for model in counts["models"] for seed in seeds]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write_definition(out, counts, seeds)
        info, frame = Info(CLASSES, 3, ("train", "val", "test")), Frame((64, 64))
        facts = manifest(0, {split: split for split in info.splits}, info, frame)
        for i, (dataset, model, seed) in enumerate(cells):
            write_cell(out / "cells" / dataset / model / f"seed-{seed}", seed, options.images, i, facts)
        figures = [measured(out) for _ in range(options.rounds)]
        size = sum((out / name).stat().st_size for name in ("results.csv", "results.json", "images.csv")) / 2**20
    print(
        f"Tables of {len(cells):,} cells with {options.images} images each, {size:.0f} MiB of results.\n"
        f"Medians of {options.rounds} rounds (least - most).\n"
    )
    row = [f"{len(cells):,}", *(spread(values) for values in zip(*figures, strict=True))]
    print(table(["cells", "seconds", "MiB at the peak"], [row]), end="\n\n")
    print(origin(["numpy", "scipy"]))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--datasets", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=300, help="of each cell")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args(words)


def write_definition(out: Path, counts: dict[str, list[str]], seeds: list[int]) -> None:
    names = {"models": "unet", "datasets": "shapes"}
    entries = {kind: [{"name": names[kind], "label": label} for label in labels] for kind, labels in counts.items()}
    more = {"seeds": seeds, "baseline": counts["models"][0], "match": "none", "threads": 2}
    (out / "benchmark.toml").write_text(tomli_w.dumps(entries | more), "utf-8")


def write_cell(folder: Path, seed: int, images: int, draw: int, facts: dict[str, object]) -> None:
    """The folder of a finished cell, without its network and its pictures."""
    folder.mkdir(parents=True)
    files = RunFolder(folder)
    rng = np.random.default_rng(draw)
    columns = [f"{score}_{name}" for score in BY_IMAGE for name in CLASSES]
    values = rng.random((images, 1 + len(columns)))
    rows = [
        {"id": f"{i}", "mean_iou": row[0], **dict(zip(columns, row[1:], strict=True))} for i, row in enumerate(values)
    ]
    epochs = [
        {"epoch": i, "seconds": 9.5, "images": 400, "training_seconds": 8.0, "waiting_seconds": 0.1} for i in (1, 2, 3)
    ]
    words = {"model": "unet", "dataset": "shapes", "epochs": 3, "image_size": (64, 64), "seed": seed}
    files.write_config(compose(words=words))
    files.write_images(rows)
    files.write_history([{"epoch": row["epoch"], "loss": 0.5} for row in epochs], epochs)
    split = {"split": "test", "selected_on_this_split": False, "images": images}
    figures = Overlap().scores(rng.integers(1, 10**6, (len(CLASSES), len(CLASSES))), CLASSES)
    figures |= {name: float(figures[name]) for name in ("mean_iou", "mean_dice", "pixel_accuracy")}
    of_images = {"image_mean_iou": float(values[:, 0].mean())}
    of_images |= {"definitions": {name: score.definition for name, score in Overlap.definitions.items()}}
    files.write_metrics(split | figures | of_images)
    files.write_manifest(facts)
    Record("done", None, f"segzoo run --config {files.config}", 40.0, 10**9, 2, 1).write(folder)


def measured(out: Path) -> tuple[float, float]:
    """Seconds and MiB at the peak of a process that makes the tables."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", WORK.format(str(out))], stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - start, int(done.stdout) / 2**10


if __name__ == "__main__":
    main()
