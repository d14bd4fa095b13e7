"""Runs made by hand, beside each other: `segzoo compare`."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segzoo.benchmarking.cells import THREADS, CellResult, read_record
from segzoo.benchmarking.costs import Timing
from segzoo.benchmarking.plan import Cell
from segzoo.benchmarking.ranking import RankedModel, rank
from segzoo.benchmarking.result_files import write_results
from segzoo.benchmarking.runs import lacking, other_splits, require_same_data, require_same_definitions, unlike
from segzoo.benchmarking.tables import Results
from segzoo.errors import ConfigError, suggestion
from segzoo.files.atomic import atomic_folder
from segzoo.runs.finished import Run, open_run

Flat = Mapping[str, Any]
"""Options by their full names, such as `model.filters`."""


@dataclass(frozen=True)
class Comparison(Results):
    """Runs and evaluations beside each other, those that differ only in their seed together."""

    ranking: tuple[RankedModel, ...]
    """The model with the best mean IoU first."""

    @property
    def dataset(self) -> str:
        """The name of the dataset; of runs on different data, all names."""
        return self.cells[0].cell.dataset

    @property
    def sections(self) -> dict[str, tuple[RankedModel, ...]]:
        """The same as `ranking`, by the dataset."""
        return {self.dataset: self.ranking}

    def facts(self) -> list[str]:
        """In what the runs differ though they are compared."""
        return unlike(self.runs) + lacking(self.runs)

    def notes(self, dataset: str, model: str) -> list[str]:
        """None: labels tell all options."""
        return []

    def row(self) -> dict[str, Any]:
        """All of it with the folders of the runs, ready for JSON; what the trainings took is below `timings`."""
        table = super().row()
        folders = {model.label: [str(run.folder.resolve()) for run in model.runs] for model in self.ranking}
        return table | {"rows": [row | {"runs": folders[row["model"]]} for row in table["rows"]]}


def compare(
    runs: Sequence[Path],
    *,
    baseline: str | Path | None = None,
    different_data: bool = False,
    out: Path | None = None,
) -> Comparison:
    """Compare finished runs and evaluations by their folders; what `segzoo compare` does.

    Runs that differ only in their seed are one row. The baseline is a label or the folder of a run, else the first run.
    With `different_data`, runs on other data stand beside the others; there is a test where the scored images are the
    same. The results go to the new folder `out`, if it is given: the same files as those of a benchmark.

    Raises:
        ConfigError: if a folder holds no finished run, a run is there twice, the runs' data, classes or definitions
            of scores differ, or `out` holds something; nothing is written then.
    """
    finished = [open_run(folder) for folder in runs]
    if len(finished) < 2:
        raise ConfigError("there is nothing to compare: name the folders of two runs or more")
    require_same_definitions(finished)
    if not different_data:
        require_same_data(
            finished, "Compare runs on the same data, or see them beside each other all the same with --different-data"
        )
    entries = _labelled(_grouped(finished))
    chosen = _baseline(entries, baseline if baseline is not None else finished[0].folder)
    folder = Path(out or "").absolute()
    comparison = Comparison(folder, chosen, _cells(entries, folder), Timing({}), tuple(rank(entries, chosen)))
    if out:
        with atomic_folder(folder) as temporary:
            write_results(comparison, temporary)
    return comparison


def _cells(entries: Mapping[str, Sequence[Run]], folder: Path) -> tuple[CellResult, ...]:
    """The runs as cells of a benchmark, with commands to be typed in a folder."""
    cells = []
    names = dict.fromkeys(run.config.dataset.name for runs in entries.values() for run in runs)
    for label, runs in entries.items():
        for run in runs:
            record = read_record(run.folder)
            threads = record.threads if record else run.threads
            command = shlex.join([f"{THREADS[0]}={threads}", "segzoo", *_arguments(run, folder.resolve())])
            cells.append(CellResult(Cell(" and ".join(names), label, run.seed), "done", "", command, run, record))
    return tuple(cells)


def _arguments(run: Run, folder: Path) -> list[str]:
    """What repeats a run, or an evaluation, if it is typed in a folder."""
    here, evaluation, dataset = run.folder.resolve(), run.evaluation, run.config.dataset
    if not evaluation:
        return ["run", "--config", os.path.relpath(run.files.config.resolve(), folder)]
    data = [dataset.name, "--split", run.metrics["split"]]
    data += [word for key, value in dataset.options.items() for word in ("--set", f"dataset.{key}={json.dumps(value)}")]
    if evaluation.predictions:
        label = ["--name", run.config.model.name, "--seed", str(run.seed)]
        masks = os.path.relpath(here / evaluation.predictions, folder)
        return ["evaluate", "--predictions", masks, *data, *label, "--out", f"{run.config.model.name}-again"]
    source = os.path.relpath(here / (evaluation.run or "NETWORK"), folder)
    names = [word for pair in evaluation.classes.items() for word in ("--map", "=".join(pair))]
    return ["evaluate", source, *data, *names, *(["--tta", evaluation.tta] if evaluation.tta else [])]


def _grouped(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs that differ only in their seed together, in the order of their first."""
    groups: dict[str, dict[int, Run]] = {}
    for run in runs:
        group = groups.setdefault(json.dumps([flat_options(run), run.fingerprints], sort_keys=True), {})
        if earlier := group.get(run.seed):
            foreign = run.evaluation and not run.evaluation.run
            raise ConfigError(
                f"{earlier.folder} and {run.folder} are the same run twice, with equal options and the seed "
                f"{run.seed}; leave one of them out"
                f"{', or evaluate it with another --name or --seed' if foreign else ''}"
            )
        group[run.seed] = run
    return [[group[seed] for seed in sorted(group)] for group in groups.values()]


def flat_options(run: Run) -> dict[str, Any]:
    """All that decides the outcome but the seed and the data, which are known by their fingerprints.

    Of a network or of masks that no run has made, only the name is known.
    """
    evaluation = run.evaluation
    if evaluation and not evaluation.run:
        return _flat({"model": {"name": run.config.model.name}, **evaluation.options()})
    left_out = ("seed", "dataset", "leave_out")
    options = {key: value for key, value in run.config.deciding().items() if key not in left_out}
    return _flat(options | (evaluation.options() if evaluation else {}))


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    options: dict[str, Any] = {}
    for key, value in table.items():
        options |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return options


def _labelled(groups: Sequence[Sequence[Run]]) -> dict[str, Sequence[Run]]:
    """The groups by the name of their model, the options in which they differ and, where that does not do, more."""
    options = [flat_options(group[0]) for group in groups]
    labels = [_label(of_group, options) for of_group in options]
    if any(other_splits(groups[0][0], group[0]) for group in groups):
        names = [group[0].config.dataset.name for group in groups]
        labels = [f"{label} on {name}" for label, name in zip(labels, names, strict=True)]
    twice = {label for label in labels if labels.count(label) > 1}
    return {
        f"{label} in {group[0].folder}" if label in twice else label: group
        for label, group in zip(labels, groups, strict=True)
    }


def _label(options: Flat, all_options: Sequence[Flat]) -> str:
    words = [options["model.name"]]
    for key, value in options.items():
        rivals = [other for other in all_options if _comparable(key, options, other)]
        if key != "model.name" and any(other.get(key) != value for other in rivals):
            words.append(f"{key.removeprefix('model.').removesuffix('.name')}={_text(value)}")
    return " ".join(words)


def _comparable(key: str, options: Flat, other: Flat) -> bool:
    """Whether an option means the same in another configuration, of which it may not be known.

    That of a plugin does only where the plugin is the same.
    """
    if "trainer.name" not in other:
        return key in other
    section, dot, option = key.partition(".")
    name = f"{section}.name"
    return not dot or option == "name" or options.get(name) == other.get(name)


def _text(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list) else str(value)


def _baseline(entries: Mapping[str, Sequence[Run]], wanted: str | Path) -> str:
    if str(wanted) in entries:
        return str(wanted)
    for label, runs in entries.items():
        if any(run.folder.resolve() == Path(wanted).resolve() for run in runs):
            return label
    raise ConfigError(f"no run or label '{wanted}' is compared{suggestion(str(wanted), entries)}")
