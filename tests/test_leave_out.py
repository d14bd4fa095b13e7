"""Lists of samples to leave out, and runs that do."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import segzoo
from segzoo.errors import ConfigError
from segzoo.inspection.findings import Finding
from segzoo.inspection.leave_out import read_list, write_list
from segzoo.inspection.reading import create_dataset

SETTINGS = {
    "model.filters": 2,
    "model.depth": 1,
    "model.batch_norm": False,
    "dataset.size": 16,
    "dataset.train": 6,
    "dataset.val": 3,
    "dataset.test": 3,
}
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)


@given(ids=st.lists(TEXTS))
def test_what_is_written_is_read(ids, tmp_path_factory):
    path = tmp_path_factory.mktemp("list") / "bad.csv"
    findings = [Finding("size", "error", "6x4, but\n5x4", "train", name) for name in ids]
    write_list(path, [*findings, Finding("missing", "error", "of no sample")])
    assert read_list(path) == tuple(dict.fromkeys(ids))


def test_a_list_by_hand_needs_only_the_ids(tmp_path):
    (tmp_path / "bad.csv").write_bytes(b"\xef\xbb\xbfid\r\ncat 1\r\n\r\ncat 2\r\n")
    assert read_list(tmp_path / "bad.csv") == ("cat 1", "cat 2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the list .*bad.csv: .*No such file"),
        (b"", "first line must name a column `id`"),
        (b"cat 1\ncat 2\n", "first line must name a column `id`"),
        (b"id\n\xff\xfe\n", "cannot read the list .*bad.csv"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_list(tmp_path / "bad.csv")


@pytest.fixture
def ids(tmp_path):
    _, dataset = create_dataset("shapes", {key: value for key, value in SETTINGS.items() if "dataset" in key})
    return {split: list(dataset.open(tmp_path, split).ids) for split in ("train", "val", "test")}


def test_what_is_left_out_is_neither_trained_on_nor_scored(tmp_path, ids, capsys):
    out = tmp_path / "run"
    gone = [ids["train"][1], ids["test"][0], ids["train"][1]]
    result = segzoo.run("unet", "shapes", settings=SETTINGS, epochs=1, leave_out=gone, out=out)
    assert result.metrics["images"] == 2
    rows = (out / "images.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ids["test"][1:]
    assert "left out: 1 of 6 in 'train', 0 of 3 in 'val', 1 of 3 in 'test'" in capsys.readouterr().err
    assert tomllib.loads((out / "config.toml").read_text())["leave_out"] == sorted(set(gone))
    assert not set(gone) & {line.split(",")[0] for line in (out / "splits.csv").read_text().splitlines()}

    whole = segzoo.run("unet", "shapes", settings=SETTINGS, epochs=1, out=tmp_path / "whole")
    prints = [json.loads((run / "manifest.json").read_text())["dataset_fingerprint"] for run in (out, whole.folder)]
    assert prints[0]["val"] == prints[1]["val"]
    assert prints[0]["train"] != prints[1]["train"]
    assert prints[0]["test"] != prints[1]["test"]


def test_a_run_goes_on_with_what_it_left_out_and_with_nothing_else(tmp_path, ids):
    out, settings = (
        tmp_path / "run",
        SETTINGS | {"trainer.schedule": "constant", "trainer.warmup": 0, "trainer.half_size": 0},
    )
    segzoo.run("unet", "shapes", settings=settings, epochs=1, leave_out=ids["train"][:2], keep_checkpoint=True, out=out)
    result = segzoo.run(out=out, epochs=2, resume=True)
    assert len(result.history) == 2
    segzoo.run("unet", "shapes", settings=settings, leave_out=ids["train"][1::-1], epochs=2, out=out, resume=True)
    with pytest.raises(ConfigError, match=r"begun with other options: leave_out is .* there, unset here"):
        segzoo.run("unet", "shapes", settings=settings, epochs=2, out=out, resume=True)
    again = segzoo.run(config=out / "config.toml", out=tmp_path / "again")
    assert again.history == result.history


def test_ids_of_no_split_are_refused_and_nothing_is_left_behind(tmp_path, ids):
    with pytest.raises(ConfigError, match="leave_out: 2 of 3 ids are in no split of the dataset, such as 'a', 'b'; "):
        segzoo.run("unet", "shapes", settings=SETTINGS, leave_out=["b", ids["val"][0], "a"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command_reads_the_list(command, tmp_path, ids):
    (tmp_path / "bad.csv").write_text(f"id,why\n{ids['val'][0]},blurred\n")
    done = command("run", "unet", "shapes", "--leave-out", tmp_path / "bad.csv", "--dry-run")
    assert tomllib.loads(done.out)["leave_out"] == [ids["val"][0]]
    assert "leave_out" not in tomllib.loads(command("run", "unet", "shapes", "--dry-run").out)
    (tmp_path / "none.csv").write_text("id\n")
    assert "leave_out" not in command("run", "unet", "shapes", "--leave-out", tmp_path / "none.csv", "--dry-run").out
    assert command("run", "unet", "shapes", "--leave-out", tmp_path / "gone.csv", "--dry-run").code == 2
    done = command("run", "unet", "shapes", "--set", "leave_out=x", "--dry-run")
    assert "write --leave-out instead" in done.err
