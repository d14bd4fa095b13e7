"""Results as a page of Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
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
from segzoo.benchmarking.runs import FACTS, Run
from segzoo.benchmarking.tables import Results

STATISTICS = ("mean", "sd", "low, high", "df", "p_unadjusted")
AMOUNTS = ("seconds", "attempts", "threads", "input_shape", "throughput_batch")
ELSEWHERE = (*FACTS, *STATISTICS, *AMOUNTS)
"""What is defined in `results.json` and not on the page, which does not show it, or tells it in other words."""


def leaderboard(results: Results) -> str:
    """The page: what was run, what the figures mean, and the tables of each dataset."""
    lines = ["# Leaderboard", "", *(f"- {fact}" for fact in _facts(results)), "", *_definitions(results)]
    for dataset, ranked in results.sections.items():
        lines += ["", f"## {escaped(dataset)}", "", *_section(results, dataset, ranked)]
    lines += ["", *_undone(results), *_commands(results)]
    return "\n".join(lines).rstrip() + "\n"


def _facts(results: Results) -> list[str]:
    cells, runs = results.cells, results.runs
    kinds = {"Models": "model", "Datasets": "dataset"}
    counts = {name: len({getattr(one.cell, key) for one in cells}) for name, key in kinds.items()}
    seeds = ", ".join(map(str, sorted({one.cell.seed for one in cells})))
    threads = _each(str(cell.threads) for cell in cells if cell.threads)
    return [
        f"{' '.join(f'{name}: {count}.' for name, count in counts.items())} Seeds: {seeds}. "
        f"Cells: {len(cells)}, of which {len(runs)} are done.",
        f"Baseline: {escaped(results.baseline)}.",
        *(f"Trainer: {escaped(each)}." for each in _each(_choice(run.config["trainer"]) for run in runs)),
        *(f"Loss: {escaped(each)}." for each in _each(_choice(run.config["loss"]) for run in runs)),
        *results.facts(),
        *(f"Machine: {escaped(name)}." for name in _each(run.machine for run in runs)),
        f"Threads of a cell: {', '.join(threads) or 'unknown'}.",
        *(f"Versions: {escaped(names)}." for names in _each(run.versions for run in runs)),
    ]


def _choice(plugin: Mapping[str, Any]) -> str:
    options = ", ".join(f"{key} = {value}" for key, value in plugin.items() if key != "name")
    return f"{plugin['name']} ({options})" if options else plugin["name"]


def _definitions(results: Results) -> list[str]:
    shown = {name: text for name, text in results.definitions.items() if name not in ELSEWHERE}
    verdict = (
        f"A model counts as better or worse than the baseline if p is below {LEVEL}. Models that are not told apart "
        "need not be equal: more seeds may tell. Scores are means over the seeds ± their standard deviation; the "
        "interval beside the mean IoU is that of its mean over the seeds, by Student's t. Costs are medians over the "
        "seeds, and of the memory the most. In brackets stand the names of the figures in `results.csv`, "
        "`timings.csv` and `results.json`, which defines those that are not on this page, too."
    )
    return ["## Definitions", "", verdict, "", *(f"- {_named(name)}: {escaped(text)}" for name, text in shown.items())]


def _named(name: str) -> str:
    return f"**{escaped(heading(name))}** (`{name}`)"


def _section(results: Results, dataset: str, ranked: Sequence[RankedModel]) -> list[str]:
    tables = {
        "Mean IoU": ranked_rows(ranked),
        f"Difference from {results.baseline}": difference_rows(ranked),
        "Other scores": score_rows(ranked),
        "IoU of each class": class_rows(ranked),
    }
    lines = _setting([run for one in ranked for run in one.runs])
    for title, rows in tables.items():
        lines += [f"### {escaped(title)}", "", *table(rows), ""] if rows[1:] else []
    costs = {one.label: results.size(dataset, one.label) | results.costs(dataset, one.label) for one in ranked}
    lines += ["The other scores of each class are in `results.csv`.", "", "### Cost", ""]
    rows = cost_rows(costs)
    return [*lines, *([*table(rows), ""] if rows[1:] else []), *_remarks(results, dataset)]


def _setting(runs: Sequence[Run]) -> list[str]:
    """What was scored, and how long and at what size was trained; each once, where runs differ."""
    if not runs:
        return []
    facts = {
        "Scored": (run.scored for run in runs),
        "Budget": map(_budget, runs),
        "Size for the network": map(_size, runs),
    }
    told = " ".join(f"{name}: {'; or '.join(_each(texts))}." for name, texts in facts.items())
    order = "The difference is in the mean IoU of images, `image_mean_iou`; the order is by `mean_iou`."
    return [f"{told} {order}", ""]


def _budget(run: Run) -> str:
    words = {"epochs": "epochs", "steps": "training steps", "seconds": "seconds of training"}
    bounds = [f"{run.config[key]:,} {text}" for key, text in words.items() if key in run.config]
    return f"{' or '.join(bounds)}{', whichever comes first' if bounds[1:] else ''}"


def _size(run: Run) -> str:
    how = {"resize": "to which images are resized", "crop": "crops of images"}.get(run.config.get("view", ""))
    return f"{' x '.join(map(str, run.config['image_size']))} pixels{f', {how}' if how else ''}"


def _remarks(results: Results, dataset: str) -> list[str]:
    floor, left_out = results.timing.noise_floor(dataset), results.timing.left_out(dataset)
    measured = (
        f"Noise floor of the latency: the baseline, timed as if it were several models, differs from itself by a "
        f"factor of {floor:.3f}. Smaller differences mean nothing."
        if floor
        else "Latency and throughput were not measured."
    )
    labels = dict.fromkeys(one.cell.model for one in results.cells)
    notes = [(label, note) for label in labels for note in results.notes(dataset, label)]
    return [
        measured,
        "",
        *(f"- {escaped(label)}: {escaped(note)}." for label, note in notes),
        *(f"- {escaped(label)} was not timed: {escaped(reason)}." for label, reason in left_out.items()),
    ]


def _undone(results: Results) -> list[str]:
    rows = [[*map(str, one.cell), one.status, one.reason] for one in results.cells if not one.run]
    header = ["dataset", "model", "seed", "what", "why"]
    return ["## Cells that are not done", "", *table([header, *rows], numbers=False), ""] if rows else []


def _commands(results: Results) -> list[str]:
    begun = [one for one in results.cells if one.command]
    lines = []
    for (dataset, model), cells in groupby(begun, lambda one: one.cell[:2]):
        lines += [" ".join(f"# {dataset}, {model}".split()), *(one.command for one in cells)]
    text = ["## Commands", "", "Each repeats a cell, typed in the folder of this page.", "", "```sh", *lines, "```"]
    return text if lines else []


def table(rows: Sequence[Sequence[str]], numbers: bool = True) -> list[str]:
    """The lines of a Markdown table of plain text, the first row its header; numbers stand right."""
    align = ["---", *["--:" if numbers else "---"] * (len(rows[0]) - 1)]
    lines = [[escaped(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(line)} |" for line in (lines[0], align, *lines[1:])]


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", plain)


def _each(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts))
