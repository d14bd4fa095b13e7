"""A benchmark with every value decided: the content of `benchmark.toml`, and the runs that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w

from segzoo import registry
from segzoo.benchmarking.definition import BUDGET, OF_A_RUN, DatasetEntry, Definition, ModelEntry, parse
from segzoo.defaults import EARLIER
from segzoo.errors import ConfigError
from segzoo.files.atomic import write_text
from segzoo.plugin import Augmentation, Loss, Plugin, Trainer
from segzoo.processes.processors import threads
from segzoo.runs.config import Choice, RunConfig, read_table, table_differences
from segzoo.runs.planning import resolve

FILE = "benchmark.toml"


class Cell(NamedTuple):
    """One run of a benchmark, by the labels of its dataset and its model."""

    dataset: str
    model: str
    seed: int

    def __str__(self) -> str:
        return f"{self.dataset}/{self.model}/seed-{self.seed}"


@dataclass(frozen=True)
class Plan:
    """A definition with every value, and the widths that were chosen for it."""

    definition: Definition
    widths: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    """By dataset and model: the option that was changed to match the baseline's parameters, and its value."""
    notes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By dataset and model: a remark on its width; empty if there is none."""

    def cells(self) -> list[Cell]:
        """All runs in the order in which they begin: models alternate, so that a slow hour affects all alike."""
        definition = self.definition
        seeds = {model.label: definition.seeds_of(model) for model in definition.models}
        turns = range(max(map(len, seeds.values())))
        return [
            Cell(dataset.label, model, seeds_of_model[turn])
            for dataset in definition.datasets
            for turn in turns
            for model, seeds_of_model in seeds.items()
            if turn < len(seeds_of_model)
        ]

    def config(self, cell: Cell) -> RunConfig:
        """The configuration of a run."""
        dataset = next(entry for entry in self.definition.datasets if entry.label == cell.dataset)
        model = next(entry for entry in self.definition.models if entry.label == cell.model)
        width = self.widths.get(cell.dataset, {}).get(cell.model, {})
        return self.definition.config(dataset, with_options(model, model.options | dict(width)), cell.seed)

    def write(self, out: Path) -> None:
        """Write `benchmark.toml` into a folder."""
        chosen = {key: value for key, value in {"widths": self.widths, "notes": self.notes}.items() if value}
        write_text(out / FILE, tomli_w.dumps(self.definition.table() | chosen))


def read_plan(out: Path) -> Plan:
    """The plan in the folder of a benchmark.

    Raises:
        ConfigError: if there is none.
    """
    table = read_table(out / FILE)
    widths, notes = table.pop("widths", {}), table.pop("notes", {})
    return Plan(parse(EARLIER | table, out / FILE), widths, notes)


def decide(definition: Definition, earlier: Plan | None = None) -> Plan:
    """Fill in every value; where that is left to the machine, as it was when the benchmark began.

    Raises:
        SegzooError: if a name, an option or a value does not fit, or the benchmark was begun with other ones.
    """
    begun = earlier.definition if earlier else None
    decided = definition.model_copy(
        update={
            kind.kind: _decided(kind, getattr(definition, kind.kind), getattr(begun, kind.kind, None))
            for kind in (Augmentation, Trainer, Loss)
        }
        | {
            "threads": definition.threads or (begun and begun.threads) or threads(),
            "baseline": definition.baseline or definition.models[0].label,
        }
    )
    decided = _completed(decided)
    if earlier and (changed := changes(earlier.definition, decided)):
        raise ConfigError(
            f"the benchmark was begun with another definition: {'; '.join(changed)}; models, datasets and seeds may be "
            "added, but all else must stay: put it back, or begin another benchmark with --out"
        )
    return replace(earlier, definition=decided) if earlier else Plan(decided)


def changes(earlier: Definition, later: Definition) -> list[str]:
    """Differences for which the results of a definition do not hold for another; added models and data are none."""
    changed = []
    for kind in ("model", "dataset"):
        then, now = ({entry.label: entry for entry in getattr(side, f"{kind}s")} for side in (earlier, later))
        for label, entry in then.items():
            if label in now:
                changed += table_differences(_without_seeds(entry), _without_seeds(now[label]), f"{kind} '{label}', ")
            else:
                changed.append(f"{kind} '{label}' is there, but not here")
    models = {model.label: model for model in later.models}
    for model in earlier.models:
        lost = set(earlier.seeds_of(model)) - set(later.seeds_of(models.get(model.label, model)))
        changed += [f"model '{model.label}', seed {seed} is there, but not here" for seed in sorted(lost)]
    # Unless widths were chosen to match the baseline, it only decides the tables.
    free = {"models", "datasets", "seeds", "time_limit"} | ({"baseline"} if earlier.match == "none" else set())
    then, now = ({key: value for key, value in side.table().items() if key not in free} for side in (earlier, later))
    return changed + table_differences(then, now)


def _without_seeds(entry: ModelEntry | DatasetEntry) -> dict[str, Any]:
    return {key: value for key, value in entry.table().items() if key != "seeds"}


def _decided(kind: type[Plugin], choice: Choice, begun: Choice | None) -> Choice:
    """A plugin with all its options; those that are left to the machine as they were when the benchmark began."""
    plugin = registry.create(kind, choice.name, choice.options)
    chosen, options = (version.model_dump(mode="json", exclude_none=True) for version in (plugin, plugin.resolved()))
    if begun and begun.name == choice.name:
        by_machine = [key for key, value in options.items() if chosen.get(key) != value]
        options |= {key: begun.options[key] for key in by_machine if key in begun.options}
    return choice.model_copy(update={"options": options})


def _completed(definition: Definition) -> Definition:
    """With all options of all models and datasets, and the values that datasets suggest; checks every combination."""
    pairs = product(definition.datasets, definition.models)
    full = {(data.label, model.label): resolve(definition.config(data, model)).config for data, model in pairs}
    first_dataset, first_model = definition.datasets[0].label, definition.models[0].label
    models = [with_options(entry, full[first_dataset, entry.label].model.options) for entry in definition.models]
    datasets = []
    for entry in definition.datasets:
        config = full[entry.label, first_model]
        run = config.model_dump(include=set(OF_A_RUN), exclude_none=True, mode="json")
        datasets.append(entry.model_copy(update={"run": run, "options": config.dataset.options}))
    # The keys for all datasets are in the table of each now.
    return definition.model_copy(
        update={"models": tuple(models), "datasets": tuple(datasets), **dict.fromkeys(BUDGET)},
    )


def with_options(model: ModelEntry, options: Mapping[str, Any]) -> ModelEntry:
    """The same model with other options."""
    return model.model_copy(update={"options": dict(options)})
