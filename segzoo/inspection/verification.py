"""Whether a dataset is what it should be: every sample is read, and every finding has a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from segzoo.files.cache import cache_folder
from segzoo.inspection.checks import Inspector, Seen
from segzoo.inspection.chunks import Piece, described
from segzoo.inspection.duplicates import Crosscheck
from segzoo.inspection.findings import KINDS, Finding, Verification
from segzoo.inspection.leave_out import write_list
from segzoo.inspection.reading import Opened, named, noted, opened, survey

WARNINGS = ("extension", "turned", "animated", "one class")
"""What a sample by itself may have and yet be trained on."""


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
    there are processors, unless another number is given.

    Raises:
        SegzooError: if the name or a setting does not fit, or the list cannot be written. What is wrong with the data
            is no error, but a finding.
    """
    found = opened(*named(dataset, settings, config))
    findings, crosscheck = list(_of_the_whole(found)), Crosscheck(found)
    for piece, seen in survey(found, Inspector(found.samples, found.info), processes):
        findings += _of_a_piece(piece, seen)
        crosscheck.take(piece, seen)
    findings += crosscheck.findings()
    kinds, splits = list(KINDS), [None, *found.info.splits]
    findings.sort(key=lambda one: (one.severity, kinds.index(one.kind), splits.index(one.split), one.id, one.what))
    counts = {split: len(samples) for split, samples in found.samples.items()}
    verification = Verification(found.name, counts, tuple(findings))
    if quarantine:
        write_list(quarantine, verification.errors)
    return verification


def _of_the_whole(found: Opened) -> Iterator[Finding]:
    with noted(found, None):
        for line in found.dataset.missing(cache_folder()):
            yield Finding("missing", "error", line)
    if found.info.splits:
        with noted(found, None):
            for line in found.dataset.warnings(cache_folder()):
                yield Finding("doubtful", "warning", line)
    for split, error in found.problems:
        yield Finding("unopened", "error", described(error), split)


def _of_a_piece(piece: Piece, seen: list[Seen]) -> Iterator[Finding]:
    for name, one in zip(piece.ids, seen, strict=True):
        for kind, file, what in one.remarks:
            yield Finding(kind, "warning" if kind in WARNINGS else "error", what, piece.split, name, file)
