"""The tables of a run: written in full, read back, and taken over from an earlier process."""

import csv

import pytest

from segzoo.runs.folder import RunFolder
from segzoo.runs.tables import History


def times(folder):
    with (folder / "timings.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_history_reads_back_as_it_was(tmp_path):
    assert RunFolder(tmp_path).read_history() == []
    history = History(RunFolder(tmp_path), 3)
    for value in (0.1 + 0.2, 1e-300, float("nan")):
        history.add({"loss": value, "val_loss": 3.0})
    assert repr(RunFolder(tmp_path).read_history()) == repr(history.rows)


def test_times_that_the_trainer_measures_go_before_those_that_the_run_measures(tmp_path):
    history = History(RunFolder(tmp_path), 12)
    history.images, history.times = 40, {"seconds": 61.26, "waiting_seconds": 1.23456}
    assert history.add({"loss": 0.5}) == "epoch  1/12   loss 0.5000   61 s"
    history.images = 7
    history.add({"loss": 0.5})
    assert times(tmp_path)[0] == {"epoch": "1", "seconds": "61.26", "images": "40", "waiting_seconds": "1.235"}
    assert times(tmp_path)[1]["images"] == "7"
    assert float(times(tmp_path)[1]["seconds"]) >= 0


def test_restored_epochs_are_written_again_and_the_next_follows(tmp_path):
    ahead = History(RunFolder(tmp_path), 4)
    for _ in range(3):
        ahead.add({"loss": 9.0})
    history = History(RunFolder(tmp_path), 4)
    line = history.restore([{"loss": 2.0}, {"loss": 1.0}], [{"seconds": 5.0, "images": 8}] * 2, 1200)
    assert line == "going on with epoch 3/4, of which 1,200 images are done"
    assert RunFolder(tmp_path).read_history() == [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]
    history.images += 3
    history.times = {"seconds": 4.0}
    history.add({"loss": 0.5})
    assert [row["loss"] for row in RunFolder(tmp_path).read_history()] == [2.0, 1.0, 0.5]
    assert [(row["seconds"], row["images"]) for row in times(tmp_path)] == [("5.0", "8"), ("5.0", "8"), ("4.0", "1203")]


@pytest.mark.parametrize(
    ("epochs", "images", "line"),
    [(0, 5, "going on with epoch 1/2, of which 5 images are done"), (1, 0, "going on with epoch 2/2")],
)
def test_what_is_done_is_said(tmp_path, epochs, images, line):
    assert History(RunFolder(tmp_path), 2).restore([{"loss": 1.0}] * epochs, [{}] * epochs, images) == line


def test_a_training_that_is_done_is_said(tmp_path):
    assert History(RunFolder(tmp_path), 1).restore([{"loss": 1.0}], [{}], 0) == "all 1 epochs are trained already"


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([(10.0, 9.0), (10.0, 0.5), (30.0, 0.5)], "waited for data in 2.5% of the training time"),
        ([(10.0, 1.0)], "waited for data in 10.0% of the training time"),
        ([], ""),
    ],
)
def test_the_share_of_waiting_leaves_out_the_epoch_that_compiles(tmp_path, rows, line):
    history = History(RunFolder(tmp_path), 5)
    for training, waiting in rows:
        history.times = {"training_seconds": training, "waiting_seconds": waiting}
        history.add({"loss": 1.0})
    assert history.waiting() == line


def test_a_trainer_that_tells_no_times_gets_no_line(tmp_path):
    history = History(RunFolder(tmp_path), 5)
    history.add({"loss": 1.0})
    assert history.waiting() == ""


def test_without_a_number_of_epochs_none_is_named(tmp_path):
    history = History(RunFolder(tmp_path), None)
    assert history.restore([{"loss": 1.0}] * 3, [{}] * 3, 5) == "going on with epoch 4, of which 5 images are done"
    assert history.add({"loss": 0.5}).startswith("epoch 4   loss 0.5000   ")


def test_splits_are_written_until_an_epoch_is_done_on_them(tmp_path):
    RunFolder(tmp_path).write_splits({"train": ["b", "a, c"], "val": []})
    RunFolder(tmp_path).write_splits({"train": ["b", "a, c"], "val": ["d"]})
    text = (tmp_path / "splits.csv").read_text()
    assert text == 'id,split\nb,train\n"a, c",train\nd,val\n'
    History(RunFolder(tmp_path), 2).add({"loss": 1.0})
    RunFolder(tmp_path).write_splits({"train": ["others"], "val": ["d"]})
    assert (tmp_path / "splits.csv").read_text() == text
