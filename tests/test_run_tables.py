"""The tables of a run: written in full, read back, and taken over from an earlier process."""

import csv

from segzoo.runs.folder import RunFolder
from segzoo.runs.tables import History


def times(folder):
    with (folder / "timings.csv").open() as file:
        return list(csv.DictReader(file))


def history_in(folder):
    history = History()
    history.run_started({}, folder)
    return history


def test_a_history_reads_back_as_it_was(tmp_path):
    assert RunFolder(tmp_path).read_history() == []
    values = (0.1 + 0.2, 1e-300, float("nan"))
    rows = [{"epoch": epoch, "loss": value, "val_loss": 3.0} for epoch, value in enumerate(values, 1)]
    history = history_in(tmp_path)
    for row in rows:
        history.epoch_ended(row)
    assert repr(RunFolder(tmp_path).read_history()) == repr(rows)


def test_times_are_kept_apart_in_milliseconds(tmp_path):
    history_in(tmp_path).epoch_ended({"epoch": 1, "loss": 0.5}, {"epoch": 1, "seconds": 61.26, "waiting": 1.23456})
    assert (tmp_path / "history.csv").read_text() == "epoch,loss\n1,0.5\n"
    assert times(tmp_path) == [{"epoch": "1", "seconds": "61.26", "waiting": "1.235"}]


def test_epochs_of_an_earlier_process_are_written_again_and_the_next_follows(tmp_path):
    ahead = history_in(tmp_path)
    for epoch in (1, 2, 3):
        ahead.epoch_ended({"epoch": epoch, "loss": 9.0}, {"epoch": epoch})
    history = history_in(tmp_path)
    earlier = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]
    history.resumed(earlier, [{"epoch": epoch, "images": 8} for epoch in (1, 2)], 1200)
    assert RunFolder(tmp_path).read_history() == earlier
    history.epoch_ended({"epoch": 3, "loss": 0.5}, {"epoch": 3, "images": 1203})
    assert [row["loss"] for row in RunFolder(tmp_path).read_history()] == [2.0, 1.0, 0.5]
    assert [row["images"] for row in times(tmp_path)] == ["8", "8", "1203"]


def test_splits_are_written_until_an_epoch_is_done_on_them(tmp_path):
    RunFolder(tmp_path).write_splits({"train": ["b", "a, c"], "val": []})
    RunFolder(tmp_path).write_splits({"train": ["b", "a, c"], "val": ["d"]})
    text = (tmp_path / "splits.csv").read_text()
    assert text == 'id,split\nb,train\n"a, c",train\nd,val\n'
    history_in(tmp_path).epoch_ended({"epoch": 1, "loss": 1.0})
    RunFolder(tmp_path).write_splits({"train": ["others"], "val": ["d"]})
    assert (tmp_path / "splits.csv").read_text() == text
