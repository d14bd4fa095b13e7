"""Checks that tell whether a plugin keeps its promises: for its own tests, and for `segzoo check`.

A whole test file of a plugin:

    from segzoo_mynet import MyNet
    from segzoo.testing import parametrize_with_checks

    @parametrize_with_checks([MyNet])
    def test_mynet(plugin, check):
        check(plugin)

A check is a function of a plugin; it raises AssertionError with what it found, or unittest.SkipTest with the reason why
it does not apply. Networks are checked by their `example()`, datasets by a few of their samples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal
from unittest import SkipTest

from pydantic import ValidationError
from rich.text import Text

from segzoo import registry
from segzoo.errors import ConfigError, PluginError, SegzooError
from segzoo.plugin import Dataset, Loss, Model, Plugin, Trainer
from segzoo.plugin_errors import line_in, summary
from segzoo.testing import datasets, losses, models, plugins, trainers, training

if TYPE_CHECKING:
    import pytest

__all__ = ["Check", "Outcome", "checks_for", "find", "parametrize_with_checks", "run_checks"]

MODULES = {Model: (models, training), Dataset: (datasets,), Trainer: (trainers,), Loss: (losses,)}
"""Where the checks of each kind are, beside those of all kinds; every function there that is called `check_...`."""


@dataclass(frozen=True)
class Outcome:
    """What came of one check."""

    check: str
    why: str
    result: Literal["passed", "failed", "skipped"]
    message: str = ""
    """Why it failed or was skipped."""


@dataclass(frozen=True)
class Check:
    """A check, to be called with a plugin."""

    name: str
    """Such as `check_every_skip_matters`."""
    why: str
    """In one sentence."""
    function: Callable[[Any], None]

    def __call__(self, plugin: Plugin) -> None:
        """Check it.

        Raises:
            AssertionError: with what was found, and what should have been.
            unittest.SkipTest: if the check does not apply, with the reason.
        """
        self.function(plugin)

    def outcome(self, plugin: Plugin) -> Outcome:
        """What comes of checking it; an error of the plugin's own is a failure too."""
        try:
            self(plugin)
        except SkipTest as reason:
            return Outcome(self.name, self.why, "skipped", str(reason))
        except (AssertionError, SegzooError) as error:
            return Outcome(self.name, self.why, "failed", str(error))
        except Exception as error:
            text = Text.from_ansi(str(error)).plain  # Keras prints in bold
            return Outcome(self.name, self.why, "failed", f"{type(error).__name__}: {' '.join(text.split())}")
        return Outcome(self.name, self.why, "passed")


def checks_for(plugin: Plugin | type[Plugin]) -> list[Check]:
    """The checks of a plugin's kind, in the order in which they should be read."""
    cls = plugin if isinstance(plugin, type) else type(plugin)
    of_kind = [module for kind, modules in MODULES.items() if issubclass(cls, kind) for module in modules]
    return [
        Check(name, inspect.getdoc(function) or "", function)
        for module in (plugins, *of_kind)
        for name, function in vars(module).items()
        if name.startswith("check_")
    ]


def parametrize_with_checks(
    candidates: Iterable[Plugin | type[Plugin]], expected_failures: Mapping[str, str] = {}
) -> pytest.MarkDecorator:
    """Makes a pytest test with the arguments `plugin` and `check` one case for each check of each plugin.

    A class stands for its `example()`. `expected_failures` maps names of checks to the reason why they fail; such a
    case is reported as xfailed, and fails once the check passes.

    Raises:
        ValueError: if an expected failure is no check of any of the plugins.
    """
    import pytest

    instances = [plugin.example() if isinstance(plugin, type) else plugin for plugin in candidates]
    cases = [(instance, check) for instance in instances for check in checks_for(instance)]
    unknown = set(expected_failures) - {check.name for _, check in cases}
    if unknown:
        raise ValueError(f"no such check: {', '.join(sorted(unknown))}")
    return pytest.mark.parametrize(
        ("plugin", "check"),
        [
            pytest.param(
                instance,
                check,
                id=f"{_name(instance)}-{check.name}",
                marks=[pytest.mark.xfail(reason=expected_failures[check.name], strict=True)]
                if check.name in expected_failures
                else [],
            )
            for instance, check in cases
        ],
    )


def run_checks(plugin: Plugin, report: Callable[[Outcome], None] = lambda outcome: None) -> list[Outcome]:
    """What comes of each check of a plugin; `report` is told at once."""
    outcomes = []
    for check in checks_for(plugin):
        outcomes.append(check.outcome(plugin))
        report(outcomes[-1])
    return outcomes


def find(target: str, settings: Mapping[str, Any] = {}) -> Plugin:
    """The `example()` of a registered plugin such as `unet` or `models/unet`, or of a class `package:Class`.

    Settings such as `{"model.filters": 16}` change options of it.

    Raises:
        ConfigError: if there is no such name or option, or its value does not fit.
        PluginError: if the class cannot be imported, or is no plugin.
    """
    cls = _import(target) if ":" in target else registry.load(*registry.locate(target))
    for key in settings:
        if not key.startswith(f"{cls.kind}."):
            raise ConfigError(f"--set {key}: '{target}' is a {cls.kind}, so keys begin with {cls.kind}.")
    options = {key.removeprefix(f"{cls.kind}."): value for key, value in settings.items()}
    try:
        return cls.model_validate(cls.example().model_dump() | options)
    except ValidationError as error:
        raise ConfigError(registry.explain(error, f"{cls.kind} '{target}', option", cls.model_fields)) from error


def _name(plugin: Plugin) -> str:
    """The name under which the plugin's class is registered, else that of the class."""
    cls = type(plugin)
    target = f"{cls.__module__}:{cls.__qualname__}"
    return next((entry.name for entry in registry.entries(cls) if entry.target == target), cls.__name__)


def _import(target: str) -> type[Plugin]:
    module, _, name = target.partition(":")
    try:
        cls = getattr(import_module(module), name)
    except (Exception, SystemExit) as error:
        line = line_in(module.partition(".")[0], error)
        place = f"{target} ({line})" if line else target
        raise PluginError(f"cannot import {place}: {summary(error)}") from error
    if lacking := registry.incompleteness(cls, *registry.KINDS):
        raise PluginError(f"{target} is no complete subclass of Model, Dataset, Trainer or Loss: {lacking}")
    plugin: type[Plugin] = cls
    return plugin
