"""The lines of a run on the terminal, and its bar."""

import pytest

from segzoo.processes.terminal import Bar
from segzoo.runs.progress import RunProgress


class Shown(Bar):
    """A bar whose lines and images are kept."""

    def __init__(self):
        super().__init__(None)
        self.lines, self.total, self.done, self.doing = [], None, 0, ""

    def line(self, text):
        self.lines.append(text)

    def expect(self, items):
        self.total = items

    def start_at(self, items):
        self.done = items

    def advance(self, items, doing):
        self.done, self.doing = self.done + items, doing


def started(scored=5, **config):
    bar = Shown()
    progress = RunProgress(bar, scored)
    progress.run_started(config, None)
    return progress, bar


def rows(epochs):
    return [{"epoch": epoch, "loss": 1.0} for epoch in range(1, epochs + 1)]


def test_an_epoch_is_a_line_with_its_figures_and_seconds():
    progress, bar = started(epochs=12)
    progress.images_done(8)
    assert (bar.done, bar.doing) == (8, "epoch 1/12")
    progress.epoch_ended({"epoch": 1, "loss": 0.5, "val_loss": 0.25}, {"epoch": 1, "seconds": 61.26})
    assert bar.lines == ["epoch  1/12   loss 0.5000   val_loss 0.2500   61 s"]
    progress.images_done(8)
    assert (bar.done, bar.doing) == (16, "epoch 2/12")


@pytest.mark.parametrize(
    ("config", "total"),
    [({"epochs": 3}, 3 * 40 + 5), ({"steps": 9}, None), ({"epochs": 3, "steps": 9}, None), ({"seconds": 1.0}, None)],
)
def test_the_bar_has_an_end_where_only_epochs_end_the_training(config, total):
    progress, bar = started(**config)
    progress.training_started(40)
    assert bar.total == total


@pytest.mark.parametrize("known_first", [True, False])
def test_a_bar_goes_on_at_what_was_done_before(known_first):
    progress, bar = started(epochs=3)
    if known_first:
        progress.training_started(40)
    progress.resumed(rows(1), [{"epoch": 1, "images": 40}], 16)
    if not known_first:
        progress.training_started(40)
    assert (bar.done, bar.total) == (56, 125)


@pytest.mark.parametrize(
    ("planned", "epochs", "images", "line"),
    [
        (2, 0, 5, "going on with epoch 1/2, of which 5 images are done"),
        (2, 1, 0, "going on with epoch 2/2"),
        (4, 2, 1200, "going on with epoch 3/4, of which 1,200 images are done"),
        (2, 2, 0, "all 2 epochs are trained already"),
        (None, 3, 5, "going on with epoch 4, of which 5 images are done"),
    ],
)
def test_a_line_says_where_a_training_goes_on(planned, epochs, images, line):
    progress, bar = started(epochs=planned)
    progress.resumed(rows(epochs), [{"epoch": row["epoch"]} for row in rows(epochs)], images)
    assert bar.lines == [line]


def test_without_a_number_of_epochs_none_is_named():
    progress, bar = started()
    progress.resumed(rows(3), [{}] * 3)
    progress.epoch_ended({"epoch": 4, "loss": 0.5}, {"seconds": 2.4})
    assert bar.lines[1:] == ["epoch 4   loss 0.5000   2 s"]


@pytest.mark.parametrize(
    ("times", "line"),
    [
        ([(10.0, 9.0), (10.0, 0.5), (30.0, 0.5)], ["waited for data in 2.5% of the training time"]),
        ([(10.0, 1.0)], ["waited for data in 10.0% of the training time"]),
        ([], []),
    ],
)
def test_the_share_of_waiting_leaves_out_the_epoch_that_compiles(times, line):
    progress, bar = started(epochs=5)
    for training, waiting in times:
        seconds = {"seconds": training, "training_seconds": training, "waiting_seconds": waiting}
        progress.epoch_ended({"loss": 1.0}, seconds)
    progress.run_ended({})
    assert bar.lines[len(times) :] == line


def test_the_share_of_waiting_counts_the_epochs_of_an_earlier_process():
    progress, bar = started(epochs=3)
    earlier = [{"training_seconds": 10.0, "waiting_seconds": waiting} for waiting in (9.0, 2.0)]
    progress.resumed(rows(2), earlier)
    progress.epoch_ended({"loss": 1.0}, {"seconds": 10.0, "training_seconds": 10.0, "waiting_seconds": 1.0})
    progress.run_ended({})
    assert bar.lines[-1] == "waited for data in 15.0% of the training time"


@pytest.mark.parametrize("times", [{"seconds": 3.0}, {"seconds": 3.0, "training_seconds": 3.0}])
def test_a_share_of_waiting_that_nobody_has_measured_is_not_printed(times):
    progress, bar = started(epochs=5)
    progress.epoch_ended({"loss": 1.0}, times)
    progress.run_ended({})
    assert len(bar.lines) == 1
