"""One run, from a configuration to a folder with a trained network, its scores and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.data.faults import blaming, lacking_split
from segzoo.data.resizing import ResizedSamples
from segzoo.data.samples import CheckedSamples, spread
from segzoo.errors import PluginError, SegzooError
from segzoo.files.atomic import atomic_file
from segzoo.files.cache import cache_folder
from segzoo.networks.build import TrainedNetwork
from segzoo.networks.encoders import encoders_of
from segzoo.networks.precision import bfloat16_agreement
from segzoo.networks.prediction import predicted
from segzoo.networks.saved import load, save
from segzoo.plugin import Events, Job, Split, Subscriber, Trainer, View
from segzoo.plugin_errors import title
from segzoo.processes.terminal import Bar, chatter_to, messages_to, note
from segzoo.runs import warnings
from segzoo.runs.card import card
from segzoo.runs.config import STARTING
from segzoo.runs.events import RunEvents
from segzoo.runs.finished import Run, open_run
from segzoo.runs.folder import RunFolder, run_folder
from segzoo.runs.manifest import manifest
from segzoo.runs.opening import open_splits
from segzoo.runs.planning import Experiment, plan
from segzoo.runs.progress import RunProgress
from segzoo.runs.results import PICTURES, pictures_of, score_split
from segzoo.runs.starting import Start, building, fetched, pretrained
from segzoo.runs.tables import History
from segzoo.scoring.scores import Scoring
from segzoo.training.frequencies import loss_of_frequencies
from segzoo.training.pipeline import prepare_for_scoring

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

PROBES = PICTURES
"""Samples of each split that are read twice; those that are drawn are."""
COMPARED = 32
"""Images of the scored split, as the network sees them, that are predicted in bfloat16 too."""


def run(
    model: str | None = None,
    dataset: str | None = None,
    *,
    augmentation: str | None = None,
    trainer: str | None = None,
    loss: str | None = None,
    trackers: Sequence[str] = (),
    config: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    image_size: tuple[int, int] | None = None,
    view: View | None = None,
    seed: int | None = None,
    init: Path | None = None,
    leave_out: Sequence[str] | None = None,
    keep_checkpoint: bool | None = None,
    out: Path | None = None,
    resume: bool = False,
    subscribers: Sequence[Subscriber] = (),
) -> Run:
    """Train a network on a dataset and score it; what `segzoo run` does.

    Options come from the TOML file `config`, then from the names and numbers given here and from `settings` such as
    `{"model.filters": 16}`. Samples whose ids are in `leave_out` are neither trained on nor scored. The network begins
    with the weights of `init`, the folder of a run or a `.keras` file, that have the same names and shapes as its own.
    The results go to the new folder `out`, by default below `runs/`.

    Training ends at whichever of `epochs`, `steps` and `seconds` of training comes first; if none is given, after as
    many epochs as the dataset suggests.

    With `resume`, the run in `out` goes on where it was when its process ended. Its options may be left out or
    repeated, but not changed, except for `epochs`, `keep_checkpoint` and `trackers`. A run that is finished can be
    trained for more epochs only if `keep_checkpoint` was true then.

    The `subscribers` are told what happens, and so are the `trackers`, plugins by their names. A run that is finished
    already sends nothing.

    Raises:
        SegzooError: if a name, an option, the data or the folder does not do; before there is anything to show or to go
            on from, nothing is left behind then.
    """
    budget = {"epochs": epochs, "steps": steps, "seconds": seconds}
    numbers = budget | {"image_size": image_size, "view": view, "seed": seed, "leave_out": leave_out}
    numbers |= {"keep_checkpoint": keep_checkpoint, "tracker": trackers or None}
    words: dict[str, Any] = numbers | {"init": init}
    names = {"model": model, "dataset": dataset, "augmentation": augmentation, "trainer": trainer, "loss": loss}
    return conduct(plan(config, names | words, settings or {}, out, resume), out, resume, subscribers)


def conduct(
    experiment: Experiment, out: Path | None = None, resume: bool = False, subscribers: Sequence[Subscriber] = ()
) -> Run:
    """Train, score and draw, into a new folder or, with `resume`, into that of a run that has stopped."""
    name = f"{experiment.config.model.name}-{experiment.config.dataset.name}"
    plugins = (experiment.model, experiment.dataset, experiment.augmentation, experiment.trainer, experiment.loss)
    others = (*encoders_of(experiment.model).values(), *experiment.trackers, *subscribers)
    packages = {type(logging).__module__.partition(".")[0] for logging in (*plugins, *others)}
    with run_folder(out, name, resume) as folder:
        if folder.finished and folder.read_config().epochs == experiment.epochs:
            return _finished(experiment, folder)
        if not folder.finished:
            folder.write_config(experiment.config)
        # A plugin may change the current folder, so the work is done under a path that does not depend on it.
        with chdir("."), chatter_to(folder.log), messages_to(folder.log, packages):
            _conduct(experiment, RunFolder(folder.path.absolute()), resume, subscribers)
        return open_run(folder.path)


def _finished(experiment: Experiment, folder: RunFolder) -> Run:
    """The run as it is, but for a checkpoint that is no longer to be kept."""
    if experiment.config.keep_checkpoint is False and folder.has_checkpoint:
        folder.write_config(experiment.config)
        folder.remove_checkpoints()
    longer = (
        "; to train it longer, add --epochs" if folder.has_checkpoint else "; no checkpoint is kept to train it longer"
    )
    note(f"the run in {folder.path} is finished{'' if experiment.trainer.depends_on_length else longer}")
    return open_run(folder.path)


def _conduct(experiment: Experiment, folder: RunFolder, resume: bool, subscribers: Sequence[Subscriber]) -> None:
    splits = _open(experiment)
    experiment, build, lacking = _begin(experiment, folder, resume)
    if folder.finished:  # and to be longer; not before, so that it stays finished if its data are gone
        folder.manifest.unlink()
    folder.write_config(experiment.config)
    folder.write_splits({split: samples.ids for split, samples in splits.items()})
    scored = splits.get("test", splits["val"])
    scoring = Scoring(experiment.info.classes, experiment.dataset.metric(), type(experiment.dataset))
    with Bar(None) as bar:
        pairs = _to_score(experiment, scored)
        required = History(), RunProgress(bar, len(scored))
        events = RunEvents(required, subscribers, resume, experiment.trackers, lacking)
        events.run_started(experiment.config.table(), folder.path)
        model = _train(experiment, build, splits, folder, events, resume)
        with atomic_file(folder.model) as path:
            save(model.network, path)
        prints: dict[str, str] = {split: samples.fingerprint() for split, samples in splits.items()}
        predictions = predicted(model, experiment.frame, pairs)
        scores = score_split(predictions, scored, scoring, folder, bar)
        scores["warnings"] = _warnings(experiment, splits, folder, scores)
        folder.write_metrics(scores)
    events.pictures([*pictures_of(scored.ids, folder).values()])
    images = (pairs[index][0] for index in spread(len(pairs), COMPARED))
    alike = bfloat16_agreement(model, partial(load, folder.model, building(experiment)), experiment.frame, images)
    began = experiment.config.starting_weights
    facts = manifest(experiment.config.seed, prints, experiment.info, experiment.frame, alike, began)
    folder.write_card(card(Run(folder.path, folder.read_config(), scores, facts)))
    folder.write_manifest(facts)
    if not experiment.config.keep_checkpoint:
        folder.remove_checkpoints()
    events.run_ended(open_run(folder.path).metrics)


def _open(experiment: Experiment) -> dict[Split, CheckedSamples]:
    config, info = experiment.config, experiment.info
    if wrong := lacking_split(info):
        raise blaming(type(experiment.dataset), wrong)
    return open_splits(experiment.dataset, config.dataset, info, config.leave_out)


def _begin(
    experiment: Experiment, folder: RunFolder, resume: bool
) -> tuple[Experiment, Callable[[], keras.Model], SegzooError | None]:
    """The experiment with the weights that its network begins with filled in, and what builds the network with them.

    Where a checkpoint has the weights, those to begin with need not be there any more; the error is to be raised if the
    training does not go on from it.
    """
    try:
        weights = fetched(experiment)
    except SegzooError as error:
        if not (resume and folder.has_checkpoint):
            raise
        return experiment, building(experiment), error
    if weights:
        experiment = replace(experiment, config=experiment.config.model_copy(update={STARTING: weights}))
    return experiment, Start(experiment, weights), None


def _to_score(experiment: Experiment, samples: CheckedSamples) -> Sequence[tuple[NDArray[Any], NDArray[np.uint8]]]:
    """Images as the network sees them and masks at their original size, to be predicted and scored after training."""
    if samples.split == "val":  # which the trainer reads, and keeps in a form of its choice
        return ResizedSamples(samples, experiment.frame.resized_to)
    # Read before the training, so that what is wrong with them is told before it, too.
    return prepare_for_scoring(samples, experiment.frame, cache_folder())


def _train(
    experiment: Experiment,
    build: Callable[[], keras.Model],
    splits: Mapping[Split, CheckedSamples],
    folder: RunFolder,
    events: Events,
    resume: bool,
) -> TrainedNetwork:
    config, classes = experiment.config, len(experiment.info.classes)
    job = Job(
        loss=experiment.loss,
        num_classes=classes,
        frame=experiment.frame,
        epochs=experiment.epochs,
        seed=config.seed,
        folder=folder.path,
        checkpoints=folder.checkpoints,
        events=events,
        cache=cache_folder(),
        resume=resume,
        steps=config.steps,
        seconds=config.seconds,
        network=title(type(experiment.model)),
        augmentation=experiment.augmentation,
        pretrained=pretrained(experiment),
    )
    with _there_after_training(folder, experiment.trainer):
        network = experiment.trainer.fit(build, splits["train"], splits["val"], job)
    return TrainedNetwork(network, experiment.trainer, experiment.frame, classes)


@contextmanager
def _there_after_training(folder: RunFolder, trainer: Trainer) -> Iterator[None]:
    """Inside, a trainer fits a network; the error of a folder that is gone then tells that it is."""
    error: SegzooError | None = None
    try:
        yield
    except SegzooError as raised:
        error = raised
    if not folder.path.is_dir():
        name = title(type(trainer))
        raise PluginError(f"{folder.path} is gone: `fit` of {name} has removed it, or somebody else has") from error
    if error:
        raise error


def _warnings(
    experiment: Experiment, splits: Mapping[Split, CheckedSamples], folder: RunFolder, scores: Mapping[str, Any]
) -> list[str]:
    """What is to be known of the scores."""
    classes, labels, history = experiment.info.classes, splits["train"].labels, folder.read_history()

    def loss_without_images(near: float) -> float:
        given = (len(classes), experiment.frame, experiment.loss, near, cache_folder())
        return loss_of_frequencies(splits["val"], labels, *given)

    learned = [*warnings.nothing_learned(history, loss_without_images)]
    for samples in splits.values():
        samples.read_again(spread(len(samples), PROBES))
    return [
        *warnings.no_epochs(history, experiment.config.trainer.name),
        *warnings.no_losses(history, experiment.config.trainer.name),
        *warnings.unseen_classes(labels, classes),
        *warnings.changing_samples(splits),
        *learned,
        *warnings.one_class_predicted(scores["confusion"], classes, scores["split"]),
        *([] if experiment.trainer.depends_on_length else warnings.best_epoch_is_last(history, experiment.config)),
    ]
