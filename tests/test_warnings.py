"""What a run says of its scores: each warning where there is reason for it, and none where there is not."""

import json
import math

import numpy as np
import pytest
from stored_runs import write_run

import segzoo
from segzoo.data.samples import CheckedSamples
from segzoo.plugin import IGNORE, Info
from segzoo.runs import warnings
from segzoo.runs.config import Choice, RunConfig

CLASSES = ("low", "middle", "high")


@pytest.fixture
def flawed(install):
    """Installs the dataset `flawed`, and the trainer `scripted`, which trains nothing."""
    data, trainer = (f"segzoo_test_flawed:{name}" for name in ("Flawed", "Scripted"))
    install("segzoo-test-flawed", {"segzoo.datasets": f"flawed = {data}", "segzoo.trainers": f"scripted = {trainer}"})


def scripted(folder, **settings):
    """A run of the dataset that may be flawed, by the trainer that reports what it is told to."""
    options = {key.replace("__", "."): value for key, value in settings.items()}
    return segzoo.run("unet", "flawed", trainer="scripted", settings=options, epochs=3, out=folder)


@pytest.mark.usefixtures("flawed")
def test_a_run_without_fault_has_no_warning(tmp_path):
    run = scripted(tmp_path / "run")
    assert run.warnings == ()
    assert list(run.metrics)[-1] == "warnings"
    assert json.loads((run.folder / "metrics.json").read_text())["warnings"] == []


@pytest.mark.usefixtures("flawed")
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"dataset__fault": "absent class"},
            "the class 'high' occurs in no training mask, so no network can learn to see it",
        ),
        (
            {"dataset__fault": "random", "dataset__faulty": ["val"]},
            "of 6 samples of the split 'val' that were read twice, 1 had other pixels then, such as 'val-5': ",
        ),
        (
            {"dataset__fault": "random", "dataset__faulty": ["train"]},
            "of 6 samples of the split 'train' that were read twice, 1 had other pixels then, such as 'train-5': ",
        ),
        ({"trainer__val_losses": []}, "trainer 'scripted' has reported no epoch"),
        ({"trainer__val_losses": [1.5, 1.3, 1.4]}, "val_loss was never below 1."),
        ({"trainer__sees": "nothing"}, "the network predicts 'low' for each pixel of the split 'test'"),
        (
            {"trainer__val_losses": [0.3, 0.2, 0.1]},
            "the lowest val_loss is that of the last epoch, 3: longer training may help, with --epochs 6 in a new run",
        ),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_fault_is_said_at_the_end_of_the_run(tmp_path, settings, sentence):
    run = scripted(tmp_path / "run", **settings)
    (warning,) = run.warnings
    assert warning.startswith(sentence)
    assert segzoo.open_run(run.folder).warnings == run.warnings


@pytest.mark.usefixtures("flawed")
def test_warnings_are_printed_between_the_scores_and_the_folder(command, tmp_path):
    settings = ("--set", "trainer.val_losses=[]", "--set", "trainer.sees=nothing")
    out = ("--out", tmp_path / "run")
    lines = command("run", "unet", "flawed", "--trainer", "scripted", *settings, *out).out.splitlines()
    assert [line.partition(":")[0] for line in lines[-3:-1]] == ["warning", "warning"]
    assert lines[-3].startswith("warning: trainer 'scripted' has reported no epoch")
    assert lines[-1] == f"results in {tmp_path / 'run'}"
    assert "predicts 'low'" in command("run", "--resume", "--json", *out).out


@pytest.mark.slow
def test_a_network_that_cannot_learn_is_not_told_from_class_frequencies(tmp_path):
    settings = {"model.filters": 2, "model.depth": 1, "trainer.learning_rate": 1e-9}
    settings |= {f"dataset.{key}": value for key, value in {"size": 16, "train": 8, "val": 4, "test": 2}.items()}
    run = segzoo.run("unet", "shapes", settings=settings, epochs=1, out=tmp_path / "run")
    assert any(sentence.startswith("val_loss was never below") for sentence in run.warnings)


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ({0: 4, 1: 1, 2: 1}, []),
        ({0: 4, 2: 1, IGNORE: 9}, ["the class 'middle' occurs"]),
        ({1: 4}, ["the classes 'low', 'high' occur"]),
    ],
)
def test_classes_without_a_training_pixel_are_named(labels, named):
    assert [text.partition(" in no ")[0] for text in warnings.unseen_classes(labels, CLASSES)] == named


@pytest.mark.parametrize(
    ("losses", "said"), [([], False), ([math.nan, math.nan], True), ([None], True), ([0.5], False)]
)
def test_a_trainer_without_a_number_as_val_loss_is_told_of(losses, said):
    history = [{"epoch": 1.0} | ({} if loss is None else {"val_loss": loss}) for loss in losses]
    assert len(list(warnings.no_losses(history, "quick"))) == said


def test_only_samples_that_differ_are_told_of():
    class Pairs(list):
        ids = ("a", "b")

    pairs = Pairs((np.zeros((4, 4, 3), np.uint8), np.full((4, 4), label, np.uint8)) for label in range(2))
    samples = CheckedSamples(pairs, Info(CLASSES, 3, ("train",)), "train")
    samples.fingerprint()
    samples.read_again([0, 1])
    assert [*warnings.changing_samples({"train": samples})] == []


def history(*losses):
    return [{"epoch": epoch, "val_loss": loss} for epoch, loss in enumerate(losses, 1)]


@pytest.mark.parametrize(
    ("losses", "asked", "said"),
    [
        ((0.9, 0.5), [0.5], False),
        ((0.9, 0.6), [0.6], True),
        ((float("nan"), 0.7), [0.7], True),
        ((float("nan"),), [], False),
        ((), [], False),
    ],
)
def test_the_lowest_loss_is_compared_with_that_of_class_frequencies(losses, asked, said):
    near = []

    def loss_without_images(lowest):
        near.append(lowest)
        return 0.6

    assert bool([*warnings.nothing_learned(history(*losses), loss_without_images)]) == said
    assert near == asked
    assert (
        asked == [min(loss for loss in losses if loss == loss)] if any(loss == loss for loss in losses) else not asked
    )


@pytest.mark.parametrize(
    ("confusion", "said"),
    [([[5, 0, 0], [3, 0, 0], [0, 0, 0]], True), ([[5, 0, 0], [3, 1, 0], [0, 0, 0]], False), ([[0] * 3] * 3, False)],
)
def test_a_single_predicted_class_is_told_of(confusion, said):
    assert bool([*warnings.one_class_predicted(confusion, CLASSES, "test")]) == said


def config(**budget):
    choices = {key: Choice(name="any") for key in ("model", "dataset", "trainer", "loss")}
    return RunConfig(**choices, **budget)


@pytest.mark.parametrize(
    ("losses", "budget", "advice"),
    [
        ((0.3, 0.2), {"epochs": 2}, None),
        ((0.3, 0.2, 0.2), {"epochs": 3}, None),
        ((0.3, 0.2, 0.1), {"epochs": 3}, "with --epochs 6 in a new run, or with --resume"),
        ((0.3, 0.2, 0.1), {"epochs": 9, "steps": 30}, "with a larger --steps or --seconds"),
        ((0.3, 0.2, 0.1), {"seconds": 30.0}, "with a larger --steps or --seconds"),
    ],
)
def test_a_training_that_may_have_ended_too_early_is_told_of_with_what_to_type(losses, budget, advice):
    said = [*warnings.best_epoch_is_last(history(*losses), config(**budget))]
    assert [advice in text for text in said] == ([True] if advice else [])


def test_runs_of_earlier_versions_have_none_and_they_are_no_scores(tmp_path):
    assert segzoo.open_run(write_run(tmp_path / "old", [0.5])).warnings == ()
    run = segzoo.open_run(write_run(tmp_path / "new", [0.5], warnings=["it predicts one class"]))
    assert run.warnings == ("it predicts one class",)
    assert "warnings" not in run.scores
