"""Whether the test of a benchmark keeps its level: simulated benchmarks in which the truth is known.

    python benchmarks/significance.py --benchmarks 200 2000

Two models are scored by `segzoo.benchmarking.significance.difference` on the same images, each trained with several
seeds. Where they are equal, whatever is found is a false positive: of the test over seeds and images, and of a
Wilcoxon test over images alone. Then one is better by two standard deviations between seeds, and the test should find
it, and the interval hold it. The scores vary as those of real trainings do; `benchmarks/results/significance.md` says
of which.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from measure import origin, table
from numpy.typing import NDArray

from segzoo.benchmarking.significance import difference

LEVEL = 0.05
SEED_SDS = (0.0, 0.005, 0.01, 0.02)
SEEDS = (3, 5)
TIMES = (1, 2, 3, 4)
LEAST = 0.005
"""What counts as the standard deviation between seeds, for the difference that is planted, where there is none."""
MEAN, IMAGE_SD, NOISE_SD = 0.5, 0.09, 0.06


@dataclass(frozen=True)
class World:
    """Two models and what they are scored on; pairs are of the model and of the baseline."""

    seeds: tuple[int, int] = (3, 3)
    seed_sds: tuple[float, float] = (0.01, 0.01)
    images: int = 600
    model_image_sd: float = 0.03
    """How differently the models take an image; 0 for two copies of one model."""
    heavy: bool = False
    """Whether all that varies with the image has Student's t with 3 degrees of freedom, in scores cut to [0, 1]."""
    hit: bool = False
    """Whether an image counts 1 or 0 only: its score is above the mean or not."""
    shared_sd: float = 0.0
    """Between seeds, of the luck that both models have with a seed."""
    groups: int = 0
    """Into how many groups the images fall, such as patients, which the models take as differently as images; 0 for
    none."""
    better: float = 0.0
    """How much the model is better than the baseline."""


@dataclass(frozen=True)
class Shares:
    """How often, of the benchmarks of one world."""

    found: float
    """The test rejects."""
    covered: float
    """The interval holds the true difference."""
    wilcoxon: float
    """The test over images alone rejects."""


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    print(
        f"Scores: mean {MEAN}, standard deviation between images {IMAGE_SD}, of model x image "
        f"{World.model_image_sd},\nof seed x image {NOISE_SD}; {World.images} images. Level {LEVEL}, intervals of "
        f"{1 - LEVEL:.0%}.\n"
    )
    for benchmarks in options.benchmarks:
        print(f"## {benchmarks:,} benchmarks a row\n\n{seeds_table(benchmarks, options.seed)}\n")
    most = max(options.benchmarks)
    print(f"## How often a difference is found, {most:,} benchmarks a cell\n\n{power_table(most, options.seed)}\n")
    print(f"## Elsewhere, {most:,} benchmarks a row\n\n{worlds_table(most, options.seed)}\n")
    print(origin(["numpy", "scipy"]))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", type=int, nargs="+", default=[200, 2000], help="simulated for each row")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    return parser.parse_args(words)


def seeds_table(benchmarks: int, seed: int) -> str:
    """What is found with equal models, with copies of one, and where one is better, by the spread between seeds."""
    header = ["between-seed sd", "seeds", "false positives", "with copies", "Wilcoxon's", "with copies"]
    header += ["better by", "found", "coverage"]
    rows = []
    for seeds in SEEDS:
        for sd in SEED_SDS:
            equal = World((seeds, seeds), (sd, sd))
            better = replace(equal, better=2 * (sd or LEAST))
            worlds = [equal, replace(equal, model_image_sd=0.0), better]
            same, copies, planted = (simulated(world, benchmarks, seed) for world in worlds)
            counts = [f"{benchmarks * one.found:.0f}" for one in (same, copies)]
            shares = [f"{share:.1%}" for share in (same.wilcoxon, copies.wilcoxon)]
            last = [f"{better.better:g}", f"{planted.found:.1%}", f"{planted.covered:.1%}"]
            rows.append([f"{sd:g}", str(seeds), *counts, *shares, *last])
    return table(header, rows)


def power_table(benchmarks: int, seed: int) -> str:
    """The share found of differences of so many standard deviations between seeds, by the number of seeds."""
    worlds = {seeds: [World((seeds, seeds), better=times * 0.01) for times in TIMES] for seeds in (*SEEDS, 10)}
    rows = [
        [str(seeds), *(f"{simulated(world, benchmarks, seed).found:.0%}" for world in row)]
        for seeds, row in worlds.items()
    ]
    return table(["seeds", *(f"{times} sd" for times in TIMES)], rows)


def worlds_table(benchmarks: int, seed: int) -> str:
    """False positives where benchmarks are smaller, larger, uneven or less well-behaved."""
    rows = [
        [name, f"{shares.found:.1%}", f"{shares.wilcoxon:.1%}"]
        for name, world in WORLDS.items()
        for shares in [simulated(world, benchmarks, seed)]
    ]
    return table(["equal models", "false positives", "Wilcoxon's"], rows)


WORLDS: dict[str, World] = {
    "3 images": World(images=3),
    "20 images": World(images=20),
    "4,000 images": World(images=4000),
    "10,000 images": World(images=10000),
    "model x image .15": World(model_image_sd=0.15),
    "2 seeds": World((2, 2)),
    "2 seeds, sd .02, .005 of the baseline": World((2, 2), (0.02, 0.005)),
    "10 seeds": World((10, 10)),
    "3 seeds, 5 of the baseline": World((3, 5)),
    "3 seeds, 10 of the baseline": World((3, 10)),
    "sd .02, .005 of the baseline": World(seed_sds=(0.02, 0.005)),
    "the same with 5 seeds": World((5, 5), (0.02, 0.005)),
    "sd .02 with 3 seeds, .005 with 10 of the baseline": World((3, 10), (0.02, 0.005)),
    "heavy tails in [0, 1]": World(heavy=True),
    "the same, 20 images": World(heavy=True, images=20),
    "the same, 5 seeds": World((5, 5), heavy=True),
    "images hit or missed": World(hit=True),
    "luck shared by the models, sd .01, and .005 of their own": World(seed_sds=(0.005, 0.005), shared_sd=0.01),
    "images in 30 groups": World(groups=30),
    "images in 30 groups, 5 seeds": World((5, 5), groups=30),
}


def simulated(world: World, benchmarks: int, seed: int) -> Shares:
    """What the tests make of that many benchmarks; they depend on the seed and the world alone."""
    rng = np.random.default_rng([seed, *np.frombuffer(repr(world).encode(), np.uint8)])
    return Shares(*np.mean([judged(world, rng) for _ in range(benchmarks)], axis=0).tolist())


def judged(world: World, rng: np.random.Generator) -> tuple[bool, bool, bool]:
    """Of one benchmark: whether the test rejects, the interval holds the truth, and Wilcoxon's test rejects."""
    model, baseline = scores(world, rng)
    found = difference(model, baseline, 1 - LEVEL)
    return found.p is not None and found.p < LEVEL, found.low <= world.better <= found.high, found.wilcoxon_p < LEVEL


def scores(world: World, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """The scores (seeds, images) of the model, then those of the baseline."""

    def varying(*shape: int) -> NDArray[np.float64]:
        return rng.standard_t(3, shape) / math.sqrt(3) if world.heavy else rng.standard_normal(shape)

    images = MEAN + IMAGE_SD * varying(world.images)
    luck = world.shared_sd * rng.standard_normal((max(world.seeds), 1))
    for seeds, sd, better in zip(world.seeds, world.seed_sds, (world.better, 0.0), strict=True):
        found = images + better + world.model_image_sd * varying(world.images)
        if world.groups:
            found = found + world.model_image_sd * varying(world.groups)[np.arange(world.images) % world.groups]
        found = found + luck[:seeds] + sd * rng.standard_normal((seeds, 1)) + NOISE_SD * varying(seeds, world.images)
        yield (found > MEAN).astype(float) if world.hit else found.clip(0, 1) if world.heavy else found


if __name__ == "__main__":
    main()
