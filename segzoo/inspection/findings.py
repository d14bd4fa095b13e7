"""The findings of a verification: kinds, severities and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

from segzoo.inspection.hashes import DISTANCE
from segzoo.plugin import Split

Severity = Literal["error", "warning"]

KINDS: dict[str, str] = {
    "unopened": "The dataset, or a split of it, cannot be opened.",
    "missing": "A file that should be there is not, or is of a kind that cannot be read.",
    "unreadable": "A file cannot be decoded.",
    "invalid": "The dataset refuses a sample, or gives it in another form than it promises.",
    "size": "Image and mask differ in size.",
    "labels": "A mask has labels that are no class.",
    "unlabelled": "A mask leaves out every pixel.",
    "nothing to learn": "The masks of `train` have a single label, or those of a split leave out every pixel.",
    "overlap": "An id or a file is in two splits, or an id is there twice.",
    "duplicate": "Two images are the same, pixel by pixel. In two splits it is an error, else a warning.",
    "near duplicate": f"Images of two splits look alike: their hashes differ in at most {DISTANCE} of 64 bits.",
    "extension": "A file holds another format than its name says.",
    "turned": "A photo says that it is to be turned when it is shown; it is read as it is stored.",
    "animated": "A file has several frames, as an animation; only the first is read.",
    "shifted": "A split differs from `train` in brightness or in shares of classes, by more than chance explains.",
    "doubtful": "The dataset as a whole may not be what it seems; a run says so too.",
    "one class": "A mask has one class only, such as background with nothing on it.",
}
"""What is looked for, in the order in which it is shown."""


@dataclass(frozen=True)
class Finding:
    """Something in a dataset that is wrong, or odd."""

    kind: str
    """One of KINDS."""
    severity: Severity
    what: str
    """What it is, in words."""
    split: Split | None = None
    """None if it is of no single split."""
    id: str = ""
    """Of the sample; empty if it is of no single sample."""
    file: str = ""
    """The file that it is in, if one can be named."""


@dataclass(frozen=True)
class Verification:
    """What was found in a dataset."""

    dataset: str
    samples: dict[Split, int]
    """How many there are, by split."""
    findings: tuple[Finding, ...]
    """Errors first, then by kind, split and id."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def bad_ids(self) -> tuple[str, ...]:
        """The ids of samples with errors, for `leave_out` of `segzoo.run`."""
        return tuple(dict.fromkeys(finding.id for finding in self.errors if finding.id))

    def counts(self) -> dict[tuple[Severity, str], Counter[Split | None]]:
        """How many findings there are of a severity and a kind in each split."""
        counts: dict[tuple[Severity, str], Counter[Split | None]] = {}
        for finding in self.findings:
            counts.setdefault((finding.severity, finding.kind), Counter())[finding.split] += 1
        return counts

    def row(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        errors = len(self.errors)
        return {
            "dataset": self.dataset,
            "samples": self.samples,
            "errors": errors,
            "warnings": len(self.findings) - errors,
            "findings": [asdict(finding) for finding in self.findings],
        }
