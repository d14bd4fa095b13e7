"""Folders of runs and of benchmarks as segzoo leaves them, written by hand for tests: small, and without a training."""

import csv
import json

import tomli_w

from segzoo.files.tables import csv_text
from segzoo.scoring.overlap import Overlap

MACHINE = {"platform": "Linux", "processor": "Abacus 3000", "cores": 2, "threads": 2, "memory_bytes": 8 * 2**30}


def write_run(
    folder,
    images,
    *,
    model="unet",
    filters=4,
    seed=0,
    classes=("ring", "sky"),
    data="a",
    times=True,
    warnings=None,
    **changes,
):
    """A finished run whose images have these mean IoUs, the first image `0`; `changes` are values of `config.toml`.

    Without `warnings` it is as an earlier version has left it.
    """
    folder.mkdir(parents=True)
    config = {"epochs": 3, "image_size": [8, 8], "seed": seed, "model": {"name": model, "filters": filters}}
    config |= {"dataset": {"name": "shapes"}, "trainer": {"name": "keras"}, "loss": {"name": "dice"}}
    for key, value in changes.items():
        config[key] = config.get(key, {}) | value if isinstance(value, dict) else value
    (folder / "config.toml").write_text(tomli_w.dumps(config))
    known = [value for value in images if value == value]
    mean = sum(known) / len(known)
    rows = [{"id": str(i), "mean_iou": value, f"iou_{classes[0]}": value} for i, value in enumerate(images)]
    (folder / "images.csv").write_text(csv_text(rows))
    by_class = {name: mean if i == 0 else None for i, name in enumerate(classes)}
    scores = {"split": "test", "selected_on_this_split": False, "images": len(images), "mean_iou": mean}
    scores |= {"mean_dice": 2 * mean / (1 + mean), "pixel_accuracy": mean, "iou": by_class, "dice": by_class}
    scores |= {"absent_classes": list(classes[1:]), "confusion": [], "image_mean_iou": mean}
    scores |= {} if warnings is None else {"warnings": warnings}
    write(
        folder / "metrics.json",
        scores | {"definitions": {name: score.definition for name, score in Overlap.definitions.items()}},
    )
    prints = {"test": f"{data}-test", "train": f"{data}-train", "val": f"{data}-val"}
    facts = {"command": "segzoo run", "finished": f"2030-01-0{1 + seed}T00:00:00+00:00", "seed": seed}
    facts |= {"dataset_fingerprint": prints, "machine": MACHINE, "python": "3.12.1", "commit": None}
    size = config["image_size"]
    facts["dataset"] = {"classes": list(classes), "channels": 3, "splits": ["train", "val", "test"], "image_size": size}
    facts["dataset"] |= {"epochs": 3, "view": "resize", "range": None}
    facts["network"] = {"image_size": size, "stride": 1, "offset": 0, "margin": 0, "view": "resize"}
    write(folder / "manifest.json", facts | {"versions": {"keras": "3.12", "segmentation-zoo": "0.1.0", "zlib": "1"}})
    if times:
        epochs = [{"seconds": s, "images": 40, "training_seconds": s / 2, "waiting_seconds": s / 8} for s in (9, 2, 4)]
        (folder / "timings.csv").write_text(csv_text([{"epoch": i} | row for i, row in enumerate(epochs, 1)]))
    return folder


def write_benchmark(out, models, datasets=("toys",), seeds=(0, 1, 2), **table):
    """The definition of a benchmark without any cell."""
    out.mkdir(parents=True)
    names = {"models": [{"name": "unet", "label": label} for label in models]}
    names |= {"datasets": [{"name": "shapes", "label": label} for label in datasets]}
    definition = names | {"seeds": list(seeds), "baseline": models[0], "match": "none", "threads": 2} | table
    (out / "benchmark.toml").write_text(tomli_w.dumps(definition))
    return out


def write_cell(out, dataset, label, seed, images=None, **run):
    """A cell of it: done, if it is given the scores of images, else failed."""
    folder = out / "cells" / dataset / label / f"seed-{seed}"
    if images is None:
        folder.mkdir(parents=True)
    else:
        write_run(folder, images, seed=seed, **run)
    facts = {"status": "failed" if images is None else "done", "reason": "out of memory" if images is None else None}
    facts |= {
        "command": f"segzoo run --config cells/{dataset}/{label}/seed-{seed}/config.toml",
        "seconds": 60.5,
        "threads": 2,
        "attempts": 1,
    }
    write(folder / "cell.json", facts | {"peak_memory_bytes": 2**30 + seed})
    return folder


def write_timing(out, dataset, models):
    """The timing phase of a benchmark; each model has as many parameters as its place times 100."""
    figures = {
        label: {"parameters": 100 * i, "flops": 10**9 * i, "latency_p50_ms": 5.0 * i, "latency_p95_ms": 6.0 * i}
        | {"throughput_images_per_s": 80.0, "throughput_batch": 8}
        for i, label in enumerate(models, 1)
    }
    facts = {"machine": MACHINE, "threads": 2, "rounds": 10, "definitions": {"flops": "multiply-add = 2"}}
    write(out / "timing.json", facts | {"datasets": {dataset: {"noise_floor": 1.01, "models": figures}}})


def change(path, **facts):
    """Change values of a file of JSON."""
    write(path, json.loads(path.read_text("utf-8")) | facts)


def write(path, table):
    path.write_text(json.dumps(table))


def write_example(out, order=slice(None)):
    """A benchmark with everything: `plain` is the baseline, `better` is better, `lone` has one seed, `broken` none."""
    write_benchmark(out, ["plain", "better", "lone", "broken"])
    cells = [("plain", seed, [0.2 + 0.1 * shift, 0.4 + 0.1 * shift]) for seed, shift in enumerate((0, 2, 1))]
    cells += [("better", seed, [0.9 - 0.01 * seed, 0.7 + 0.02 * seed]) for seed in range(3)]
    cells += [("lone", 0, [0.25, 0.45]), ("lone", 1, None), ("broken", 0, None), ("broken", 1, None)]
    for model, seed, images in cells[order]:
        write_cell(out, "toys", model, seed, images)
    write_timing(out, "toys", ["plain", "better", "lone"])
    return out


def read_rows(path):
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
