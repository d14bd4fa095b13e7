"""Verification of a dataset: every sample is read and checked, and compared with all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from segzoo.data.faults import blaming, lacking_split
from segzoo.files.cache import cache_folder
from segzoo.inspection.checks import CheckResult, SampleChecker
from segzoo.inspection.chunks import Chunk
from segzoo.inspection.duplicates import DuplicateSearch
from segzoo.inspection.findings import KINDS, Finding, Verification
from segzoo.inspection.leave_out import write_list
from segzoo.inspection.reading import (
    UNKNOWN,
    OpenedDataset,
    create_dataset,
    open_dataset,
    read_chunks,
    recording_problems,
)
from segzoo.inspection.split_comparison import SplitComparison

WARNINGS = ("extension", "turned", "animated", "one class")
"""Kinds of remarks in spite of which a sample can be trained on."""


def verify(
    dataset: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    config: Path | None = None,
    quarantine: Path | None = None,
    processes: int | None = None,
) -> Verification:
    """Read every sample of a dataset and tell what is wrong with it; what `segzoo data verify` does.

    Settings are such as `{"dataset.root": "photos"}`; what is not said is taken from the run's file `config`. With
    `quarantine`, the samples with errors go into a list that a run can leave out. Reading takes as many processes as
    there are processors to use, unless another number is given.

    Raises:
        SegzooError: if the name or a setting does not fit, or the list cannot be written. What is wrong with the data
            is no error, but a finding.
    """
    opened = open_dataset(*create_dataset(dataset, settings, config))
    findings, duplicates, splits = list(_of_dataset(opened)), DuplicateSearch(opened), SplitComparison(opened)
    for chunk, results in read_chunks(opened, SampleChecker(opened.samples, opened.info), processes):
        findings += _of_samples(chunk, results)
        duplicates.add(chunk, results)
        splits.add(chunk, results)
    findings += [*duplicates.findings(), *splits.findings()]
    kinds, names = list(KINDS), [None, *opened.info.splits]
    findings.sort(key=lambda it: (it.severity, kinds.index(it.kind), names.index(it.split), it.id, it.what))
    counts = {split: len(samples) for split, samples in opened.samples.items()}
    verification = Verification(opened.name, counts, tuple(findings))
    if quarantine:
        write_list(quarantine, verification.errors)
    return verification


def _of_dataset(opened: OpenedDataset) -> Iterator[Finding]:
    with recording_problems(opened, None):
        for line in opened.dataset.missing(cache_folder()):
            yield Finding("missing", "error", line)
    if opened.info.splits:
        with recording_problems(opened, None):
            for line in opened.dataset.warnings(cache_folder()):
                yield Finding("doubtful", "warning", line)
    for split, error in opened.problems:
        yield Finding("unopened", "error", str(error), split)
    if opened.info is not UNKNOWN and (wrong := lacking_split(opened.info)):
        yield Finding("unopened", "error", str(blaming(type(opened.dataset), wrong)))


def _of_samples(chunk: Chunk, results: list[CheckResult]) -> Iterator[Finding]:
    for name, result in zip(chunk.ids, results, strict=True):
        for kind, file, what in result.remarks:
            yield Finding(kind, "warning" if kind in WARNINGS else "error", what, chunk.split, name, file)
