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

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from segzoo import registry
from segzoo.errors import ConfigError, PluginError
from segzoo.plugin import Plugin
from segzoo.plugin_errors import line_in, summary
from segzoo.runs.config import with_settings
from segzoo.testing.checks import Check, Outcome, checks_for, dependent, outcomes

if TYPE_CHECKING:
    import pytest

__all__ = ["Check", "Outcome", "checks_for", "find", "parametrize_with_checks", "run_checks"]


def parametrize_with_checks(
    candidates: Iterable[Plugin | type[Plugin]], expected_failures: Mapping[str, str] = {}
) -> pytest.MarkDecorator:
    """Makes a pytest test with the arguments `plugin` and `check` one case for each check of each plugin.

    A class stands for its `example()`. Where a check fails that the others need, such as that `build` makes a network,
    those that come after it in the same process are skipped. `expected_failures` maps names of checks to the reason why
    they fail; such a case is reported as xfailed, and fails once the check passes.

    Raises:
        ValueError: if an expected failure is no check of any of the plugins.
    """
    import pytest

    instances = [plugin.example() if isinstance(plugin, type) else plugin for plugin in candidates]
    named = [(registry.name_of(type(instance)), instance) for instance in instances]
    cases = [(name, instance, check) for name, instance in named for check in dependent(checks_for(instance))]
    unknown = set(expected_failures) - {check.name for *_, check in cases}
    if unknown:
        raise ValueError(f"no such check: {', '.join(sorted(unknown))}")
    return pytest.mark.parametrize(
        ("plugin", "check"),
        [
            pytest.param(
                instance,
                check,
                id=f"{name}-{check.name}",
                marks=[pytest.mark.xfail(reason=expected_failures[check.name], strict=True)]
                if check.name in expected_failures
                else [],
            )
            for name, instance, check in cases
        ],
    )


def run_checks(
    plugin: Plugin, report: Callable[[Outcome], None] = lambda outcome: None, limit: float | None = None
) -> list[Outcome]:
    """What comes of each check of a plugin; `report` is told at once.

    After a failure that leaves the other checks nothing to check, such as a `build` that raises an exception, they are
    skipped. With a `limit`, a check that takes more seconds than that has failed, and those after it are skipped: the
    checks then run in another process, which can be ended. Without, they run in this process for as long as it takes.

    Raises:
        PluginError: with a limit, if the plugin cannot be sent to another process.
    """
    # Not at the top: the module is a program too, which warns if it is imported before it is run.
    from segzoo.testing.bounded import bounded_outcomes

    results, checks = [], checks_for(plugin)
    for outcome in outcomes(plugin, checks) if limit is None else bounded_outcomes(plugin, checks, limit):
        results.append(outcome)
        report(outcome)
    return results


def find(target: str, settings: Mapping[str, Any] = {}, limit: float | None = None) -> Plugin:
    """The `example()` of a registered plugin such as `unet` or `models/unet`, or of a class `package:Class`.

    Settings such as `{"model.filters": 16}` change options of it. With a `limit`, it is imported in another process
    first, which is ended after that many seconds.

    Raises:
        ConfigError: if there is no such name or option, or its value does not fit.
        PluginError: if the class cannot be imported, or not within the limit, or is no plugin.
    """
    from segzoo.testing.bounded import require_import  # not at the top, see `run_checks`

    registered = None if ":" in target else registry.locate(target)
    if limit is not None:
        require_import(target, limit)
    cls = registry.load(*registered) if registered else _import(target)
    options = with_settings(cls.example().model_dump(), cls.kind, target, settings)
    try:
        return cls.model_validate(options)
    except ValidationError as error:
        raise ConfigError(registry.explain(error, f"{cls.kind} '{target}', option", cls.model_fields)) from error


def _import(target: str) -> type[Plugin]:
    module, _, name = target.partition(":")
    try:
        cls = getattr(import_module(module), name)
    except (Exception, SystemExit) as error:
        line = line_in(module.partition(".")[0], error)
        place = f"{target} ({line})" if line else target
        raise PluginError(f"cannot import {place}: {summary(error)}") from error
    if lacking := registry.incompleteness(cls, *registry.KINDS):
        *kinds, last = (kind.__name__ for kind in registry.KINDS)
        raise PluginError(f"{target} is no complete subclass of {', '.join(kinds)} or {last}: {lacking}")
    plugin: type[Plugin] = cls
    return plugin
