"""What is kept of a split that is scored: the scores of each image and of all together, and pictures of some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segzoo.data.resizing import resize_channels
from segzoo.data.samples import CheckedSamples, spread
from segzoo.files.atomic import atomic_file
from segzoo.files.filenames import file_names
from segzoo.networks.prediction import classify
from segzoo.processes.terminal import Bar
from segzoo.reporting.pictures import comparison
from segzoo.runs.folder import RunFolder
from segzoo.scoring.evaluation import evaluate
from segzoo.scoring.scores import Counts, Scoring

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo.networks.prediction import Predicted

PICTURES = 8
"""Samples of the evaluated split that are drawn."""


def score_split(
    predictions: Iterable[Predicted], samples: CheckedSamples, scoring: Scoring, folder: RunFolder, bar: Bar
) -> dict[str, Any]:
    """Score the masks and logits of a split's samples, in order, and draw some of them, all in a single pass.

    Writes `images.csv` and the pictures, and returns the scores of all, as they are in `metrics.json`.
    """

    def counted() -> Iterator[Counts]:
        for counts in evaluate(_drawing(predictions, samples, scoring.classes, folder), scoring):
            bar.advance(1, f"scoring {samples.split}")
            yield counts

    total, rows = scoring.summed(counted())
    folder.write_images([{"id": name} | row for name, row in zip(samples.ids, rows, strict=True)])
    facts = {"split": samples.split, "selected_on_this_split": samples.split == "val", "images": len(samples)}
    return facts | scoring.split_scores(total, rows)


def pictures_of(ids: Sequence[str], folder: RunFolder) -> dict[int, Path]:
    """The samples of which pictures are drawn, spread evenly, and the file of each."""
    chosen = spread(len(ids), PICTURES)
    names = file_names(ids[index] for index in chosen)
    return {index: folder.samples / f"{names[ids[index]]}.png" for index in chosen}


def _drawing(
    predictions: Iterable[Predicted], samples: CheckedSamples, classes: Sequence[str], folder: RunFolder
) -> Iterator[Predicted]:
    """The same predictions; of some of the samples pictures are drawn when their predictions pass."""
    pictures: Mapping[int, Path] = pictures_of(samples.ids, folder)

    def passing(index: int, prediction: Predicted) -> Predicted:
        if index in pictures:
            # Read again, since the image may have been kept resized, and those to be drawn may be large.
            _draw(pictures[index], samples[index][0], prediction, classes)
        return prediction

    return map(passing, count(), predictions)  # which, unlike a loop, holds on to no logits


def _draw(path: Path, image: NDArray[Any], prediction: Predicted, classes: Sequence[str]) -> None:
    mask, logits = prediction
    path.parent.mkdir(exist_ok=True)
    picture = comparison(image, mask, classify(resize_channels(logits, mask.shape)), classes)
    with atomic_file(path) as part:
        picture.save(part, "PNG")
