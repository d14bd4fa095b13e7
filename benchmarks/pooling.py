"""Whether the variance between seeds may be pooled over the models of a benchmark: simulated, where the truth is known.

    python benchmarks/pooling.py --benchmarks 20000

`segzoo.benchmarking.significance.difference` takes the variance between the seeds of a model from its own runs, as
Welch's test does. An analysis of variance pools it over all models: with eight models of three seeds that gives 16
degrees of freedom, not 4 at most, if all of them vary alike. Here two models of several are compared by the mean
scores of their seeds, as if images were many, and the standard deviation of one or both is not that of the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from measure import origin, table
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.05
SEEDS = (3, 5)
MODELS = (2, 3, 5, 8)
SDS = {"alike": (1, 1), "one 2 x": (2, 1), "one 4 x": (4, 1), "both 2 x": (2, 2), "both 4 x": (4, 4)}
"""Standard deviations between seeds of the two that are compared; that of the other models is 1."""
PLANTED = 2
"""The difference that should be found where all vary alike, in these standard deviations."""

Means = NDArray[np.float64]


def main(words: Sequence[str] | None = None) -> None:
    options = arguments(words)
    rng = np.random.default_rng(options.seed)
    print(f"{options.benchmarks:,} benchmarks a figure. Level {LEVEL}.\n")
    header = ["variance between seeds", "seeds", *(f"false positives, {name}" for name in SDS), f"{PLANTED} sd found"]
    print(table(header, [row(seeds, models, options.benchmarks, rng) for seeds in SEEDS for models in (0, *MODELS)]))
    print(f"\n{origin(['numpy', 'scipy'])}")


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", type=int, default=20000, help="simulated for each figure")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    return parser.parse_args(words)


def row(seeds: int, models: int, benchmarks: int, rng: np.random.Generator) -> list[str]:
    """How often one way to test finds a difference: pooled over so many models, or of each its own if they are 0."""
    test = pooled if models else own
    name = f"pooled over {models} models" if models else "of each model its own"
    found = []
    for sds, planted in [*((sds, 0) for sds in SDS.values()), (SDS["alike"], PLANTED)]:
        scale = np.array([*sds, *[1] * (models - 2)])[:, np.newaxis]
        means = scale * rng.standard_normal((benchmarks, len(scale), seeds))
        means[:, 0] += planted
        found.append(f"{(test(means) < LEVEL).mean():.1%}")
    return [name, str(seeds), *found]


def own(means: Means) -> NDArray[np.float64]:
    """Of Welch's test between the first two models, p (benchmarks,); means are (benchmarks, models, seeds)."""
    found: NDArray[np.float64] = stats.ttest_ind(means[:, 0], means[:, 1], axis=1, equal_var=False).pvalue
    return found


def pooled(means: Means) -> NDArray[np.float64]:
    """The same, the variance within all models taken as one, as in an analysis of variance."""
    _, models, seeds = means.shape
    error = np.sqrt(2 * means.var(axis=2, ddof=1).mean(axis=1) / seeds)
    differences = means[:, 0].mean(axis=1) - means[:, 1].mean(axis=1)
    found: NDArray[np.float64] = 2 * stats.t.sf(np.abs(differences) / error, models * (seeds - 1))
    return found


if __name__ == "__main__":
    main()
