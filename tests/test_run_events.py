"""Events of a run: completed to rows, sent to all, whatever becomes of a subscriber."""

import json
import logging
import tomllib

import numpy as np
import pytest

import segzoo
from segzoo.errors import DataError, PluginError
from segzoo.plugin import Events, Subscriber
from segzoo.runs.events import RunEvents
from segzoo.runs.folder import RunFolder

CONFIG = {"epochs": 3, "trainer": {"name": "quick"}}
NAMES = [name for cls in (Events, Subscriber) for name in vars(cls) if not name.startswith("_")]


def hear(name):
    return lambda self, *facts: self.heard.append((name, *facts))


class Everything(Subscriber):
    """Keeps all events."""

    def __init__(self):
        self.heard = []


for name in NAMES:
    setattr(Everything, name, hear(name))


class Fails(Subscriber):
    """Fails whenever a step is done."""

    def __init__(self):
        self.calls = 0

    def images_done(self, count):
        self.calls += 1
        raise ConnectionError("no server")


def started(required=(), others=(), resume=False, folder=None):
    events = RunEvents(required, others, resume)
    events.run_started(CONFIG, folder)
    return events


def test_what_a_training_lacks_is_told_only_if_it_begins_anew(tmp_path):
    for goes_on in (False, True):
        events = RunEvents((), (), True, (), DataError("the weights are gone"))
        events.run_started(CONFIG, tmp_path)
        if goes_on:
            events.resumed([], [], 8)
            events.images_done(8)
        else:
            with pytest.raises(DataError, match="the weights are gone"):
                events.images_done(8)


def test_every_event_reaches_every_subscriber_in_the_order_in_which_it_was_sent(tmp_path):
    subscribers = [Everything(), Everything()]
    events = started(subscribers[:1], subscribers[1:], folder=tmp_path)
    events.training_started(40)
    events.images_done(8)
    events.epoch_ended({"loss": 1.0, "val_loss": 2.0}, {"seconds": 3.0})
    events.message("a line")
    events.pictures([tmp_path / "a.png"])
    events.run_ended({"mean_iou": 0.5})
    assert (
        subscribers[0].heard
        == subscribers[1].heard
        == [
            ("run_started", CONFIG, tmp_path),
            ("training_started", 40),
            ("images_done", 8),
            ("epoch_ended", {"epoch": 1, "loss": 1.0, "val_loss": 2.0}, {"epoch": 1, "seconds": 3.0, "images": 8}),
            ("message", "a line"),
            ("pictures", [tmp_path / "a.png"]),
            ("run_ended", {"mean_iou": 0.5}),
        ]
    )


def test_a_subscriber_implements_only_what_it_wants():
    class Losses(Subscriber):
        losses = ()

        def epoch_ended(self, figures, times=None):
            self.losses += (figures["loss"],)

    subscriber, everything = Losses(), Everything()
    events = started([subscriber, everything])
    events.resumed([{"loss": 9.0}])
    events.training_started(40)
    events.images_done(8)
    events.epoch_ended({"loss": 1.0})
    events.message("a line")
    events.pictures([])
    events.run_ended({})
    assert subscriber.losses == (1.0,)
    assert {name for name, *_ in everything.heard} == set(NAMES)


def test_seconds_and_images_are_measured_where_the_trainer_does_not():
    everything = Everything()
    events = started([everything])
    for count in (8, 4):
        events.images_done(count)
    events.epoch_ended({"loss": 1.0})
    events.images_done(5)
    events.epoch_ended({"loss": 0.5}, {"seconds": 60.0, "images": 50, "waiting_seconds": 1.0})
    first, second = [times for name, *facts in everything.heard if name == "epoch_ended" for times in facts[1:]]
    assert first.pop("seconds") >= 0
    assert first == {"epoch": 1, "images": 12}
    assert second == {"epoch": 2, "seconds": 60.0, "images": 50, "waiting_seconds": 1.0}


def test_a_resumed_run_carries_what_was_done_before():
    everything = Everything()
    events = started([everything], resume=True)
    events.resumed([{"loss": 2.0}, {"loss": 1.0}], [{"seconds": 5.0, "images": 8}, {"seconds": 6.0, "images": 8}], 3)
    events.images_done(5)
    events.epoch_ended({"loss": 0.5}, {"seconds": 4.0})
    assert everything.heard[1:] == [
        (
            "resumed",
            [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}],
            [{"epoch": 1, "seconds": 5.0, "images": 8}, {"epoch": 2, "seconds": 6.0, "images": 8}],
            3,
        ),
        ("images_done", 5),
        ("epoch_ended", {"epoch": 3, "loss": 0.5}, {"epoch": 3, "seconds": 4.0, "images": 8}),
    ]


def test_times_that_were_not_kept_are_empty():
    everything = Everything()
    started([everything]).resumed([{"loss": 2.0}])
    assert everything.heard[1:] == [("resumed", [{"epoch": 1, "loss": 2.0}], [{"epoch": 1}], 0)]


@pytest.mark.parametrize("event", ["images_done", "epoch_ended"])
def test_a_run_that_was_to_go_on_and_begins_anew_says_so_once(tmp_path, event):
    everything = Everything()
    events = started([everything], resume=True, folder=tmp_path)
    events.training_started(8)
    for _ in range(2):
        getattr(events, event)(*{"images_done": (8,), "epoch_ended": ({"loss": 1.0},)}[event])
    line = ("message", f"nothing is saved in {tmp_path}: beginning at the beginning")
    assert everything.heard[2] == line
    assert everything.heard.count(line) == 1


def test_figures_are_numbers_of_python():
    everything = Everything()
    started([everything]).epoch_ended({"loss": np.float32(0.1), "steps": 3, "val_loss": np.array(0.5)}, {})
    figures = everything.heard[1][1]
    assert figures == {"epoch": 1, "loss": float(np.float32(0.1)), "steps": 3, "val_loss": 0.5}
    assert {type(value) for value in figures.values()} == {int, float}


@pytest.mark.parametrize("value", ["0.5", None, [0.5], np.zeros(2)])
def test_a_figure_that_is_no_number_is_the_fault_of_the_trainer(value):
    everything = Everything()
    with pytest.raises(PluginError, match=r"trainer 'quick' reports val_loss = .*, which is no number"):
        started([everything]).epoch_ended({"loss": 1.0, "val_loss": value})
    assert len(everything.heard) == 1


@pytest.mark.parametrize("row", [({"loss": 1.0, "epoch": 0}, {}), ({"loss": 1.0}, {"epoch": 0})])
@pytest.mark.parametrize("event", ["epoch_ended", "resumed"])
def test_the_run_numbers_the_epochs(event, row):
    everything = Everything()
    with pytest.raises(PluginError, match=r"^trainer 'quick' reports epoch = 0: leave it out, the run num"):
        getattr(started([everything]), event)(*([table] if event == "resumed" else table for table in row))
    assert len(everything.heard) == 1


@pytest.mark.parametrize("value", [-1, 0.5, 8.0, "8", None, np.zeros(2, int)])
@pytest.mark.parametrize("event", ["training_started", "images_done", "resumed"])
def test_what_is_no_number_of_images_is_the_fault_of_the_trainer(event, value):
    everything = Everything()
    facts = ([], [], value) if event == "resumed" else (value,)
    with pytest.raises(PluginError, match=r"^trainer 'quick' tells of .* images, which is no number of images$"):
        getattr(started([everything]), event)(*facts)
    assert len(everything.heard) == 1


def test_numbers_of_images_are_those_of_python():
    everything = Everything()
    started([everything]).images_done(np.int64(8))
    assert everything.heard[1:] == [("images_done", 8)]
    assert type(everything.heard[1][1]) is int


def test_an_earlier_epoch_without_times_is_the_fault_of_the_trainer():
    with pytest.raises(PluginError, match="trainer 'quick' goes on after 2 epochs, with the times of 1"):
        started().resumed([{"loss": 2.0}, {"loss": 1.0}], [{"seconds": 1.0}])


@pytest.mark.parametrize("event", [("images_done", 8), ("epoch_ended", {"loss": 1.0})])
def test_what_was_done_before_cannot_be_told_later(event):
    everything = Everything()
    events = started([everything])
    getattr(events, event[0])(*event[1:])
    with pytest.raises(PluginError, match="trainer 'quick' tells of an earlier training after steps of this one"):
        events.resumed([{"loss": 2.0}])
    assert "resumed" not in [name for name, *_ in everything.heard]


def test_a_subscriber_that_fails_is_named_once_and_gets_no_more_events(caplog):
    required, before, fails, after = Everything(), Everything(), Fails(), Everything()
    events = started([required], [before, fails, after])
    for _ in range(2):
        events.images_done(8)
    assert fails.calls == 1
    warning = "warning: Fails failed in images_done (ConnectionError: no server) and gets no more events of this run"
    assert required.heard[1:] == [("images_done", 8), ("message", warning), ("images_done", 8)]
    assert before.heard[1:] == after.heard[1:] == [("images_done", 8)] * 2
    (record,) = caplog.records
    assert (record.name, record.levelno) == (__name__, logging.ERROR)
    assert record.exc_info[0] is ConnectionError


def test_a_subscriber_cannot_end_the_run_by_an_exit():
    class Leaving(Subscriber):
        def images_done(self, count):
            raise SystemExit(5)

    everything = Everything()
    events = started([everything], [Leaving()])
    events.images_done(3)
    assert any("Leaving failed in images_done (SystemExit: 5)" in str(fact) for fact in everything.heard)


def test_a_required_subscriber_that_fails_ends_the_run():
    with pytest.raises(ConnectionError, match="no server"):
        started([Fails()]).images_done(8)


def test_an_interrupt_in_a_subscriber_is_one_of_the_run():
    class Interrupted(Subscriber):
        def images_done(self, count):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        started((), [Interrupted()]).images_done(8)


TINY = {"model.filters": 2, "model.depth": 1, "model.batch_norm": False}
TINY |= {"dataset.size": 16, "dataset.train": 8, "dataset.val": 4, "dataset.test": 4}
TINY |= {"trainer.schedule": "constant", "trainer.warmup": 0, "trainer.half_size": 0}
"""A small run that may be trained longer."""


class AtTheEnd(Everything):
    """Looks what is in the folder when the run has ended."""

    def run_ended(self, metrics):
        super().run_ended(metrics)
        _, _, folder = self.heard[0]
        self.left = {path.name for path in folder.iterdir()}


def test_a_run_and_its_trainer_send_events_to_the_subscribers_of_the_user(tmp_path, capsys):
    everything, fails, folder = AtTheEnd(), Fails(), tmp_path / "run"
    options = {"settings": TINY, "out": folder, "keep_checkpoint": True, "subscribers": [fails, everything]}
    result = segzoo.run("unet", "shapes", epochs=2, **options)
    step, epoch = "images_done", "epoch_ended"
    names = ["run_started", "training_started", step, epoch, step, epoch, "pictures", "run_ended"]
    assert [name for name, *_ in everything.heard] == names
    facts = {name: facts for name, *facts in everything.heard}
    assert facts["run_started"] == [tomllib.loads((folder / "config.toml").read_text()), folder]
    assert facts["epoch_ended"][0] == RunFolder(folder).read_history()[1]
    assert sorted(facts["pictures"][0]) == sorted((folder / "samples").iterdir())
    assert facts["run_ended"] == [json.loads((folder / "metrics.json").read_text())] == [result.metrics]
    assert {"manifest.json", "model.keras", "timings.csv"} <= everything.left
    assert capsys.readouterr().err.splitlines()[0].startswith("warning: Fails failed in images_done")
    assert "ConnectionError: no server" in (folder / "log.txt").read_text()

    everything.heard.clear()
    segzoo.run("unet", "shapes", epochs=2, resume=True, **options)
    assert everything.heard == []  # it is finished
    segzoo.run("unet", "shapes", epochs=3, resume=True, **options)
    names = ["run_started", "training_started", "resumed", step, epoch, "pictures", "run_ended"]
    assert [name for name, *_ in everything.heard] == names
    _, figures, times, images = everything.heard[2]
    assert (figures, images) == (RunFolder(folder).read_history()[:2], 0)
    assert [row["images"] for row in times] == [8, 8]
    assert everything.heard[4][1] == RunFolder(folder).read_history()[2]
