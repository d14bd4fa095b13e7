"""How good a network is after how much time: segzoo's recipes beside the article's training and beside PyTorch.

    python benchmarks/time_to_quality.py pets RESULTS.jsonl --root ../shared/data/oxford_pets_small --seeds 0 1 2 \
        --recipe segzoo --recipe averaged trainer.schedule=cosine trainer.ema=0.99 --recipe mine mine.toml \
        --torch-python OTHER/bin/python
    python benchmarks/time_to_quality.py any RESULTS.jsonl --model resunet --dataset shapes --set model.filters=8
    python benchmarks/time_to_quality.py report RESULTS.jsonl --curves FOLDER

The first side of a seed trains its epochs, by default the article's 15, and all others as long as these took, in turns
of an epoch. Time is that in training steps and in waiting for their data; validation is left out for all, and so is
what comes before the first step, which has a column: reading images where they are kept in memory, and PyTorch's
compiling, while Keras compiles in its first step. After the others the first side trains an epoch more, which tells
whether the machine is as fast as it was.

`pets` measures `article.py` first, then segzoo and the same network in PyTorch, with the usual loop: AdamW, cosine,
flips and crops, bfloat16, images in memory, compiled if that is quicker. PyTorch is left out unless it is in the
environment of `--torch-python`, made by `python -m venv OTHER && OTHER/bin/pip install torch numpy`.
`any` measures segzoo alone, with the settings of `recipes/article.toml` first, for any network and dataset.
A recipe is a name with a TOML file of `segzoo run`, settings, or neither: segzoo's defaults. A setting may name another
model, as in `--recipe pretrained model.name=encoder_unet`.
Each seed adds lines to a file, so that seeds may be measured at other times; `report` makes tables and curves of it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from article import Pets, split
from measure import article_settings, origin, without_folders
from quality_report import Record, pages
from train_throughput import torch_version
from turns import BATCH_SIZE, Competitor, Round, Training

from segzoo.errors import SegzooError
from segzoo.plugin import Model
from segzoo.registry import load
from segzoo.runs.config import compose, parse_setting
from segzoo.runs.planning import resolve

PYTORCH = "PyTorch"


@dataclass(frozen=True)
class Side:
    """What is measured: a worker and its options."""

    name: str
    worker: str
    options: Mapping[str, Any]
    python: str = sys.executable


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    options.act(options)


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(required=True)
    pets = modes.add_parser("pets", help="beside article.py and PyTorch")
    pets.add_argument("--root", required=True, metavar="FOLDER", help="in the layout of the Oxford-IIIT Pet dataset")
    pets.add_argument("--filters", type=int, default=16, help="of the U-Net's first stage")
    pets.add_argument("--size", type=int, default=160, help="side of the images in pixels, a multiple of 16")
    pets.add_argument("--val-size", type=int, default=200, help="images to validate, a multiple of 8")
    pets.add_argument("--torch-python", default=sys.executable, metavar="PATH", help="a Python that has PyTorch")
    pets.add_argument("--torch-rate", type=float, default=2e-3, metavar="RATE", help="PyTorch's learning rate")
    pets.set_defaults(act=partial(measure, pets_task))
    others = modes.add_parser("any", help="beside the article's settings in segzoo")
    others.add_argument("--model", required=True)
    others.add_argument("--dataset", required=True)
    others.add_argument("--image-size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="else the dataset's")
    others.add_argument("--view", choices=("resize", "crop"), help="else the dataset's")
    others.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of all sides")
    others.set_defaults(act=partial(measure, any_task))
    for mode in (pets, others):
        mode.add_argument("results", type=Path, help="a file that lines are added to")
        mode.add_argument("--seeds", type=int, nargs="+", default=[0])
        mode.add_argument("--epochs", type=int, default=15, help="of the first side")
        mode.add_argument(
            "--recipe", nargs="+", action="append", metavar="WORD", help="NAME [FILE.toml] [KEY=VALUE ...]"
        )
        mode.add_argument("--threads", type=int, default=os.cpu_count(), help="of each side")
    reporting = modes.add_parser("report", help="tables and curves")
    reporting.add_argument("results", type=Path, nargs="+", help="files of `pets` and `any`")
    reporting.add_argument("--curves", type=Path, metavar="FOLDER", help="for a picture of each task")
    reporting.add_argument(
        "--time-to", type=float, nargs="+", default=[], metavar="LOSS", help="when was the cross-entropy as low?"
    )
    reporting.set_defaults(act=report)
    return parser.parse_args(words)


def measure(task: Any, options: argparse.Namespace) -> None:
    """Measure each seed, and add to the file what was seen of it."""
    with tempfile.TemporaryDirectory() as folder:
        name, training, sides = task(options, Path(folder))
        for seed in options.seeds:
            records = sitting(training, sides, seed, options.threads)
            facts = {"task": name, "seed": seed, "sitting": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"}
            with options.results.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(facts | record) + "\n" for record in records)


def pets_task(options: argparse.Namespace, folder: Path) -> tuple[str, dict[str, Any], list[Side]]:
    """The article's script, recipes, and PyTorch if it is there."""
    if options.val_size % BATCH_SIZE:
        raise SystemExit(f"--val-size {options.val_size}: give a multiple of {BATCH_SIZE}, as the script has it")
    size = [options.size, options.size]
    words = {"model": "unet", "dataset": "oxford_pets", "image_size": size}
    dataset = {"root": options.root, "split": "article", "val_size": options.val_size, "allow_missing": True}
    settings = {"model.filters": options.filters, **{f"dataset.{key}": value for key, value in dataset.items()}}
    sides = [Side("article.py", "article_curve", {}), *recipes(options, words, settings)]
    if torch_version(options.torch_python):
        data = write_arrays(Path(options.root), options.val_size, (options.size, options.size), folder / "pets.npz")
        torch = {"data": str(data), "learning_rate": options.torch_rate}
        sides.append(Side(PYTORCH, "torch_curve", torch, options.torch_python))
    else:
        print(f"Without PyTorch, which {Path(options.torch_python).name} lacks; see --help.", file=sys.stderr)
    name = f"{Path(options.root).name}, unet of {options.filters} filters, {options.size}x{options.size}"
    training = {"filters": options.filters, "image_size": options.size, "root": options.root}
    return name, training | {"val_size": options.val_size, "epochs": options.epochs}, sides


def any_task(options: argparse.Namespace, folder: Path) -> tuple[str, dict[str, Any], list[Side]]:
    """The article's settings, and recipes."""
    words = {"model": options.model, "dataset": options.dataset, "view": options.view, "image_size": options.image_size}
    settings = dict(map(parse_setting, options.set))
    given = article_settings("augmentation", "trainer", "loss")
    if "bn_momentum" in load(Model, options.model).model_fields:
        given["model.bn_momentum"] = article_settings("model")["model.bn_momentum"]
    first = Side("the article's settings", "segzoo_curve", recipe(None, words, given | settings))
    size = "x".join(map(str, options.image_size or ()))
    name = ", ".join(
        filter(None, [options.dataset, options.model, size, options.view, *map(without_folders, options.set)])
    )
    return name, {"filters": 0, "image_size": 0, "epochs": options.epochs}, [first, *recipes(options, words, settings)]


def recipes(options: argparse.Namespace, words: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Side]:
    """A side for each `--recipe`, else for segzoo's defaults; settings of the task go before those of a file.

    A recipe that names another model, as by `model.name=encoder_unet`, has none of the task's options of the model.
    """
    sides = []
    for name, *parts in options.recipe or [["segzoo"]]:
        files = [part for part in parts if "=" not in part]
        if len(files) > 1:
            raise SystemExit(f"--recipe {name}: {files[0]} and {files[1]} are two files; give one, and KEY=VALUE")
        own = dict(parse_setting(part) for part in parts if "=" in part)
        common = {key: value for key, value in settings.items() if not (own.get("model.name") and key[:6] == "model.")}
        sides.append(Side(name, "segzoo_curve", recipe(files[0] if files else None, words, common | own)))
    return sides


def recipe(file: str | None, words: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options of segzoo's worker; refused here, before anything is measured, if they do not fit.

    Settings such as `augmentation.name` name plugins, as they do in a TOML file.
    """
    try:
        resolve(compose(Path(file) if file else None, words, settings))
    except SegzooError as error:
        raise SystemExit(str(error)) from error
    return {"file": file, "words": dict(words), "settings": dict(settings)}


def write_arrays(root: Path, val_size: int, size: tuple[int, int], path: Path) -> Path:
    """The article's images and masks, uint8 (N, H, W, 3) and (N, H, W), in a file for who has no loader."""
    arrays = {}
    for prefix, pairs in zip(("", "val_"), split(root, val_size), strict=True):
        batches = Pets(pairs, size)
        images, masks = zip(*map(batches.__getitem__, range(len(batches))), strict=True)
        arrays[f"{prefix}images"] = np.concatenate(images).astype(np.uint8)
        arrays[f"{prefix}masks"] = np.concatenate(masks)[..., 0]
    np.savez(path, **arrays)
    return path


def sitting(training: Mapping[str, Any], sides: Sequence[Side], seed: int, threads: int) -> list[Record]:
    """What was seen of all sides with a seed: of the first one alone, then of the others in turns."""
    first, *others = sides
    epochs = training["epochs"]
    with ExitStack() as running:

        def start(side: Side, **more: Any) -> Competitor:
            options = {**side.options, "seed": seed, **more}
            task = Training(side.worker, steps=0, options=options, **{**training, "epochs": epochs + 1})
            return running.enter_context(Competitor(task, threads, side.python))

        competitor = start(first)
        curves = {first.name: [competitor.round() for _ in range(epochs)]}
        seconds = sum(one.told["seconds"] for one in curves[first.name])
        curves |= in_turns({side.name: start(side, seconds=seconds) for side in others})
        again = competitor.round().told["seconds"]
    drift = again / statistics.median(one.told["seconds"] for one in curves[first.name])
    facts = {"drift": drift, "origin": origin(["tensorflow", "keras"], f"threads of each side: {threads}")}
    return [
        {
            "side": side.name,
            "first": side is first,
            "options": shown(side.options),
            **told_by(curves[side.name]),
            **facts,
        }
        for side in sides
    ]


def in_turns(competitors: Mapping[str, Competitor]) -> dict[str, list[Round]]:
    """The epochs of each, which take turns until all have ended."""
    rounds: dict[str, list[Round]] = {name: [] for name in competitors}
    left = dict(competitors)
    while left:
        for name, competitor in list(left.items()):
            found = competitor.round()
            if found.told:
                rounds[name].append(found)
            else:  # it has nothing more to tell
                del left[name]
    return rounds


def told_by(rounds: Sequence[Round]) -> Record:
    """The epochs of a side, how it computes, and the seconds before its first step."""
    first = rounds[0]
    before = first.epoch - first.told["seconds"] - first.told["validating"]
    keys = ("seconds", "images", "val_loss", "mean_iou")
    return {
        "how": first.told["how"],
        "before": before,
        "epochs": [{key: one.told[key] for key in keys} for one in rounds],
    }


def shown(options: Mapping[str, Any]) -> Record:
    """Options without paths of the machine."""
    found = {key: value for key, value in options.items() if key != "data"}
    if "settings" in found:
        found["settings"] = {key: value for key, value in found["settings"].items() if key != "dataset.root"}
    return found


def report(options: argparse.Namespace) -> None:
    """Print tables of all that the files have, and draw the curves."""
    lines = [line for path in options.results for line in path.read_text("utf-8").splitlines()]
    print(pages([json.loads(line) for line in lines], options.curves, options.time_to))


if __name__ == "__main__":
    main()
