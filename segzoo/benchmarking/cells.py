"""The cells of a benchmark: what it was to run, what has become of it, and what that took."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from segzoo.benchmarking.runs import Run, read_run
from segzoo.errors import ConfigError


@dataclass(frozen=True)
class Outline:
    """What a benchmark was to run, as its `benchmark.toml` says it."""

    table: dict[str, Any]
    datasets: tuple[str, ...]
    models: dict[str, tuple[int, ...]]
    """The seeds of each model, by label."""
    baseline: str

    def notes(self, dataset: str, model: str) -> list[str]:
        """The width that was chosen for a model, and what is to be known of it."""
        widths = self.table.get("widths", {}).get(dataset, {}).get(model, {})
        note = self.table.get("notes", {}).get(dataset, {}).get(model, "")
        return [*(f"{option} = {value}" for option, value in widths.items()), *([note] if note else [])]


@dataclass(frozen=True)
class Cell:
    """One model on one dataset with one seed."""

    dataset: str
    model: str
    seed: int
    status: Literal["done", "failed", "missing"]
    reason: str
    """Why it is not done."""
    command: str
    """What repeats it, typed in the benchmark's folder."""
    run: Run | None
    """What it has left; None if it is not done."""
    facts: Mapping[str, Any]
    """Its `cell.json`; empty if there is none."""


@dataclass(frozen=True)
class Timing:
    """What the timing phase has measured, `timing.json`; empty if it has not, or failed."""

    table: dict[str, Any]

    def of(self, dataset: str, model: str) -> dict[str, Any]:
        """Parameters, FLOPs, latency and throughput of a model on images of a dataset."""
        return dict(self.table.get("datasets", {}).get(dataset, {}).get("models", {}).get(model, {}))

    def noise_floor(self, dataset: str) -> float | None:
        """By what factor one model differs from itself."""
        floor: float | None = self.table.get("datasets", {}).get(dataset, {}).get("noise_floor")
        return floor

    def left_out(self, dataset: str) -> dict[str, str]:
        """The models that could not be timed, and why."""
        return dict(self.table.get("datasets", {}).get(dataset, {}).get("left_out", {}))


def read_outline(out: Path) -> Outline:
    """The outline of the benchmark in a folder.

    Raises:
        ConfigError: if there is none.
    """
    path = out / "benchmark.toml"
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        datasets = tuple(_label(entry) for entry in table["datasets"])
        seeds = table.get("seeds", [0])
        models = {_label(entry): tuple(_options(entry).get("seeds", seeds)) for entry in table["models"]}
        return Outline(table, datasets, models, table.get("baseline") or next(iter(models)))
    except OSError as error:
        raise ConfigError(
            f"{out} holds no benchmark (benchmark.toml: {(error.strerror or str(error)).lower()}); "
            f"`segzoo benchmark FILE.toml --out {out}` makes one"
        ) from error
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise ConfigError(f"{path} is damaged ({error}); `segzoo benchmark FILE.toml` writes it anew") from error


def read_cells(out: Path, outline: Outline) -> list[Cell]:
    """All cells in the order of the outline, whatever has become of them."""
    return [
        read_cell(out, dataset, model, seed)
        for dataset in outline.datasets
        for model, seeds in outline.models.items()
        for seed in seeds
    ]


def read_cell(out: Path, dataset: str, model: str, seed: int) -> Cell:
    """What has become of one cell."""
    place = f"cells/{dataset}/{model}/seed-{seed}"
    facts = _json(out / place / "cell.json")
    command = str(facts.get("command", ""))
    if facts.get("status") == "done":
        try:
            return Cell(dataset, model, seed, "done", "", command, read_run(out / place), facts)
        except ConfigError as error:
            return Cell(dataset, model, seed, "failed", str(error), command, None, facts)
    if facts.get("status") == "failed":
        return Cell(dataset, model, seed, "failed", facts.get("reason") or "no reason given", command, None, facts)
    begun = "not finished" if (out / place).exists() else "not begun"
    return Cell(dataset, model, seed, "missing", begun, command, None, facts)


def read_timing(out: Path) -> Timing:
    """The results of the timing phase of the benchmark in a folder."""
    return Timing(_json(out / "timing.json"))


def _label(entry: str | Mapping[str, Any]) -> str:
    options = _options(entry)
    return str(options.get("label", options["name"]))


def _options(entry: str | Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": entry} if isinstance(entry, str) else entry


def _json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}
