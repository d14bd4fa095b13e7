"""Results as a page of Markdown, from the template `leaderboard.md`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from segzoo.benchmarking.formatting import (
    LEVEL,
    class_rows,
    cost_rows,
    difference_rows,
    heading,
    ranked_rows,
    score_rows,
)
from segzoo.benchmarking.ranking import RankedModel
from segzoo.benchmarking.tables import Results
from segzoo.reporting.pages import markdown
from segzoo.runs.config import Choice
from segzoo.runs.finished import FACTS, Run
from segzoo.scoring.scores import explained

STATISTICS = ("mean", "sd", "low, high", "df", "p_unadjusted")
AMOUNTS = ("seconds", "attempts", "threads", "input_shape", "throughput_batch")
ELSEWHERE = (*FACTS, *STATISTICS, *AMOUNTS)
"""What is defined in `results.json` only: the page does not show it, or explains it in its text."""


def leaderboard(results: Results) -> str:
    """The page: what was run, what the figures mean, and the tables of each dataset."""
    cells, runs = results.cells, results.runs
    return markdown(
        "leaderboard.md",
        models={cell.cell.model for cell in cells},
        datasets={cell.cell.dataset for cell in cells},
        seeds=sorted({cell.cell.seed for cell in cells}),
        cells=len(cells),
        done=len(runs),
        baseline=results.baseline,
        augmentations=_distinct(_choice(run.config.augmentation) for run in runs),
        trainers=_distinct(_choice(run.config.trainer) for run in runs),
        losses=_distinct(_choice(run.config.loss) for run in runs),
        facts=results.facts(),
        machines=_distinct(run.machine for run in runs),
        threads=_distinct(str(cell.threads) for cell in cells if cell.threads),
        versions=_distinct(run.versions for run in runs),
        level=LEVEL,
        definitions=[(heading(name), name, text) for name, text in explanations(results).items()],
        sections=[_section(results, dataset, ranking) for dataset, ranking in results.sections.items()],
        undone=_undone(results),
        commands=_commands(results),
    )


def explanations(results: Results) -> dict[str, str]:
    """What each figure on the page means, and where less of it is better."""
    texts = {name: text for name, text in results.definitions.items() if name not in ELSEWHERE}
    return {name: explained(text, results.better.get(name)) for name, text in texts.items()}


def _section(results: Results, dataset: str, ranking: Sequence[RankedModel]) -> dict[str, Any]:
    """The values of the template for a dataset; of runs that differ, each value."""
    runs = [run for model in ranking for run in model.runs]
    labels = dict.fromkeys(cell.cell.model for cell in results.cells)
    return {
        "dataset": dataset,
        "scored": _distinct(run.scored for run in runs),
        "budgets": _distinct(map(_budget, runs)),
        "sizes": _distinct(map(_size, runs)),
        "tables": {
            "Mean IoU": ranked_rows(ranking),
            f"Difference from {results.baseline}": difference_rows(ranking),
            "Other scores": score_rows(ranking),
            "IoU of each class": class_rows(ranking),
        },
        "costs": cost_rows(
            {model.label: results.size(dataset, model.label) | results.costs(dataset, model.label) for model in ranking}
        ),
        "noise_floor": results.timing.noise_floor(dataset),
        "notes": [(label, note) for label in labels for note in results.notes(dataset, label)],
        "warnings": results.warnings(dataset),
        "left_out": results.timing.left_out(dataset),
    }


def _choice(plugin: Choice) -> str:
    options = ", ".join(f"{key} = {value}" for key, value in plugin.options.items())
    return f"{plugin.name} ({options})" if options else plugin.name


def _budget(run: Run) -> str:
    words = {"epochs": "epochs", "steps": "training steps", "seconds": "seconds of training"}
    given = {text: getattr(run.config, key) for key, text in words.items()}
    bounds = [f"{value:,} {text}" for text, value in given.items() if value is not None]
    return f"{' or '.join(bounds)}{', whichever comes first' if bounds[1:] else ''}"


def _size(run: Run) -> str:
    """At which size a network sees images; empty of masks that another tool has made."""
    if not run.config.image_size:
        return ""
    how = {"resize": "to which images are resized", "crop": "crops of images"}.get(run.config.view or "")
    return f"{' x '.join(map(str, run.config.image_size))} pixels{f', {how}' if how else ''}"


def _undone(results: Results) -> list[list[str]]:
    """The rows of the table of cells that are not done."""
    rows = [[*map(str, cell.cell), cell.status, cell.reason] for cell in results.cells if not cell.run]
    return [["dataset", "model", "seed", "what", "why"], *rows]


def _commands(results: Results) -> list[str]:
    """Lines for a shell that repeat the cells."""
    begun = [cell for cell in results.cells if cell.command]
    lines = []
    for (dataset, model), cells in groupby(begun, lambda cell: cell.cell[:2]):
        lines += [" ".join(f"# {dataset}, {model}".split()), *(cell.command for cell in cells)]
    return lines


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted({*filter(None, texts)})
