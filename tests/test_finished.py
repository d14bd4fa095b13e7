"""Finished runs by their folders: what they tell, and their networks, where neither dataset nor plugin is there."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from functools import reduce
from operator import getitem

import numpy as np
import pytest
from stored_runs import write_run

import segzoo
from segzoo.errors import ConfigError, DataError, PluginError
from segzoo.networks.prediction import classify, predict
from segzoo.plugin import Info
from segzoo.scoring.overlap import confusion
from segzoo_shapes import Shapes

SHAPES = {"size": 16, "train": 8, "val": 4, "test": 5}
DATASET = {f"dataset.{key}": value for key, value in SHAPES.items()}
BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] in {blocked!r}:
            raise RuntimeError(f"{{name}} is broken")

sys.meta_path.insert(0, Blocked())
import segzoo
run = segzoo.open_run(sys.argv[1])
"""
"""A process in which the import of some packages fails."""
READ = """
facts = [run.scores, run.metrics, run.history, run.timings, run.splits, run.image_scores(), list(run.image_rows())]
facts += [run.config.table(), run.manifest, run.info, run.frame, run.versions, run.scored, run.classes]
assert not {"tensorflow", "keras"} & set(sys.modules), "it is slow to open"
print([name for name in ("segzoo_shapes", "segzoo_unet", "segzoo_keras") if name in sys.modules])
"""
PREDICT = """
import numpy as np
np.save(sys.argv[2], run.network().predict_on_batch(np.load(sys.argv[3])))
"""


def elsewhere(code, blocked, *arguments, path=()):
    """What a process prints in which packages cannot be imported and there is no data."""
    environment = os.environ | {"SEGZOO_CACHE": "/nowhere"}
    environment["PYTHONPATH"] = os.pathsep.join([*map(str, path), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", BLOCK.format(blocked=blocked) + code, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def predicted_elsewhere(run, folder, blocked, path=()):
    """Logits of a network that is opened in such a process, and of the network that was trained in this one."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, *run.frame.input_size, run.info.channels)).astype(np.float32)
    np.save(folder / "pixels.npy", pixels)
    elsewhere(PREDICT, blocked, run.folder, folder / "logits.npy", folder / "pixels.npy", path=path)
    return np.load(folder / "logits.npy"), run.network().predict_on_batch(pixels)


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_what_a_run_gives_is_what_its_folder_holds(trained):
    assert segzoo.open_run(trained.folder) == segzoo.open_run(str(trained.folder)) == trained
    assert trained.metrics == json.loads((trained.folder / "metrics.json").read_text())
    assert trained.manifest == json.loads((trained.folder / "manifest.json").read_text())
    assert (trained.config.epochs, trained.config.image_size, trained.config.model.options["filters"]) == (
        3,
        (20, 24),
        4,
    )
    assert trained.config.table()["dataset"]["train"] == 32
    assert [row["loss"] for row in trained.history] == [
        float(row["loss"]) for row in rows(trained.folder / "history.csv")
    ]
    assert [row["images"] for row in trained.timings] == [32, 32, 32]
    assert trained.splits["test"] == tuple(f"test/{i:04}" for i in range(5))
    assert {split: len(ids) for split, ids in trained.splits.items()} == {"train": 32, "val": 4, "test": 5}
    assert trained.scores["iou_circle"] == trained.by_class["iou"]["circle"] == trained.metrics["iou"]["circle"]
    assert trained.overall["mean_iou"] == trained.metrics["mean_iou"]
    assert trained.info == Info(
        ("background", "circle", "square", "triangle"),
        3,
        ("train", "val", "test"),
        (16, 16),
        12,
        "resize",
        licence="Apache-2.0",
    )
    assert (trained.frame.image_size, trained.frame.stride, trained.frame.input_size) == ((20, 24), 4, (20, 24))


def test_scores_of_images_are_read_by_name(trained):
    assert trained.image_columns[:2] == ["id", "mean_iou"]
    table = rows(trained.folder / "images.csv")
    assert list(trained.image_rows()) == [list(row.values()) for row in table]
    assert list(trained.image_scores()) == list(trained.splits["test"])
    for score in ("mean_iou", "iou_circle", "hd95_square"):
        found = [row[score] for row in table]
        assert repr(list(trained.image_scores(score).values())) == repr([float(value or "nan") for value in found])
    with pytest.raises(ConfigError, match="no column 'mean_iuo'; did you mean 'mean_iou'"):
        trained.image_scores("mean_iuo")


def test_a_run_is_read_where_neither_its_data_nor_any_of_its_plugins_are(trained):
    assert elsewhere(READ, {"segzoo_shapes", "segzoo_unet", "segzoo_keras"}, trained.folder) == "[]\n"


def test_a_network_of_layers_of_keras_needs_neither_dataset_nor_plugin(trained, tmp_path):
    blocked = {"segzoo_shapes", "segzoo_unet", "segzoo_keras", "segzoo_losses"}
    logits, expected = predicted_elsewhere(trained, tmp_path, blocked)
    np.testing.assert_array_equal(logits, expected)


def counted(run):
    """The confusion matrix of the test images, predicted by the network of the folder."""
    samples = Shapes(**SHAPES).open(None, "test")
    network, total = run.network(), 0
    for image, mask in (samples[i] for i in range(len(samples))):
        total += confusion(mask, classify(predict(network, run.frame, [image])[0]), len(run.classes))
    return total.tolist()


def test_the_network_is_the_one_that_was_scored(trained):
    assert counted(trained) == trained.metrics["confusion"]


def subclassed(install):
    return install("segzoo-test-subclassed", {"segzoo.models": "sub = segzoo_test_subclassed:Net"})


@pytest.mark.slow
def test_a_subclassed_network_of_a_third_party_is_built_by_its_plugin_without_the_dataset(install, tmp_path):
    site = subclassed(install)
    run = segzoo.run("sub", "shapes", settings=DATASET, epochs=1, out=tmp_path / "run")
    assert counted(run) == run.metrics["confusion"]
    logits, expected = predicted_elsewhere(run, tmp_path, {"segzoo_shapes", "segzoo_keras"}, [site])
    np.testing.assert_array_equal(logits, expected)


def test_without_its_plugin_a_subclassed_network_is_refused_and_its_scores_are_there(install, tmp_path, monkeypatch):
    site = subclassed(install)
    run = segzoo.run("sub", "shapes", settings=DATASET, epochs=1, out=tmp_path / "run")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(site)])
    monkeypatch.delitem(sys.modules, "segzoo_test_subclassed")
    opened = segzoo.open_run(tmp_path / "run")
    assert opened.scores == run.scores
    with pytest.raises((ConfigError, PluginError), match="sub"):
        opened.network()


def test_a_network_that_is_missing_or_damaged_is_named(trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "run")
    run, file = segzoo.open_run(tmp_path / "run"), tmp_path / "run" / "model.keras"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=re.escape(f"the network {file} is damaged")):
        run.network()
    file.unlink()
    with pytest.raises(DataError, match=re.escape(f"cannot read the network {file}")):
        run.network()


def test_a_folder_that_is_no_run_or_a_run_that_is_not_finished_says_so(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "model.pt").touch()
    for name, fault in {
        "photos": "it holds no config.toml",
        "nothing": "there is no such folder",
        "model.pt": "it is a file",
    }.items():
        with pytest.raises(ConfigError, match=f"{tmp_path / name} is no run: {fault}; name the folder of one"):
            segzoo.open_run(tmp_path / name)
    half = write_run(tmp_path / "half", [0.5])
    (half / "manifest.json").unlink()
    message = f"the run in {half} is not finished; `segzoo run --resume --out {half}` goes on with it"
    with pytest.raises(ConfigError, match=re.escape(message)):
        segzoo.open_run(half)


@pytest.mark.parametrize(("key", "ask"), [("network", lambda run: run.frame), ("dataset", lambda run: run.info)])
def test_a_run_of_an_earlier_version_keeps_its_scores_and_says_what_it_lacks(tmp_path, key, ask):
    folder = write_run(tmp_path / "run", [0.5, 0.75])
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest[key]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    run = segzoo.open_run(folder)
    assert run.image_scores() == {"0": 0.5, "1": 0.75}
    again = f"`segzoo run --config {folder / 'config.toml'}` repeats the run"
    message = f"of an earlier version of segzoo, whose manifest.json has no '{key}'; {again}"
    with pytest.raises(ConfigError, match=re.escape(message)):
        ask(run)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.toml", "model = ", "is damaged"),
        ("history.csv", "epoch,loss\n1,low\n", "is damaged (could not convert"),
        ("history.csv", "epoch,loss\n1\n", "is damaged (a row has 1 values, the header 2)"),
        ("splits.csv", "id,part\n1,train\n", "is damaged (no 'split')"),
        ("splits.csv", None, "cannot read"),
        ("manifest.json", '{"network": 1', "is damaged"),
    ],
)
def test_a_damaged_file_is_named_when_it_is_needed(trained, tmp_path, name, text, message):
    shutil.copytree(trained.folder, tmp_path / "run")
    file = tmp_path / "run" / name
    file.write_text(text) if text else file.unlink()
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        used(tmp_path / "run")
    assert str(file) in str(error.value)


def used(folder):
    run = segzoo.open_run(folder)
    return run.history, run.splits


def test_a_manifest_whose_facts_are_damaged_is_named(tmp_path):
    folder = write_run(tmp_path / "run", [0.5])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["network"]["stride"] = "wide"
    del manifest["dataset"]["classes"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    run = segzoo.open_run(folder)
    for ask, what in ((lambda: run.frame, "stride: Input should be"), (lambda: run.info, "no 'classes'")):
        with pytest.raises(ConfigError, match=re.escape(f"{folder / 'manifest.json'} is damaged ({what}")):
            ask()


@pytest.mark.parametrize(
    ("name", "path", "value", "what"),
    [
        ("manifest.json", ("network",), [], "network: Input should be a valid dictionary"),
        ("manifest.json", ("dataset",), None, "dataset: Input should be a valid dictionary"),
        ("manifest.json", ("machine", "threads"), "8", "machine.threads: Input should be a valid integer"),
        ("manifest.json", ("versions", "keras"), 3, "versions.keras: Input should be a valid string"),
        ("metrics.json", ("mean_iou",), "0.5", "mean_iou.float: Input should be a valid number"),
        ("metrics.json", ("iou", "ring"), [0.5], "iou.ring: Input should be a valid number"),
        (
            "metrics.json",
            ("dataset_scores", "area"),
            [0.5],
            "dataset_scores.area.float: Input should be a valid number",
        ),
        ("metrics.json", ("better",), 3, "better: Input should be a valid dictionary"),
        ("metrics.json", ("dataset_scores",), [], "dataset_scores: Input should be a valid dictionary"),
    ],
)
def test_what_has_another_type_is_named_when_a_run_is_opened(tmp_path, name, path, value, what):
    folder = write_run(tmp_path / "run", [0.5])
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics |= {"better": {"area": "higher"}, "dataset_scores": {"area": 3, "sizes": [1, 2]}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert segzoo.open_run(folder).overall["area"] == 3
    table = json.loads((folder / name).read_text())
    *outer, last = path
    reduce(getitem, outer, table)[last] = value
    (folder / name).write_text(json.dumps(table))
    with pytest.raises(ConfigError, match=re.escape(f"{folder / name} is damaged ({what}")):
        segzoo.open_run(folder)
