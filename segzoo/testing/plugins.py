"""Checks that plugins of every kind share."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import Any
from unittest import SkipTest

import tomli_w
from pydantic import ValidationError

from segzoo.plugin import Plugin
from segzoo.testing.processes import elsewhere

IMPORT = """
import segzoo.plugin
before = set(sys.modules)
__import__(values[0])
print(*{name.partition('.')[0] for name in sys.modules} - {name.partition('.')[0] for name in before})
"""


def check_import_is_light(plugin: Plugin) -> None:
    """Looking at a plugin must not cost the start-up of NumPy or TensorFlow."""
    module = type(plugin).__module__
    if module == "__main__":
        raise SkipTest("the class is defined in the script that runs, not in a module that can be imported")
    imported = set(elsewhere(IMPORT, module).decode().split())
    heavy = imported - sys.stdlib_module_names - {module.partition(".")[0]}
    assert not heavy, (
        f"importing {module} also imports {', '.join(sorted(heavy))}; at its top it may import only the standard "
        "library, pydantic and segzoo, the rest within methods"
    )


def check_options_survive_json(plugin: Plugin) -> None:
    """What is saved as JSON must come back as the same plugin."""
    text = plugin.model_dump_json()
    assert_same(plugin, lambda: type(plugin).model_validate_json(text), text)


def check_options_survive_toml(plugin: Plugin) -> None:
    """A run's configuration is TOML, which has no null: an option left out must mean the same as one that is None."""
    text = tomli_w.dumps(plugin.model_dump(mode="json", exclude_none=True))
    assert_same(plugin, lambda: type(plugin).model_validate(tomllib.loads(text)), text)


def check_every_option_is_described(plugin: Plugin) -> None:
    """`segzoo show` tells the user what an option does from its description."""
    silent = [name for name, field in type(plugin).model_fields.items() if not (field.description or "").strip()]
    assert not silent, f"no description of {', '.join(silent)}; write Field(..., description=...)"


def check_options_are_frozen(plugin: Plugin) -> None:
    """A plugin is its options: if they could change, what a run has saved would be no longer true."""
    for name, value in plugin:
        try:
            setattr(plugin, name, value)
        except (ValidationError, AttributeError):
            continue
        raise AssertionError(f"option '{name}' can be set on an instance; leave `frozen` on in model_config")


def check_unknown_options_are_refused(plugin: Plugin) -> None:
    """A misspelt option that is silently dropped costs a training before anyone notices."""
    options = plugin.model_dump() | {"no_such_option": 1}
    try:
        type(plugin).model_validate(options)
    except ValidationError:
        return
    raise AssertionError("the unknown option 'no_such_option' was taken; leave `extra` at forbid in model_config")


def check_class_is_documented_and_cited(plugin: Plugin) -> None:
    """Who chooses a plugin must learn what it is and, where it was published, find the source."""
    cls = type(plugin)
    summary = (cls.__doc__ or "").strip().partition("\n")[0]
    assert summary, f"{cls.__name__} has no docstring; its first line is shown by `segzoo list`"
    assert not cls.paper or re.search(r"\b(1[89]|20)\d\d\b", cls.paper), (
        f"paper is {cls.paper!r}, which names no year; write authors, year, title and arXiv id or DOI"
    )


def assert_same(plugin: Plugin, read: Any, text: str) -> None:
    """Reading the text must give an equal plugin."""
    try:
        again = read()
    except ValidationError as error:
        raise AssertionError(f"{text.strip()} is refused: {error.errors()[0]['msg']}") from error
    assert again == plugin, f"{text.strip()} comes back as {again!r}, not {plugin!r}"
