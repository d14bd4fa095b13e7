"""The results of a benchmark as a page of Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from segzoo.benchmarking.expenses import machine
from segzoo.benchmarking.ranking import LEVEL, class_rows, cost_rows, difference_rows, ranked_rows, score_rows
from segzoo.benchmarking.runs import FACTS
from segzoo.benchmarking.standings import Standing

if TYPE_CHECKING:
    from segzoo.benchmarking.plan import Plan
    from segzoo.benchmarking.tables import Benchmark
    from segzoo.config import Choice


def leaderboard(benchmark: Benchmark) -> str:
    """The page: what was run, what the figures mean, and the tables of each dataset."""
    lines = ["# Leaderboard", "", *_facts(benchmark), "", *_definitions(benchmark)]
    for dataset, ranked in benchmark.standings.items():
        lines += ["", f"## {escaped(dataset)}", "", *_dataset(benchmark, dataset, ranked)]
    lines += ["", *_undone(benchmark), *_commands(benchmark)]
    return "\n".join(lines).rstrip() + "\n"


def _facts(benchmark: Benchmark) -> list[str]:
    definition, cells = benchmark.plan.definition, benchmark.cells
    runs = [one.run for one in cells if one.run]
    seeds = sorted({one.cell.seed for one in cells})
    threads = _each(str(one.facts["threads"]) for one in cells if one.facts.get("threads"))
    matched = definition.match == "parameters"
    return [
        f"- Models: {len(definition.models)}. Datasets: {len(definition.datasets)}. Seeds: "
        f"{', '.join(map(str, seeds))}. Cells: {len(cells)}, of which {len(runs)} are done.",
        f"- Baseline: {escaped(definition.baseline)}.",
        f"- Trainer: {_choice(definition.trainer)}. Loss: {_choice(definition.loss)}.",
        f"- Widths: {'chosen so that the parameters are as many as the baseline has' if matched else 'as given'}.",
        *(f"- Machine: {escaped(name)}." for name in _each(machine(run) for run in runs)),
        f"- Threads of a cell: {', '.join(threads) or 'unknown'}.",
        *(f"- Versions: {escaped(names)}." for names in _each(run.versions for run in runs)),
    ]


def _choice(plugin: Choice) -> str:
    options = ", ".join(f"{key} = {value}" for key, value in plugin.options.items())
    return escaped(f"{plugin.name} ({options})" if options else plugin.name)


def _definitions(benchmark: Benchmark) -> list[str]:
    lines = [f"- `{name}`: {escaped(text)}" for name, text in benchmark.definitions.items() if name not in FACTS]
    verdict = (
        f"A model counts as better or worse than the baseline if p is below {LEVEL}. Models that are not told apart "
        "need not be equal: more seeds may tell. Scores are means over the seeds ± their standard deviation; the "
        "interval beside the mean IoU is that of its mean over the seeds."
    )
    return ["## Definitions", "", verdict, "", *lines]


def _dataset(benchmark: Benchmark, dataset: str, ranked: Sequence[Standing]) -> list[str]:
    runs = [run for one in ranked for run in one.runs]
    lines = []
    if runs:
        facts, config = runs[0].metrics, runs[0].config
        chosen = ", on which the best epoch was chosen too" if facts["selected_on_this_split"] else ""
        lines += [
            f"Scored: the {facts['split']} split, {facts['images']:,} images{chosen}. Budget: {_budget(config)}. "
            f"Size for the network: {' x '.join(map(str, config['image_size']))} pixels. The difference is in the "
            "mean IoU of images, `image_mean_iou`; the order is by `mean_iou`.",
            "",
        ]
    for rows in (ranked_rows(ranked), difference_rows(ranked), score_rows(ranked), class_rows(ranked)):
        lines += [*table(rows), ""] if rows[1:] else []
    lines += ["The other scores of each class are in `results.csv`.", ""]
    costs = {one.label: benchmark.size(dataset, one.label) | benchmark.costs(dataset, one.label) for one in ranked}
    lines += [*table(cost_rows(costs)), "", *_remarks(benchmark, dataset)]
    return lines


def _budget(config: dict[str, Any]) -> str:
    if "seconds" in config:
        return f"{config['seconds']:,} seconds of training"
    return f"{config['steps']:,} training steps" if "steps" in config else f"{config['epochs']:,} epochs"


def _remarks(benchmark: Benchmark, dataset: str) -> list[str]:
    floor, left_out = benchmark.timing.noise_floor(dataset), benchmark.timing.left_out(dataset)
    measured = (
        f"Noise floor of the latency: the baseline, timed as if it were several models, differs from itself by a "
        f"factor of {floor:.3f}. Smaller differences mean nothing."
        if floor
        else "Latency and throughput were not measured."
    )
    labels = [model.label for model in benchmark.plan.definition.models]
    notes = [(label, note) for label in labels for note in _notes(benchmark.plan, dataset, label)]
    return [
        measured,
        "",
        *(f"- {escaped(label)}: {escaped(note)}." for label, note in notes),
        *(f"- {escaped(label)} was not timed: {escaped(reason)}." for label, reason in left_out.items()),
    ]


def _notes(plan: Plan, dataset: str, model: str) -> list[str]:
    """The width that was chosen for a model, and what is to be known of it."""
    widths, note = plan.widths.get(dataset, {}).get(model, {}), plan.notes.get(dataset, {}).get(model, "")
    return [*(f"{option} = {value}" for option, value in widths.items()), *([note] if note else [])]


def _undone(benchmark: Benchmark) -> list[str]:
    rows = [[*map(str, one.cell), one.status, one.reason] for one in benchmark.cells if not one.run]
    header = ["dataset", "model", "seed", "what", "why"]
    return ["## Cells that are not done", "", *table([header, *rows], numbers=False), ""] if rows else []


def _commands(benchmark: Benchmark) -> list[str]:
    commands = [one.command for one in benchmark.cells if one.command]
    if not commands:
        return []
    return ["## Commands", "", "Each repeats a cell, typed in the folder of this page.", "", "```sh", *commands, "```"]


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
