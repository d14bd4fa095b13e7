"""Images predicted by trained networks into folders, from files to files."""

import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path

import keras
import numpy as np
import pytest
import tifffile
from PIL import Image

import segzoo
from segzoo.data.images import read_mask
from segzoo.data.pixels import Pixels
from segzoo.data.rows import Rows
from segzoo.errors import ConfigError, SegzooError
from segzoo.inference.ensemble import Ensemble
from segzoo.inference.trained import open_trained
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import classify, predict, predict_rows, softmax
from segzoo.networks.receptive_field import reach
from segzoo.networks.symmetries import Symmetric
from segzoo.networks.tiles import DEFAULT, Tiling
from segzoo.plugin import FileReading


def photo(path, size=(30, 41), seed=0):
    """An image of few colours with sharp borders, as the network was trained on."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (-(-size[0] // 8), -(-size[1] // 8), 3), np.uint8)
    pixels = np.kron(blocks, np.ones((8, 8, 1), np.uint8))[: size[0], : size[1]]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def photos(tmp_path):
    """Five images of different sizes, by their names."""
    sizes = {"a": (30, 41), "b": (20, 24), "c": (64, 50), "deep/a": (9, 17), "deep/d": (33, 20)}
    return {
        name: photo(tmp_path / "photos" / f"{name}.png", size, seed) for seed, (name, size) in enumerate(sizes.items())
    }


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder):
    """Of all files of a folder, by their paths in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@cache
def network_of(folder):
    """The network of a run, loaded once for all that is expected of it."""
    return segzoo.open_run(folder).network()


def expected(run, image, frame=None):
    """Logits of an image at its size."""
    return predict(network_of(run.folder), frame or run.frame, [image])[0]


def test_each_image_gets_its_mask_its_overlay_and_its_row(trained, photos, tmp_path):
    out = tmp_path / "out"
    done = segzoo.predict_files(trained, [tmp_path / "photos"], out)
    assert (done.predicted, done.skipped, done.failed, done.passed_over) == (5, 0, {}, 0)
    table = rows(out / "predictions.csv")
    assert [row["name"] for row in table] == ["a", "b", "c", "deep-a", "deep-d"]
    for row, (name, image) in zip(table, photos.items(), strict=True):
        logits = expected(trained, image)
        labels = classify(logits)
        mask = Image.open(out / "masks" / f"{row['name']}.png")
        assert mask.mode == "P"
        np.testing.assert_array_equal(read_mask(out / "masks" / f"{row['name']}.png"), labels)
        assert (int(row["height"]), int(row["width"])) == image.shape[:2]
        counts = np.bincount(labels.ravel(), minlength=4)
        assert [int(row[f"pixels_{name}"]) for name in trained.classes] == counts.tolist()
        assert float(row["mean_confidence"]) == pytest.approx(softmax(logits).max(axis=-1).mean(), abs=1e-6)
        assert row["file"] == str(tmp_path / "photos" / f"{name}.png")
        assert Image.open(out / "overlays" / f"{row['name']}.png").width >= image.shape[1]
    assert [*done.rows()][2]["pages"] == 1
    shares = done.shares()
    assert sum(shares.values()) == pytest.approx(1)


def test_the_view_crop_is_tiled_and_a_file_of_keras_is_told_its_frame(trained, photos, tmp_path):
    frame = Frame((16, 20), stride=4, view="crop")
    names = ["w", "x", "y", "z"]
    model = trained.folder / "model.keras"
    segzoo.predict_files(model, [tmp_path / "photos"], tmp_path / "out", frame=frame, classes=names, overlays=False)
    for name, image in photos.items():
        mask = read_mask(tmp_path / "out" / "masks" / f"{name.replace('/', '-')}.png")
        np.testing.assert_array_equal(mask, classify(expected(trained, image, frame)))
    assert "share_z" in rows(tmp_path / "out" / "predictions.csv")[0]
    assert not (tmp_path / "out" / "overlays").exists()


def test_what_is_there_already_is_skipped_and_what_has_changed_is_not(trained, photos, tmp_path):
    out = tmp_path / "out"
    segzoo.predict_files(trained, [tmp_path / "photos"], out)
    before = contents(out)
    again = segzoo.predict_files(trained.folder, [tmp_path / "photos"], out)
    assert (again.predicted, again.skipped) == (0, 5)
    assert contents(out) == before
    photo(tmp_path / "photos" / "b.png", (12, 12), seed=9)
    newer = (out / "masks" / "b.png").stat().st_mtime + 10
    os.utime(tmp_path / "photos" / "b.png", (newer, newer))
    (out / "overlays" / "c.png").unlink()
    later = segzoo.predict_files(trained, [tmp_path / "photos"], out)
    assert (later.predicted, later.skipped) == (2, 3)
    after = contents(out)
    assert {name for name in before if before[name] != after[name]} == {
        "masks/b.png",
        "overlays/b.png",
        "predictions.csv",
    }
    assert [row["name"] for row in rows(out / "predictions.csv")] == ["a", "b", "c", "deep-a", "deep-d"]


def test_images_that_are_added_are_predicted_into_the_same_folder(trained, photos, tmp_path):
    out = tmp_path / "out"
    segzoo.predict_files(trained, [tmp_path / "photos" / "a.png"], out)
    done = segzoo.predict_files(trained, [tmp_path / "photos" / "b.png"], out)
    assert (done.predicted, done.skipped, len(list(done.rows()))) == (1, 0, 1)
    assert [row["name"] for row in rows(out / "predictions.csv")] == ["a", "b"]
    with pytest.raises(
        ConfigError, match=r"deep/a.png and .*photos/a.png, which was predicted before, would both be c"
    ):
        segzoo.predict_files(trained, [tmp_path / "photos" / "deep" / "a.png"], out)


def test_a_file_that_gets_another_name_leaves_none_of_its_old_files(trained, photos, tmp_path):
    out = tmp_path / "out"
    segzoo.predict_files(trained, [tmp_path / "photos" / "deep"], out)
    photo(tmp_path / "photos" / "deep" / "a.bmp", (10, 10))
    done = segzoo.predict_files(trained, [tmp_path / "photos" / "deep"], out)
    assert (done.predicted, done.skipped) == (2, 1)
    assert {path.name for path in (out / "masks").iterdir()} == {"a.bmp.png", "a.png.png", "d.png"}
    assert {path.name for path in (out / "overlays").iterdir()} == {"a.bmp.png", "a.png.png", "d.png"}


def test_a_file_that_has_more_pages_now_leaves_none_of_its_old_files(trained, tmp_path):
    out, image = tmp_path / "out", tmp_path / "a.tif"
    pixels = photo(image)
    segzoo.predict_files(trained, [image], out)
    tifffile.imwrite(image, np.stack([pixels, pixels]), photometric="rgb")
    newer = (out / "masks" / "a.png").stat().st_mtime + 10
    os.utime(image, (newer, newer))
    segzoo.predict_files(trained, [image], out)
    assert [path.name for path in (out / "masks").iterdir()] == ["a.tif"]
    assert {path.name for path in (out / "overlays").rglob("*.png")} == {"000.png", "001.png"}


def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(trained, photos, tmp_path, command):
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    (tmp_path / "photos" / "text.txt").write_text("no image")
    out = tmp_path / "out"
    ended = command("predict", trained.folder, tmp_path / "photos", tmp_path / "gone.png", "--out", out, "--json")
    assert ended.code == 1
    shown = json.loads(ended.out)
    assert (shown["predicted"], shown["skipped"], shown["passed_over"], len(shown["images"])) == (5, 0, 1, 5)
    assert list(shown["failed"]) == [str(tmp_path / "photos" / "broken.jpg"), str(tmp_path / "gone.png")]
    for file, reason in shown["failed"].items():
        assert file in reason
        assert f"warning: {reason}" in ended.err
    photo(tmp_path / "photos" / "broken.jpg")
    photo(tmp_path / "gone.png")
    ended = command("predict", trained.folder, tmp_path / "photos", tmp_path / "gone.png", "--out", out)
    assert ended.code == 0
    assert "2 predicted, 5 already there, 1 other files passed over" in ended.out


def test_other_networks_and_options_are_refused_where_there_are_predictions(trained, photos, tmp_path, command):
    out, image = tmp_path / "out", tmp_path / "photos" / "a.png"
    segzoo.predict_files(trained, [image], out, overlays=False)
    before = contents(out)
    ended = command("predict", trained.folder, image, "--out", out)
    assert ended.code == 2
    assert "were made otherwise: overlays was false and is true; give the same, or another --out" in ended.err
    model = trained.folder / "model.keras"
    ended = command("predict", model, image, "--image-size", "16", "--stride", "4", "--no-overlays", "--out", out)
    assert ended.code == 2
    assert "were made otherwise: image_size was [20, 24] and is [16, 16]; classes was [" in ended.err
    assert contents(out) == before


def test_options_that_do_not_fit_are_refused_before_anything_is_written(trained, photos, tmp_path, command):
    image, model = tmp_path / "photos" / "a.png", trained.folder / "model.keras"
    for words, message in {
        (trained.folder, "--stride", "4"): "--stride is for a .keras file, and needs --image-size beside it",
        (model, "--image-size", "16", "--view", "zoom"): "--view zoom: there are resize and crop",
        (model, "--image-size", "16", "--stride", "4", "--class-names", "a,b"): "has 4 classes, but 2 names are given",
        (trained.folder, "--tta", "turns"): "tta turns: there are flips, d4",
        (trained.folder, "--precision", "int8"): "precision int8: there are auto, float32, bfloat16",
        (trained.folder, "--scale", "0"): "scale 0.0: images are resized by a factor above 0, and 16 at most",
        (trained.folder, "--scale", "1", "--overlap", "1"): "tiles cannot overlap by 1.0",
        (trained.folder, "--overlap", "0.5"): "overlap is for tiles, but the view `resize` sees an image at once",
        (trained.folder, "--scale", "1", "--blend", "cut", "--overlap", "0.5"): "overlap: where tiles are cut",
        (trained.folder, "--probabilities", "int8"): "probabilities int8: there are uint8, float16",
    }.items():
        ended = command("predict", words[0], image, *words[1:], "--out", tmp_path / "out")
        assert ended.code == 2
        assert message in ended.err
    assert not (tmp_path / "out").exists()


def test_a_network_that_cannot_be_loaded_leaves_no_folder(trained, photos, tmp_path, command):
    shutil.copytree(trained.folder, tmp_path / "run")
    (tmp_path / "run" / "model.keras").write_bytes(b"PK")
    ended = command("predict", tmp_path / "run", tmp_path / "photos", "--out", tmp_path / "out")
    assert ended.code == 2
    assert "model.keras is damaged" in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_logits_that_are_no_numbers_are_named_with_the_image(trained, photos, tmp_path):
    network = trained.network()
    network.set_weights([np.full_like(weight, np.nan) for weight in network.get_weights()])
    network.save(tmp_path / "model.keras")
    frame = Frame((20, 24), stride=4, view="crop")
    done = segzoo.predict_files(tmp_path / "model.keras", [tmp_path / "photos"], tmp_path / "out", frame=frame)
    assert (done.predicted, len(done.failed)) == (0, 5)
    assert all("the network gives logits that are not finite" in reason for reason in done.failed.values())
    assert not list((tmp_path / "out" / "masks").iterdir())


def test_one_file_need_not_be_in_a_list(trained, photos, tmp_path):
    for kind in (str, Path):
        done = segzoo.predict_files(trained, kind(tmp_path / "photos" / "a.png"), tmp_path / "out", overlays=False)
        assert done.files == [str(tmp_path / "photos" / "a.png")]


def test_probabilities_and_objects_are_written_on_demand(trained, photos, tmp_path):
    out = tmp_path / "out"
    segzoo.predict_files(trained, [tmp_path / "photos"], out, probabilities="uint8", objects=True)
    names = {path.name for path in (out / "probabilities").iterdir()}
    assert names == {"a.tif", "b.tif", "c.tif", "deep-a.tif", "deep-d.tif"}
    found = rows(out / "objects.csv")
    counts = rows(out / "predictions.csv")
    for row in counts:
        pixels = sum(int(other["pixels"]) for other in found if other["file"] == row["file"])
        assert pixels == sum(int(row[f"pixels_{name}"]) for name in trained.classes[1:])


def test_the_probabilities_of_several_networks_are_averaged(trained, other, photos, tmp_path):
    segzoo.predict_files(trained, [tmp_path / "photos"], tmp_path / "out", also=[other.folder])
    for name, image in photos.items():
        mean = softmax(expected(trained, image)) + softmax(expected(other, image))
        mask = read_mask(tmp_path / "out" / "masks" / f"{name.replace('/', '-')}.png")
        np.testing.assert_array_equal(mask, mean.argmax(axis=-1))
        assert (mask != classify(expected(trained, image))).any()


@pytest.fixture(scope="module")
def other(tmp_path_factory, trained):
    """The same network with other weights, as another run."""
    folder = tmp_path_factory.mktemp("other") / "run"
    shutil.copytree(trained.folder, folder)
    network = trained.network()
    rng = np.random.default_rng(1)
    network.set_weights([weight + rng.normal(0, 0.1, weight.shape) for weight in network.get_weights()])
    network.save(folder / "model.keras")
    return segzoo.open_run(folder)


def test_networks_of_other_classes_do_not_predict_together(trained, other, photos, tmp_path, command):
    manifest = json.loads((other.folder / "manifest.json").read_text())
    manifest["dataset"]["classes"] = ["a", "b", "c", "d"]
    shutil.copytree(other.folder, tmp_path / "other")
    (tmp_path / "other" / "manifest.json").write_text(json.dumps(manifest))
    ended = command("predict", trained.folder, tmp_path, "--also", tmp_path / "other", "--out", tmp_path / "out")
    assert ended.code == 2
    assert "networks that predict together need the same classes: " in ended.err


def test_networks_whose_images_were_read_alike_predict_together_whatever_values_they_had(trained):
    opened = open_trained(trained)
    dark, bright = (
        replace(opened, pixels=Pixels(3, None, FileReading("uint16", spread=(0, most)))) for most in (900, 4000)
    )
    assert Ensemble([dark, bright]).first is dark
    scaled = replace(opened, pixels=Pixels(3, (0, 900), FileReading("uint16", widened=True, stack="channels")))
    with pytest.raises(ConfigError, match="need the same way to read image files") as refused:
        Ensemble([dark, scaled])
    assert "3 channels, values as they are, as uint16, " in str(refused.value)
    assert str(refused.value).endswith(
        "3 channels, values from 0 to 900, as uint16, 8 bits widened to 16, pages that are channels"
    )


@pytest.mark.parametrize("tta", ["flips", pytest.param("d4", marks=pytest.mark.slow)])
def test_test_time_augmentation_averages_over_symmetries(trained, photos, tmp_path, tta):
    segzoo.predict_files(trained, [tmp_path / "photos" / "c.png"], tmp_path / "out", tta=tta)
    labels = classify(predict(Symmetric(network_of(trained.folder), tta), trained.frame, [photos["c"]])[0])
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "masks" / "c.png"), labels)
    assert (labels != classify(expected(trained, photos["c"]))).any()


@pytest.mark.slow
def test_at_a_scale_images_are_seen_in_tiles_which_may_be_cut(trained, photos, tmp_path):
    image, loaded = photos["c"], network_of(trained.folder)
    cut = Tiling(reach=reach(loaded, trained.frame))
    for number, (words, tiling) in enumerate(
        [({}, DEFAULT), ({"overlap": 0.25}, Tiling(0.25)), ({"blend": "cut"}, cut)]
    ):
        out = tmp_path / f"out{number}"
        segzoo.predict_files(trained, [tmp_path / "photos" / "c.png"], out, scale=1.5, **words)
        logits = next(predict_rows(loaded, trained.frame, [Rows.of(image)], tiling, 1.5))
        np.testing.assert_array_equal(read_mask(out / "masks" / "c.png"), classify(logits.array()))


@pytest.mark.slow
def test_bfloat16_is_taken_where_the_run_has_found_it_to_agree(trained, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("segzoo.inference.ensemble.fast_precision", lambda: "mixed_bfloat16")
    for share, expected_precision in ((None, "float32"), (0.99, "float32"), (0.9995, "bfloat16")):
        folder, out = tmp_path / f"run {share}", tmp_path / f"out {share}"
        shutil.copytree(trained.folder, folder)
        network = trained.manifest["network"] | {"bfloat16_agreement": share}
        (folder / "manifest.json").write_text(json.dumps(trained.manifest | {"network": network}))
        segzoo.predict_files(folder, [tmp_path / "photos" / "c.png"], out)
        facts = json.loads((out / "prediction.json").read_text())
        assert facts["networks"][0]["precision"] == expected_precision
        agreement = (read_mask(out / "masks" / "c.png") == classify(expected(trained, photos["c"]))).mean()
        assert agreement == 1 if expected_precision == "float32" else agreement > 0.9


@pytest.fixture
def little_memory(monkeypatch):
    """Only tiny images are held in memory; all others come by rows."""
    for module in ("pipeline", "outputs", "measurements"):
        monkeypatch.setattr(f"segzoo.inference.{module}.LARGEST", 600)
    monkeypatch.setattr("segzoo.inference.pipeline.SMALL", 300)
    monkeypatch.setattr("segzoo.inference.results.STRIP", 200)


@pytest.mark.parametrize("view", [pytest.param("resize", marks=pytest.mark.slow), "crop"])
def test_large_images_come_by_rows_and_get_the_same_labels(trained, photos, tmp_path, little_memory, view):
    frame = Frame((20, 24), stride=4, view=view)
    folder, model = tmp_path / "photos", trained.folder / "model.keras"
    tifffile.imwrite(folder / "c.tif", photos["c"], tile=(16, 16))
    tifffile.imwrite(folder / "stack.tif", np.stack([photos["c"], photos["c"][::-1]]), photometric="rgb")
    done = segzoo.predict_files(model, [folder], tmp_path / "out", also=[model], frame=frame, probabilities="float16")
    assert (done.predicted, done.failed) == (7, {})
    labels = classify(expected(trained, photos["c"], frame))
    turned = classify(expected(trained, photos["c"][::-1], frame))
    names = {source: read_mask(tmp_path / "out" / "masks" / f"{source}.tif") for source in ("c.tif", "c.png")}
    for mask in names.values():
        np.testing.assert_array_equal(mask, labels)
    for page, mask in enumerate((labels, turned)):
        np.testing.assert_array_equal(read_mask(tmp_path / "out" / "masks" / "stack.tif", page), mask)
    assert [row["page"] for row in rows(tmp_path / "out" / "predictions.csv")][-2:] == ["0", "1"]


@pytest.mark.parametrize("view", [pytest.param("resize", marks=pytest.mark.slow), "crop"])
def test_a_large_file_that_breaks_off_is_named_and_leaves_nothing(trained, photos, tmp_path, little_memory, view):
    frame = Frame((20, 24), stride=4, view=view)
    folder, model = tmp_path / "photos", trained.folder / "model.keras"
    tifffile.imwrite(folder / "broken.tif", np.tile(photos["c"], (4, 1, 1)), rowsperstrip=16, compression="zlib")
    damage(folder / "broken.tif")
    done = segzoo.predict_files(model, [folder], tmp_path / "out", frame=frame)
    assert done.predicted == 5
    assert list(done.failed) == [str(folder / "broken.tif")]
    assert "cannot read" in done.failed[str(folder / "broken.tif")]
    assert not [path for path in (tmp_path / "out").rglob("*") if "broken" in path.name]


def test_a_large_image_is_not_predicted_further_when_its_mask_cannot_be_written(
    trained, photos, tmp_path, little_memory, monkeypatch
):
    image, seen = tmp_path / "large.tif", []
    tifffile.imwrite(image, np.tile(photos["c"], (20, 1, 1)), photometric="rgb", rowsperstrip=16)
    predict_tiles = keras.Model.predict_on_batch

    def predict_on_batch(network, tiles):
        seen.append(len(tiles))
        return predict_tiles(network, tiles)

    def append(tiff, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("segzoo.data.tiled_tiff.TILE", 16)
    monkeypatch.setattr("segzoo.data.tiled_tiff.TiledTiff.append", append)
    monkeypatch.setattr("keras.Model.predict_on_batch", predict_on_batch)
    frame = Frame((20, 24), stride=4, view="crop")
    with pytest.raises(SegzooError, match="is full: make room"):
        segzoo.predict_files(trained.folder / "model.keras", [image], tmp_path / "out", frame=frame, overlays=False)
    assert 0 < sum(seen) < 100  # of 255 tiles


def damage(path):
    """Overwrite the last strip of a TIFF, which stands before its directory or behind it."""
    with tifffile.TiffFile(path) as tiff:
        offset, size = tiff.pages[0].dataoffsets[-1], tiff.pages[0].databytecounts[-1]
    content = bytearray(path.read_bytes())
    content[offset : offset + size] = bytes(size)
    path.write_bytes(content)


def test_objects_are_refused_in_large_images_before_they_are_predicted(trained, photos, tmp_path, little_memory):
    done = segzoo.predict_files(trained, [tmp_path / "photos"], tmp_path / "out", objects=True)
    assert {Path(file).name for file in done.failed} == {"a.png", "c.png", "d.png"}
    assert all("leave out `--objects`" in reason for reason in done.failed.values())
    assert done.predicted == 2


DRIVER = f"""
import sys

from segzoo.cli import main

sys.path.append({str(Path(__file__).parent)!r})
from dying import die_at

place, calls, signal, *arguments = sys.argv[1:]
die_at(place, int(calls), int(signal))
main(arguments)
"""
PLACES = [
    ("segzoo.inference.record:write_text", 1),  # nothing is there
    ("segzoo.inference.pipeline:read", 3),
    ("segzoo.inference.strips:Strip.of", 4),  # a file of two pages is half written
    ("segzoo.files.atomic:os.fsync", 5),
    ("segzoo.inference.record:Table.append", 4),  # objects are written down, and no predictions
    ("segzoo.inference.record:Table.append", 5),
    ("segzoo.inference.record:Table.tidy", 3),  # all is there, in the order in which files were written
]


def end(place, calls, signal, *arguments):
    """Exit code and messages of a command whose process ends itself there."""
    words = [sys.executable, "-c", DRIVER, place, str(calls), str(signal), *map(str, arguments)]
    ended = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return ended.returncode, ended.stderr


@pytest.fixture
def stack(photos, tmp_path):
    """The photos and a file of two pages, and what a command makes of them that nothing interrupts."""
    pages = [Image.fromarray(photos[name]).resize((40, 24)) for name in ("a", "b")]
    pages[0].save(tmp_path / "photos" / "b2.tif", save_all=True, append_images=pages[1:])
    return ["--objects", "--probabilities", "uint8"]


@pytest.mark.slow
def test_killed_anywhere_the_same_command_ends_as_if_it_never_was(trained, stack, tmp_path):
    command = ["predict", trained.folder, tmp_path / "photos", *stack, "--out"]
    code, message = end("", 0, 9, *command, tmp_path / "unbroken")
    assert code == 0, message
    for place, calls in PLACES:
        code, message = end(place, calls, 9, *command, tmp_path / "out")
        assert code == -9, (place, message)
    code, message = end("", 0, 9, *command, tmp_path / "out")
    assert code == 0, message
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_what_is_done_is_whole(trained, stack, tmp_path):
    command = ["predict", trained.folder, tmp_path / "photos", *stack, "--out"]
    for place, calls in PLACES[1:4]:
        code, message = end(place, calls, 2, *command, tmp_path / "out")
        assert code == 130, message
        assert message.splitlines()[-1] == "segzoo: interrupted: to go on, repeat the command"
        assert not list((tmp_path / "out").rglob(".*"))
    end("", 0, 2, *command, tmp_path / "out")
    end("", 0, 2, *command, tmp_path / "unbroken")
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")


@pytest.mark.parametrize(("name", "mode"), [("predictions.csv", "ab"), ("deep-a.png", "wb")])
def test_a_full_disk_ends_the_command_and_leaves_nothing_half_written(
    trained, photos, tmp_path, monkeypatch, command, name, mode
):
    out, original, turns = tmp_path / "out", Path.open, count(1)

    def opened(path, *given, **words):
        asked = [*given, *words.values()][:1]
        full = path.name.endswith(name) and asked == [mode] and (mode == "wb" or next(turns) > 2)
        return original(Path("/dev/full") if full else path, *given, **words)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        ended = command("predict", trained.folder, tmp_path / "photos", "--out", out)
    assert ended.code == 2
    assert re.search(rf"segzoo: the disk of {out}\S* is full: make room, or choose a folder on another", ended.err)
    assert not list(out.rglob(".*"))
    ended = command("predict", trained.folder, tmp_path / "photos", "--out", out)
    assert (ended.code, len(rows(out / "predictions.csv"))) == (0, 5)
    assert "already there" in ended.out
