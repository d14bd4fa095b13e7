"""Runs that stop and go on: to the same bits, or with a reason why not."""

import csv
import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from test_keras_trainer import CROPS, Blocks, Recorder, Unequal, linear_network, unpadded_network

import segzoo
from segzoo.errors import ConfigError, DataError, SegzooError
from segzoo.files import atomic
from segzoo.plugin import Events
from segzoo.processes.terminal import Bar
from segzoo.runs import experiment
from segzoo.runs.folder import RunFolder
from segzoo.training import checkpoints
from segzoo.training.checkpoints import Checkpoints
from segzoo_augmentations import Standard
from segzoo_keras import checkpoint
from segzoo_shapes import Shapes
from segzoo_shapes.drawing import Drawings

TINY = {
    "model.filters": 2,
    "model.depth": 1,
    "model.batch_norm": False,
    "dataset.size": 16,
    "dataset.train": 10,
    "dataset.val": 4,
    "dataset.test": 4,
    "trainer.batch_size": 4,
    "trainer.schedule": "constant",  # so that it may be trained longer
    "trainer.warmup": 0,
    "trainer.half_size": 0,
}
SAME = ("config.toml", "history.csv", "metrics.json", "images.csv")


def dropout_network():
    """Noise of two layers, batch statistics and two convolutions: all kinds of state there are."""
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Dropout(0.3)(keras.layers.Conv2D(4, 3, padding="same")(inputs))
    x = keras.layers.GaussianNoise(0.1)(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, keras.layers.Conv2D(4, 1)(x))


class EndedError(BaseException):
    """The end of a process that nobody has killed."""


class Stopping(Recorder):
    """A job whose process ends after so many steps."""

    def __init__(self, folder, steps, **facts):
        super().__init__(folder, **facts)
        self.steps = steps

    def images_done(self, count):
        super().images_done(count)
        if len(self.images) == self.steps:
            raise EndedError


def weights(model):
    return [weight.tobytes() for weight in model.get_weights()]


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def always(monkeypatch):
    """A checkpoint after each step."""
    monkeypatch.setattr(checkpoint, "PERIOD", 0)
    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A training of three epochs, of three steps each, that never stopped."""
    recorder = Recorder(tmp_path_factory.mktemp("unbroken"))
    return recorder, weights(recorder.fit(dropout_network, batch_size=2))


@pytest.mark.parametrize(("steps", "saved"), [(1, (0, 0)), (3, (0, 4)), (4, (1, 0)), (9, (2, 4))])
def test_a_training_goes_on_from_any_step_to_the_same_bits(tmp_path, always, unbroken, steps, saved):
    first = Stopping(tmp_path, steps)  # without a checkpoint after the last of them
    with pytest.raises(EndedError):
        first.fit(dropout_network, batch_size=2)
    second = Recorder(tmp_path, resume=True)
    model = second.fit(dropout_network, batch_size=2)
    whole, plain = unbroken
    assert weights(model) == plain
    assert len(second.images) == 9 - (steps - 1)
    figures, _, images = second.earlier or ((), (), 0)
    assert [*figures, *second.rows] == whole.rows
    assert (len(figures), images) == saved


PLANNED = {
    "schedule": "cosine",
    "warmup": 0.2,
    "clip_norm": 0.5,
    "weight_decay": 0.01,
    "accumulate": 2,
    "batch_size": 1,
    "ema": 0.9,
    "patience": 2,
    "select": "mean_iou",
}
"""All that has a state of its own, or depends on the place in the training: three steps an epoch."""


def test_a_training_with_a_plan_and_averages_goes_on_to_the_same_bits(tmp_path, always):
    whole = Recorder(tmp_path / "whole", epochs=2)
    plain = weights(whole.fit(dropout_network, **PLANNED))
    with pytest.raises(EndedError):
        Stopping(tmp_path / "run", 5, epochs=2).fit(dropout_network, **PLANNED)
    second = Recorder(tmp_path / "run", epochs=2, resume=True)
    assert weights(second.fit(dropout_network, **PLANNED)) == plain
    assert [*second.earlier[0], *second.rows] == whole.rows
    assert len(second.images) == 6 - 4


def test_a_training_that_patience_has_ended_stays_ended(tmp_path):
    contrary = Blocks(3)
    contrary[:] = [(image, 1 - mask) for image, mask in contrary]  # the first epoch will be the best
    options = {"val": contrary, "learning_rate": 0.1, "batch_size": 2, "patience": 2}
    first, second = Recorder(tmp_path, epochs=9), Recorder(tmp_path, epochs=9, resume=True)
    plain = weights(first.fit(**options))
    assert weights(second.fit(**options)) == plain
    assert (len(first.rows), second.images) == (3, [])
    assert first.said == second.said == ["no epoch was better than epoch 1 in 2 more: the training ends"]


@pytest.mark.parametrize("stop", [2, 5, 6])
def test_steps_are_counted_from_the_beginning_of_the_training(tmp_path, always, stop):
    """Stopped in the first epoch; in the second, which the fifth step cuts short; and when all steps are done."""
    whole = Recorder(tmp_path / "whole", epochs=None)
    whole.job = replace(whole.job, steps=5)
    plain = weights(whole.fit(dropout_network, batch_size=2))
    first, second = Stopping(tmp_path / "run", stop), Recorder(tmp_path / "run", epochs=None, resume=True)
    with pytest.raises(EndedError):
        first.fit(dropout_network, batch_size=2)
    second.job = replace(second.job, steps=5)
    assert weights(second.fit(dropout_network, batch_size=2)) == plain
    figures, _, _ = second.earlier
    assert [*figures, *second.rows] == whole.rows
    assert len(second.images) == 5 - (stop - 1)


def test_seconds_of_training_are_those_of_all_processes(tmp_path, always):
    with pytest.raises(EndedError):
        Stopping(tmp_path, 5).fit(dropout_network, batch_size=2)
    facts, _ = Checkpoints(tmp_path / "checkpoints", print).load()
    progress = checkpoint.Progress(**facts["progress"])
    seconds = progress.times[0]["training_seconds"] + progress.training_seconds
    recorder = Recorder(tmp_path, epochs=None, resume=True)
    recorder.job = replace(recorder.job, seconds=seconds)
    recorder.fit(dropout_network, batch_size=2)
    assert recorder.images == []
    assert len(recorder.rows) == 1  # the epoch that was cut short has yet to be validated


@pytest.mark.parametrize("steps", [pytest.param(3, marks=pytest.mark.slow), 4])
def test_a_training_in_crops_goes_on_to_the_same_bits_and_to_the_same_crops(tmp_path, always, steps):
    samples, facts = {"train": Unequal(), "val": Unequal(2)}, {"frame": CROPS, "augmentation": Standard(level="strong")}
    whole = Recorder(tmp_path / "whole", **facts)
    plain = weights(whole.fit(unpadded_network, batch_size=2, **samples))
    with pytest.raises(EndedError):
        Stopping(tmp_path / "run", steps, **facts).fit(unpadded_network, batch_size=2, **samples)
    second = Recorder(tmp_path / "run", resume=True, **facts)
    assert weights(second.fit(unpadded_network, batch_size=2, **samples)) == plain
    assert [*second.earlier[0], *second.rows] == whole.rows


class Counting(Bar):
    """A bar that knows how much of its total is done."""

    def __init__(self, total):
        super().__init__(total)
        self.total, self.done = total, 0

    def advance(self, images, doing):
        super().advance(images, doing)
        self.done += images

    def expect(self, images):
        super().expect(images)
        self.total = images

    def start_at(self, images):
        super().start_at(images)
        self.done = images


@pytest.mark.parametrize(("view", "images"), [("resize", 10), pytest.param("crop", 40, marks=pytest.mark.slow)])
def test_the_bar_ends_at_its_total_whether_a_run_stopped_or_not(tmp_path, always, monkeypatch, view, images):
    bars = []
    monkeypatch.setattr(experiment, "Bar", lambda total: bars.append(Counting(total)) or bars[-1])
    options = {"settings": TINY, "image_size": (8, 8), "view": view, "out": tmp_path / "run"}
    segzoo.run("unet", "shapes", epochs=2, keep_checkpoint=True, **options)
    segzoo.run("unet", "shapes", epochs=3, resume=True, **options)
    assert [(bar.done, bar.total) for bar in bars] == [(epochs * images + 4, epochs * images + 4) for epochs in (2, 3)]
    assert [int(row["images"]) for row in rows(tmp_path / "run" / "timings.csv")] == [images] * 3


@pytest.mark.parametrize("precision", [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "mixed_float16"])
def test_a_training_in_16_bits_goes_on_to_the_same_bits(tmp_path, always, precision):
    options = {"batch_size": 2, "precision": precision}
    plain = weights(Recorder(tmp_path / "whole", epochs=2).fit(dropout_network, **options))
    with pytest.raises(EndedError):
        Stopping(tmp_path / "run", 3, epochs=2).fit(dropout_network, **options)
    assert weights(Recorder(tmp_path / "run", epochs=2, resume=True).fit(dropout_network, **options)) == plain


def test_the_best_weights_are_those_of_the_whole_history(tmp_path, always):
    contrary = Blocks(3)
    contrary[:] = [(image, 1 - mask) for image, mask in contrary]  # the first epoch will be the best
    options = {"val": contrary, "learning_rate": 0.1, "batch_size": 2}
    whole = Recorder(tmp_path / "whole", epochs=4)
    plain = weights(whole.fit(**options))
    losses = [row["val_loss"] for row in whole.rows]
    assert losses[0] == min(losses)
    with pytest.raises(EndedError):
        Stopping(tmp_path / "run", 11, epochs=4).fit(**options)
    assert weights(Recorder(tmp_path / "run", epochs=4, resume=True).fit(**options)) == plain


def saved_at(monkeypatch):
    """Where checkpoints are written, as (epoch, step)."""
    found, save = [], Checkpoints.save

    def spy(store, facts, arrays):
        found.append((facts["progress"]["epoch"], facts["progress"]["step"]))
        save(store, facts, arrays)

    monkeypatch.setattr(Checkpoints, "save", spy)
    return found


class Clock(Events):
    """A clock that only moves when told: by so many seconds with each step, and with each checkpoint."""

    def __init__(self, monkeypatch, step, save):
        self.now, self.step = 0.0, step
        monkeypatch.setattr(checkpoint, "perf_counter", lambda: self.now)
        write = Checkpoints.save

        def slow(store, facts, arrays):
            write(store, facts, arrays)
            self.now += save

        monkeypatch.setattr(Checkpoints, "save", slow)

    def fit(self, folder, epochs, **options):
        recorder = Recorder(folder, epochs)
        recorder.job = replace(recorder.job, events=self)
        recorder.fit(**options)

    def images_done(self, count):
        self.now += self.step


def test_long_epochs_are_saved_by_time_and_at_their_end(tmp_path, monkeypatch):
    clock, found = Clock(monkeypatch, step=12, save=0.1), saved_at(monkeypatch)
    clock.fit(tmp_path, 2, train=Blocks(8), batch_size=1)
    assert found == [(0, 3), (0, 6), (1, 0), (1, 3), (1, 6), (2, 0)]


def test_slow_checkpoints_are_written_less_often_but_for_the_last(tmp_path, monkeypatch):
    clock, found = Clock(monkeypatch, step=12, save=2), saved_at(monkeypatch)
    clock.fit(tmp_path, 9, train=Blocks(4), batch_size=1)
    # The first costs nobody knows what; then 2 s are worth it after 2 / 0.015 = 133 s, or 12 steps.
    assert found == [(0, 3), (3, 3), (6, 3), (9, 0)]


def test_quick_epochs_of_a_large_network_are_not_all_saved(tmp_path, monkeypatch):
    clock, found = Clock(monkeypatch, step=1, save=0.29), saved_at(monkeypatch)
    monkeypatch.setattr(checkpoint, "BYTES_PER_SECOND", 1000)
    clock.fit(tmp_path, 10, train=Blocks(4), batch_size=1)
    assert found == [(4, 0), (9, 0), (10, 0)]


def test_where_nothing_is_saved_training_begins_at_the_beginning(tmp_path, unbroken):
    recorder = Recorder(tmp_path, resume=True)
    assert weights(recorder.fit(dropout_network, batch_size=2)) == unbroken[1]
    assert recorder.earlier is None


def test_a_training_that_is_done_gives_the_same_network_again_and_then_a_longer_one(tmp_path, unbroken):
    Recorder(tmp_path, epochs=2).fit(dropout_network, batch_size=2)
    again = Recorder(tmp_path, epochs=2, resume=True)
    again.fit(dropout_network, batch_size=2)
    assert again.images == []
    longer = Recorder(tmp_path, resume=True)
    assert weights(longer.fit(dropout_network, batch_size=2)) == unbroken[1]
    assert longer.images == [2, 2, 2]


def test_what_a_training_begun_anew_goes_on_from_is_its_own(tmp_path, unbroken):
    Recorder(tmp_path, epochs=1, seed=9).fit(dropout_network, batch_size=2)
    with pytest.raises(EndedError):
        Stopping(tmp_path, 1).fit(dropout_network, batch_size=2)
    assert weights(Recorder(tmp_path, resume=True).fit(dropout_network, batch_size=2)) == unbroken[1]


@pytest.mark.parametrize(
    "file",
    [
        "model.bin",
        "state.json",
        *(pytest.param(f"{name}.bin", marks=pytest.mark.slow) for name in ("optimizer", "best")),
    ],
)
def test_a_torn_checkpoint_costs_the_steps_since_the_one_before_and_no_bits(tmp_path, always, unbroken, file):
    with pytest.raises(EndedError):
        Stopping(tmp_path, 6).fit(dropout_network, batch_size=2)
    newest = max((tmp_path / "checkpoints").iterdir())
    os.truncate(newest / file, (newest / file).stat().st_size // 2)
    recorder = Recorder(tmp_path, resume=True)
    assert weights(recorder.fit(dropout_network, batch_size=2)) == unbroken[1]
    assert len(recorder.images) == 9 - 4
    assert [(str(newest) in line, file in line) for line in recorder.said] == [(True, True)]


def stopped(folder):
    with pytest.raises(EndedError):
        Stopping(folder, 3).fit(dropout_network, batch_size=2)


def test_another_number_of_threads_is_said(tmp_path, always, monkeypatch):
    stopped(tmp_path)
    machine = checkpoint.machine()
    monkeypatch.setattr(checkpoint, "machine", lambda: machine | {"threads": 77, "TensorFlow": "9.9"})
    recorder = Recorder(tmp_path, resume=True)
    recorder.fit(dropout_network, batch_size=2)
    threads, version = machine["threads"], machine["TensorFlow"]
    changes = f"threads {threads}, now 77; TensorFlow {version}, now 9.9"
    assert recorder.said == [f"the result will not be the same to the bit: {changes}"]


def test_the_number_of_threads_is_that_of_tensorflow(monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "5")
    assert checkpoint.machine()["threads"] == 5
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 3)
    assert checkpoint.machine()["threads"] == 3


def test_other_data_another_precision_or_another_network_are_refused(tmp_path, always):
    stopped(tmp_path)
    with pytest.raises(ConfigError, match="images or masks have changed since the training"):
        Recorder(tmp_path, resume=True).fit(dropout_network, train=Blocks(5), batch_size=2)
    with pytest.raises(ConfigError, match="of another network: a plugin has changed"):
        Recorder(tmp_path, resume=True).fit(linear_network, batch_size=2)
    with pytest.raises(ConfigError, match="has the precision float32, and cannot go on with mixed_bfloat16"):
        Recorder(tmp_path, resume=True).fit(dropout_network, batch_size=2, precision="mixed_bfloat16")
    Recorder(tmp_path, resume=True).fit(dropout_network, batch_size=2)


def test_times_of_an_epoch_are_those_of_all_processes(tmp_path, always):
    with pytest.raises(EndedError):
        Stopping(tmp_path, 5).fit(dropout_network, batch_size=2)
    facts, _ = Checkpoints(tmp_path / "checkpoints", print).load()
    before = facts["progress"]
    recorder = Recorder(tmp_path, resume=True)
    recorder.fit(dropout_network, batch_size=2)
    assert list(recorder.earlier[1]) == before["times"]
    assert recorder.times[0]["training_seconds"] > before["training_seconds"] > 0
    for times in [*before["times"], *recorder.times]:
        assert times["images"] == 6
        assert times["seconds"] > times["training_seconds"] > times["waiting_seconds"] > 0


# Whole runs


def run(folder, **words):
    settings = TINY | words.pop("settings", {})
    return segzoo.run("unet", "shapes", settings=settings, out=folder, **{"epochs": 3} | words)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "done")


def assert_same(one, other):
    for name in SAME:
        assert (one / name).read_text() == (other / name).read_text(), name
    models = [keras.saving.load_model(folder / "model.keras") for folder in (one, other)]
    assert weights(models[0]) == weights(models[1])
    assert [path.name for path in sorted(one.rglob("*.png"))] == [path.name for path in sorted(other.rglob("*.png"))]
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """Interrupts a run in the middle of its second epoch, as Ctrl-C does."""

    def interrupt(after=5, **words):
        left, end_step = [after], checkpoint.Keeper.end_step

        def stop(keeper, progress):
            end_step(keeper, progress)
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.Keeper, "end_step", stop)
            with pytest.raises(KeyboardInterrupt) as ended:
                run(tmp_path / "run", **words)
        return str(ended.value)

    return interrupt


def test_a_run_that_was_interrupted_goes_on_and_ends_as_if_it_never_was(tmp_path, interrupted, always, done, capsys):
    assert interrupted() == f"to go on, repeat the command with --resume --out {tmp_path / 'run'}"
    capsys.readouterr()
    result = run(tmp_path / "run", resume=True)
    assert_same(result.folder, done.folder)
    assert (result.metrics, result.history) == (done.metrics, done.history)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "going on with epoch 2/3, of which 8 images are done"
    assert [line.split()[:2] for line in lines[1:3]] == [["epoch", "2/3"], ["epoch", "3/3"]]
    times = rows(result.folder / "timings.csv")
    assert [(row["epoch"], row["images"]) for row in times] == [("1", "10"), ("2", "10"), ("3", "10")]


def files_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_with_its_checkpoint_is_left_as_it_is_and_may_be_longer(
    tmp_path, done, command, interrupted, always
):
    run(tmp_path / "run", epochs=2, keep_checkpoint=True)
    before = files_in(tmp_path / "run")
    again = run(tmp_path / "run", epochs=2, resume=True)
    assert files_in(tmp_path / "run") == before
    assert again.metrics == json.loads((tmp_path / "run" / "metrics.json").read_text())
    shown = command("run", "--resume", "--out", tmp_path / "run", "--json")
    assert json.loads(shown.out) == {"folder": str(tmp_path / "run"), **again.metrics}
    assert "is finished; to train it longer, add --epochs" in shown.err
    interrupted(after=2, resume=True)
    longer = run(tmp_path / "run", resume=True)
    assert longer.config.keep_checkpoint
    assert RunFolder(longer.folder).has_checkpoint
    longer = run(tmp_path / "run", resume=True, keep_checkpoint=False)
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().replace("keep_checkpoint = false\n", ""))
    assert_same(longer.folder, done.folder)
    assert command("run", "--resume", "--out", tmp_path / "run", "--epochs", "2").err.count("3 epochs already") == 1


def test_a_finished_run_without_a_checkpoint_gets_no_more_epochs_and_loses_nothing(tmp_path, done, command):
    shutil.copytree(done.folder, tmp_path / "run")
    before = files_in(tmp_path / "run")
    refused = command("run", "--resume", "--out", tmp_path / "run", "--epochs", "5", "--keep-checkpoint")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"the run in {tmp_path / 'run'} is finished, and its checkpoint was not kept" in refused.err
    config = tmp_path / "run" / "config.toml"
    assert f"`segzoo run --config {config} --epochs 5 --keep-checkpoint` begins a new run" in refused.err
    assert files_in(tmp_path / "run") == before
    assert "no checkpoint is kept to train it longer" in command("run", "--resume", "--out", tmp_path / "run").err
    assert files_in(tmp_path / "run") == before


def test_a_finished_run_whose_trainer_has_kept_nothing_is_to_be_begun_anew(tmp_path, install, command, monkeypatch):
    points = {"segzoo.datasets": "flawed = segzoo_test_flawed:Flawed"}
    install("segzoo-test-flawed", points | {"segzoo.trainers": "scripted = segzoo_test_flawed:Scripted"})
    monkeypatch.chdir(tmp_path)
    words = ("unet", "flawed", "--trainer", "scripted", "--epochs", "3", "--keep-checkpoint", "--out", "run")
    assert command("run", *words).code == 0
    refused = command("run", "--resume", "--out", "run", "--epochs", "5")
    again = "segzoo run --config run/config.toml --epochs 5"
    assert (refused.code, refused.err) == (
        2,
        "segzoo: the run in run is finished, and its trainer 'scripted' has left no checkpoint, so it cannot be "
        f"trained longer: `{again}` begins a new run\n",
    )
    assert command(*again.split()[1:]).code == 0


@pytest.mark.parametrize("begun", [{"epochs": 2}, pytest.param({"epochs": None, "steps": 3}, marks=pytest.mark.slow)])
def test_a_run_by_a_plan_gets_no_other_epochs_and_is_not_advised_to_have_more(tmp_path, command, begun):
    done = run(tmp_path / "run", settings={"trainer.schedule": "cosine"}, keep_checkpoint=True, **begun)
    assert "learning_rate" in done.history[0]
    assert not [line for line in done.metrics["warnings"] if "longer training" in line]
    before = files_in(tmp_path / "run")
    refused = command("run", "--resume", "--out", tmp_path / "run", "--epochs", "5")
    assert refused.code == 2
    assert f"was begun {'with --epochs 2' if begun['epochs'] else 'without --epochs'}, and " in refused.err
    assert f"`segzoo run --config {tmp_path / 'run' / 'config.toml'} --epochs 5` begins a new run" in refused.err
    assert "to train it longer" not in command("run", "--resume", "--out", tmp_path / "run").err
    assert files_in(tmp_path / "run") == before


def test_a_finished_run_whose_data_are_gone_stays_finished(tmp_path, monkeypatch):
    run(tmp_path / "run", epochs=1, keep_checkpoint=True)
    before = files_in(tmp_path / "run")

    def gone(dataset, cache, split):
        raise DataError("the disk with the photos is not mounted")

    with monkeypatch.context() as patch:
        patch.setattr(Shapes, "open", gone)
        with pytest.raises(DataError, match="not mounted"):
            run(tmp_path / "run", epochs=2, resume=True)
    assert files_in(tmp_path / "run") == before
    assert len(run(tmp_path / "run", epochs=2, resume=True).history) == 2


@pytest.mark.parametrize(
    ("begun", "resumed", "kept"),
    [(None, True, True), pytest.param(True, None, True, marks=pytest.mark.slow), (True, False, False)],
)
def test_whether_the_checkpoint_is_kept_may_change_when_a_run_goes_on(
    tmp_path, interrupted, always, begun, resumed, kept
):
    interrupted(keep_checkpoint=begun)
    assert run(tmp_path / "run", resume=True, keep_checkpoint=resumed).config.keep_checkpoint is kept
    assert (tmp_path / "run" / "checkpoints").exists() is kept


def test_a_checkpoint_that_was_kept_may_be_removed_later(tmp_path, command):
    run(tmp_path / "run", epochs=1, keep_checkpoint=True)
    before = files_in(tmp_path / "run")
    shown = command("run", "--resume", "--out", tmp_path / "run", "--no-keep-checkpoint")
    assert (shown.code, shown.err.count("no checkpoint is kept to train it longer")) == (0, 1)
    after = files_in(tmp_path / "run")
    changed = {path for path in before if after.get(path) != before[path]} - {Path("config.toml")}
    assert {path.parts[0] for path in changed} == {"checkpoints"}
    assert segzoo.open_run(tmp_path / "run").config.keep_checkpoint is False


def test_killed_while_its_checkpoint_is_removed_a_run_is_finished_and_the_rest_goes_later(tmp_path, monkeypatch):
    remove = shutil.rmtree

    def stop(path, **options):
        if not str(path).endswith("-checkpoints"):
            return remove(path, **options)
        (path / "000001" / "best.bin").unlink()
        raise EndedError

    with monkeypatch.context() as patch:
        patch.setattr(atomic.shutil, "rmtree", stop)
        with pytest.raises(EndedError):
            run(tmp_path / "run", epochs=1)
    finished = segzoo.open_run(tmp_path / "run")
    assert not RunFolder(finished.folder).has_checkpoint
    assert [path.name[9:] for path in finished.folder.iterdir() if path.name.startswith(".")] == ["-checkpoints"]
    run(tmp_path / "run", epochs=1, resume=True)
    assert not [path for path in finished.folder.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_a_run_of_so_many_steps_keeps_them_when_it_goes_on(tmp_path, interrupted, always, capsys):
    budget = {"epochs": None, "steps": 7}
    whole = run(tmp_path / "whole", **budget)
    assert "\nepoch 3   loss " in capsys.readouterr().err
    interrupted(**budget)
    result = run(tmp_path / "run", resume=True, **budget)
    assert_same(result.folder, whole.folder)
    assert len(result.history) == 3
    with pytest.raises(ConfigError, match="steps is 7 there, 8 here"):
        run(tmp_path / "run", resume=True, epochs=None, steps=8)


def test_killed_after_its_training_a_run_only_scores(tmp_path, done, monkeypatch, capsys):
    def stop(*arguments):
        raise EndedError

    with monkeypatch.context() as patch:
        patch.setattr(segzoo.runs.experiment, "score_split", stop)
        with pytest.raises(EndedError):
            run(tmp_path / "run")
    capsys.readouterr()
    assert_same(run(tmp_path / "run", resume=True).folder, done.folder)
    assert capsys.readouterr().err.splitlines()[0] == "all 3 epochs are trained already"


def test_words_may_be_left_out_and_not_changed(tmp_path, interrupted, always, command):
    interrupted()
    folder = tmp_path / "run"
    refused = command("run", "unet", "shapes", "--resume", "--out", folder, "--set", "trainer.learning_rate=0.5")
    assert refused.code == 2
    assert "was begun with other options: " in refused.err
    for change in ("model.filters is 2 there, 64 here", "trainer.learning_rate is 0.002 there, 0.5 here"):
        assert change in refused.err
    assert "epochs" not in refused.err
    changed = command("run", "--resume", "--out", folder, "--seed", "3", "--loss", "dice", "--view", "crop")
    assert "loss.name is cross_entropy there, dice here; seed is 0 there, 3 here; view is resize there" in changed.err
    assert command("run", "--resume", "--out", folder, "--dry-run").out == (folder / "config.toml").read_text()


@pytest.mark.slow
def test_with_nothing_there_resume_is_a_run(tmp_path, done, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.txt").touch()
    (tmp_path / "run" / ".0123abcd-config.toml").write_text("half")
    result = run(tmp_path / "run", resume=True)
    assert_same(result.folder, done.folder)
    assert capsys.readouterr().err.startswith(f"nothing is saved in {tmp_path / 'run'}: beginning at the beginning\n")


def test_resume_needs_a_folder_that_is_a_runs(tmp_path, command):
    lost = command("run", "unet", "shapes", "--resume")
    assert (lost.code, lost.err) == (2, "segzoo: --resume: say which run is to go on, with --out DIR\n")
    (tmp_path / "photo.jpg").touch()
    foreign = command("run", "unet", "shapes", "--resume", "--out", tmp_path)
    assert (foreign.code, foreign.err.count("\n")) == (2, 1)
    assert "holds other files and no run that could go on" in foreign.err


def test_images_that_have_changed_meanwhile_are_noticed(tmp_path, interrupted, always, monkeypatch):
    interrupted()
    draw = Drawings.__getitem__

    def inverted(drawings, index):
        image, mask = draw(drawings, index)
        return 255 - image, mask

    monkeypatch.setattr(Drawings, "__getitem__", inverted)
    with pytest.raises(ConfigError, match="images or masks have changed"):
        run(tmp_path / "run", resume=True)


def test_a_disk_that_fills_ends_in_one_message_and_loses_nothing(tmp_path, always, done, command, monkeypatch):
    left, fsync = [15], os.fsync

    def full(descriptor):
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    words = ("run", "unet", "shapes", *settings, "--epochs", "3", "--out", tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.os, "fsync", full)
        ended = command(*words)
    assert ended.code == 2
    assert [line for line in ended.err.splitlines() if "full" in line] == [ended.err.splitlines()[-1]]
    assert "is full: make room" in ended.err
    assert command(*words, "--resume").code == 0
    assert_same(tmp_path / "run", done.folder)


def test_two_processes_do_not_work_in_one_folder(tmp_path, monkeypatch):
    refused = []

    def meanwhile(experiment, folder, *options):
        with pytest.raises(ConfigError, match=f"another process is at work in {folder.path}") as error:
            run(folder.path, resume=True)
        refused.append(error)
        raise SegzooError("enough")

    monkeypatch.setattr(segzoo.runs.experiment, "_conduct", meanwhile)
    with pytest.raises(SegzooError, match="enough"):
        run(tmp_path / "run")
    assert refused
