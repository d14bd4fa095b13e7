"""Finished runs, and evaluations of their networks, opened by their folders.

Neither needs the dataset, nor TensorFlow but for the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from segzoo import registry
from segzoo.errors import DISTRIBUTION, ConfigError, suggestion
from segzoo.files.stamps import sha256
from segzoo.plugin import Info, Model
from segzoo.runs.config import RunConfig
from segzoo.runs.evaluation import Evaluation
from segzoo.runs.folder import RunFolder
from segzoo.scoring.scores import DEFINITIONS

if TYPE_CHECKING:
    import keras

    from segzoo.networks.frame import Frame

COUNTS = tuple(name for name, score in DEFINITIONS.items() if not score.better)
"""Figures of the metrics that are no scores."""
FACTS = ("split", "selected_on_this_split", "images", "definitions", "better", "warnings", *COUNTS)
"""Keys of `metrics.json` that are not scores."""
PACKAGES = (DISTRIBUTION, "tensorflow", "keras", "numpy")
"""The packages whose versions are given with a score."""


Figure = float | dict[str, float | None] | None
"""A score, or a score of each class."""


class _Metrics(BaseModel):
    """What must stand in `metrics.json`; all that is not named here is a score, or a score of each class."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, Figure]

    iou: dict[str, float | None]
    split: str
    selected_on_this_split: bool
    images: int
    definitions: dict[str, str]
    better: dict[str, Literal["higher", "lower"]] = Field(default={})
    dataset_scores: dict[str, Figure] = Field(default={})
    warnings: list[str] = Field(default=[])

    @model_validator(mode="before")
    @classmethod
    def _without_counts(cls, table: dict[str, Any]) -> dict[str, Any]:
        scores = {key: value for key, value in table.items() if key not in COUNTS}
        of_dataset, better = table.get("dataset_scores"), table.get("better")
        if isinstance(of_dataset, dict):
            known = better if isinstance(better, dict) else {}  # a run of old does not tell scores from counts
            scores["dataset_scores"] = {name: value for name, value in of_dataset.items() if name in known}
        return scores


class _Machine(BaseModel):
    model_config = ConfigDict(strict=True)

    processor: str
    memory_bytes: float
    platform: str
    threads: int


class _Manifest(BaseModel):
    """What must stand in `manifest.json`; a run of old has neither `dataset` nor `network`."""

    model_config = ConfigDict(strict=True)

    dataset_fingerprint: dict[str, str]
    versions: dict[str, str]
    machine: _Machine
    python: str
    commit: str | None = None
    dataset: dict[str, Any] = Field(default={})
    network: dict[str, Any] = Field(default={})


@dataclass(frozen=True)
class Run:
    """A finished run: what it was made of, its scores, and its network; or an evaluation, with scores of other data."""

    folder: Path
    config: RunConfig = field(repr=False)
    """Every option of the run."""
    metrics: dict[str, Any] = field(repr=False)
    """The scores of the scored split, as in `metrics.json`."""
    manifest: dict[str, Any] = field(repr=False)
    """Where, when and with what the run was made, as in `manifest.json`."""
    evaluation: Evaluation | None = field(default=None, repr=False)
    """What was evaluated, and how, as in `evaluation.json`; None of a run."""

    @property
    def files(self) -> RunFolder:
        """The files of the run."""
        return RunFolder(self.folder)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """The figures of each epoch, with the exact values; `epoch` counts from 1."""
        return self.files.read_history()

    @cached_property
    def timings(self) -> list[dict[str, float]]:
        """What was measured of the time of each epoch, in seconds, and its images."""
        return self.files.read_timings()

    @cached_property
    def info(self) -> Info:
        """What the dataset said of itself."""
        table = self._fact("dataset")
        with self.files.reading(self.files.manifest):
            return TypeAdapter(Info).validate_python(table)

    @cached_property
    def frame(self) -> Frame:
        """What of an image the network sees, and where its prediction lies."""
        from segzoo.networks.frame import Frame

        table = self._fact("network")
        with self.files.reading(self.files.manifest):
            return TypeAdapter(Frame).validate_python({entry.name: table[entry.name] for entry in fields(Frame)})

    @property
    def network_file(self) -> Path:
        """The file of the trained network.

        Raises:
            ConfigError: if it is an evaluation, which holds no network.
        """
        if self.evaluation:
            of_run = f"; name the run: {(self.folder / self.evaluation.run).resolve()}" if self.evaluation.run else ""
            raise ConfigError(f"{self.folder} holds an evaluation and no network{of_run}")
        return self.files.model

    def network(self) -> keras.Model:
        """The trained network: float32 pixel values 0..255 (B, H, W, C) to logits (B, H - 2 margin, W - 2 margin, n).

        H and W are `stride * k + offset` of the `frame` for a whole k from 1 on. Needs neither the dataset nor, if the
        network consists of Keras' own layers, its plugin.

        Raises:
            ConfigError: if it is an evaluation, which holds no network.
            DataError: if the file is missing or damaged.
            PluginError: if the plugin is needed, but is missing, or makes another network now.
        """
        from segzoo.networks.saved import load

        return load(self.network_file, self.build)

    def build(self) -> keras.Model:
        """The network as its plugin builds it, with random weights by the run's seed: images in [-1, 1] to logits.

        Raises:
            PluginError: if the plugin is missing, or does not make a network of these options.
        """
        from segzoo.networks.build import build_network, clean_state

        name, options = self.config.model.name, self.config.model.options
        model = registry.create(Model, name, options)
        with clean_state(self.seed):
            return build_network(model, name, self.frame, self.info.channels, len(self.info.classes))

    def _fact(self, key: str) -> dict[str, Any]:
        if key not in self.manifest:
            raise ConfigError(
                f"the run in {self.folder} is of an earlier version of segzoo, whose {self.files.manifest.name} has no "
                f"'{key}'; {self.files.again}"
            )
        table: dict[str, Any] = self.manifest[key]
        return table

    @cached_property
    def splits(self) -> dict[str, tuple[str, ...]]:
        """The ids of the samples of each split."""
        return self.files.read_splits()

    @property
    def image_columns(self) -> list[str]:
        """The names of the columns of `images.csv`: `id`, and the scores that each image has."""
        return next(self.files.read_images(), [])

    def image_rows(self) -> Iterator[list[str]]:
        """The rows of `images.csv` as text, without the header, read while they are asked for."""
        rows = self.files.read_images()
        next(rows, None)
        yield from rows

    def image_scores(self, score: str = "mean_iou") -> dict[str, float]:
        """One score of each image of the scored split by its id, NaN where an image has none.

        Raises:
            ConfigError: if images have no such score, or `images.csv` is missing or damaged.
        """
        columns = self.image_columns
        for name in ("id", score):
            if name not in columns:
                hint = f"{suggestion(name, columns)}; if it is damaged, {self.files.again}"
                raise ConfigError(f"{self.files.images} has no column '{name}'{hint}")
        key, value = columns.index("id"), columns.index(score)
        with self.files.reading(self.files.images):
            return {row[key]: float(row[value] or "nan") for row in self.image_rows()}

    @property
    def seed(self) -> int:
        """The seed of every random draw."""
        return self.config.seed

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

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What should be known of the scores, a sentence each; a run of an earlier version of segzoo has none."""
        outdated = ["the run was trained longer since, so these are scores of an earlier network"] * self._outdated()
        return (*self.metrics.get("warnings", ()), *outdated)

    def _outdated(self) -> bool:
        """Whether it is an evaluation of a run that has another network now."""
        if not self.evaluation or not self.evaluation.run:
            return False
        network = RunFolder(self.folder / self.evaluation.run).model
        return network.exists() and sha256(network) != self.evaluation.network

    @property
    def overall(self) -> dict[str, float | None]:
        """The scores of the split by name, those that the dataset defines among them; None where there is none."""
        return {name: value for name, value in self._figures.items() if not isinstance(value, Mapping)}

    @property
    def by_class(self) -> dict[str, dict[str, float | None]]:
        """The scores of classes, such as `iou`, each by the names of the classes; None for a class that is absent."""
        return {name: dict(value) for name, value in self._figures.items() if isinstance(value, Mapping)}

    @property
    def scores(self) -> dict[str, float | None]:
        """All of them, those of a class as `iou_CLASS`."""
        classes = {f"{key}_{name}": value for key, scores in self.by_class.items() for name, value in scores.items()}
        return self.overall | classes

    @property
    def better(self) -> dict[str, str]:
        """Which way the scores are better, `higher` or `lower`, where that is known; a run of old does not say it."""
        known = {name: score.better for name, score in DEFINITIONS.items() if score.better}
        better: Mapping[str, str] = known | self.metrics.get("better", {})
        return {name: better[name] for name in self._figures if name in better}

    @property
    def _figures(self) -> dict[str, Any]:
        """The scores of the split and of classes by name, those that the dataset defines last."""
        figures = {key: value for key, value in self.metrics.items() if key not in (*FACTS, "dataset_scores")}
        figures |= self.metrics.get("dataset_scores", {})
        if better := self.metrics.get("better"):
            counts = self.metrics["definitions"].keys() - better.keys()
            return {name: value for name, value in figures.items() if name not in counts}
        return figures

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


def open_run(folder: Path | str) -> Run:
    """The finished run, or the evaluation, in a folder.

    Needs neither the dataset of the run nor its plugins.

    Raises:
        ConfigError: if the folder holds no run, or one that is not finished, or its files are damaged.
    """
    files = RunFolder(Path(folder))
    if not files.begun:
        fault = f"it holds no {files.config.name}" if files.path.is_dir() else "there is no such folder"
        fault = "it is a file" if files.path.is_file() else fault
        raise ConfigError(f"{folder} is no run: {fault}; name the folder of one, as runs/MODEL-DATASET")
    if not files.finished:
        raise ConfigError(f"the run in {folder} is not finished; `segzoo run --resume --out {folder}` goes on with it")
    config, metrics, manifest = files.read_config(), files.read_metrics(), files.read_manifest()
    for path, table, kind in ((files.metrics, metrics, _Metrics), (files.manifest, manifest, _Manifest)):
        with files.reading(path):
            kind.model_validate(table)
    return Run(files.path, config, metrics, manifest, files.read_evaluation())
