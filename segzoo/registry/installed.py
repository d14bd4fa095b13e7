"""The distributions on the path and their entry points, read so that bad metadata of one hide nothing of the others."""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint, EntryPoints, distributions
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from segzoo.errors import DISTRIBUTION, OTHER_DISTRIBUTION

PREFIX = "segzoo"
"""With this the groups of entry points begin that are of segzoo, or meant to be."""


class Provider(NamedTuple):
    """What a distribution tells of itself, and why its plugins cannot be used."""

    name: str
    version: str
    problem: str


class Installed:
    """What is installed, read from the metadata once."""

    def __init__(self) -> None:
        self.distributions = distributions_by_name()
        self.points: list[EntryPoint] = []
        """Of all groups that begin with PREFIX, sorted by name."""
        self.unreadable: list[Provider] = []
        """Distributions whose entry points cannot be read and name segzoo, with the reason."""
        for distribution in self.distributions.values():
            try:
                points = distribution.entry_points
            except Exception as error:  # the text is split and decoded without a look at what is wrong
                self._note_unreadable(distribution, error)
            else:
                self.points += [point for point in points if point.group.lower().startswith(PREFIX)]
        self.points.sort(key=lambda point: (point.name, point.value))

    def version(self, name: str) -> str:
        """The version of a distribution; empty if it is not installed."""
        distribution = self.distributions.get(canonicalize_name(name))
        return _provider(distribution).version if distribution else ""

    def group(self, group: str) -> EntryPoints:
        """The entry points of a group, sorted by name."""
        return EntryPoints(point for point in self.points if point.group == group)

    def provider(self, distribution: Distribution | None) -> Provider:
        """What a distribution tells of itself; its requirements are looked up, which means parsing their metadata."""
        if distribution is None:
            return Provider("an unknown distribution", "", "")
        provider = _provider(distribution)
        if not provider.version:
            again = f"type: pip install --force-reinstall {provider.name}"
            return provider._replace(problem=f"its metadata have no name or version, as if half removed; {again}")
        return provider._replace(problem=self._unmet(distribution))

    def _unmet(self, distribution: Distribution) -> str:
        """The first requirement of a distribution that is not installed, in words; empty if all are."""
        for text in distribution.requires or ():
            try:
                problem = self._missing(Requirement(text))
            except ValueError:  # the base of all that packaging raises
                return f"its metadata require '{text}', which is no requirement that pip knows"
            if problem:
                return problem
        return ""

    def _missing(self, requirement: Requirement) -> str:
        """Why a requirement is not met, in words; empty if it is."""
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            return ""
        version = self.version(requirement.name)
        if not version and canonicalize_name(requirement.name) == OTHER_DISTRIBUTION:
            return f"it needs {requirement.name}, which is another program; its author means {DISTRIBUTION}"
        if not version:
            return f"it needs {requirement.name}, which is not installed"
        try:
            fits = requirement.specifier.contains(version, prereleases=True)
        except InvalidVersion:
            fits = not requirement.specifier
        return "" if fits else f"it needs {requirement.name}{requirement.specifier}, but {version} is installed"

    def _note_unreadable(self, distribution: Distribution, error: Exception) -> None:
        folder = getattr(distribution, "_path", None)
        if folder and PREFIX.encode() in (folder / "entry_points.txt").read_bytes().lower():
            reason = "it is not UTF-8" if isinstance(error, UnicodeError) else "a line is no name = module:Class"
            self.unreadable.append(_provider(distribution, f"its entry_points.txt cannot be read: {reason}"))


def distributions_by_name() -> dict[str, Distribution]:
    """The distributions on the path by their normalized names, as pip sees them.

    Of several of a name the first counts that has metadata. What an interrupted pip has renamed counts as removed.
    """
    chosen: dict[str, Distribution] = {}
    for distribution in distributions():
        name = canonicalize_name(_name(distribution))
        if not name.startswith("~") and (name not in chosen or not _has_metadata(chosen[name])):
            chosen[name] = distribution
    return chosen


def versions() -> dict[str, str]:
    """The versions of all distributions by their names, but for those whose metadata are incomplete."""
    providers = sorted(map(_provider, distributions_by_name().values()), key=lambda provider: provider.name.lower())
    return {provider.name: provider.version for provider in providers if provider.version}


def _name(distribution: Distribution) -> str:
    """Its name by that of its folder: it costs nothing, and is there without metadata too."""
    folder = getattr(distribution, "_path", None)  # as pip itself does, since there is no public way
    if folder is None:
        return distribution.name or ""
    return str(folder.name.rpartition(".")[0].partition("-")[0])


def _has_metadata(distribution: Distribution) -> bool:
    folder = getattr(distribution, "_path", None)
    if folder is None or folder.is_file():  # an egg-info may be a file of metadata
        return True
    return any((folder / name).is_file() for name in ("METADATA", "PKG-INFO"))


def _provider(distribution: Distribution, problem: str = "") -> Provider:
    """What a distribution tells of itself; without a version where its metadata lack that, or the name."""
    try:
        metadata = distribution.metadata  # parsed anew whenever it is asked for
        name, version = metadata["Name"], metadata["Version"]
    except Exception:  # without metadata, each version of Python raises another error or none
        name, version = None, None
    return Provider(name, version, problem) if name and version else Provider(_name(distribution), "", problem)
