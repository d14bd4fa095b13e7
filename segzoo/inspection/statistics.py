"""Statistics of a dataset: sizes, shares of classes, mean and deviation of channels, counted exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import sqrt
from pathlib import Path
from typing import Any

from segzoo.inspection.counts import UNIT, ChunkCounter, SampleCounts
from segzoo.inspection.reading import create_dataset, open_complete, read_chunks
from segzoo.plugin import IGNORE, Info, Split
from segzoo.training.balance import median_frequency

DEFINITIONS: dict[str, str] = {
    "share": "Of a class: its pixels over all labelled pixels of the split.",
    "images": "Of a class: images with at least one pixel of it.",
    "weight": "Of a class: the median over classes of f, divided by its own f, where f is its pixels over the labelled "
    "pixels of the images that have it (median frequency balancing, Eigen and Fergus 2015, arXiv:1411.4734).",
    "mean": "Of a channel: over all pixels of all images, in pixel values 0 to 255; 16 bits are scaled to that.",
    "std": "Of a channel: the standard deviation about that mean, over all pixels of all images.",
    "range": "The values in the files that the smallest and the largest pixel value stand for; null for the range of "
    "their type.",
}
"""What each figure means, in a sentence. Images that are unreadable or wrong are in none of them."""


@dataclass(frozen=True)
class Statistics:
    """What was counted in a dataset."""

    dataset: str
    classes: tuple[str, ...]
    range: tuple[float, float] | None
    """See `Info.range`."""
    splits: dict[Split, dict[str, Any]]
    """The figures of each split; `segzoo data stats` describes them."""

    def row(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {**asdict(self), "definitions": DEFINITIONS}


def stats(
    dataset: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    config: Path | None = None,
    processes: int | None = None,
) -> Statistics:
    """Count what is in each split of a dataset; what `segzoo data stats` does.

    Settings are such as `{"dataset.root": "photos"}`; what is not said is taken from the run's file `config`.
    Reading takes as many processes as there are processors to use, unless another number is given.

    Raises:
        SegzooError: if the name or a setting does not fit, or a split cannot be opened.
    """
    opened = open_complete(*create_dataset(dataset, settings, config))
    counts = {split: SampleCounts() for split in opened.info.splits}
    for chunk, counts_of_chunk in read_chunks(opened, ChunkCounter(opened.samples, opened.info), processes):
        counts[chunk.split].add(counts_of_chunk)
    figures = {split: _figures(counts_of_split, opened.info) for split, counts_of_split in counts.items()}
    return Statistics(opened.name, opened.info.classes, opened.info.range, figures)


def _figures(counts: SampleCounts, info: Info) -> dict[str, Any]:
    labelled = sum(counts.pixels.values()) - counts.pixels[IGNORE]
    labels = range(len(info.classes))
    weights = median_frequency([counts.pixels[label] for label in labels], [counts.labelled[label] for label in labels])
    return {
        "images": counts.images,
        "wrong": counts.wrong,
        "sizes": _sizes(counts.sizes),
        "types": dict(sorted(counts.types.items())),
        "channels": [
            {"mean": mean, "std": std} for mean, std in (_moments(counts, channel) for channel in range(info.channels))
        ],
        "labelled_pixels": labelled,
        "ignored_pixels": counts.pixels[IGNORE],
        "classes": {
            name: {
                "pixels": counts.pixels[label],
                "share": counts.pixels[label] / labelled if labelled else None,
                "images": counts.present[label],
                "weight": weights[label],
            }
            for label, name in enumerate(info.classes)
        },
    }


def _sizes(sizes: Counter[tuple[int, int]]) -> dict[str, Any]:
    """Of heights and widths, the extremes and the middle; and the sizes that are most common."""
    if not sizes:
        return {"different": 0, "height": None, "width": None, "most_common": []}
    sides = {}
    for axis, name in enumerate(("height", "width")):
        counts: Counter[int] = Counter()
        for size, count in sizes.items():
            counts[size[axis]] += count
        sides[name] = {"least": min(counts), "median": _median(counts), "most": max(counts)}
    common = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:5]
    most = [{"height": height, "width": width, "images": count} for (height, width), count in common]
    return {"different": len(sizes), **sides, "most_common": most}


def _median(counts: Counter[int]) -> int:
    """The lower median of values by their counts."""
    left = (counts.total() + 1) // 2
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    raise ValueError("nothing to take the median of")


def _moments(counts: SampleCounts, channel: int) -> tuple[float | None, float | None]:
    """Mean and standard deviation of a channel, in pixel values 0..255."""
    count, total, squares = (counts.values[channel, power] for power in range(3))
    if not count:
        return None, None
    variance = Fraction(count * squares - total * total, count * count)  # exact, so that nothing cancels
    return total / count / UNIT["uint8"], sqrt(variance) / UNIT["uint8"]
