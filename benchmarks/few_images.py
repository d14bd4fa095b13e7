"""What starting weights are worth where there are few images: mean IoU after the same number of steps.

    python benchmarks/few_images.py RESULTS.jsonl --root ../shared/data/oxford_pets_small --images 30 100 --seeds 0 1 2
    python benchmarks/few_images.py RESULTS.jsonl --root ... --images 30 --way mine trainer.learning_rate=0.001
    python benchmarks/few_images.py report RESULTS.jsonl

Trains `encoder_unet` on the first so many images of the article's training split, in ways that take turns for each
seed, and scores the article's last images: with weights from ImageNet, whose encoder learns as it does by default, not
at all, or as fast as the decoder; and with random ones; or in ways that are given by settings. All ways have the same
images, steps and seeds. Each training adds a line to the file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measure import origin, table
from quality_report import cell

from segzoo.runs.config import compose, parse_setting
from segzoo.runs.experiment import conduct
from segzoo.runs.planning import resolve

RANDOM = {"model.encoder.weights": "none", "trainer.half_size": 0}
"""On whole images, as pretrained ones are."""
WAYS: dict[str, dict[str, Any]] = {
    "ImageNet": {},
    "ImageNet, encoder frozen": {"trainer.freeze": ["encoder"]},
    "ImageNet, encoder at the full learning rate": {"trainer.pretrained_rate": 1},
    "random": RANDOM,
}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="a file that lines are added to; report FILE for tables")
    parser.add_argument("--root", metavar="FOLDER", help="in the layout of the Oxford-IIIT Pet dataset")
    parser.add_argument("--images", type=int, nargs="+", default=[30], help="to train on")
    parser.add_argument("--steps", type=int, default=240, help="of batches of 8 images")
    parser.add_argument("--size", type=int, default=160, help="side of the images in pixels")
    parser.add_argument("--val-size", type=int, default=200, help="images to score")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--way", nargs="+", action="append", default=[], metavar="WORD", help="NAME [KEY=VALUE ...]")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of all ways")
    options = parser.parse_args(words)
    if options.results[0] == Path("report"):
        print(report(options.results[1:]))
        return
    ways = {name: dict(map(parse_setting, settings)) for name, *settings in options.way} or WAYS
    common = dict(map(parse_setting, options.set))
    for images in options.images:
        for seed in options.seeds:
            for name, settings in ways.items():
                line = {"images": images, "seed": seed, "way": name, **train(options, images, seed, common | settings)}
                with options.results[0].open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")


def train(options: argparse.Namespace, images: int, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What comes of a training on so many images."""
    dataset = {"root": options.root, "split": "article", "val_size": options.val_size, "allow_missing": True}
    words = {"model": "encoder_unet", "dataset": "oxford_pets", "image_size": [options.size, options.size]}
    words |= {"seed": seed, "steps": options.steps}
    given = {f"dataset.{key}": value for key, value in dataset.items()} | dict(settings)
    plan = resolve(compose(None, words, given))
    samples = plan.dataset.open(Path(), "train")
    words["leave_out"] = list(samples.ids)[images:]
    with tempfile.TemporaryDirectory() as folder:
        run = conduct(resolve(compose(None, words, given)), Path(folder) / "run")
        last = run.history[-1]
        return {
            "steps": options.steps,
            "mean_iou": run.overall["mean_iou"],
            "val_loss": min(row["val_loss"] for row in run.history),
            "last_val_loss": last["val_loss"],
            "seconds": sum(row["training_seconds"] for row in run.timings),
            "origin": origin(["tensorflow", "keras"]),
        }


def report(files: Sequence[Path]) -> str:
    """A table for each number of images: means over seeds, with the standard deviation where there are several."""
    lines = [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]
    parts = []
    for images in sorted({line["images"] for line in lines}):
        chosen = [line for line in lines if line["images"] == images]
        ways = list(dict.fromkeys(line["way"] for line in chosen))
        rows = [row(way, [line for line in chosen if line["way"] == way]) for way in ways]
        header = ["way", "seeds", "mean IoU", "validation cross-entropy, best", "the same, last", "s of training"]
        parts += [f"## {images:,} images, {chosen[0]['steps']:,} steps", "", table(header, rows), ""]
    return "\n".join([*parts, *dict.fromkeys(line["origin"] for line in lines)])


def row(way: str, lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """A way, and its figures."""
    keys = ("mean_iou", "val_loss", "last_val_loss", "seconds")
    return [way, str(len(lines)), *(cell([line[key] for line in lines]) for key in keys)]


if __name__ == "__main__":
    main()
