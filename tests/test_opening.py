"""What a dataset gives for samples, ids and files is compared with the interface, by all that opens datasets."""

import html
import re

import pytest

import segzoo
from segzoo import registry, testing
from segzoo.data.opening import open_split
from segzoo.errors import PluginError
from segzoo.inspection.contact_sheets import preview
from segzoo.inspection.statistics import stats
from segzoo.plugin import Dataset

OF_TRAIN = "`ids` of the split 'train' are "
WRONG = {
    "list": "`open` returned an object of the type list, which is no Samples: it lacks `ids`",
    "numbers as ids": rf"{OF_TRAIN}\[0, 1, 2, 3\] of the type list, which is no Sequence\[str\]: 0 is of the type int",
    "array of ids": rf"{OF_TRAIN}array.* of the type ndarray, which is no Sequence\[str\]",
    "set of ids": rf"{OF_TRAIN}.* of the type set, which is no Sequence\[str\]",
    "generator of ids": rf"{OF_TRAIN}.* of the type list_iterator, which is no Sequence\[str\]",
    "ids as keys": rf"{OF_TRAIN}.* of the type dict, which is no Sequence\[str\]",
    "text of ids": rf"{OF_TRAIN}.* of the type str, which is no Sequence\[str\]",
    "no ids": rf"{OF_TRAIN}None",
    "lists as ids": rf"{OF_TRAIN}.*: \['train-0'\] is of the type list",
    "ids that exit": "naming the samples of the split 'train' ended the process, with .*'no licence'.*untyped.py",
    "texts as files": "`files` of the split 'train' has 'image.png' for a sample, which is no tuple of paths",
    "texts in files": r"`files` of the split 'train' has \(.*'mask.png'\) for a sample, which is no tuple of paths",
    "few files": "the split 'train' has 4 samples, but files for 3",
    "set of files": r"`files` returned \{.* of the type set, which is no Sequence\[tuple\[Path, ...\]\]",
}


@pytest.fixture
def untyped(install):
    """Installs the dataset; the settings by which it has a fault."""
    install("segzoo-test-untyped", {"segzoo.datasets": "untyped = segzoo_test_untyped:Data"})
    return lambda fault: {"dataset.fault": fault}


@pytest.mark.parametrize(("fault", "message"), WRONG.items(), ids=WRONG)
def test_what_is_no_split_is_told(untyped, tmp_path, fault, message):
    dataset = registry.create(Dataset, "untyped", {"fault": fault})
    with pytest.raises(PluginError, match=f"^dataset 'untyped' of segzoo-test-untyped: {message}"):
        open_split(dataset, tmp_path, "train")


@pytest.mark.parametrize("fault", ["list", "array of ids", "few files"])
def test_all_that_opens_a_dataset_tells_the_same(untyped, tmp_path, monkeypatch, fault):
    monkeypatch.chdir(tmp_path)
    settings, expected = untyped(fault), f"^dataset 'untyped' of segzoo-test-untyped: {WRONG[fault]}"
    for call in (
        lambda: segzoo.run("unet", "untyped", settings=settings),
        lambda: preview("untyped", tmp_path / "sheets", settings=settings),
        lambda: stats("untyped", settings=settings),
    ):
        with pytest.raises(PluginError, match=expected):
            call()
    assert not (tmp_path / "sheets").exists()
    assert list((tmp_path / "runs").iterdir()) == []
    finding, *_ = segzoo.verify("untyped", settings=settings).errors
    assert (finding.kind, finding.split) == ("unopened", "train")
    assert re.match(expected, finding.what)
    assert_check_fails_once(settings, expected)


def assert_check_fails_once(settings, message):
    outcomes = testing.run_checks(testing.find("untyped", settings))
    (failed,) = (outcome for outcome in outcomes if outcome.result == "failed")
    assert failed.check == "check_samples_are_there"
    assert re.match(message, failed.message), failed.message


def test_the_files_of_later_samples_are_looked_at_when_they_are_asked_for(untyped, tmp_path):
    settings = untyped("a text later")
    dataset = registry.create(Dataset, "untyped", {"fault": "a text later"})
    files = open_split(dataset, tmp_path, "train").files
    assert len(files[:3]) == 3
    with pytest.raises(PluginError, match=r"has 'mask\.png' for a sample, which is no tuple of paths"):
        files[3]
    with pytest.raises(PluginError, match=r"'mask\.png' for a sample"):
        segzoo.verify("untyped", settings=settings)
    with pytest.raises(PluginError, match=r"`stamp`, which looks at the `files`, raised \w+"):
        dataset.stamp(tmp_path, "train")


def test_a_dataset_without_a_split_to_validate_on_is_told_of_before_a_run(untyped):
    settings = untyped("no val")
    with pytest.raises(PluginError) as raised:
        segzoo.run("unet", "untyped", settings=settings)
    assert str(raised.value).startswith("dataset 'untyped' of segzoo-test-untyped: it has no split 'val': a run trains")
    (finding,) = segzoo.verify("untyped", settings=settings).errors
    assert (finding.kind, finding.split, finding.what) == ("unopened", None, str(raised.value))


def test_a_sample_that_ends_the_process_is_named_where_samples_are_read(untyped, tmp_path):
    settings = untyped("exit")
    line = r"\(segzoo_test_untyped\.py:\d+\)"
    message = (
        "dataset 'untyped' of segzoo-test-untyped: reading sample 'train-3' of the split 'train' ended the process, "
        rf"with sys\.exit\('no licence'\) {line}"
    )
    assert re.search(message, html.unescape(preview("untyped", tmp_path / "sheets", settings=settings).read_text()))
    assert stats("untyped", settings=settings).splits["train"]["wrong"] == 1
    finding, *_ = segzoo.verify("untyped", settings=settings).errors
    assert re.match(f"SystemExit: no licence {line}", finding.what)
    assert_check_fails_once(settings, message)
