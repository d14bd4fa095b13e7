"""The tables of a benchmark, made anew from its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segzoo.benchmarking.agreement import require_same_data, require_same_definitions
from segzoo.benchmarking.cells import CellResult, read_results
from segzoo.benchmarking.costs import read_timing
from segzoo.benchmarking.plan import FILE, Plan, read_plan
from segzoo.benchmarking.ranking import RankedModel, rank
from segzoo.benchmarking.results import Results
from segzoo.benchmarking.runs import Run
from segzoo.errors import ConfigError
from segzoo.runs.config import read_table


@dataclass(frozen=True)
class Benchmark(Results):
    """The results of a benchmark."""

    plan: Plan
    ranking: dict[str, tuple[RankedModel, ...]]
    """By dataset; the model with the best mean IoU first."""

    @property
    def sections(self) -> dict[str, tuple[RankedModel, ...]]:
        """The same as `ranking`."""
        return self.ranking

    def facts(self) -> list[str]:
        """How the widths of the networks came to be."""
        matched = self.plan.definition.match == "parameters"
        return [
            f"Widths: {'chosen so that the parameters are as many as the baseline has' if matched else 'as given'}."
        ]

    def notes(self, dataset: str, model: str) -> list[str]:
        """The width that was chosen for a model, and what is to be known of it."""
        widths = self.plan.widths.get(dataset, {}).get(model, {})
        note = self.plan.notes.get(dataset, {}).get(model, "")
        return [*(f"{option} = {value}" for option, value in widths.items()), *([note] if note else [])]

    def row(self) -> dict[str, Any]:
        """All of it with the definition, ready for JSON; what depends on the machine's mood is below `timings`."""
        return {"definition": read_table(self.folder / FILE), **super().row()}


def tabulate(out: Path) -> Benchmark:
    """Read the cells of the benchmark in `out` and write its results there, in place of earlier ones.

    Raises:
        ConfigError: if there is no benchmark, or cells of one dataset do not have the same data.
    """
    if not (out / FILE).is_file():
        raise ConfigError(f"{out} holds no benchmark; `segzoo benchmark FILE.toml --out {out}` makes one")
    plan = read_plan(out)
    cells = tuple(read_results(out, plan))
    ranked = {entry.label: tuple(_ranked(entry.label, plan, cells)) for entry in plan.definition.datasets}
    benchmark = Benchmark(out, plan.definition.baseline, cells, read_timing(out), plan, ranked)
    benchmark.write(out)
    return benchmark


def _ranked(dataset: str, plan: Plan, cells: Sequence[CellResult]) -> list[RankedModel]:
    runs: dict[str, list[Run]] = {model.label: [] for model in plan.definition.models}
    for one in cells:
        if one.run and one.cell.dataset == dataset:
            runs[one.cell.model].append(one.run)
    done = [run for of_model in runs.values() for run in of_model]
    remedy = "Delete the folder of the cell whose data are wrong, and start the benchmark again"
    require_same_data(done, remedy)
    require_same_definitions(done)
    return rank(runs, plan.definition.baseline)
