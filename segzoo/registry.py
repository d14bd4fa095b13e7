"""From names to checked plugin objects.

Looking is not loading: `entries` reads installed metadata and source text only. `load` imports the one plugin asked
for, and `create` turns its name and options into a frozen object.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, EntryPoint, EntryPoints, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import ValidationError
from stevedore import DriverManager

from segzoo.errors import DISTRIBUTION, OTHER_DISTRIBUTION, ConfigError, PluginError, suggestion
from segzoo.plugin import Dataset, Loss, Model, Plugin, Trainer
from segzoo.plugin_errors import Calling, line_in, summary

KINDS: tuple[type[Plugin], ...] = (Model, Dataset, Trainer, Loss)
"""The interfaces, in the order in which they are listed."""

P = TypeVar("P", bound=Plugin)


@dataclass(frozen=True)
class Entry:
    """One registered name, as far as it can be seen without importing it."""

    kind: str
    name: str
    distribution: str
    version: str
    target: str
    summary: str = ""
    problem: str = ""

    def row(self) -> dict[str, str]:
        """The fields as JSON."""
        return asdict(self)


class _Provider(NamedTuple):
    """What a distribution tells of itself."""

    name: str
    version: str
    problem: str


class _Driver(DriverManager[Plugin]):
    """stevedore's loader of one plugin by name, reading the installed metadata itself.

    stevedore's cache on disk tells changes apart by times of 128 s resolution, so a plugin reinstalled twice in two
    minutes would keep its old names; and it forgets which distribution a name comes from.
    """

    def list_entry_points(self) -> list[EntryPoint]:
        return list(entry_points(group=self.namespace))


def entries(*kinds: type[Plugin]) -> list[Entry]:
    """All registered plugins of each kind by name, the broken ones with the reason; imports none of them."""
    installed = entry_points()
    return _inspect_all({kind: _sorted(installed.select(group=kind.group)) for kind in kinds})


def locate(name: str) -> tuple[type[Plugin], str]:
    """The kind and the short name of a plugin called `unet`, or `models/unet` in full.

    Raises:
        ConfigError: if no plugin, or plugins of several kinds, have that name.
    """
    group, _, short = name.rpartition("/")
    installed = entry_points()
    names = {kind: installed.select(group=kind.group).names for kind in KINDS if group in ("", plural(kind))}
    if not names:
        raise ConfigError(f"no plugins called '{group}'{suggestion(group, map(plural, KINDS))}")
    found = [kind for kind, known in names.items() if short in known]
    if not found:
        raise ConfigError(f"no plugin '{name}'{suggestion(short, set().union(*names.values()))}")
    if len(found) > 1:
        choices = " or ".join(f"{plural(kind)}/{short}" for kind in found)
        raise ConfigError(f"'{short}' is the name of {len(found)} plugins: write {choices}")
    return found[0], short


def plural(kind: type[Plugin]) -> str:
    """`models`, `datasets`, `trainers` or `losses`: the last word of the group."""
    return kind.group.rpartition(".")[2]


def load(kind: type[P], name: str) -> type[P]:
    """The class of a registered plugin, imported and checked to be of the kind.

    Raises:
        ConfigError: if the name is unknown.
        PluginError: if it is taken twice, cannot be imported, or is no plugin of the kind.
    """
    known = entry_points(group=kind.group)
    if name not in known.names:
        raise ConfigError(f"no {kind.kind} '{name}'{suggestion(name, known.names)}")
    points = _sorted(known.select(name=name))
    entry = _inspect_all({kind: points})[0]
    if entry.problem:
        raise PluginError(f"{kind.kind} '{name}' of {entry.distribution} cannot be used: {entry.problem}")
    title = f"{kind.kind} '{name}' of {entry.distribution}"
    try:
        found = _Driver(kind.group, name, on_load_failure_callback=_fail).driver
    except (Exception, SystemExit) as error:
        line = line_in(entry.target.partition(".")[0].partition(":")[0], error)
        place = f"{entry.target}, {line}" if line else entry.target
        raise PluginError(f"{title} cannot be imported ({place}): {summary(error)}") from error
    if not (inspect.isclass(found) and issubclass(found, kind)) or inspect.isabstract(found):
        raise PluginError(f"{kind.kind} '{name}': {entry.target} is not a complete subclass of {kind.__qualname__}")
    found.registered = title
    return found


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
            lines.append(f"{where} '{path}': unknown option{suggestion(path, known)}")
        else:
            message = finding["msg"].removeprefix("Value error, ")
            message = message[:1].lower() + message[1:]
            lines.append(f"{where} '{path}': {message}, not {finding['input']!r}" if path else f"{where}: {message}")
    return "\n".join(lines)


def _fail(manager: object, point: EntryPoint, error: BaseException) -> None:
    # stevedore would log the error and go on without the plugin.
    raise error


def _sorted(points: EntryPoints) -> list[EntryPoint]:
    return sorted(points, key=lambda point: (point.name, point.value))


def _inspect_all(points: Mapping[type[Plugin], list[EntryPoint]]) -> list[Entry]:
    found = []
    # Once for each distribution: to know its requirements is to parse the metadata of all of them, long READMEs too.
    providers = {dist: _provider(dist) for dist in {point.dist for of_kind in points.values() for point in of_kind}}
    for kind, of_kind in points.items():
        for point in of_kind:
            rivals = sorted(providers[other.dist].name for other in of_kind if other.name == point.name)
            found.append(_inspect(kind, point, providers[point.dist], rivals))
    return found


def _inspect(kind: type[Plugin], point: EntryPoint, provider: _Provider, rivals: Sequence[str]) -> Entry:
    entry = Entry(kind.kind, point.name, provider.name, provider.version, f"{point.module}:{point.attr}")
    if len(rivals) > 1:
        both = " and ".join(rivals)
        return replace(entry, problem=f"the name '{point.name}' is taken twice, by {both}; uninstall one of them")
    if provider.problem:
        return replace(entry, problem=provider.problem)
    try:
        return replace(entry, summary=_summary(point.module, point.attr))
    except PluginError as error:
        return replace(entry, problem=str(error))


def _provider(dist: Distribution | None) -> _Provider:
    return _Provider(dist.name, dist.version, _unmet(dist)) if dist else _Provider("an unknown distribution", "", "")


def _unmet(distribution: Distribution) -> str:
    """The first requirement of a distribution that is not installed, in words; empty if all are."""
    for text in distribution.requires or ():
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            if canonicalize_name(requirement.name) == OTHER_DISTRIBUTION:
                return f"it needs {requirement.name}, which is another program; its author means {DISTRIBUTION}"
            return f"it needs {requirement.name}, which is not installed"
        if not requirement.specifier.contains(installed, prereleases=True):
            return f"it needs {requirement.name}{requirement.specifier}, but {installed} is installed"
    return ""


def _summary(module: str, attribute: str) -> str:
    """First docstring line of a class, read from its source text; empty if the class is only re-exported there."""
    spec = _find_spec(module)
    if spec is None:
        raise PluginError(f"there is no module '{module}'")
    if not spec.origin or not spec.origin.endswith(".py"):
        return ""
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except SyntaxError as error:
        raise PluginError(f"syntax error in {module}, line {error.lineno}: {error.msg}") from error
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == attribute:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    if attribute not in _bound_names(tree):
        raise PluginError(f"module '{module}' has no class '{attribute}'")
    return ""


def _find_spec(module: str) -> ModuleSpec | None:
    """Like `importlib.util.find_spec`, but without importing the parent packages."""
    path, spec = None, None
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:end]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return spec


def _bound_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
    return names
