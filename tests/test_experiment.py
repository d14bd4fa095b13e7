"""Runs from start to end, with tiny networks on shapes."""

import csv
import json
import random
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from hashlib import sha256
from pathlib import Path
from unittest.mock import Mock

import keras
import numpy as np
import pytest
from PIL import Image

import segzoo
from segzoo.errors import ConfigError, DataError, PluginError, TrainingError
from segzoo.runs import results
from segzoo.runs.config import compose
from segzoo.runs.planning import resolve
from segzoo_keras import KerasTrainer
from segzoo_shapes.drawing import Drawings

SMALL = {
    "model.filters": 4,
    "model.depth": 2,
    "dataset.size": 16,
    "dataset.train": 8,
    "dataset.val": 4,
    "dataset.test": 5,
}
QUICK = SMALL | {"model.filters": 2, "model.depth": 1, "model.batch_norm": False}
FILES = {
    "README.md",
    "config.toml",
    "history.csv",
    "images.csv",
    "log.txt",
    "manifest.json",
    "metrics.json",
    "model.keras",
    "samples",
    "splits.csv",
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "unet-shapes"
    return segzoo.run("unet", "shapes", settings=SMALL, epochs=3, seed=5, out=folder)


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_a_folder_of_whole_files(done):
    assert {path.name for path in done.folder.iterdir()} == FILES | {"timings.csv"}
    assert len(list((done.folder / "samples").glob("*.png"))) == 5


def test_a_run_writes_down_its_splits(done):
    sizes = {"train": 8, "val": 4, "test": 5}
    expected = [(f"{split}/{i:04}", split) for split, size in sizes.items() for i in range(size)]
    assert [(row["id"], row["split"]) for row in rows(done.folder / "splits.csv")] == expected


def test_history_has_a_row_an_epoch_and_no_times(done):
    found = rows(done.folder / "history.csv")
    assert [row["epoch"] for row in found] == ["1", "2", "3"]
    assert set(found[0]) == {"epoch", "loss", "val_loss", "val_mean_iou", "learning_rate"}
    assert [float(row["loss"]) for row in found] == [row["loss"] for row in done.history]
    assert [row["images"] for row in rows(done.folder / "timings.csv")] == ["8", "8", "8"]


def test_scores_are_of_the_test_split_at_full_count(done):
    scores = json.loads((done.folder / "metrics.json").read_text())
    assert scores == done.metrics
    assert (scores["split"], scores["selected_on_this_split"], scores["images"]) == ("test", False, 5)
    assert np.sum(scores["confusion"]) == 5 * 16 * 16
    assert 0 <= scores["mean_iou"] <= 1
    assert set(scores["definitions"]) == set(scores) - {
        "split",
        "selected_on_this_split",
        "images",
        "definitions",
        "better",
        "warnings",
    }
    assert set(scores["iou"]) == {"background", "circle", "square", "triangle"}
    assert "counted over all images" in scores["definitions"]["iou"]
    images = rows(done.folder / "images.csv")
    assert [row["id"] for row in images] == [f"test/{i:04}" for i in range(5)]
    for label, count in scores["hd95_images"].items():
        distances = [float(row[f"hd95_{label}"]) for row in images if row[f"hd95_{label}"]]
        assert len(distances) == count
        assert scores["hd95"][label] == (pytest.approx(np.mean(distances)) if count else None)
    assert 0 <= scores["expected_calibration_error"] <= 1


def test_a_dataset_s_own_scores_stand_beside_the_others(install, tmp_path, command):
    install("segzoo-test-measured", {"segzoo.datasets": "measured = segzoo_test_measured:Measured"})
    out = tmp_path / "run"
    small = ("--set", "model.filters=4", "--set", "model.depth=1", "--image-size", "16", "--epochs", "1")
    shown = command("run", "unet", "measured", *small, "--out", out)
    scores = json.loads((out / "metrics.json").read_text())
    each = [float(row["bright"]) for row in rows(out / "images.csv")]
    shares = {f"shares_{name}": value for name, value in scores["dataset_scores"].pop("shares").items()}
    assert shares.keys() == {f"shares_{name}" for name in scores["iou"]} <= rows(out / "images.csv")[0].keys()
    assert sum(shares.values()) == pytest.approx(1)
    assert scores["dataset_scores"] == pytest.approx(dict.fromkeys(("bright", "image_bright"), sum(each) / 3))
    assert (scores["better"]["bright"], scores["better"]["shares"]) == ("higher", "lower")
    assert scores["definitions"]["bright"].startswith("The share of pixels")
    assert shown.code == 0, shown.err
    scored = re.sub("^warning: .*\n", "", shown.out, flags=re.MULTILINE)  # after one epoch there is reason for some
    printed = [re.split(r"\s*[│┃]\s*", line.strip("│┃ ")) for line in scored.splitlines()]
    assert printed[2] == ["class", "IoU", "Dice", "boundary IoU", "HD95", "shares"]
    assert printed[4][::5] == ["background", f"{shares['shares_background']:.4f}"]
    assert printed[-8][:2] == ["mean", f"{scores['mean_iou']:.4f}"]
    assert [line for (line,) in printed[-6:]] == [
        "The mean is over the classes that have a score, all weighing the same.",
        f"pixel accuracy {scores['pixel_accuracy']:.4f}",
        f"expected calibration error {scores['expected_calibration_error']:.4f}",
        f"bright {scores['dataset_scores']['bright']:.4f}",
        f"image bright {scores['dataset_scores']['image_bright']:.4f}",
        f"results in {out}",
    ]
    defined = command("run", "--resume", "--definitions", "--out", out).out
    assert defined.startswith(scored.removesuffix(f"results in {out}\n"))
    assert "\nhd95: Of a class: the 95 % Hausdorff distance" in defined
    assert "\nshares: The share of pixels that are of a class, in truth. Lower is better.\n" in defined


def test_the_manifest_says_where_the_numbers_come_from(done):
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert manifest["seed"] == 5
    assert set(manifest["dataset_fingerprint"]) == {"train", "val", "test"}
    assert manifest["versions"]["tensorflow"]
    assert manifest["machine"]["threads"] >= 1
    assert manifest["dataset"]["classes"] == list(done.metrics["iou"])
    assert manifest["dataset"]["channels"] == 3


def test_the_configuration_is_complete_and_repeats_the_run_to_the_bit(done, tmp_path):
    config = tomllib.loads((done.folder / "config.toml").read_text())
    assert (config["epochs"], config["image_size"], config["seed"]) == (3, [16, 16], 5)
    assert config["model"]["bn_momentum"] == 0.9
    assert config["trainer"]["name"] == "keras"
    again = segzoo.run(config=done.folder / "config.toml", out=tmp_path / "again")
    for name in ("config.toml", "history.csv", "metrics.json", "images.csv", "README.md"):
        assert (again.folder / name).read_text() == (done.folder / name).read_text(), name
    first, second = (zipfile.ZipFile(run.folder / "model.keras") for run in (done, again))
    one, two = (keras.saving.load_model(run.folder / "model.keras").get_weights() for run in (done, again))
    assert first.namelist() == second.namelist()
    assert all((a == b).all() for a, b in zip(one, two, strict=True))


@pytest.mark.slow
def test_another_seed_is_another_run(done, tmp_path):
    other = segzoo.run("unet", "shapes", settings=SMALL, epochs=1, seed=6, out=tmp_path / "other")
    assert other.history[0]["loss"] != done.history[0]["loss"]


@pytest.mark.slow
def test_the_saved_model_loads_without_segzoo_and_takes_pixels(done):
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name.startswith('segzoo'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "import keras, numpy as np\n"
        f"model = keras.saving.load_model({str(done.folder / 'model.keras')!r})\n"
        "image = np.arange(16 * 24 * 3, dtype='float32').reshape(1, 16, 24, 3) % 256\n"
        "np.save(sys.argv[1], model(image))"
    )
    saved = done.folder.parent / "logits.npy"
    subprocess.run([sys.executable, "-c", code, str(saved)], check=True, capture_output=True)
    logits = np.load(saved)
    assert logits.shape == (1, 16, 24, 4)
    assert logits.dtype == np.float32
    model = keras.saving.load_model(done.folder / "model.keras")
    assert not model.compiled
    image = np.arange(16 * 24 * 3, dtype="float32").reshape(1, 16, 24, 3) % 256
    np.testing.assert_allclose(model(image), logits, atol=1e-5)


def test_pictures_open(done):
    for path in (done.folder / "samples").iterdir():
        assert Image.open(path).size[0] > 300


def test_pictures_are_of_the_predictions_that_were_scored(tmp_path, monkeypatch):
    sizes, predict = [], keras.Model.predict_on_batch

    def counted(model, images):
        sizes.append(len(images))
        return predict(model, images)

    monkeypatch.setattr(keras.Model, "predict_on_batch", counted)
    folder = tmp_path / "run"
    segzoo.run("unet", "shapes", settings=QUICK, epochs=1, out=folder)
    assert sum(sizes) == len(list((folder / "samples").iterdir())) == 5


def test_test_images_are_read_before_the_training_and_only_for_pictures_after_it(tmp_path, monkeypatch):
    read, fit, draw = Counter(), KerasTrainer.fit, Drawings.__getitem__

    def counted(drawings, index):
        read[drawings.split] += 1
        return draw(drawings, index)

    def fitting(trainer, *given):
        before.update(read)
        return fit(trainer, *given)

    before = Counter()
    monkeypatch.setattr(Drawings, "__getitem__", counted)
    monkeypatch.setattr(KerasTrainer, "fit", fitting)
    segzoo.run("unet", "shapes", settings=QUICK | {"dataset.test": 30}, epochs=1, out=tmp_path / "run")
    assert before.keys() == {"test"}
    assert 30 <= before["test"] <= 38  # the sizes of a few are looked at first
    assert read["test"] - before["test"] == results.PICTURES


def test_ids_that_are_no_names_of_files_have_pictures_all_the_same_also_in_a_run_that_goes_on(tmp_path, monkeypatch):
    odd = [f"{'患' * 82}/1", f"{'患' * 82}/2", "a/b", "A-b", "con"]
    monkeypatch.setattr(
        Drawings, "ids", property(lambda self: odd if self.split == "test" else [f"{self.split}/{i}" for i in range(8)])
    )
    with monkeypatch.context() as patch:
        patch.setattr(results, "comparison", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            segzoo.run("unet", "shapes", settings=QUICK | {"dataset.val": 8}, epochs=1, out=tmp_path / "run")
    segzoo.run(out=tmp_path / "run", resume=True)
    names = sorted(path.stem for path in (tmp_path / "run" / "samples").iterdir())
    assert names == sorted(f"{name.replace('/', '-')[:20]}-{sha256(name.encode()).hexdigest()[:8]}" for name in odd)
    assert [row["id"] for row in rows(tmp_path / "run" / "images.csv")] == odd


@pytest.mark.slow
def test_two_runs_leave_keras_and_the_random_states_as_they_were(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.utils.set_random_seed(3)
    try:
        expected = keras.random.uniform((3,)), random.random(), np.random.random()
        keras.utils.set_random_seed(3)
        for i in range(2):
            segzoo.run("unet", "shapes", settings=QUICK, epochs=1, out=tmp_path / str(i))
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        found = keras.random.uniform((3,)), random.random(), np.random.random()
        assert [np.asarray(value).tolist() for value in found] == [np.asarray(value).tolist() for value in expected]
        history = [(tmp_path / str(i) / "history.csv").read_text() for i in range(2)]
        assert history[0] == history[1]
    finally:
        keras.config.set_dtype_policy("float32")


def test_any_image_size_and_the_unpadded_network_predict_every_pixel(tmp_path):
    settings = QUICK | {"model.padding": "valid", "model.depth": 3, "dataset.size": 64}
    result = segzoo.run("unet", "shapes", settings=settings, epochs=1, image_size=(37, 50), out=tmp_path / "run")
    assert np.sum(result.metrics["confusion"]) == 5 * 64 * 64


def test_the_dataset_suggests_and_the_user_decides():
    words = {"model": "unet", "dataset": "shapes"}
    suggested = resolve(compose(words=words))
    assert (suggested.epochs, suggested.frame.image_size, suggested.frame.view) == (12, (64, 64), "resize")
    decided = resolve(compose(words=words | {"epochs": 2, "image_size": (32, 48), "view": "crop"}))
    assert (decided.epochs, decided.frame.image_size, decided.frame.view) == (2, (32, 48), "crop")


CROPS = QUICK | {"dataset.size": 40}


def test_in_crops_every_pixel_is_trained_on_and_scored_at_its_own_scale(tmp_path):
    settings = CROPS | {"model.padding": "valid"}
    first = segzoo.run(
        "unet", "shapes", settings=settings, epochs=2, image_size=(12, 17), view="crop", out=tmp_path / "run"
    )
    assert np.sum(first.metrics["confusion"]) == 5 * 40 * 40
    assert tomllib.loads((first.folder / "config.toml").read_text())["view"] == "crop"
    again = segzoo.run(config=first.folder / "config.toml", out=tmp_path / "again")
    for name in ("config.toml", "history.csv", "metrics.json", "images.csv"):
        assert (again.folder / name).read_text() == (first.folder / name).read_text(), name
    whole = segzoo.run("unet", "shapes", settings=settings, epochs=2, image_size=(12, 17), out=tmp_path / "whole")
    assert whole.metrics["confusion"] != first.metrics["confusion"]


@pytest.fixture
def pairs(install):
    """The dataset `pairs`, and settings for a small network."""
    install("segzoo-test-pairs", {"segzoo.datasets": "pairs = segzoo_test_pairs:Pairs"})
    return {"model.filters": 2, "model.depth": 1, "model.batch_norm": False}


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("label", "the mask of '{split}/photo2.jpg' .* has labels that are no class: 7"),
        ("size", "image '{split}/photo2.jpg' .* is 16x16 pixels, its mask 9x16"),
    ],
)
def test_wrong_data_stops_before_training_and_leaves_nothing(pairs, tmp_path, split, fault, message):
    settings = pairs | {"dataset.fault": fault, "dataset.faulty": split}
    with pytest.raises(DataError, match=message.format(split=split)):
        segzoo.run("unet", "pairs", settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def flawed(install):
    """Installs the dataset `flawed`, and the trainer `scripted`, which trains nothing."""
    data, trainer = (f"segzoo_test_flawed:{name}" for name in ("Flawed", "Scripted"))
    install("segzoo-test-flawed", {"segzoo.datasets": f"flawed = {data}", "segzoo.trainers": f"scripted = {trainer}"})


DATASET = "dataset 'flawed' of segzoo-test-flawed"


@pytest.mark.usefixtures("flawed")
@pytest.mark.parametrize(
    ("fault", "faulty", "message"),
    [
        ("shared ids", ("train", "val"), "the sample 'shared' is in the splits 'train' and 'val': what is trained on"),
        ("shared ids", ("val", "test"), "the sample 'shared' is in the splits 'val' and 'test': what is trained on"),
        ("repeated id", ("val",), f"{DATASET}: the id 'val-1' is there 2 times in the split 'val'"),
        ("few ids", ("train",), f"{DATASET}: the split 'train' has 6 samples, but 5 ids"),
        ("many ids", ("test",), f"{DATASET}: the split 'test' has 6 samples, but 7 ids"),
        ("ignored", ("train",), "every pixel of the split 'train' is left out, by the label 255"),
        ("ignored", ("val",), "every pixel of the split 'val' is left out, by the label 255"),
        ("ignored", ("test",), "every pixel of the split 'test' is left out, by the label 255"),
        ("single value", ("train",), "all pixels of the masks of the split 'train' have the label 0, 'low'"),
        ("foreground 255", ("train",), "the masks of the split 'train' have the labels 0 and 255 only"),
        ("None", ("train",), f"{DATASET}: sample 'train-3' of the split 'train' is None; it must be a pair"),
        ("triple", ("val",), "'val-3' of the split 'val' is of the type tuple of ndarray, ndarray, str;"),
        ("lists", ("test",), "'test-3' of the split 'test' is of the type tuple of list, list;"),
        ("two types", ("train",), "'train-3' of the split 'train' is uint16, but '"),
        ("two types", ("val",), "image 'val-3' of the split 'val' is uint16, but '"),
        ("two types", ("test",), "image 'test-3' of the split 'test' is uint16, but '"),
    ],
)
def test_data_that_would_make_a_score_meaningless_are_refused_before_a_training(
    command, tmp_path, fault, faulty, message
):
    settings = [
        word for option in (f"fault={fault}", f"faulty={json.dumps(faulty)}") for word in ("--set", f"dataset.{option}")
    ]
    outcome = command("run", "unet", "flawed", "--trainer", "scripted", *settings, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.startswith("segzoo: ")
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_what_a_dataset_warns_of_is_shown_before_the_training(pairs, tmp_path, capsys):
    settings = pairs | {"dataset.warned": ["the images are black; look for others"]}
    segzoo.run("unet", "pairs", settings=settings, out=tmp_path / "run")
    shown = capsys.readouterr().err
    assert shown.index("warning: the images are black; look for others\n") < shown.index("epoch 1")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            "half",
            r"model 'net' makes \(1, 8, 8, 4\) of 16x16x3, but should make",
        ),
        (
            "thirds",
            r"model 'net' cannot take 16x16x3, made of image size 16x16; try another --image-size \(\w+Error",
        ),
        ("error", r"model 'net' of .*: `build` raised RuntimeError: no weights \(segzoo_test_faulty_net"),
        ("tensor", r"model 'net' of segzoo-test-faulty-net: `build` returned a KerasTensor, not a keras.Model"),
        ("nothing", r"model 'net' of segzoo-test-faulty-net: `build` returned None; is there a `return` missing"),
    ],
)
def test_a_network_that_breaks_its_promise_is_refused(install, tmp_path, fault, message):
    install("segzoo-test-faulty-net", {"segzoo.models": "net = segzoo_test_faulty_net:Faulty"})
    settings = {"model.fault": fault, "dataset.size": 16, "dataset.train": 2}
    with pytest.raises(PluginError, match=message):
        segzoo.run("net", "shapes", settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def untyped(install, tmp_path, monkeypatch):
    """Installs a trainer that can be told what to do with the folder; the current one is a folder of the test."""
    points = {f"segzoo.{group}s": f"untyped = segzoo_test_untyped:{name}" for group, name in UNTYPED.items()}
    install("segzoo-test-untyped", points)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return {"trainer": "untyped", "settings": {"model.filters": 2, "model.depth": 1, "model.batch_norm": False}}


UNTYPED = {"dataset": "Data", "trainer": "Fit"}


def test_a_trainer_that_changes_the_current_folder_changes_nothing_else(untyped, tmp_path):
    untyped["settings"]["trainer.folder"] = "left"
    result = segzoo.run("unet", "untyped", **untyped)
    assert Path.cwd() == tmp_path / "here"
    assert result.folder == Path("runs/unet-untyped")
    assert {path.name for path in result.folder.iterdir()} == FILES | {"timings.csv"}


@pytest.mark.parametrize("moment", ["removed", "removed early"])
def test_a_folder_that_is_gone_after_training_is_said_to_be(untyped, tmp_path, moment):
    untyped["settings"]["trainer.folder"] = moment
    folder = tmp_path / "here/runs/unet-untyped"
    message = f"{folder} is gone: `fit` of trainer 'untyped' of segzoo-test-untyped has removed it, or somebody else"
    with pytest.raises(PluginError, match=f"^{re.escape(message)}"):
        segzoo.run("unet", "untyped", **untyped)
    assert list(Path("runs").iterdir()) == []


def test_a_network_of_one_fixed_size_is_built_for_it(install, tmp_path):
    install("segzoo-test-faulty-net", {"segzoo.models": "net = segzoo_test_faulty_net:Fixed"})
    settings = {key: value for key, value in SMALL.items() if key.startswith("dataset.")}
    result = segzoo.run("net", "shapes", settings=settings, epochs=1, out=tmp_path / "run")
    assert np.sum(result.metrics["confusion"]) == 5 * 256


def test_a_loss_that_is_no_number_stops_with_advice(tmp_path):
    settings = QUICK | {
        "trainer.batch_size": 2,
        "trainer.learning_rate": 1e38,
        "dataset.train": 64,
    }
    with pytest.raises(TrainingError, match=r"the loss became (nan|inf) in epoch 1; .*trainer.learning_rate=1e\+37"):
        segzoo.run("unet", "shapes", settings=settings, epochs=2, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already and is not empty"):
        segzoo.run("unet", "shapes", out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_scores_on_the_split_that_chose_the_epoch_say_so(pairs, tmp_path):
    settings = pairs | {"dataset.splits": ["train", "val"]}
    result = segzoo.run("unet", "pairs", settings=settings, out=tmp_path / "run")
    assert (result.metrics["split"], result.metrics["selected_on_this_split"]) == ("val", True)
