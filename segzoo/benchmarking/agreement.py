"""Whether runs may be compared: the same data, the same classes, and scores of the same definitions."""

from __future__ import annotations

from collections.abc import Sequence

from segzoo.benchmarking.runs import Run, again
from segzoo.errors import ConfigError


def require_same_data(runs: Sequence[Run], remedy: str) -> None:
    """Refuse runs of which not all saw the data of the first.

    Raises:
        ConfigError: naming two such runs, what differs, and the remedy.
    """
    for run in runs[1:]:
        if found := differences(runs[0], run):
            raise ConfigError(f"{runs[0].folder} and {run.folder} are of different data: {'; '.join(found)}. {remedy}")


def differences(one: Run, other: Run) -> list[str]:
    """What is not the same in the data of two runs, in words."""
    found = []
    splits = dict.fromkeys([*one.fingerprints, *other.fingerprints])
    if changed := [split for split in splits if one.fingerprints.get(split) != other.fingerprints.get(split)]:
        names = ", ".join(f"'{split}'" for split in changed)
        found.append(f"other samples in the split{'s' if changed[1:] else ''} {names}")
    if one.metrics["split"] != other.metrics["split"]:
        found.append(f"scored are the splits '{one.metrics['split']}' and '{other.metrics['split']}'")
    if one.classes != other.classes:
        found.append(f"the classes are {', '.join(one.classes)} and {', '.join(other.classes)}")
    return found


def require_same_definitions(runs: Sequence[Run]) -> None:
    """Refuse runs with a score that is defined otherwise in another of them.

    Raises:
        ConfigError: naming two such runs and the scores.
    """
    first: dict[str, Run] = {}
    for run in runs:
        for name, text in run.metrics["definitions"].items():
            earlier = first.setdefault(name, run)
            if earlier.metrics["definitions"][name] != text:
                raise ConfigError(
                    f"{earlier.folder} and {run.folder} define '{name}' differently: they were scored by different "
                    f"versions of segzoo ({earlier.versions}; {run.versions}). {again(earlier.folder)}; repeat the "
                    "older of the two"
                )


def unlike(runs: Sequence[Run]) -> list[str]:
    """In what runs differ that does not forbid to compare them but is to be known, in sentences."""
    facts: dict[str, list[object]] = {
        "on the same data: there is a test where the scored images are the same": [run.fingerprints for run in runs],
        "made with the same versions, which may make a difference too": [run.versions for run in runs],
        "made on one machine: do not compare their times": [run.machine for run in runs],
    }
    return [f"Not all runs were {what}." for what, values in facts.items() if any(one != values[0] for one in values)]
