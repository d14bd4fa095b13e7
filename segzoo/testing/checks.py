"""Checks as objects, what comes of them, and which of them the others need."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal
from unittest import SkipTest

from segzoo.errors import SegzooError
from segzoo.plugin import Augmentation, Dataset, Encoder, Loss, Model, Plugin, Tracker, Trainer
from segzoo.plugin_errors import with_line
from segzoo.testing import augmentations, datasets, encoders, losses, models, plugins, trackers, trainers, training

MODULES = {
    Model: (models, training),
    Encoder: (encoders,),
    Dataset: (datasets,),
    Augmentation: (augmentations,),
    Trainer: (trainers,),
    Loss: (losses,),
    Tracker: (trackers,),
}
"""Where the checks of each kind are, beside those of all kinds; every function there that is called `check_...`."""

NEEDED = {
    "check_network_is_built": "`build`",
    "check_encoder_is_built": "maps",
    "check_samples_are_there": "samples",
    "check_samples_are_augmented": "`augment`",
    "check_network_is_fitted": "`fit`",
    "check_one_value_an_image": "a value for each image",
    "check_a_run_is_followed": "a run to follow",
}
"""What all later checks of a kind need, by the check that finds out whether it is there, the first of the kind."""


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
            return self.skipped(str(reason))
        except (AssertionError, SegzooError) as error:
            return self.failed(str(error))
        except (Exception, SystemExit) as error:
            return self.failed(with_line(error))
        return Outcome(self.name, self.why, "passed")

    def failed(self, message: str) -> Outcome:
        """What comes of it if this was found."""
        return Outcome(self.name, self.why, "failed", message)

    def skipped(self, reason: str) -> Outcome:
        """What comes of leaving it out."""
        return Outcome(self.name, self.why, "skipped", reason)


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


def outcomes(plugin: Plugin, checks: Iterable[Check]) -> Iterator[Outcome]:
    """What comes of each check of a plugin; those that need what an earlier check has not found are skipped."""
    return (check.outcome(plugin) for check in dependent(checks))


def dependent(checks: Iterable[Check]) -> list[Check]:
    """The same checks of a plugin, which skip themselves once a check among them has failed that they all need."""
    lacking: list[str] = []

    def depending(check: Check) -> Check:
        def function(plugin: Any) -> None:
            if lacking:
                raise SkipTest(f"needs {lacking[0]}")
            try:
                check(plugin)
            except SkipTest:
                raise
            except (Exception, SystemExit):
                lacking.extend([NEEDED[check.name]] if check.name in NEEDED else [])
                raise

        return replace(check, function=function)

    return [*map(depending, checks)]
