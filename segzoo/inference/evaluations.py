"""Scores of trained networks, and of masks that other tools have made, on any split of any dataset: `segzoo evaluate`.

An evaluation leaves a folder that is opened and compared as that of a run. Networks compute in float32.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segzoo.data.resizing import ResizedSamples
from segzoo.data.samples import CheckedSamples
from segzoo.errors import ConfigError, DataError
from segzoo.files.atomic import atomic_folder
from segzoo.inference.class_names import Relabelled, matched
from segzoo.inference.ensemble import Manner
from segzoo.inference.mask_files import MaskedSamples, find_masks
from segzoo.inference.target import Target, target_of
from segzoo.inference.trained import SUFFIX, Trained, open_trained
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import BATCH, predicted
from segzoo.networks.symmetries import Symmetric, Symmetries
from segzoo.plugin import Split
from segzoo.processes.terminal import Bar, quiet
from segzoo.processes.threads import in_parallel
from segzoo.runs import warnings
from segzoo.runs.config import Choice, RunConfig
from segzoo.runs.evaluation import UNKNOWN, Evaluation
from segzoo.runs.finished import Run, open_run
from segzoo.runs.folder import RunFolder, next_free
from segzoo.runs.manifest import manifest
from segzoo.runs.results import score_split
from segzoo.scoring.evaluation import of_logits
from segzoo.scoring.scores import Scoring
from segzoo.scoring.segmentation import LabelsOnly

if TYPE_CHECKING:
    import keras

    from segzoo.scoring.evaluation import AsSegmentation, Pair

LEARNED = ("train", "val")
"""The splits that a network has learned from."""


@dataclass(frozen=True)
class Subject:
    """What is to be scored: predictions of samples, and where they come from."""

    config: RunConfig
    """As that of a run."""
    classes: Sequence[str]
    predictions: Callable[[CheckedSamples], Iterable[Pair]]
    """Of all samples, in order; the masks have the classes of the predictions."""
    facts: Evaluation
    segmentation: AsSegmentation = of_logits
    frame: Frame | None = None
    run: Run | None = None
    same_classes: bool = True
    """Whether they are those of the dataset in the same order, so that its own scores mean what they say."""
    warnings: Sequence[str] = ()


def evaluate(
    model: Run | keras.Model | Path | str,
    dataset: str | None = None,
    *,
    split: Split | None = None,
    settings: Mapping[str, Any] | None = None,
    renamed: Mapping[str, str] | None = None,
    tta: Symmetries | None = None,
    frame: Frame | None = None,
    classes: Sequence[str] = (),
    name: str | None = None,
    out: Path | None = None,
) -> Run:
    """Score a trained network on a split of a dataset; what `segzoo evaluate` does.

    The scores of a run on its own split are those of the run. What comes back is what `open_run` gives of the folder.

    Args:
        model: a finished run, its folder, a `.keras` file or a Keras model; the two last make logits, and need a
            `frame`, a dataset and `out`.
        dataset: the name of a dataset; None for that of the run.
        split: by default that which the run was scored on; of another dataset `test`.
        settings: options of the dataset, such as `{"dataset.root": "photos"}`.
        renamed: classes of the network for classes of the dataset that are called otherwise; several may be one.
        tta: test-time augmentation: the mean over mirrored (`flips`), or mirrored and turned images (`d4`).
        frame: how the network of a file, or a Keras model, sees images; a run knows it.
        classes: the names of its classes; by default those of the dataset, if they are as many.
        name: what it is called in a comparison; by default as the file or the model.
        out: a new folder; by default `evaluations/DATASET-SPLIT` in that of the run.

    Raises:
        SegzooError: if a name, an option, the data, the classes or the folder do not do; nothing is written then.
    """
    Manner(tta)  # refuses symmetries that there are not
    run = model if isinstance(model, Run) else _run_in(model)
    target = target_of(run, dataset, settings or {}, split)
    folder = out or _usual_folder(run, target)
    with quiet():
        trained = open_trained(run or model, frame, classes)
        if not run and not classes and len(trained.classes) == len(target.info.classes):
            trained = replace(trained, classes=target.info.classes)
        subject = _subject(trained, run, target, renamed or {}, tta, name, folder)
        return _evaluated(subject, target, folder)


def evaluate_masks(
    predictions: Path,
    dataset: str,
    *,
    out: Path,
    split: Split = "test",
    settings: Mapping[str, Any] | None = None,
    name: str | None = None,
    seed: int = 0,
) -> Run:
    """Score the masks that another tool, or a human, has made of the images of a split.

    They hold the numbers of the dataset's classes, in any format that masks are read in, and are called as their sample
    or its image. Scores that need probabilities are None. What comes back is what `open_run` gives of the folder.

    Args:
        predictions: the folder of the masks.
        dataset: the name of a dataset.
        out: a new folder for the scores.
        split: the one whose images they are of.
        settings: options of the dataset, such as `{"dataset.root": "photos"}`.
        name: what they are called in a comparison; by default as their folder.
        seed: that of the tool's training: masks of one name with several seeds are compared as one.

    Raises:
        SegzooError: if a name, an option, the data or the folder do not do, or a mask is missing, of another size than
            its image or has labels that are no class; nothing is written then.
    """
    target = target_of(None, dataset, settings or {}, split)
    classes = target.info.classes

    def scored(samples: CheckedSamples) -> Iterator[Pair]:
        masked = MaskedSamples(samples, find_masks(predictions, samples))
        masked.check()
        for start in range(0, len(masked), BATCH):
            yield from in_parallel(masked.__getitem__, range(start, min(start + BATCH, len(masked))))

    subject = Subject(
        _foreign(name or predictions.resolve().name, target, seed=seed),
        classes,
        scored,
        Evaluation(predictions=_relative(predictions, out)),
        lambda mask, labels: LabelsOnly(mask, labels[..., 0], len(classes)),
        warnings=["masks have no probabilities, so scores of them, such as that of calibration, are missing"],
    )
    return _evaluated(subject, target, out)


def _run_in(model: keras.Model | Path | str) -> Run | None:
    """The run in a folder; None of a `.keras` file and of a Keras model."""
    is_folder = isinstance(model, Path | str) and Path(model).suffix != SUFFIX
    return open_run(model) if is_folder else None


def _usual_folder(run: Run | None, target: Target) -> Path:
    if run is None:
        raise ConfigError("say where the scores are to be written, with out=Path(…)")
    return next_free(run.files.evaluations, f"{target.choice.name}-{target.split}")


def _subject(
    trained: Trained,
    run: Run | None,
    target: Target,
    renamed: Mapping[str, str],
    tta: Symmetries | None,
    name: str | None,
    folder: Path,
) -> Subject:
    """A network as what is to be scored."""
    info, frame = target.info, trained.frame
    if trained.channels != info.channels:
        raise DataError(f"{target.name} has images of {info.channels} channels, the network takes {trained.channels}")
    labels = matched(target.name, info.classes, trained.classes, renamed)

    def scored(samples: CheckedSamples) -> Iterator[Pair]:
        network = trained.network()
        pairs = ResizedSamples(Relabelled(samples, labels), frame.resized_to)
        return predicted(Symmetric(network, tta) if tta else network, frame, pairs)

    facts = Evaluation(
        run=_relative(run.folder, folder) if run else None,
        network=trained.fingerprint(),
        tta=tta,
        classes=dict(renamed),
    )
    unseen = [f"'{name}'" for index, name in enumerate(trained.classes) if index not in labels]
    return Subject(
        run.config.model_copy(update={"dataset": target.choice})
        if run
        else _foreign(name or trained.source.stem, target, image_size=frame.image_size, view=frame.view),
        trained.classes,
        scored,
        facts,
        frame=frame,
        run=run,
        same_classes=labels == [*range(len(trained.classes))],
        warnings=[f"{target.name} has none of the class {name}, which the network knows" for name in unseen],
    )


def _foreign(name: str, target: Target, **numbers: Any) -> RunConfig:
    """The configuration of what no run has made, with what is known of it."""
    return RunConfig(model=Choice(name=name), dataset=target.choice, trainer=UNKNOWN, loss=UNKNOWN, **numbers)


def _evaluated(subject: Subject, target: Target, out: Path) -> Run:
    """Score, draw and write."""
    dataset, run = target.dataset, subject.run
    metric = dataset.metric()
    scoring = Scoring(subject.classes, metric if subject.same_classes else None, type(dataset))
    with atomic_folder(out) as temporary:
        folder, samples = RunFolder(temporary), target.open()
        with Bar(len(samples)) as bar:
            predictions = subject.predictions(samples)
            scores = score_split(predictions, samples, scoring, folder, bar, subject.segmentation)
        scored = samples.fingerprint()
        known = run.fingerprints if run else {}
        seen = {split: known[split] for split in LEARNED if split in known}
        scores["selected_on_this_split"] = scored == seen.get("val")
        folder.write_config(subject.config)
        folder.write_splits({target.split: samples.ids})
        sentences = [*subject.warnings, *_of_data(target, scored, seen)]
        if metric and not scoring.own:
            sentences.append("the scores that only this dataset has are left out: its classes are not the network's")
        sentences += warnings.one_class_predicted(scores["confusion"], subject.classes, target.split)
        folder.write_metrics(scores | {"warnings": sentences})
        folder.write_evaluation(subject.facts)
        prints = seen | {target.split: scored}
        folder.write_manifest(manifest(subject.config.seed, prints, target.info, subject.frame))
    return open_run(out)


def _of_data(target: Target, scored: str, seen: Mapping[str, str]) -> Iterator[str]:
    """What is to be known of the samples that were scored, by their fingerprint and those that were learned from."""
    if scored == seen.get("train"):
        yield "the network was trained on these images, so its scores say nothing of others"
    if target.known not in (None, scored):
        yield f"the samples of the split '{target.split}' are no longer those that the run has seen"


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())
