"""From names to checked plugin objects.

Looking is not loading: `entries` reads installed metadata and source text only. `load` imports the one plugin asked
for, and `create` turns its name and options into a frozen object.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from importlib.metadata import EntryPoint
from typing import Any, TypeVar

from pydantic import ValidationError
from stevedore import DriverManager

from segzoo.errors import ConfigError, PluginError, suggestion, with_article
from segzoo.plugin import Augmentation, Dataset, Encoder, Loss, Model, Plugin, Tracker, Trainer
from segzoo.plugin_errors import Calling, line_in, summary
from segzoo.registry.installed import Installed, Provider
from segzoo.registry.source import first_line

KINDS: tuple[type[Plugin], ...] = (Model, Encoder, Dataset, Augmentation, Trainer, Loss, Tracker)
"""The interfaces, in the order in which they are listed."""

P = TypeVar("P", bound=Plugin)


@dataclass(frozen=True)
class Entry:
    """One registered name, as far as it can be seen without importing it."""

    kind: str
    """That of the plugin, such as `model`; else a group that segzoo does not read."""
    name: str
    distribution: str
    version: str
    target: str
    summary: str = ""
    problem: str = ""

    def row(self) -> dict[str, str]:
        """The fields as JSON."""
        return asdict(self)


class _Driver(DriverManager[Plugin]):
    """stevedore's loader of one plugin by name, reading the installed metadata itself.

    stevedore's cache on disk tells changes apart by times of 128 s resolution, so a plugin reinstalled twice in two
    minutes would keep its old names; and it forgets which distribution a name comes from.
    """

    def list_entry_points(self) -> list[EntryPoint]:
        return list(Installed().group(self.namespace))


def entries(*kinds: type[Plugin]) -> list[Entry]:
    """All registered plugins of each kind by name, the broken ones with the reason; imports none of them."""
    return _entries(Installed(), kinds)


def listing(*kinds: type[Plugin]) -> list[Entry]:
    """As `entries`, and after them what is registered for segzoo, but in none of its groups or in no readable form."""
    installed = Installed()
    return _entries(installed, kinds) + _strays(installed)


def locate(name: str) -> tuple[type[Plugin], str]:
    """The kind and the short name of a plugin called `unet`, or `models/unet` in full.

    Raises:
        ConfigError: if no plugin, or plugins of several kinds, have that name.
    """
    group, _, short = name.rpartition("/")
    installed = Installed()
    names = {kind: installed.group(kind.group).names for kind in KINDS if group in ("", plural(kind))}
    if not names:
        raise ConfigError(f"no plugins called '{group}'{suggestion(group, map(plural, KINDS))}")
    kinds = [kind for kind, known in names.items() if short in known]
    if not kinds:
        raise _unknown("plugin", short, set().union(*names.values()), installed)
    if len(kinds) > 1:
        choices = " or ".join(f"{plural(kind)}/{short}" for kind in kinds)
        raise ConfigError(f"'{short}' is the name of {len(kinds)} plugins: write {choices}")
    return kinds[0], short


def plural(kind: type[Plugin]) -> str:
    """What several of a kind are called, such as `models`: the last word of the group."""
    return kind.group.rpartition(".")[2]


def load(kind: type[P], name: str) -> type[P]:
    """The class of a registered plugin, imported and checked to be of the kind.

    Raises:
        ConfigError: if the name is unknown.
        PluginError: if it is taken twice, cannot be imported, or is no plugin of the kind.
    """
    installed = Installed()
    entry = next((entry for entry in _entries(installed, [kind], name)), None)
    if entry is None:
        raise _unknown(kind.kind, name, installed.group(kind.group).names, installed)
    title = f"{kind.kind} '{name}' of {entry.distribution}"
    if entry.problem:
        raise PluginError(f"{title} cannot be used: {entry.problem}")
    try:
        with redirect_stdout(sys.stderr):  # what a module prints must not end up in the output of --json
            loaded: Any = _Driver(kind.group, name, on_load_failure_callback=_fail).driver
    except (Exception, SystemExit) as error:
        line = line_in(entry.target.partition(".")[0].partition(":")[0], error)
        place = f"{entry.target}, {line}" if line else entry.target
        raise PluginError(f"{title} cannot be imported ({place}): {summary(error)}") from error
    if lacking := incompleteness(loaded, kind):
        raise PluginError(f"{title}: {entry.target} is not a complete subclass of {kind.__qualname__}: {lacking}")
    cls: type[P] = loaded
    cls.registered = title
    return cls


def name_of(cls: type[Plugin]) -> str:
    """The name under which a class is registered, else that of the class."""
    return next((entry.name for entry in entries(cls) if _imported(entry.target) is cls), cls.__name__)


def _imported(target: str) -> Any:
    """What a target such as `segzoo_unet:UNet` names, which may be defined in another module; None if not imported."""
    module, _, path = target.partition(":")
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def incompleteness(loaded: object, *kinds: type[Plugin]) -> str:
    """Why an object is no complete class of one of these kinds, in words; empty if it is."""
    if not inspect.isclass(loaded):
        return f"it is an object of the type {type(loaded).__name__}, not a class"
    if not issubclass(loaded, kinds):
        actual = next((kind for kind in KINDS if issubclass(loaded, kind)), None)
        wanted = " or ".join(kind.__qualname__ for kind in kinds)
        if actual:
            return f"it is {with_article(actual.__name__)}, for the group {actual.group}"
        return f"it is no child of {wanted}"
    missing = [f"`{name}`" for name in sorted(loaded.__abstractmethods__)]
    return f"it lacks {', '.join(missing)}" if missing else ""


def create(kind: type[P], name: str, options: Mapping[str, Any]) -> P:
    """The plugin of that name with these options, all else at its defaults.

    Raises:
        ConfigError: if the name, an option or its value does not fit; the message names it and the nearest that does.
        PluginError: as `load`.
    """
    cls = load(kind, name)
    with Calling(cls, "checking its options"):
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            raise ConfigError(explain(error, f"{kind.kind} '{name}', option", cls.model_fields)) from error


def explain(error: ValidationError, where: str, known: Iterable[str]) -> str:
    """Pydantic's findings as sentences, one a line, with the nearest known word for an unknown one."""
    lines = []
    for finding in error.errors(include_url=False):
        path = ".".join(str(part) for part in finding["loc"])
        if finding["type"] == "extra_forbidden":
            lines.append(f"{where} '{path}': unknown option{suggestion(path, known) or '; it has no options'}")
        else:
            message = finding["msg"].removeprefix("Value error, ")
            message = message[:1].lower() + message[1:]
            lines.append(f"{where} '{path}': {message}, not {finding['input']!r}" if path else f"{where}: {message}")
    return "\n".join(lines)


def _fail(manager: object, point: EntryPoint, error: BaseException) -> None:
    # stevedore would log the error and go on without the plugin.
    raise error


def _unknown(what: str, name: str, known: Iterable[str], installed: Installed) -> ConfigError:
    """The error for a name that is registered nowhere, or in a group that segzoo does not read."""
    stray = next((entry for entry in _strays(installed) if entry.name == name), None)
    if stray:
        return ConfigError(f"no {what} '{name}', but {stray.distribution} has it in a wrong place: {stray.problem}")
    return ConfigError(f"no {what} '{name}'{suggestion(name, known)}")


def _entries(installed: Installed, kinds: Iterable[type[Plugin]], name: str | None = None) -> list[Entry]:
    """The plugins of some kinds by name, or only those of one name."""
    points = [(kind, point) for kind in kinds for point in installed.group(kind.group) if name in (None, point.name)]
    # Once for each distribution: to know its requirements is to parse the metadata of all of them, long READMEs too.
    providers = {dist: installed.provider(dist) for dist in {point.dist for _, point in points}}
    entries = []
    for kind, point in points:
        rivals = sorted(
            providers[other.dist].name for group, other in points if (group, other.name) == (kind, point.name)
        )
        entries.append(_inspect(kind, point, providers[point.dist], rivals))
    return entries


def _inspect(kind: type[Plugin], point: EntryPoint, provider: Provider, rivals: Sequence[str]) -> Entry:
    match = point.pattern.match(point.value)
    module, attribute = match.group("module", "attr") if match else ("", "")
    target = f"{module}:{attribute}" if attribute else point.value
    entry = Entry(kind.kind, point.name, provider.name, provider.version, target)
    if len(rivals) > 1:
        return replace(entry, problem=_taken(point.name, rivals))
    if provider.problem:
        return replace(entry, problem=provider.problem)
    if not attribute:
        return replace(entry, problem=f"its entry point is '{point.value}', where there should be module:Class")
    try:
        return replace(entry, summary=first_line(module, attribute))
    except PluginError as error:
        return replace(entry, problem=str(error))


def _taken(name: str, rivals: Sequence[str]) -> str:
    if len({*rivals}) == 1:
        return f"the name '{name}' is twice in the entry points of {rivals[0]}"
    return f"the name '{name}' is taken twice, by {' and '.join(rivals)}; uninstall one of them"


def _strays(installed: Installed) -> list[Entry]:
    groups = [kind.group for kind in KINDS]
    strays = [
        Entry(point.group, point.name, *installed.provider(point.dist)[:2], point.value, problem=problem)
        for point in installed.points
        if point.group not in groups
        for problem in [f"there is no group '{point.group}'{suggestion(point.group, groups)}"]
    ]
    return strays + [
        Entry("entry_points.txt", "", provider.name, provider.version, "", problem=provider.problem)
        for provider in installed.unreadable
    ]
