"""The splits of a dataset, opened: without the samples that are left out, each sample to be checked when it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from segzoo.data.faults import blaming, repeated_id, shared_ids
from segzoo.data.opening import OpenedSplit, open_split
from segzoo.data.samples import CheckedSamples, Identity, OnDemand, Subset, remaining
from segzoo.files.cache import cache_folder
from segzoo.plugin import Dataset, Info, Split
from segzoo.plugin_errors import Calling
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
    opened = {split: open_split(dataset, cache, split) for split in info.splits}
    kept = _kept(type(dataset), {split: names for split, (_, names, _) in opened.items()}, left_out or ())
    if left_out:
        totals = {split: len(names) for split, (_, names, _) in opened.items()}
        counts = [f"{total - len(kept[split]):,} of {total:,} in '{split}'" for split, total in totals.items()]
        note(f"left out: {', '.join(counts)}")
        opened = {split: _without(everything, kept[split]) for split, everything in opened.items()}
    facts = json.dumps([choice.options, left_out], sort_keys=True)
    label = f"{choice.name}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"
    types: dict[str, str] = {}
    return {
        split: CheckedSamples(
            samples,
            info,
            split,
            Identity(f"{label}-{split}", partial(dataset.stamp, cache, split)),
            files,
            type(dataset),
            types,
        )
        for split, (samples, _, files) in opened.items()
    }


def _kept(
    dataset: type[Dataset], ids: Mapping[Split, Sequence[str]], left_out: Collection[str]
) -> dict[Split, Sequence[int]]:
    """The indices of the samples of each split that are not left out."""
    with Calling(dataset, "naming its samples"):
        for split, names in ids.items():
            if repeated := repeated_id(names, split):
                raise blaming(dataset, repeated)
        kept = remaining(ids, left_out)
        if shared := shared_ids({split: map(ids[split].__getitem__, indices) for split, indices in kept.items()}):
            raise blaming(dataset, shared)
    return kept


def _without(opened: OpenedSplit, kept: Sequence[int]) -> OpenedSplit:
    """A split with the samples that are kept."""
    samples, _, files = opened
    chosen = Subset(samples, kept)
    return OpenedSplit(chosen, chosen.ids, OnDemand(len(kept) if files else 0, lambda index: files[kept[index]]))
