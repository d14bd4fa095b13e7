"""The splits of a dataset, opened: without the samples that are left out, each sample to be checked when it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from segzoo.data.faults import fault_of_ids, shared_ids
from segzoo.data.samples import CheckedSamples, Identity, Subset, remaining
from segzoo.errors import PluginError
from segzoo.files.cache import cache_folder
from segzoo.plugin import Dataset, Info, Samples, Split
from segzoo.plugin_errors import Calling, title
from segzoo.processes.terminal import note
from segzoo.runs.config import Choice


def open_splits(
    dataset: Dataset, choice: Choice, info: Info, left_out: Collection[str] | None = None
) -> dict[Split, CheckedSamples]:
    """All splits of a dataset, after what it warns of is printed.

    Args:
        dataset: to be opened.
        choice: its name and all of its options, by which the cache knows it.
        info: what it has said of itself.
        left_out: ids of samples that are in no split then.

    Raises:
        SegzooError: if it cannot be prepared or opened, an id is there twice, or one to leave out is not there.
    """
    cache = cache_folder()
    dataset.prepare(cache)
    for line in dataset.warnings(cache):
        note(f"warning: {line}")
    for line in dataset.notes(cache):
        note(line)
    opened = {split: dataset.open(cache, split) for split in info.splits}
    kept = _kept(type(dataset), opened, left_out or ())
    if left_out:
        totals = {split: len(samples) for split, samples in opened.items()}
        counts = [f"{total - len(kept[split]):,} of {total:,} in '{split}'" for split, total in totals.items()]
        note(f"left out: {', '.join(counts)}")
        opened = {split: Subset(samples, kept[split]) for split, samples in opened.items()}
    facts = json.dumps([choice.options, left_out], sort_keys=True)
    label = f"{choice.name}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"
    types: dict[str, str] = {}
    return {
        split: CheckedSamples(
            samples,
            info,
            split,
            Identity(f"{label}-{split}", partial(dataset.stamp, cache, split)),
            partial(_files, dataset, split, kept[split]),
            type(dataset),
            types,
        )
        for split, samples in opened.items()
    }


def _kept(
    dataset: type[Dataset], opened: Mapping[Split, Samples], left_out: Collection[str]
) -> dict[Split, Sequence[int]]:
    """The indices of the samples of each split that are not left out."""
    ids = dict[Split, Sequence[str]]()
    for split, samples in opened.items():
        with Calling(dataset, f"naming the samples of the split '{split}'"):
            ids[split] = samples.ids
            wrong = fault_of_ids(ids[split], len(samples), split)
        if wrong:
            raise PluginError(f"{title(dataset)}: {wrong}")
    with Calling(dataset, "naming its samples"):
        kept = remaining(ids, left_out)
        shared = shared_ids({split: map(ids[split].__getitem__, indices) for split, indices in kept.items()})
    if shared:
        raise shared
    return kept


def _files(dataset: Dataset, split: Split, kept: Sequence[int]) -> Sequence[tuple[Path, ...]]:
    """The files of the samples that are kept; empty if they are not made of files."""
    files = dataset.files(cache_folder(), split)
    return [files[index] for index in kept] if files else ()
