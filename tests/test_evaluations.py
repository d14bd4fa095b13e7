"""Networks and masks scored on splits of datasets: `segzoo evaluate`, and its folders in comparisons."""

import json
import shutil
import tomllib

import keras
import numpy as np
import pytest
import tifffile
from image_folders import save
from PIL import Image

import segzoo
from segzoo.errors import ConfigError, DataError
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import classify, predict
from segzoo.scoring.overlap import confusion
from segzoo_shapes import Shapes

CLASSES = ("background", "circle", "square", "triangle")
SHAPES = {"size": 16, "train": 32, "val": 4, "test": 5}
"""The dataset of the fixture `trained`."""
OTHER = {"dataset.size": 24, "dataset.test": 3}


@pytest.fixture(scope="module")
def evaluated(trained):
    """The run scored on its own split, beside it."""
    return segzoo.evaluate(trained.folder, out=trained.folder.with_name("evaluated"))


@pytest.fixture(scope="module")
def network(trained):
    return trained.network()


def edited(folder, copy, file, old, new):
    """A copy of a folder with another text in one of its files."""
    path = shutil.copytree(folder, copy) / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return copy


def scores(run):
    return {key: value for key, value in run.metrics.items() if key != "warnings"}


def samples(split="test", **options):
    opened = Shapes(**SHAPES | options).open(None, split)
    return [(opened.ids[index], *opened[index]) for index in range(len(opened))]


def test_on_its_own_split_a_run_has_its_own_scores(trained, evaluated):
    for name in ("images.csv", "config.toml"):
        assert (evaluated.folder / name).read_text() == (trained.folder / name).read_text()
    texts = [(run.folder / "metrics.json").read_text().partition('"warnings"')[0] for run in (trained, evaluated)]
    assert texts[0] == texts[1]
    assert evaluated == segzoo.open_run(evaluated.folder)
    assert evaluated.fingerprints == trained.fingerprints
    assert evaluated.splits == {"test": trained.splits["test"]}
    for picture in (trained.folder / "samples").iterdir():
        other = evaluated.folder / "samples" / picture.name
        np.testing.assert_array_equal(Image.open(picture), Image.open(other))


def test_scores_of_a_network_that_was_trained_on_since_are_called_so(trained, tmp_path):
    run = shutil.copytree(trained.folder, tmp_path / "run")
    folder = segzoo.evaluate(run).folder
    assert not [sentence for sentence in segzoo.open_run(folder).warnings if "earlier network" in sentence]
    with (run / "model.keras").open("ab") as file:
        file.write(b"more")
    assert segzoo.open_run(folder).warnings[-1].startswith("the run was trained longer since, so these are scores of")
    shutil.move(run / "evaluations", tmp_path)
    shutil.rmtree(run)
    moved = segzoo.open_run(tmp_path / "evaluations" / folder.name)
    assert not [sentence for sentence in moved.warnings if "earlier network" in sentence]


def test_a_run_is_scored_on_another_split_into_its_folder(trained, network, tmp_path, command):
    run = shutil.copytree(trained.folder, tmp_path / "run")
    done = command("evaluate", run, "--split", "val", "--json")
    printed = json.loads(done.out)
    assert printed.pop("folder") == str(run / "evaluations" / "shapes-val")
    evaluated = segzoo.open_run(run / "evaluations" / "shapes-val")
    assert printed == evaluated.metrics
    assert (printed["split"], printed["images"], printed["selected_on_this_split"]) == ("val", 4, True)
    assert evaluated.evaluation.run == "../.."
    total = 0
    for _, image, mask in samples("val"):
        total += confusion(mask, classify(predict(network, trained.frame, [image])[0]), 4)
    assert printed["confusion"] == total.tolist()
    (run / "evaluations" / "shapes-train").mkdir()
    assert command("evaluate", run, "--split", "train").out.splitlines()[-2:] == [
        "warning: the network was trained on these images, so its scores say nothing of others",
        f"results in {run / 'evaluations' / 'shapes-train-2'}",
    ]


def test_samples_that_have_changed_since_the_run_are_noticed(trained, tmp_path):
    other = edited(trained.folder, tmp_path / "other", "manifest.json", trained.fingerprints["test"], "a" * 64)
    warnings = segzoo.evaluate(other).warnings
    assert "the samples of the split 'test' are no longer those that the run has seen" in warnings


def test_a_run_is_scored_on_other_data(trained, tmp_path):
    evaluated = segzoo.evaluate(trained, "shapes", settings=OTHER, out=tmp_path / "out")
    config = tomllib.loads((tmp_path / "out" / "config.toml").read_text())
    assert (config["dataset"]["size"], config["model"]["filters"], config["image_size"]) == (24, 4, [20, 24])
    assert np.sum(evaluated.metrics["confusion"]) == 3 * 24 * 24
    assert not evaluated.metrics["selected_on_this_split"]
    assert evaluated.fingerprints["train"] == trained.fingerprints["train"]
    assert evaluated.fingerprints["test"] != trained.fingerprints["test"]
    own = segzoo.evaluate(trained, settings={"dataset.test": 2}, out=tmp_path / "fewer")
    assert (own.metrics["images"], own.config.dataset.options["size"]) == (2, 16)


def test_an_evaluation_tells_of_its_run_where_a_network_is_asked_for(trained, evaluated, tmp_path):
    assert evaluated.frame == trained.frame
    for use in (evaluated.network, lambda: segzoo.evaluate(evaluated.folder, out=tmp_path / "two")):
        with pytest.raises(ConfigError, match=f"and no network; name the run: {trained.folder.resolve()}$"):
            use()
    gone = shutil.copytree(trained.folder, tmp_path / "gone")
    (gone / "model.keras").unlink()
    with pytest.raises(DataError, match=r"cannot read the network .*gone/model.keras: no such file"):
        segzoo.evaluate(gone)
    assert not (tmp_path / "two").exists()
    assert not (gone / "evaluations").exists()


def test_what_is_damaged_in_an_evaluation_is_to_be_made_again(evaluated, tmp_path):
    for name in ("metrics.json", "evaluation.json"):
        damaged = edited(evaluated.folder, tmp_path / name, name, "{", "[")
        with pytest.raises(ConfigError, match=rf"{name} is damaged .*; evaluate it again with `segzoo evaluate`"):
            segzoo.open_run(damaged)


def test_test_time_augmentation_is_the_mean_of_probabilities(network, tmp_path):
    frame, total = Frame((16, 16), stride=4), 0
    given = {"settings": {f"dataset.{key}": value for key, value in SHAPES.items()}, "frame": frame}
    evaluated = segzoo.evaluate(network, "shapes", tta="flips", out=tmp_path / "out", **given)

    def probabilities(image):
        return np.asarray(keras.ops.softmax(predict(network, frame, [image])[0]))

    for _, image, mask in samples():
        flipped = [probabilities(image[::y, ::x])[::y, ::x] for y in (1, -1) for x in (1, -1)]
        total += confusion(mask, np.argmax(sum(flipped), -1), 4)
    assert np.abs(np.subtract(evaluated.metrics["confusion"], total)).sum() <= 2  # of probabilities that are equal
    assert evaluated.evaluation.tta == "flips"
    plain = segzoo.evaluate(network, "shapes", out=tmp_path / "plain", **given)
    assert plain.metrics["confusion"] != evaluated.metrics["confusion"]


def test_a_keras_model_is_scored_with_a_frame(trained, network, tmp_path):
    given = {"settings": {f"dataset.{key}": value for key, value in SHAPES.items()}, "frame": trained.frame}
    evaluated = segzoo.evaluate(network, "shapes", name="mine", out=tmp_path / "out", **given)
    assert scores(evaluated) == scores(trained)
    assert (evaluated.config.model.name, evaluated.config.trainer.name) == ("mine", "unknown")
    assert (evaluated.config.image_size, evaluated.config.view) == ((20, 24), "resize")
    file = segzoo.evaluate(trained.folder / "model.keras", "shapes", out=tmp_path / "file", **given)
    assert (scores(file), file.config.model.name) == (scores(trained), "model")
    with pytest.raises(ConfigError, match=r"say where the scores are to be written, with out="):
        segzoo.evaluate(network, "shapes", **given)
    given["settings"] = stored(tmp_path, (*CLASSES, "extra"))
    with pytest.raises(ConfigError, match=r"classes that the network does not know: 'background', .*'extra'. The netw"):
        segzoo.evaluate(network, "folder", out=tmp_path / "five", **given)


def test_what_cannot_be_evaluated_is_named_and_nothing_is_left(trained, tmp_path, command):
    out = ("--out", tmp_path / "out")
    cases = {
        ("nowhere",): "nowhere is no run",
        (trained.folder, "shapess"): "no dataset 'shapess'; did you mean 'shapes'",
        (trained.folder, "--split", "tests"): "--split tests: there are train, val, test",
        (trained.folder, "--tta", "turns"): "tta turns: there are flips, d4",
        (trained.folder, "--map", "circle"): "--map circle: write OLD=NEW",
        (trained.folder, "--map", "cercle=square"): "dataset 'shapes' has no class 'cercle'; did you mean 'circle'",
        (trained.folder, "--map", "circle=sqare"): "the network has no class 'sqare'; did you mean 'square'",
        (trained.folder, "--set", "model.filters=2"): "'model.filters' is no setting of a dataset",
        (trained.folder, "--name", "mine"): "--name is for masks, with --predictions",
        (trained.folder / "model.keras", "shapes"): "model.keras does not say how it sees images",
        ("shapes", "--predictions", tmp_path, "--tta", "d4"): "--tta is for networks, not for --predictions",
        ("shapes", "--predictions", tmp_path / "none"): "none: there is no such folder",
    }
    for words, message in cases.items():
        done = command("evaluate", *words, *out)
        assert (done.code, message in done.err) == (2, True), done.err
        assert [path.name for path in tmp_path.iterdir()] in ([], ["cache"])
    assert "where the scores are to be written, with --out" in command("evaluate", "shapes", "--predictions", "x").err
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert "out exists already and is not empty" in command("evaluate", trained.folder, *out).err


def test_a_split_that_is_not_there_is_named_with_those_that_are(trained, tmp_path):
    with pytest.raises(ConfigError, match=r"dataset 'folder' has no split 'test'; there are: train, val$"):
        segzoo.evaluate(trained, "folder", settings=stored(tmp_path, CLASSES, ("train", "val")), out=tmp_path / "out")


def stored(root, names, splits=("train", "val", "test"), renamed=None):
    """The test images of the fixture `trained` as a dataset `folder` with classes of these names and in their order."""
    table = np.array([names.index((renamed or {}).get(name, name)) for name in CLASSES], np.uint8)
    for split in splits:
        for name, image, mask in samples():
            file = f"{split}-{name[-4:]}.png"
            save(root / "data" / split / "images" / file, image)
            save(root / "data" / split / "masks" / file, table[mask])
    return {"dataset.root": str(root / "data"), "dataset.classes": list(names)}


def test_classes_are_matched_by_name_in_any_order(trained, tmp_path):
    evaluated = segzoo.evaluate(trained, "folder", settings=stored(tmp_path, CLASSES[::-1]), out=tmp_path / "out")
    assert scores(evaluated) == scores(trained)
    assert evaluated.classes == CLASSES


def test_classes_of_other_names_are_mapped_and_several_may_be_one(trained, tmp_path):
    names = ("sky", "wheel", "square", "box")
    renamed = {"background": "sky", "circle": "wheel", "triangle": "box"}
    given = {"settings": stored(tmp_path, names, renamed=renamed)}
    with pytest.raises(ConfigError) as error:
        segzoo.evaluate(trained, "folder", renamed={"wheel": "circle"}, out=tmp_path / "out", **given)
    assert str(error.value) == (
        "dataset 'folder' has classes that the network does not know: 'sky', 'box'. The network's are 'background', "
        "'circle', 'square', 'triangle': say which of them each is, with --map 'sky=CLASS' --map 'box=CLASS'"
    )
    given["renamed"] = {new: old for old, new in renamed.items()}
    evaluated = segzoo.evaluate(trained, "folder", out=tmp_path / "out", **given)
    assert scores(evaluated) == scores(trained)
    assert evaluated.evaluation.classes == given["renamed"]
    given["renamed"] |= {"box": "square"}
    merged = segzoo.evaluate(trained, "folder", out=tmp_path / "merged", **given)
    found, all_four = np.array(merged.metrics["confusion"]), np.array(trained.metrics["confusion"])
    assert not found[3].any()
    assert found[2].tolist() == (all_four[2] + all_four[3]).tolist()
    assert "dataset 'folder' has none of the class 'triangle', which the network knows" in merged.warnings


@pytest.fixture(scope="module")
def labels(trained, network):
    """The classes that the run predicts in its test images, by the ids of these."""
    return {name: classify(predict(network, trained.frame, [image])[0]) for name, image, _ in samples()}


def saved(labels, root, suffix=".png"):
    """Masks in files that are called as their samples."""
    for name, mask in labels.items():
        save(root / f"{name}{suffix}", mask)
    return root


def test_masks_of_another_tool_have_the_scores_of_labels(trained, labels, tmp_path, command):
    masks = saved(labels, tmp_path / "masks")
    data = [word for key, value in SHAPES.items() for word in ("--set", f"dataset.{key}={value}")]
    words = ("evaluate", "--predictions", masks, "shapes", *data, "--name", "other", "--seed", "3")
    done = command(*words, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert "warning: masks have no probabilities" in done.out
    evaluated = segzoo.open_run(tmp_path / "out")
    expected = scores(trained) | {"expected_calibration_error": None}
    assert scores(evaluated) == expected
    assert (evaluated.config.model.name, evaluated.seed, evaluated.evaluation.predictions) == ("other", 3, "../masks")
    assert evaluated.fingerprints == {"test": trained.fingerprints["test"]}
    assert evaluated.image_scores() == trained.image_scores()
    assert len(list((tmp_path / "out" / "samples").iterdir())) == 5


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_masks_may_be_in_any_format_and_called_as_files_are(trained, labels, tmp_path, suffix):
    masks = saved(labels, tmp_path / "masks", suffix)
    for path in (masks / "test").iterdir():
        path.rename(masks / f"test-{path.name}")
    given = {"settings": {f"dataset.{key}": value for key, value in SHAPES.items()}}
    evaluated = segzoo.evaluate_masks(masks, "shapes", out=tmp_path / "out", **given)
    assert evaluated.metrics["confusion"] == trained.metrics["confusion"]


def test_masks_that_segzoo_has_predicted_are_in_a_folder_of_its_folder(labels, tmp_path):
    saved(labels, tmp_path / "predicted" / "masks")
    given = {"settings": {f"dataset.{key}": value for key, value in SHAPES.items()}}
    with pytest.raises(DataError, match=r"predicted/test/0000.png; or are they in .*/predicted/masks\?"):
        segzoo.evaluate_masks(tmp_path / "predicted", "shapes", out=tmp_path / "out", **given)


@pytest.mark.parametrize("stacked", [True, False])
def test_masks_of_pages_are_pages_or_files(tmp_path, stacked):
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        masks = rng.integers(0, 3, (4, 8, 9)).astype(np.uint8)
        for kind, pages in {"images": rng.integers(0, 256, (4, 8, 9)).astype(np.uint8), "masks": masks}.items():
            path = tmp_path / "data" / split / kind / f"{split}.tif"
            path.parent.mkdir(parents=True)
            tifffile.imwrite(path, pages, photometric="minisblack")
        if stacked:
            (tmp_path / "drawn").mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / "drawn" / f"{split}.tif", masks, photometric="minisblack")
        else:
            for page, mask in enumerate(masks):
                save(tmp_path / "drawn" / f"{split}#{page:03}.png", mask)
    given = {"settings": {"dataset.root": str(tmp_path / "data")}}
    evaluated = segzoo.evaluate_masks(tmp_path / "drawn", "folder", out=tmp_path / "out", **given)
    assert (evaluated.metrics["mean_iou"], evaluated.metrics["images"]) == (1, 4)


def test_of_two_classes_255_may_stand_for_the_second(trained, tmp_path):
    table = np.array([0, 1, 1, 1], np.uint8)
    for split in ("train", "val", "test"):
        for name, image, mask in samples():
            save(tmp_path / "data" / split / "images" / f"{split}-{name[-4:]}.png", image)
            for kind in ("data/masks", "drawn"):
                folder = tmp_path / kind.replace("/", f"/{split}/")
                save(folder / f"{split}-{name[-4:]}.png", table[mask] * 255)
    save(tmp_path / "drawn" / "test-0000.png", table[samples()[0][2]])
    given = {"settings": {"dataset.root": str(tmp_path / "data")}}
    evaluated = segzoo.evaluate_masks(tmp_path / "drawn", "folder", out=tmp_path / "out", **given)
    assert (evaluated.metrics["mean_iou"], evaluated.metrics["images"]) == (1, 5)
    assert evaluated.config.model.name == "drawn"
    save(tmp_path / "drawn" / "test-0000.png", table[samples()[0][2]] * 254)
    with pytest.raises(DataError, match=r"test-0000.png has labels that are no class: 254; classes are 0 to 1"):
        segzoo.evaluate_masks(tmp_path / "drawn", "folder", out=tmp_path / "two", **given)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda path: path.unlink(),
            r"masks has no mask of 2 of the 5 samples of the split 'test', such as 'test/0001', ",
        ),
        (
            lambda path: save(path, np.zeros((9, 16), np.uint8)),
            r"0001.png is 9x16 pixels, its sample 'test/0001' 16x16; .*",
        ),
        (
            lambda path: save(path, np.full((16, 16), 255, np.uint8)),
            "0001.png has labels that are no class: 255; classes",
        ),
        (lambda path: save(path, np.zeros((16, 16, 3), np.uint8)), "0001.png is in colour: save the numbers of the cl"),
        (lambda path: path.write_bytes(b"no picture"), r"0001.png"),
        (
            lambda path: save(path.with_suffix(".tif"), np.zeros((16, 16), np.uint8)),
            "0001.png and .*0001.tif are called",
        ),
    ],
)
def test_masks_that_cannot_be_scored_are_named(labels, tmp_path, spoil, message):
    masks = saved(labels, tmp_path / "masks")
    for number in (1, 4):
        spoil(masks / "test" / f"000{number}.png")
    given = {"settings": {f"dataset.{key}": value for key, value in SHAPES.items()}}
    with pytest.raises((ConfigError, DataError), match=message):
        segzoo.evaluate_masks(masks, "shapes", out=tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_runs_evaluations_and_masks_are_compared(trained, evaluated, labels, tmp_path, command):
    """Two seeds of a network, as a run and an evaluation, against two of a tool; and test-time augmentation."""
    given = {"settings": {f"dataset.{key}": value for key, value in SHAPES.items()}}
    masks = saved({name: np.minimum(mask, 1) for name, mask in labels.items()}, tmp_path / "masks")
    tool = segzoo.evaluate_masks(masks, "shapes", name="tool", out=tmp_path / "tool", **given).folder
    again = edited(tool, tmp_path / "again", "config.toml", "seed = 0\n", "seed = 1\n")
    other = edited(evaluated.folder, tmp_path / "other", "config.toml", "\nseed = 5", "\nseed = 6")
    flips = edited(evaluated.folder, tmp_path / "flips", "evaluation.json", '"classes"', '"tta": "flips", "classes"')
    runs = [trained.folder, other, flips, tool, again]
    rows = {model.label: model for model in segzoo.compare(runs).ranking}
    assert {label: len(model.runs) for label, model in rows.items()} == {"unet": 2, "unet tta=flips": 1, "tool": 2}
    assert rows["tool"].p is not None
    assert rows["unet tta=flips"].note == "no test: one seed"
    done = command("compare", *runs, "--out", tmp_path / "comparison")
    assert f"What was trained on for {tool}, {again} is not known." in done.out
    assert "on the same data" not in done.out
    page = (tmp_path / "comparison" / "leaderboard.md").read_text()
    assert "--predictions ../masks shapes --split test --set" in page
    assert "--tta flips" in page
    assert "Budget: 3 epochs. Size for the network: 20 x 24 pixels, to which images are resized. The diff" in page
    command("compare", tool, again, "--out", tmp_path / "tools")
    assert "Scored: test split, 5 images. The difference" in (tmp_path / "tools" / "leaderboard.md").read_text()
    with pytest.raises(ConfigError, match=r"are the same run twice, .*; leave one of them out$"):
        segzoo.compare([trained.folder, evaluated.folder])
    with pytest.raises(ConfigError, match=r"twice, .*; leave one of them out, or evaluate it with another --name or"):
        segzoo.compare([tool, shutil.copytree(tool, tmp_path / "same")])


def test_an_evaluation_on_other_data_is_compared_only_if_that_is_asked_for(trained, evaluated, tmp_path):
    other = edited(evaluated.folder, tmp_path / "other", "manifest.json", trained.fingerprints["test"], "a" * 64)
    with pytest.raises(ConfigError, match="are of different data: other samples in the split 'test'"):
        segzoo.compare([trained.folder, other])
    beside = segzoo.compare([trained.folder, other], different_data=True)
    assert {model.note for model in beside.ranking} == {"baseline", "no test: other images"}
