"""What the overlap of tiles is worth: scores, labels and time of finished runs in the view `crop`.

    python benchmarks/overlap.py runs/unet-0 runs/unet-1 runs/unet-2 --rounds 3

Each run predicts the images that it was scored on with every overlap, with `cut`, and at once, without tiles. The time
is that of all processors together, and the ways take turns, so that other work on the machine matters little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
from measure import interleaved, origin, spread, table

from segzoo import open_run
from segzoo.files.cache import cache_folder
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import classify, predicted
from segzoo.networks.receptive_field import reach
from segzoo.networks.tiles import Tiling
from segzoo.runs.planning import resolve
from segzoo.scoring.evaluation import evaluate
from segzoo.scoring.scores import Scoring

AT_ONCE, USUAL = "at once", "a half"
OVERLAPS = {"none": 0.0, "a quarter": 0.25, USUAL: 0.5, "three quarters": 0.75}


@dataclass(frozen=True)
class Subject:
    """A run, and the samples that it was scored on."""

    network: keras.Model
    frame: Frame
    classes: tuple[str, ...]
    pairs: list[tuple[np.ndarray, np.ndarray]]

    def ways(self) -> dict[str, tuple[Frame, Tiling]]:
        """Ways to predict the images, by their names."""
        cut = Tiling(reach=reach(self.network, self.frame))
        image = replace(self.frame, image_size=self.pairs[0][0].shape[:2])
        tilings = {name: Tiling(overlap) for name, overlap in OVERLAPS.items()} | {"cut": cut}
        return {name: (self.frame, tiling) for name, tiling in tilings.items()} | {AT_ONCE: (image, Tiling())}

    def labels(self, way: tuple[Frame, Tiling]) -> np.ndarray:
        """The predicted classes of all pixels, one after the other."""
        logits = predicted(self.network, way[0], self.pairs, way[1])
        return np.concatenate([classify(values).ravel() for _, values in logits])

    def mean_iou(self, way: tuple[Frame, Tiling]) -> float:
        """The score of all images."""
        scoring = Scoring(self.classes)
        total, rows = scoring.summed(evaluate(predicted(self.network, way[0], self.pairs, way[1]), scoring))
        return float(scoring.split_scores(total, rows)["mean_iou"])

    def seconds(self, way: tuple[Frame, Tiling]) -> float:
        """Processor time for an image."""
        start = time.process_time()
        deque(predicted(self.network, way[0], self.pairs, way[1]), maxlen=0)
        return (time.process_time() - start) / len(self.pairs)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="folders of finished runs of one dataset, of images of one size")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(words)
    subjects = [opened(folder) for folder in options.runs]
    print(report(subjects, options.rounds))


def opened(folder: str) -> Subject:
    """A finished run in the view `crop` and its samples."""
    run = open_run(folder)
    if run.frame.view != "crop":
        raise SystemExit(f"{folder} is a run in the view `{run.frame.view}`; give runs in the view `crop`")
    dataset = resolve(run.files.read_config()).dataset
    samples = dataset.open(cache_folder(), run.metrics["split"])
    return Subject(run.network(), run.frame, run.classes, [samples[index] for index in range(len(samples))])


def report(subjects: Sequence[Subject], rounds: int) -> str:
    """A Markdown table and what it was measured on."""
    names = list(subjects[0].ways())
    scores = {name: [subject.mean_iou(subject.ways()[name]) for subject in subjects] for name in names}
    labels = {name: [subject.labels(subject.ways()[name]) for subject in subjects] for name in names}
    first, ways = subjects[0], subjects[0].ways()
    times = interleaved({name: lambda way=ways[name]: first.seconds(way) for name in names}, rounds)
    size = first.pairs[0][0].shape[:2]
    rows = [
        [
            name,
            str(len(ways[name][1].grid(ways[name][0], size))),
            spread(times[name]),
            f"{statistics.mean(scores[name]):.4f}",
            f"{statistics.mean(differences(scores[name], scores[USUAL])):+.4f}",
            f"{max(map(abs, differences(scores[name], scores[USUAL]))):.4f}",
            f"{100 * agreement(labels[name], labels[AT_ONCE]):.2f} %",
        ]
        for name in names
    ]
    header = ["overlap", "tiles", "seconds", "mean IoU", "less a half's", "at most", "labels as at once"]
    sizes, tiles = ("x".join(map(str, sides)) for sides in (size, first.frame.image_size))
    text = [
        f"{len(subjects)} runs, {len(first.pairs)} images of {sizes} pixels, tiles of {tiles}. Seconds of all",
        f"processors for an image of the first run, median of {rounds} rounds (least - most). The mean IoU is the mean",
        "over runs; its difference from that of the overlap of a half too, and the largest difference of a run.",
    ]
    return "\n".join([*text, "", table(header, rows), "", origin(["tensorflow", "keras"])])


def differences(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Run by run."""
    return [value - other for value, other in zip(values, others, strict=True)]


def agreement(labels: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """The share of labels that are equal, over all runs."""
    return float(np.mean([np.mean(its == other) for its, other in zip(labels, others, strict=True)]))


if __name__ == "__main__":
    main()
