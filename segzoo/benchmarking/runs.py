"""Finished runs, read from their folders, and whether they may be compared; without any plugin or TensorFlow."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from segzoo.errors import DISTRIBUTION, ConfigError

FACTS = ("split", "selected_on_this_split", "images", "absent_classes", "confusion", "hd95_images", "definitions")
"""Keys of `metrics.json` that are not scores."""
PACKAGES = (DISTRIBUTION, "tensorflow", "keras", "numpy")
"""The packages whose versions are given with a score."""


class _Plugin(BaseModel):
    name: str


class _Config(BaseModel):
    """What must stand in `config.toml`."""

    model: _Plugin
    dataset: _Plugin
    trainer: _Plugin
    loss: _Plugin
    image_size: tuple[int, int]
    seed: int = 0


class _Metrics(BaseModel):
    """What must stand in `metrics.json`; all that is not named here is a score, or a score of each class."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | dict[str, float | None] | None]

    iou: dict[str, float | None]
    split: str
    selected_on_this_split: bool
    images: int
    definitions: dict[str, str]
    dataset_scores: dict[str, float | None] = Field(default={})
    absent_classes: Any = None
    confusion: Any = None
    hd95_images: Any = None


class _Machine(BaseModel):
    processor: str
    memory_bytes: float
    platform: str
    threads: int


class _Manifest(BaseModel):
    """What must stand in `manifest.json`."""

    dataset_fingerprint: dict[str, str]
    versions: dict[str, str]
    machine: _Machine
    python: str
    commit: str | None = None


@dataclass(frozen=True)
class Run:
    """The files of a finished run."""

    folder: Path
    config: dict[str, Any]
    """`config.toml`, as tables."""
    metrics: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def seed(self) -> int:
        """The seed of every random draw."""
        return int(self.config.get("seed", 0))

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(self.metrics["iou"])

    @property
    def fingerprints(self) -> dict[str, str]:
        """A hash of the data of each split."""
        return dict(self.manifest["dataset_fingerprint"])

    @property
    def scored(self) -> str:
        """The images that were scored, as text."""
        chosen = ", on which the best epoch was chosen too" if self.metrics["selected_on_this_split"] else ""
        return f"{self.metrics['split']} split, {self.metrics['images']:,} images{chosen}"

    @property
    def overall(self) -> dict[str, float | None]:
        """The scores of the split by name, those that the dataset defines among them; None where there is none."""
        of_dataset: Mapping[str, float | None] = self.metrics.get("dataset_scores", {})
        scores = {key: value for key, value in self.metrics.items() if key not in FACTS}
        return {key: value for key, value in scores.items() if not isinstance(value, Mapping)} | dict(of_dataset)

    @property
    def by_class(self) -> dict[str, dict[str, float | None]]:
        """The scores of classes, such as `iou`, each by the names of the classes; None for a class that is absent."""
        scores = {key: value for key, value in self.metrics.items() if key not in (*FACTS, "dataset_scores")}
        return {key: dict(value) for key, value in scores.items() if isinstance(value, Mapping)}

    @property
    def scores(self) -> dict[str, float | None]:
        """All of them, those of a class as `iou_CLASS`."""
        classes = {f"{key}_{name}": value for key, scores in self.by_class.items() for name, value in scores.items()}
        return self.overall | classes

    @property
    def machine(self) -> str:
        """The computer, as text."""
        facts = self.manifest["machine"]
        return f"{facts['processor']}, {facts['memory_bytes'] / 2**30:.0f} GiB, {facts['platform']}"

    @property
    def threads(self) -> int:
        """Processors that the run might use."""
        return int(self.manifest["machine"]["threads"])

    @property
    def versions(self) -> str:
        """Python and the packages that decide over the numbers, as in `Python 3.12.3, keras 3.12.0, …`."""
        installed = {name.lower(): version for name, version in self.manifest["versions"].items()}
        known = [f"{name} {installed[name]}" for name in PACKAGES if name in installed]
        commit = self.manifest.get("commit")
        return ", ".join([f"Python {self.manifest['python']}", *known, *([f"commit {commit}"] if commit else [])])


def read_run(folder: Path) -> Run:
    """The finished run in a folder.

    Raises:
        ConfigError: if there is none, or it is not finished.
    """
    if not (folder / "config.toml").is_file():
        raise ConfigError(f"{folder} is no run: it holds no config.toml; name the folder of one, as runs/MODEL-DATASET")
    if not (folder / "manifest.json").is_file():  # it is written last
        raise ConfigError(f"the run in {folder} is not finished; `segzoo run --resume --out {folder}` goes on with it")
    try:
        config = tomllib.loads((folder / "config.toml").read_text("utf-8"))
        metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        _Config.model_validate(config)
        _Metrics.model_validate(metrics)
        _Manifest.model_validate(manifest)
    except OSError as error:
        raise ConfigError(f"cannot read {error.filename}: {error.strerror}; {again(folder)}") from error
    except ValueError as error:  # the errors of TOML, JSON and Pydantic are ValueErrors
        raise ConfigError(f"the files in {folder} are damaged ({_reason(error)}); {again(folder)}") from error
    return Run(folder, config, metrics, manifest)


def again(folder: Path) -> str:
    """The command that repeats a run, for messages."""
    return f"`segzoo run --config {folder / 'config.toml'}` repeats the run"


def image_columns(folder: Path) -> list[str]:
    """The names of the columns of a run's `images.csv`."""
    return next(_rows(folder), [])


def image_rows(folder: Path) -> Iterator[list[str]]:
    """The rows of a run's `images.csv`, as text, without the header."""
    rows = _rows(folder)
    columns = len(next(rows, []))
    for row in rows:
        if len(row) != columns:
            raise ConfigError(f"{folder / 'images.csv'} is damaged: a row has {len(row)} values; {again(folder)}")
        yield row


def image_scores(folder: Path, score: str = "mean_iou") -> dict[str, float]:
    """One score of each image by its id, NaN where an image has none.

    Raises:
        ConfigError: if `images.csv` is missing or damaged.
    """
    columns = image_columns(folder)
    try:
        name, value = columns.index("id"), columns.index(score)
        return {row[name]: float(row[value] or "nan") for row in image_rows(folder)}
    except (ValueError, IndexError) as error:
        raise ConfigError(f"{folder / 'images.csv'} is damaged ({_reason(error)}); {again(folder)}") from error


def _rows(folder: Path) -> Iterator[list[str]]:
    try:
        with (folder / "images.csv").open(encoding="utf-8", newline="") as file:
            yield from csv.reader(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {folder / 'images.csv'} ({_reason(error)}); {again(folder)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return f"no '{place}'" if first["type"] == "missing" else f"{place}: {first['msg']}"
    return str(error)


def require_same_data(runs: Sequence[Run], remedy: str) -> None:
    """Refuse runs of which not all saw the data of the first.

    Raises:
        ConfigError: naming two such runs, what differs, and the remedy.
    """
    for run in runs[1:]:
        if facts := _differences(runs[0], run):
            raise ConfigError(f"{runs[0].folder} and {run.folder} are of different data: {'; '.join(facts)}. {remedy}")


def _differences(run: Run, other: Run) -> list[str]:
    """The differences between the data of two runs, as text."""
    facts = []
    splits = dict.fromkeys([*run.fingerprints, *other.fingerprints])
    if changed := [split for split in splits if run.fingerprints.get(split) != other.fingerprints.get(split)]:
        names = ", ".join(f"'{split}'" for split in changed)
        facts.append(f"other samples in the split{'s' if changed[1:] else ''} {names}")
    if run.metrics["split"] != other.metrics["split"]:
        facts.append(f"scored are the splits '{run.metrics['split']}' and '{other.metrics['split']}'")
    if run.classes != other.classes:
        facts.append(f"the classes are {', '.join(run.classes)} and {', '.join(other.classes)}")
    return facts


def require_same_definitions(runs: Sequence[Run]) -> None:
    """Refuse runs with a score that is defined otherwise in another of them.

    Raises:
        ConfigError: naming two such runs and the scores.
    """
    first: dict[str, Run] = {}
    for run in runs:
        for name, text in run.metrics["definitions"].items():
            earlier = first.setdefault(name, run)
            if earlier.metrics["definitions"][name] != text:
                raise ConfigError(
                    f"{earlier.folder} and {run.folder} define '{name}' differently: they were scored by different "
                    f"versions of segzoo ({earlier.versions}; {run.versions}). {again(earlier.folder)}; repeat the "
                    "older of the two"
                )


def unlike(runs: Sequence[Run]) -> list[str]:
    """Differences between runs that a reader has to know but that do not rule out a comparison, as sentences."""
    facts: dict[str, list[object]] = {
        "on the same data: there is a test where the scored images are the same": [run.fingerprints for run in runs],
        "made with the same versions, which may make a difference too": [run.versions for run in runs],
        "made on one machine: do not compare their times": [run.machine for run in runs],
    }
    return [
        f"Not all runs were {what}." for what, values in facts.items() if any(value != values[0] for value in values)
    ]
