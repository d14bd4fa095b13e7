"""What is kept of a split that is scored: the scores of each image and of all together, and pictures of some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segzoo.data.samples import CheckedSamples, spread
from segzoo.files.atomic import atomic_file
from segzoo.files.filenames import file_names
from segzoo.processes.terminal import Bar
from segzoo.reporting.pictures import comparison
from segzoo.runs.folder import RunFolder
from segzoo.scoring.evaluation import evaluate, of_logits
from segzoo.scoring.scores import Counts, Scoring

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segzoo.scoring.evaluation import AsSegmentation, Pair
    from segzoo.scoring.segmentation import Segmentation

PICTURES = 8
"""Samples of the evaluated split that are drawn."""


def score_split(
    predictions: Iterable[Pair],
    samples: CheckedSamples,
    scoring: Scoring,
    folder: RunFolder,
    bar: Bar,
    segmentation: AsSegmentation = of_logits,
) -> dict[str, Any]:
    """Score the masks of a split's samples and their predictions, in order, and draw some of them, in a single pass.

    Writes `images.csv` and the pictures, and returns the scores of all, as they are in `metrics.json`.

    Args:
        predictions: see `segzoo.scoring.evaluation`, as for `segmentation`.
        samples: which they are of.
        scoring: by what.
        folder: to write into.
        bar: to show the progress.
        segmentation: what is scored of a mask and its prediction.
    """

    def counted() -> Iterator[Counts]:
        drawing = _drawing(predictions, samples, scoring.classes, folder, segmentation)
        for counts in evaluate(drawing, scoring, segmentation):
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
    predictions: Iterable[Pair],
    samples: CheckedSamples,
    classes: Sequence[str],
    folder: RunFolder,
    segmentation: AsSegmentation,
) -> Iterator[Pair]:
    """The same predictions; of some of the samples pictures are drawn when their predictions pass."""
    pictures: Mapping[int, Path] = pictures_of(samples.ids, folder)

    def passing(index: int, pair: Pair) -> Pair:
        if index in pictures:
            # Read again, since the image may have been kept resized, and those to be drawn may be large.
            _draw(pictures[index], samples[index][0], segmentation(*pair), classes)
        return pair

    return map(passing, count(), predictions)  # which, unlike a loop, holds on to no logits


def _draw(path: Path, image: NDArray[Any], result: Segmentation, classes: Sequence[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    picture = comparison(image, result.mask, result.predictions, classes)
    with atomic_file(path) as part:
        picture.save(part, "PNG")
