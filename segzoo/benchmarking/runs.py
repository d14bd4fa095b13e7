"""Whether finished runs may be compared, and what is to be known of them then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from segzoo.errors import ConfigError
from segzoo.runs.finished import Run
from segzoo.scoring.scores import DEFINITIONS


def require_same_data(runs: Sequence[Run], remedy: str) -> None:
    """Refuse runs of which not all saw the data of the first.

    Raises:
        ConfigError: naming two such runs, what differs, and the remedy.
    """
    for run in runs[1:]:
        if facts := _differences(runs[0], run):
            raise ConfigError(f"{runs[0].folder} and {run.folder} are of different data: {'; '.join(facts)}. {remedy}")


def _differences(run: Run, other: Run) -> list[str]:
    """The differences between the data of two runs, as text."""
    facts = []
    if changed := other_splits(run, other):
        names = ", ".join(f"'{split}'" for split in changed)
        facts.append(f"other samples in the split{'s' if changed[1:] else ''} {names}")
    if run.metrics["split"] != other.metrics["split"]:
        facts.append(f"scored are the splits '{run.metrics['split']}' and '{other.metrics['split']}'")
    if run.classes != other.classes:
        facts.append(f"the classes are {', '.join(run.classes)} and {', '.join(other.classes)}")
    return facts


def other_splits(run: Run, other: Run) -> list[str]:
    """The splits whose samples are known of both runs, and differ: of masks, only those that are scored are known."""
    return [split for split, data in run.fingerprints.items() if other.fingerprints.get(split, data) != data]


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
                    f"versions of segzoo ({earlier.versions}; {run.versions}). {earlier.files.again}; repeat the "
                    "older of the two"
                )


def unlike(runs: Sequence[Run]) -> list[str]:
    """Differences between runs that a reader has to know but that do not rule out a comparison, as sentences."""
    facts: dict[str, Callable[[Run], object]] = {
        "made with the same versions, which may make a difference too": lambda run: run.versions,
        "made on one machine: do not compare their times": lambda run: run.machine,
    }
    sentences = []
    if any(other_splits(runs[0], run) for run in runs):
        sentences.append("Not all runs were on the same data: there is a test where the scored images are the same.")
    for what, of in facts.items():
        if len({of(run) for run in runs}) > 1:
            sentences.append(f"Not all runs were {what}.")
    foreign = [run for run in runs if run.evaluation and not run.evaluation.run]
    if foreign:
        sentences.append(f"What was trained on for {_folders(foreign)} is not known.")
    return sentences


def lacking(runs: Sequence[Run]) -> list[str]:
    """Scores that some of the runs do not have, since a version of segzoo before these scores made them, as sentences.

    A dataset's own scores are not among them.
    """
    had = [run.overall.keys() | run.by_class.keys() for run in runs]
    names = [name for name in DEFINITIONS if any(name in scores for scores in had)]
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run, scores in zip(runs, had, strict=True):
        groups.setdefault(tuple(name for name in names if name not in scores), []).append(run)
    return [
        f"No {', '.join(missing)} in {_folders(old)}, scored by an earlier version of segzoo: left out where these "
        f"scores are shown. {old[0].files.again}."
        for missing, old in groups.items()
        if missing
    ]


def warned(model: str, runs: Sequence[Run]) -> list[str]:
    """The warnings of the runs of a model, as `unet, seeds 0, 2: the network predicts …`."""
    seeds: dict[str, list[str]] = {}
    for run in runs:
        for sentence in run.warnings:
            seeds.setdefault(sentence, []).append(str(run.seed))
    return [f"{model}, seed{'s' if of[1:] else ''} {', '.join(of)}: {sentence}" for sentence, of in seeds.items()]


def _folders(runs: Sequence[Run]) -> str:
    """The folders of runs as text, the first ones only if there are many."""
    more = f" and {len(runs) - 3} more" if runs[3:] else ""
    return f"{', '.join(str(run.folder) for run in runs[:3])}{more}"
