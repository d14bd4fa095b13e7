"""How the scores of real trainings vary with images, seeds and models, and whether one model differs from itself.

    python benchmarks/score_variance.py --runs runs/unet-? --others runs/attention_unet-?

The runs are folders of `segzoo run`, on the same images, of one model that differ in their seed; the others are of a
second model. The trainings of one model are also split in two halves, in every way, as if they were two models: a test
that finds a difference there is wrong. `significance.py` simulates benchmarks that vary like this.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from measure import origin, table
from numpy.typing import NDArray

from segzoo.benchmarking.significance import difference
from segzoo.runs.finished import open_run

Scores = NDArray[np.float64]


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    one, other = scores(options.runs), scores(options.others)
    print(f"Mean IoU of {one.shape[1]} images; standard deviations.\n")
    header = ["", "seeds", "mean", "image and model x image", "seed", "seed x image"]
    print(table(header, [row("runs", one), row("others", other)]))
    print(f"\nModel x image: {model_image_sd(one, other):.3f}\n")
    found = np.array(list(halves(one)))
    print(f"The runs in two halves, in {len(found)} ways. Told apart at the level .05:\n")
    times = zip(("over seeds and images", "Wilcoxon over images alone"), found.sum(axis=0), strict=True)
    print(table(["test", "times"], [[name, str(count)] for name, count in times]))
    print(f"\n{origin(['numpy', 'scipy'])}")


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="four or more, of one model")
    parser.add_argument("--others", type=Path, nargs="+", required=True, help="two or more, of another model")
    return parser.parse_args(words)


def scores(runs: Sequence[Path]) -> Scores:
    """The mean IoU (runs, images) of all images that have one."""
    rows = [open_run(run).image_scores() for run in runs]
    found = np.array([[values[image] for image in rows[0]] for values in rows])
    return found[:, ~np.isnan(found).any(axis=0)]


def noise_variance(found: Scores) -> float:
    """Of seed x image: the mean square of what the means of seeds and of images leave."""
    seeds, images = found.shape
    residuals = found - found.mean(axis=0) - found.mean(axis=1, keepdims=True) + found.mean()
    return float((residuals**2).sum() / ((seeds - 1) * (images - 1)))


def row(name: str, found: Scores) -> list[str]:
    """Standard deviations of images, seeds and both, each without what the noise adds to it."""
    seeds, images = found.shape
    noise = noise_variance(found)
    image, seed = (
        math.sqrt(max(0.0, float(found.mean(axis=axis).var(ddof=1)) - noise / count))
        for axis, count in ((0, seeds), (1, images))
    )
    return [name, str(seeds), f"{found.mean():.3f}", f"{image:.3f}", f"{seed:.4f}", f"{math.sqrt(noise):.3f}"]


def model_image_sd(one: Scores, other: Scores) -> float:
    """How differently the two take an image: the standard deviation of each about what they share."""
    noise = noise_variance(one) / len(one) + noise_variance(other) / len(other)
    differences = one.mean(axis=0) - other.mean(axis=0)
    return math.sqrt(max(0.0, (float(differences.var(ddof=1)) - noise) / 2))


def halves(found: Scores) -> Iterator[tuple[bool, bool]]:
    """For every split of the trainings in two, which tests tell the halves apart; one is larger where they are odd."""
    runs = len(found)
    for places in combinations(range(runs), runs // 2):
        first = np.isin(np.arange(runs), places)
        if runs % 2 or first[0]:  # else the same split comes again with its halves swapped
            compared = difference(found[first], found[~first])
            yield compared.p is not None and compared.p < 0.05, compared.wilcoxon_p < 0.05


if __name__ == "__main__":
    main()
