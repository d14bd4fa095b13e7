"""The configuration of a run: plugins, their options and numbers, from defaults < TOML file < command line.

A file looks like this; all but the names may be left out:

    epochs = 15
    image_size = [160, 160]
    seed = 0

    [model]
    name = "unet"
    filters = 16

    [dataset]
    name = "oxford_pets"
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from textwrap import shorten
from typing import Any

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from segzoo.defaults import DEFAULTS, EARLIER, EXAMPLES
from segzoo.errors import ConfigError, suggestion, with_article
from segzoo.plugin import Folder, Plugin, StartingWeights, View
from segzoo.registry import explain

SECTIONS = ("model", "dataset", "augmentation", "trainer", "loss")
TABLES = (*SECTIONS, "tracker")
"""Keys of what has options; there may be several trackers, by their names, and one plugin of each other kind."""
WITHOUT_EFFECT = ("keep_checkpoint", "tracker")
"""Keys that the result of a run does not depend on."""
STARTING = "starting_weights"
"""The key that a run fills in when it begins."""


class Choice(BaseModel):
    """A plugin by name, and the options that differ from its defaults; one table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_table(cls, table: Any) -> Any:
        if isinstance(table, Mapping):
            return {"name": table.get("name"), "options": {k: v for k, v in table.items() if k != "name"}}
        return table

    def filled(self, plugin: Plugin) -> Choice:
        """The same choice with all options of the plugin that it has led to."""
        return self.model_copy(update={"options": plugin.model_dump(mode="json", exclude_none=True)})


class RunConfig(BaseModel):
    """Everything that decides the result of a run, and what is kept of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Choice
    dataset: Choice
    augmentation: Choice = Choice(name=EARLIER["augmentation"])  # read from the folder of an earlier version
    trainer: Choice
    loss: Choice
    epochs: int | None = Field(
        None,
        ge=1,
        description="Passes over the training images; else, without steps and seconds, the dataset's suggestion.",
    )
    steps: int | None = Field(None, ge=1, description="Training steps after which the training ends; else no bound.")
    seconds: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Seconds in training steps after which the training ends; else no bound.",
    )
    image_size: tuple[int, int] | None = Field(
        None, description="Height and width of what the network sees; else the dataset's suggestion."
    )
    view: View | None = Field(
        None, description="Whether it sees images resized, or in crops; else the dataset's suggestion."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Every random draw is a function of it.")
    leave_out: tuple[str, ...] | None = Field(
        None, description="Ids of samples that are neither trained on nor scored; else all are taken."
    )
    init: Folder | None = Field(
        None,
        description="The folder of a run, or a .keras file, whose weights of equal name and shape the network begins "
        "with; else with random ones, and those of its encoder.",
    )
    starting_weights: dict[str, StartingWeights] | None = Field(
        None, description="What the weights to begin with are, by what they are of; the run fills it in."
    )
    keep_checkpoint: bool | None = Field(
        None, description="Whether the checkpoint is kept when the run is finished, to train it longer; else it is not."
    )
    tracker: dict[str, dict[str, Any]] | None = Field(
        None, description="Options of the trackers that follow the run, by their names; else none does."
    )

    @field_validator("leave_out")
    @classmethod
    def _as_a_set(cls, ids: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return tuple(sorted(set(ids or ()))) or None  # a list written again is no other configuration

    @model_validator(mode="after")
    def _positive_size(self) -> RunConfig:
        if self.image_size and min(self.image_size) < 1:
            raise ConfigError(f"image_size: {list(self.image_size)} is not a size; give a height and a width in pixels")
        return self

    def to_toml(self) -> str:
        """The file that `compose` reads back to an equal configuration."""
        tables = {key: {"name": getattr(self, key).name, **getattr(self, key).options} for key in SECTIONS}
        numbers = self.model_dump(exclude={*SECTIONS, "tracker"}, exclude_none=True, mode="json")
        return tomli_w.dumps(numbers | tables | ({"tracker": self.tracker} if self.tracker else {}))

    def table(self) -> dict[str, Any]:
        """The same as tables, as they are read from the file; what is unset is left out."""
        return tomllib.loads(self.to_toml())

    def deciding(self) -> dict[str, Any]:
        """The tables without what the result does not depend on."""
        return {key: value for key, value in self.table().items() if key not in WITHOUT_EFFECT}

    def differences(self, later: RunConfig) -> list[str]:
        """Each value that matters and differs in another configuration, as in `model.filters is 4 there, 8 here`."""
        then, now = self.deciding(), later.deciding()
        if STARTING not in then or STARTING not in now:  # they are known only once a run has begun
            then, now = ({key: value for key, value in table.items() if key != STARTING} for table in (then, now))
        return table_differences(then, now)


def compose(file: Path | None = None, words: Mapping[str, Any] = {}, settings: Mapping[str, Any] = {}) -> RunConfig:
    """The configuration of a TOML file, overridden by top-level words and by settings such as `model.filters`.

    Words that are None leave the file's value. Those of `tracker` are names, which are added to the file's.

    Raises:
        ConfigError: if the file cannot be read, or a key or value does not fit.
    """
    table = read_table(file) if file else {}
    if words.get("init") or words.get("model") or any(key.startswith("model.") for key in settings):
        table.pop(STARTING, None)  # the network may begin with others
    for key, value in words.items():
        if value is None:
            continue
        if key in SECTIONS:
            _section(table, key)["name"] = value
        elif key == "tracker":
            for name in value:
                _section(_section(table, key), name)
        else:
            table[key] = value
    for key, value in settings.items():
        _assign(table, key, value)
    for section in SECTIONS:
        name = _section(table, section).setdefault("name", DEFAULTS.get(section))
        if name is None:
            command = f"segzoo run {EXAMPLES['model']} {EXAMPLES['dataset']}"
            raise ConfigError(f"no {section} given: name one, as in `{command}`; see `segzoo list`")
    try:
        return RunConfig.model_validate(table)
    except ValidationError as error:
        raise ConfigError(explain(error, f"{file or 'configuration'}, key", RunConfig.model_fields)) from error


def dataset_of(file: Path | None = None, name: str | None = None, settings: Mapping[str, Any] | None = None) -> Choice:
    """The dataset that the TOML file of a run names, or another; settings are such as `{"dataset.root": "photos"}`.

    Raises:
        ConfigError: if none is named, the file cannot be read, or a setting is not one of a dataset.
    """
    table = read_table(file) if file else {}
    section = _section(table, "dataset")
    if name is not None:
        section["name"] = name
    for key, value in (settings or {}).items():
        if not key.startswith("dataset."):
            raise ConfigError(f"'{key}' is no setting of a dataset: they begin with dataset., as in dataset.root")
        _assign(table, key, value)
    if "name" not in section:
        given = f"{file} names no dataset" if file else "no dataset given"
        command = f"segzoo data verify {EXAMPLES['dataset']}"
        raise ConfigError(f"{given}: name one, as in `{command}`; see `segzoo list datasets`")
    try:
        return Choice.model_validate(section)
    except ValidationError as error:
        where = f"{file or 'configuration'}, table dataset, key"
        raise ConfigError(explain(error, where, Choice.model_fields)) from error


def parse_setting(text: str) -> tuple[str, Any]:
    """`model.filters=16` to a key and a value: a TOML or JSON literal, else the text itself.

    Raises:
        ConfigError: if there is no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: write KEY=VALUE, as in --set model.filters=16")
    return key.strip(), _literal(value.strip())


def _literal(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
        if set(parsed) == {"value"} and isinstance(parsed["value"], bool | int | float | str | list | dict):
            return parsed["value"]
    except tomllib.TOMLDecodeError:
        pass
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def read_table(file: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error


def _section(table: dict[str, Any], key: str) -> dict[str, Any]:
    section = table.setdefault(key, {})
    if not isinstance(section, dict):
        raise ConfigError(f"'{key}' must be a table: write [{key}] and name = \"{section}\" below it")
    return section


def _assign(table: dict[str, Any], key: str, value: Any) -> None:
    section, _, path = key.partition(".")
    if section == "tracker" and "." not in path:
        raise ConfigError(f"--set {key}: an option of a tracker has its name in the key: tracker.NAME.OPTION")
    if section in RunConfig.model_fields and section not in TABLES:
        raise ConfigError(f"--set {key}: write --{section.replace('_', '-')} instead")
    if section not in TABLES or not path:
        raise ConfigError(
            f"--set {key}: keys begin with {', '.join(f'{s}.' for s in TABLES)}{suggestion(section, TABLES)}"
        )
    _set(_section(table, section), path, value)


def with_settings(options: Mapping[str, Any], kind: str, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the plugin called `name`, changed by settings such as `model.filters`, which begin with its kind.

    Raises:
        ConfigError: if a setting does not.
    """
    changed = deepcopy(dict(options))
    for key, value in settings.items():
        section, _, path = key.partition(".")
        if section != kind or not path:
            raise ConfigError(f"--set {key}: '{name}' is {with_article(kind)}, so keys begin with {kind}.")
        _set(changed, path, value)
    return changed


def _set(table: dict[str, Any], path: str, value: Any) -> None:
    """Set the option of a path such as `encoder.weights`, or the name of a table that is there."""
    *parents, last = path.split(".")
    for parent in parents:
        table = _below(table, parent)
    if isinstance(value, str) and isinstance(table.get(last), dict):
        table[last]["name"] = value
    else:
        table[last] = value


def _below(table: dict[str, Any], key: str) -> dict[str, Any]:
    """The table of a key; a bare name, as in `encoder = "resnet50"`, becomes one."""
    value = table.setdefault(key, {})
    if isinstance(value, str):
        value = table[key] = {"name": value}
    if not isinstance(value, dict):
        raise ConfigError(f"'{key}' is {value!r}, and has no options")
    return value


def table_differences(earlier: Mapping[str, Any], later: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Each value that differs in another table, with its path below `prefix`."""
    differences = []
    for key in sorted(earlier.keys() | later.keys()):
        value, changed = earlier.get(key), later.get(key)
        if isinstance(value, Mapping) and isinstance(changed, Mapping):
            differences += table_differences(value, changed, f"{prefix}{key}.")
        elif value != changed:
            differences.append(f"{prefix}{key} is {_text(value)} there, {_text(changed)} here")
    return differences


def _text(value: Any) -> str:
    return "unset" if value is None else shorten(f"{value}", 100, placeholder=" …")
