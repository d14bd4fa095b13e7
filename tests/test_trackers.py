"""Runs that trackers follow: by name, with options, and whatever becomes of the trackers."""

import json

import pytest

import segzoo
from segzoo.errors import ConfigError
from segzoo.runs.config import compose
from segzoo.runs.planning import resolve

WORDS = ("run", "net", "shapes", "--trainer", "quick", "--epochs", "2")
SIZES = [word for name in ("train", "val", "test") for word in ("--set", f"dataset.{name}=2")]
SETTINGS = {"dataset.train": 2, "dataset.val": 2, "dataset.test": 2}
BOTH = ("--tracker", "listening", "--tracker", "other")


@pytest.fixture
def trackers(lab, install):
    names = "listening = segzoo_test_trackers:Listening\nother = segzoo_test_trackers:Other"
    install("segzoo-test-trackers", {"segzoo.trackers": names})


def heard(folder, name="one"):
    return [line.split()[0] for line in (folder / f"heard-{name}.txt").read_text().splitlines()]


WHOLE = ["run_started", "epoch_ended", "epoch_ended", "run_ended"]


def test_several_trackers_follow_a_run_with_their_options(tmp_path, trackers, command):
    folder = tmp_path / "run"
    done = command(*WORDS, *SIZES, *BOTH, "--set", "tracker.other.note=hello", "--out", folder)
    assert done.code == 0, done.err
    assert heard(folder) == heard(folder, "other") == WHOLE
    assert "hello" in (folder / "heard-other.txt").read_text()
    config = segzoo.open_run(folder).config
    assert {name: options["note"] for name, options in config.tracker.items()} == {"listening": "", "other": "hello"}


def test_a_run_without_trackers_says_nothing_of_them(tmp_path, trackers):
    result = segzoo.run("net", "shapes", trainer="quick", epochs=1, settings=SETTINGS, out=tmp_path / "run")
    assert "tracker" not in (result.folder / "config.toml").read_text()


@pytest.mark.parametrize(
    ("fails", "warning"),
    [
        (
            "epoch_ended",
            "warning: tracker 'listening' of segzoo-test-trackers failed in epoch_ended (ConnectionError: no server) "
            "and gets no more events of this run",
        ),
        (
            "subscriber",
            "warning: tracker 'listening' of segzoo-test-trackers: `subscriber` raised ConnectionError: no ser",
        ),
    ],
)
def test_a_tracker_that_fails_is_told_once_and_ends_neither_the_run_nor_another(
    tmp_path, trackers, command, fails, warning
):
    folder = tmp_path / "run"
    done = command(*WORDS, *SIZES, *BOTH, "--set", f"tracker.listening.fails={fails}", "--out", folder, "--json")
    assert done.code == 0
    assert json.loads(done.out)["folder"] == str(folder)
    assert [line for line in done.err.splitlines() if "warning" in line and "listening" in line] == [
        line for line in done.err.splitlines() if line.startswith(warning)
    ]
    assert done.err.count(warning) == 1
    assert heard(folder, "other") == WHOLE
    assert "ConnectionError: no server" in (folder / "log.txt").read_text()


def test_a_tracker_that_cannot_work_here_is_told_before_a_run_begins(tmp_path, trackers, command):
    refused = command(*WORDS, *SIZES, *BOTH, "--set", "tracker.listening.fails=here", "--out", tmp_path / "run")
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == "segzoo: tracker 'listening' needs a server; type: serve"
    assert not (tmp_path / "run").exists()


def test_a_run_that_goes_on_is_followed_as_before_and_by_more(tmp_path, trackers, command):
    folder = tmp_path / "run"
    first = command(*WORDS, *SIZES, "--tracker", "listening", "--keep-checkpoint", "--out", folder)
    assert first.code == 0, first.err
    longer = command("run", "--resume", "--out", folder, "--epochs", "3", "--tracker", "other")
    assert longer.code == 0, longer.err
    assert heard(folder) == [*WHOLE, "run_started", "epoch_ended", "run_ended"]
    assert heard(folder, "other") == ["run_started", "epoch_ended", "run_ended"]
    assert [*segzoo.open_run(folder).config.tracker] == ["listening", "other"]


@pytest.mark.parametrize(
    ("words", "settings", "message"),
    [
        ({"tracker": ["listenin"]}, {}, "no tracker 'listenin'; did you mean 'listening'"),
        ({}, {"tracker.listening.nte": 1}, "tracker 'listening', option 'nte': unknown option; did you mean 'note'"),
        (
            {},
            {"tracker.note": 1},
            "--set tracker.note: an option of a tracker has its name in the key: tracker.NAME.OPT",
        ),
    ],
)
def test_what_is_misspelt_is_named(trackers, words, settings, message):
    with pytest.raises(ConfigError, match=message):
        resolve(compose(words={"model": "net", "dataset": "shapes", "trainer": "quick"} | words, settings=settings))


def test_the_trackers_of_a_file_and_those_that_are_named_follow_together(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('[tracker.one]\ncolour = "red"\n')
    words = {"model": "net", "dataset": "shapes"}
    config = compose(file, words | {"tracker": ["two"]}, {"tracker.one.size": 3})
    assert config.tracker == {"one": {"colour": "red", "size": 3}, "two": {}}
    assert config.differences(compose(words=words)) == []
