"""What a benchmark is: models x datasets x seeds, and one protocol for all of them.

A file looks like this; all but the models and the datasets may be left out:

    models = ["unet", {name = "unet", label = "wide", filters = 32}]
    datasets = ["shapes", {name = "oxford_pets", label = "pets", epochs = 5, image_size = [160, 160]}]
    seeds = [0, 1, 2]
    epochs = 3
    baseline = "unet"
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from segzoo.defaults import DEFAULTS
from segzoo.errors import ConfigError, suggestion
from segzoo.registry import explain
from segzoo.runs.config import SECTIONS, STARTING, WITHOUT_EFFECT, Choice, RunConfig, read_table

OF_A_RUN = tuple(key for key in RunConfig.model_fields if key not in (*SECTIONS, *WITHOUT_EFFECT, STARTING, "seed"))
"""Keys of a run's configuration that the table of a dataset may have, beside the options of the plugin."""
BUDGET = ("epochs", "steps", "seconds")
COMMON = ("augmentation", "trainer", "loss")
"""Kinds of plugins of which all cells have the same."""
LONGEST = 100
"""Characters of a label. File names may have 255, and so may paths on some systems."""


def _listed(values: Any) -> Any:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise ValueError("write a list, in brackets")
    return values


def _distinct(values: tuple[int, ...]) -> tuple[int, ...]:
    if not values:
        raise ValueError("name one at least")
    if len(set(values)) < len(values):
        raise ValueError("a seed is there twice")
    return values


def _file_name(label: str) -> str:
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._+-]*", label) or len(label) > LONGEST:
        raise ValueError(
            f"a label names a folder: write letters, digits and . _ + -, a letter or digit first, {LONGEST} at most"
        )
    return label


Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[tuple[Seed, ...], BeforeValidator(_listed), AfterValidator(_distinct)]
Label = Annotated[str, AfterValidator(_file_name)]
"""A name of a folder on any system."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelEntry(_Table):
    """A model of a benchmark: a plugin, its options, and what it is called in the results."""

    name: str
    label: Label = ""
    seeds: Seeds | None = None
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_table(cls, entry: Any) -> dict[str, Any]:
        return _entry_table(entry, ("name", "label", "seeds"))

    def table(self) -> dict[str, Any]:
        """The entry as in the file."""
        return self.model_dump(exclude={"options"}, exclude_none=True, mode="json") | self.options


class DatasetEntry(_Table):
    """A dataset of a benchmark: a plugin, its options, what it is called in the results, and how it is trained on."""

    name: str
    label: Label = ""
    run: dict[str, Any] = {}
    """What `RunConfig` has of it, such as `epochs` and `image_size`."""
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_table(cls, entry: Any) -> dict[str, Any]:
        table = _entry_table(entry, ("name", "label", *OF_A_RUN))
        run = {key: table.pop(key) for key in OF_A_RUN if key in table}
        return table | {"run": run}

    def table(self) -> dict[str, Any]:
        """The entry as in the file."""
        return {"name": self.name, "label": self.label} | self.run | self.options


class Definition(_Table):
    """All that decides the results of a benchmark, and what is compared with what."""

    models: Annotated[tuple[ModelEntry, ...], BeforeValidator(_listed)]
    datasets: Annotated[tuple[DatasetEntry, ...], BeforeValidator(_listed)]
    seeds: Seeds = (0, 1, 2)
    epochs: int | None = Field(None, ge=1)
    steps: int | None = Field(None, ge=1)
    seconds: float | None = Field(None, gt=0, allow_inf_nan=False)
    baseline: str = ""
    match: Literal["none", "parameters"] = "none"
    threads: int | None = Field(None, ge=1)
    time_limit: float | None = Field(None, gt=0, allow_inf_nan=False)
    augmentation: Choice = Choice(name=DEFAULTS["augmentation"])
    trainer: Choice = Choice(name=DEFAULTS["trainer"])
    loss: Choice = Choice(name=DEFAULTS["loss"])

    @field_validator(*COMMON, mode="before")
    @classmethod
    def _from_name(cls, entry: Any) -> Any:
        if not isinstance(entry, str | Mapping | Choice):
            raise ValueError("write a name, or a table with one")
        return {"name": entry} if isinstance(entry, str) else entry

    @model_validator(mode="after")
    def _labels_do(self) -> Definition:
        for kind, entries in (("models", self.models), ("datasets", self.datasets)):
            if not entries:
                raise ConfigError(f"{kind}: name one at least; see `segzoo list {kind}`")
            labels = [entry.label.casefold() for entry in entries]  # some file systems ignore case
            for entry in entries:
                if labels.count(entry.label.casefold()) > 1:
                    raise ConfigError(
                        f"two {kind} are called '{entry.label}': give one a label of its own, as in "
                        f'{{name = "{entry.name}", label = "{entry.label}-2"}}'
                    )
        models = {model.label for model in self.models}
        if self.baseline and self.baseline not in models:
            raise ConfigError(f"baseline: no model is called '{self.baseline}'{suggestion(self.baseline, models)}")
        return self

    def seeds_of(self, model: ModelEntry) -> tuple[int, ...]:
        """The seeds that a model is trained from."""
        return model.seeds or self.seeds

    def budget_of(self, dataset: DatasetEntry) -> dict[str, Any]:
        """How long models are trained on a dataset: by its table, else by the keys for all datasets."""
        common = {key: getattr(self, key) for key in BUDGET}
        return {key: dataset.run.get(key) for key in BUDGET} if dataset.run.keys() & set(BUDGET) else common

    def config(self, dataset: DatasetEntry, model: ModelEntry, seed: int = 0) -> RunConfig:
        """The configuration of one run.

        Raises:
            ConfigError: if a value in the dataset's table does not fit.
        """
        choices: dict[str, ModelEntry | DatasetEntry | Choice] = {
            "model": model,
            "dataset": dataset,
            **{key: getattr(self, key) for key in COMMON},
        }
        tables = {key: {"name": choice.name, **choice.options} for key, choice in choices.items()}
        try:
            return RunConfig.model_validate(dataset.run | self.budget_of(dataset) | tables | {"seed": seed})
        except ValidationError as error:
            raise ConfigError(explain(error, f"dataset '{dataset.label}', key", OF_A_RUN)) from error

    def table(self) -> dict[str, Any]:
        """The definition as in a file."""
        apart = {"models", "datasets", *COMMON}
        return self.model_dump(exclude=apart, exclude_none=True, mode="json") | {
            "models": [model.table() for model in self.models],
            "datasets": [dataset.table() for dataset in self.datasets],
            **{key: {"name": choice.name, **choice.options} for key in COMMON for choice in [getattr(self, key)]},
        }


def read_definition(file: Path) -> Definition:
    """The definition in a TOML file.

    Raises:
        ConfigError: if the file cannot be read, or a key or value does not fit.
    """
    return parse(read_table(file), file)


def parse(table: Mapping[str, Any], file: Path) -> Definition:
    """The definition in a table that was read from a file."""
    try:
        return Definition.model_validate(dict(table))
    except ValidationError as error:
        raise ConfigError(explain(error, f"{file}, key", Definition.model_fields)) from error


def _entry_table(entry: Any, keys: Sequence[str]) -> dict[str, Any]:
    """An entry of a list with the keys that it defines, all others as options; the name is the default of the label."""
    table = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(table, Mapping):
        raise ValueError("write a name, or a table with one")
    fields = {key: value for key, value in table.items() if key in keys}
    options = {key: value for key, value in table.items() if key not in keys}
    return ({"label": fields["name"]} if isinstance(fields.get("name"), str) else {}) | fields | {"options": options}
