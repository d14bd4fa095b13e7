"""Runs made by hand, beside each other: which belong together, what they are called, and what is not compared."""

import json
import re
import shlex

import pytest
from stored_runs import change, read_rows, write, write_benchmark, write_cell, write_example, write_run

import segzoo
from segzoo.benchmarking.cells import Record
from segzoo.benchmarking.result_files import tabulate
from segzoo.cli.compare import print_results
from segzoo.errors import ConfigError

FILES = ["images.csv", "leaderboard.md", "results.csv", "results.json", "timings.csv"]

IMAGES = [0.3, 0.5, 0.4]
NONE = float("nan")


def better(by):
    return [value + by for value in IMAGES]


METRICS = json.dumps(
    {"split": "test", "selected_on_this_split": False, "images": 3, "definitions": {}, "iou": {}, "mean_iou": "much"}
)


def labels(*runs, **options):
    return [model.label for model in segzoo.compare(runs, **options).ranking]


def test_runs_that_differ_in_their_seed_are_one_row(tmp_path):
    runs = [write_run(tmp_path / f"a{seed}", better(0.01 * seed), seed=seed) for seed in (2, 0, 1)]
    runs += [write_run(tmp_path / f"b{seed}", better(0.2), seed=seed, model="canet") for seed in (5, 6)]
    comparison = segzoo.compare(runs)
    assert [(model.label, [run.seed for run in model.runs]) for model in comparison.ranking] == [
        ("canet", [5, 6]),
        ("unet", [0, 1, 2]),
    ]
    assert comparison.baseline == "unet"
    first, second = comparison.ranking
    assert first.difference.mean == pytest.approx(0.19)
    assert first.p == first.difference.p
    assert second.note == "baseline"
    assert second.scores["mean_iou"].sd == pytest.approx(0.01)
    assert comparison.costs("shapes", "unet")["training_seconds_per_epoch"] == 3


def test_runs_of_earlier_versions_were_not_augmented(tmp_path):
    earlier, none, light = (
        write_run(tmp_path / f"run-{seed}", better(0.01 * seed), seed=seed, **changes)
        for seed, changes in enumerate(
            [{}, {"augmentation": {"name": "none"}}, {"augmentation": {"name": "standard", "level": "light"}}]
        )
    )
    assert set(labels(earlier, none, light)) == {"unet augmentation=none", "unet augmentation=standard"}
    assert labels(earlier, none) == ["unet"]


def test_whether_a_checkpoint_was_kept_makes_no_other_run(tmp_path):
    kept = [
        write_run(tmp_path / f"{seed}", better(0.01 * seed), seed=seed, keep_checkpoint=seed > 0) for seed in (0, 1)
    ]
    comparison = segzoo.compare([*kept, write_run(tmp_path / "b", better(0.2), model="canet")])
    assert {model.label: len(model.runs) for model in comparison.ranking} == {"canet": 1, "unet": 2}


def test_a_label_names_the_options_that_differ_where_they_mean_the_same(tmp_path):
    runs = [
        write_run(tmp_path / "a", better(0.3)),
        write_run(tmp_path / "b", better(0.2), filters=8, epochs=5),
        write_run(tmp_path / "c", better(0.1), model="canet", filters=9, loss={"name": "focal", "gamma": 2}),
        write_run(tmp_path / "d", better(0.0), model="canet", filters=9, image_size=[8, 16], loss={"name": "focal"}),
    ]
    assert labels(*runs) == [
        "unet epochs=3 image_size=8 x 8 filters=4 loss=dice",
        "unet epochs=5 image_size=8 x 8 filters=8 loss=dice",
        "canet epochs=3 image_size=8 x 8 loss=focal loss.gamma=2",
        "canet epochs=3 image_size=8 x 16 loss=focal",
    ]


def test_where_the_same_data_lie_is_no_difference(tmp_path):
    first = write_run(tmp_path / "a", IMAGES, seed=0, dataset={"root": "/here"})
    other = write_run(tmp_path / "b", IMAGES, seed=1, dataset={"root": "/there"})
    third = write_run(tmp_path / "c", IMAGES, seed=1, filters=8)
    assert labels(first, other, third) == ["unet filters=4", "unet filters=8"]


def test_the_baseline_is_the_first_run_a_label_or_a_folder(tmp_path, monkeypatch):
    first, other = write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "b", better(0.1), model="canet")
    assert segzoo.compare([other, first]).baseline == "canet"
    assert segzoo.compare([first, other], baseline="canet").baseline == "canet"
    monkeypatch.chdir(tmp_path)
    assert segzoo.compare([first, other], baseline="./b").baseline == "canet"
    with pytest.raises(ConfigError, match="no run or label 'canett' is compared; did you mean 'canet'"):
        segzoo.compare([first, other], baseline="canett")


def test_runs_on_different_data_are_refused_unless_asked_for(tmp_path):
    first = write_run(tmp_path / "a", IMAGES, data="small")
    other = write_run(tmp_path / "b", better(0.1), data="large", seed=1)
    expected = (
        f"{first} and {other} are of different data: other samples in the splits 'test', 'train', 'val'. Compare runs "
        "on the same data, or see them beside each other all the same with --different-data"
    )
    with pytest.raises(ConfigError, match=re.escape(expected)):
        segzoo.compare([first, other])
    comparison = segzoo.compare([first, other], different_data=True)
    assert [model.label for model in comparison.ranking] == [f"unet on shapes in {other}", f"unet on shapes in {first}"]
    assert (comparison.ranking[0].difference, comparison.ranking[0].note) == (None, "no test: other images")


def test_runs_trained_on_other_data_but_scored_on_the_same_are_tested_if_asked_for(tmp_path):
    runs = [write_run(tmp_path / f"a{seed}", better(0.01 * seed), seed=seed) for seed in (0, 1)]
    more = [write_run(tmp_path / f"b{seed}", better(0.1), seed=seed, dataset={"train": 99}) for seed in (0, 1)]
    for folder in more:
        facts = json.loads((folder / "manifest.json").read_text())
        write(
            folder / "manifest.json", facts | {"dataset_fingerprint": facts["dataset_fingerprint"] | {"train": "more"}}
        )
    with pytest.raises(ConfigError, match="other samples in the split 'train'"):
        segzoo.compare([*runs, *more])
    comparison = segzoo.compare([*runs, *more], different_data=True)
    assert comparison.ranking[0].runs[0].folder == more[0]
    assert comparison.ranking[0].p is not None


@pytest.mark.parametrize(("images", "others"), [([0.5], [0.5]), ([0.5, NONE], [0.5, 0.6]), ([0.5, NONE], [NONE, 0.6])])
def test_without_two_images_with_scores_of_both_there_is_no_test_and_the_row_says_so(tmp_path, command, images, others):
    runs = [write_run(tmp_path / f"a{seed}", images, seed=seed) for seed in range(3)]
    runs += [write_run(tmp_path / f"b{seed}", others, seed=seed, filters=8) for seed in range(3)]
    (other,) = [model for model in segzoo.compare(runs).ranking if model.label != "unet filters=4"]
    assert (other.p, other.note) == (None, "no test: fewer than two images with scores of both")
    assert other.note in command("compare", *runs).out


def test_other_classes_and_other_splits_are_other_data(tmp_path):
    first = write_run(tmp_path / "a", IMAGES)
    other = write_run(tmp_path / "b", IMAGES, classes=("ring", "sea"))
    scores = json.loads((other / "metrics.json").read_text())
    write(other / "metrics.json", scores | {"split": "val"})
    message = "scored are the splits 'test' and 'val'; the classes are ring, sky and ring, sea"
    with pytest.raises(ConfigError, match=re.escape(message)):
        segzoo.compare([first, other])


def test_which_way_a_score_is_better_is_known_of_runs_that_do_not_say_it(tmp_path):
    first, other = write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "b", IMAGES, seed=1)
    change(first / "metrics.json", dataset_scores={"area": 0.5}, mean_hd95=2.5)
    change(other / "metrics.json", dataset_scores={"error": 0.5}, better={"mean_iou": "higher", "error": "lower"})
    better = segzoo.compare([first, other]).row()["better"]
    assert (better["mean_iou"], better["mean_hd95"], better["error"]) == ("higher", "lower", "lower")
    assert "area" not in better


def test_figures_of_a_dataset_that_are_no_scores_are_in_no_table(tmp_path):
    first, other = write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "b", IMAGES, seed=1)
    for run in (first, other):
        scores = json.loads((run / "metrics.json").read_text())
        extra = {"rims": {"ring": 0.25, "sky": None}, "objects": 7, "list": ["a"]}
        definitions = scores["definitions"] | dict.fromkeys(extra, "Its own.")
        better = dict.fromkeys(["mean_iou", "mean_dice", "pixel_accuracy", "image_mean_iou", "iou", "dice"], "higher")
        change(run / "metrics.json", dataset_scores=extra, definitions=definitions, better=better | {"rims": "lower"})
    scores = segzoo.compare([first, other]).ranking[0].scores
    assert scores["rims_ring"].mean == 0.25
    assert not {"objects", "list", "rims_sky"} & scores.keys()


def test_what_runs_of_an_earlier_version_lack_is_said_and_the_rest_compared(tmp_path, command):
    runs = [write_run(tmp_path / "old", IMAGES), write_run(tmp_path / "new", better(0.1), seed=1)]
    runs += [write_run(tmp_path / "wide", better(0.2), filters=8)]
    for run in runs[1:]:
        change(run / "metrics.json", mean_hd95=2.5, hd95={"ring": 2.5, "sky": None})
    done = command("compare", *runs, "--out", tmp_path / "out")
    line = f"No hd95, mean_hd95 in {runs[0]}, scored by an earlier version of segzoo"
    assert line in done.out
    assert f"`segzoo run --config {runs[0]}/config.toml` repeats the run" in done.out
    table = read_rows(tmp_path / "out" / "results.csv")
    assert [row["mean_hd95"] for row in table] == ["", "2.5", "2.5"]
    assert "mean HD95, pixels" in done.out
    assert "2.5000" in done.out
    assert "earlier version" not in command("compare", *runs[1:]).out
    older = [write_run(tmp_path / f"older{seed}", IMAGES, seed=seed) for seed in range(2)]
    assert "earlier version" not in command("compare", *older).out


def test_scores_of_other_definitions_are_refused_and_new_ones_are_not(tmp_path):
    first, other = write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "b", IMAGES, seed=1)
    scores = json.loads((other / "metrics.json").read_text())
    write(other / "metrics.json", scores | {"novelty": 0.5, "definitions": scores["definitions"] | {"novelty": "New."}})
    assert segzoo.compare([first, other]).ranking[0].scores["novelty"].mean == 0.5
    write(other / "metrics.json", scores | {"definitions": scores["definitions"] | {"iou": "Half of it."}})
    with pytest.raises(ConfigError, match="define 'iou' differently"):
        segzoo.compare([first, other], different_data=True)


def test_a_run_named_twice_is_noticed(tmp_path):
    first = write_run(tmp_path / "a", IMAGES, seed=3)
    copy = write_run(tmp_path / "copy", IMAGES, seed=3)
    for other in (first, copy):
        with pytest.raises(ConfigError, match=re.escape(f"{first} and {other} are the same run twice")):
            segzoo.compare([first, other])


def test_what_is_no_finished_run_is_named(tmp_path):
    first = write_run(tmp_path / "a", IMAGES)
    with pytest.raises(ConfigError, match="nothing to compare"):
        segzoo.compare([first])
    with pytest.raises(ConfigError, match=r"nowhere is no run: there is no such folder"):
        segzoo.compare([first, tmp_path / "nowhere"])
    other = write_run(tmp_path / "b", IMAGES, seed=1)
    (other / "manifest.json").unlink()
    resume = f"the run in {other} is not finished; `segzoo run --resume --out {other}` goes on with it"
    with pytest.raises(ConfigError, match=re.escape(resume)):
        segzoo.compare([first, other])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.toml", "model = ", "damaged"),
        ("metrics.json", "{}", "damaged (no 'iou')"),
        ("metrics.json", "[1]", "damaged"),
        ("metrics.json", METRICS, "damaged (mean_iou.float: Input should be a valid number"),
        ("config.toml", "[model]\nname = 'unet'", "damaged (no 'dataset')"),
        ("manifest.json", '{"dataset_fingerprint": {}, "versions": {}, "python": "3"}', "damaged (no 'machine')"),
        ("manifest.json", '{"seed": 0}', "damaged (no 'dataset_fingerprint')"),
        ("images.csv", "id,iou\n0,0.5\n", "has no column 'mean_iou'; there are: id, iou"),
        ("images.csv", "id,mean_iou\n0,much\n", "damaged"),
        ("images.csv", "id,mean_iou\n0\n", "damaged (a row has 1 values"),
        ("images.csv", "id,mean_iou\n0,0.5\n9,0.5\n1,0.5\n", "has 3 images, and they are not the 3 of the baseline"),
        ("images.csv", None, "cannot read"),
        ("metrics.json", None, "cannot read"),
    ],
)
def test_damaged_files_are_named_with_what_to_type(tmp_path, name, text, message):
    first, other = write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "it", IMAGES, filters=8)
    if text is None:
        (other / name).unlink()
    else:
        (other / name).write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        segzoo.compare([first, other])
    assert f"`segzoo run --config {other / 'config.toml'}` repeats the run" in str(error.value)


@pytest.mark.parametrize("text", ["epoch,seconds\n1,long\n", "epoch\n1\n", "epoch,seconds\n1\n", b"\xff\xfe", "\0"])
def test_times_that_cannot_be_read_are_unknown(tmp_path, text):
    first, other = write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "b", IMAGES, filters=8)
    (other / "timings.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    comparison = segzoo.compare([first, other], out=tmp_path / "out")
    assert comparison.costs("shapes", "unet filters=8")["training_seconds_per_epoch"] is None
    assert [row["training_seconds_per_epoch"] for row in read_rows(tmp_path / "out" / "timings.csv")] == ["3.0", ""]


def test_the_command_prints_tables_with_definitions(tmp_path, command):
    runs = [write_run(tmp_path / f"{seed}", better(0.1 * seed), seed=seed) for seed in range(3)]
    runs += [write_run(tmp_path / f"wide{seed}", better(0.1 * seed + 0.3), seed=seed, filters=8) for seed in range(3)]
    done = command("compare", *runs)
    assert (done.code, done.err) == (0, "")
    rows = {tuple(re.split(r"\s*[│┃]\s*", line)[1:-1]) for line in done.out.splitlines()}
    assert ("unet filters=4", "3", "0.5000 ± 0.1000", "[0.2516, 0.7484]", "baseline") in rows
    assert ("unet filters=8", "3", "0.8000 ± 0.1000", "[0.5516, 1.0484]", "better") in rows
    (line,) = [row for row in rows if row[:2] == ("unet filters=8", "+0.3000")]
    assert re.fullmatch(r"\[\+0\.0\d{3}, \+0\.5\d{3}\]", line[2])
    assert line[3:] == ("0.021", "+3.00", "0.250")
    assert ("unet filters=8", "3", "30", "25") in rows
    assert "only and says nothing" not in done.out
    defined = command("compare", *runs, "--definitions").out
    assert defined.startswith(done.out)
    assert "\nwilcoxon_p: Wilcoxon's signed-rank test over images" in defined
    assert "\nmean_iou: The mean of IoU over the classes" in defined


def test_the_command_prints_warnings_below_the_tables_of_all_runs(tmp_path, command):
    said = "the lowest val_loss is that of the last epoch, 3: longer training may help " * 3
    runs = [write_run(tmp_path / f"{seed}", IMAGES, seed=seed, warnings=[said.strip()]) for seed in range(2)]
    runs.append(write_run(tmp_path / "wide", better(0.1), filters=8))
    lines = command("compare", *runs).out.splitlines()
    assert lines[-1] == f"warning: unet filters=4, seeds 0, 1: {said.strip()}"
    assert not [line for line in lines[:-1] if "warning" in line]
    cells = json.loads(command("compare", *runs, "--json").out)["cells"]
    assert [cell["warnings"] for cell in cells] == [said.strip(), said.strip(), None]


def test_the_command_prints_json_that_names_the_runs(tmp_path, command):
    runs = [write_run(tmp_path / f"{seed}", IMAGES, seed=seed) for seed in range(2)]
    runs.append(write_run(tmp_path / "wide", better(0.1), filters=8))
    comparison = json.loads(command("compare", *runs, "--baseline", runs[2], "--json").out)
    assert comparison["baseline"] == "unet filters=8"
    assert [row["runs"] for row in comparison["rows"]] == [[str(runs[2])], [str(run) for run in runs[:2]]]
    assert comparison["rows"][1]["comparison"]["difference"] == pytest.approx(-0.1)
    assert comparison["rows"][1]["note"] == "no test: one seed"
    assert {"difference", "mean_iou", "waiting_share"} <= comparison["definitions"].keys()


def test_the_command_has_one_message_for_what_is_wrong(tmp_path, command):
    first, other = write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "b", IMAGES, data="b", filters=8)
    done = command("compare", first, other)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    words = shlex.split(done.err.partition("with ")[2])
    assert command("compare", first, other, *words).code == 0


def test_the_files_of_a_comparison_are_those_of_a_benchmark(tmp_path):
    out, cells = tmp_path / "out", write_benchmark(tmp_path / "cells", ["unet", "canet"], ["shapes"], seeds=[0, 1])
    runs = []
    for model, shift in (("unet", 0.0), ("canet", 0.2)):
        for seed in (0, 1):
            runs.append(write_cell(cells, "shapes", model, seed, better(shift + 0.01 * seed), model=model))
    tabulate(cells)
    comparison = segzoo.compare(runs, out=out)
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert (out / "images.csv").read_bytes() == (cells / "images.csv").read_bytes()
    assert (out / "timings.csv").read_bytes() == (cells / "timings.csv").read_bytes()
    for mine, theirs in zip(read_rows(out / "results.csv"), read_rows(cells / "results.csv"), strict=True):
        assert list(mine) == list(theirs)
        assert mine | {"command": ""} == theirs | {"command": ""}
    first, other = (json.loads((folder / "results.json").read_text()) for folder in (out, cells))
    assert first == json.loads(json.dumps(comparison.row()))
    assert first.keys() | {"definition"} == other.keys()
    assert [row.pop("runs") for row in first["rows"]] == [[str(run) for run in group] for group in (runs[2:], runs[:2])]
    assert [first[key] for key in ("rows", "baseline", "definitions")] == [
        other[key] for key in ("rows", "baseline", "definitions")
    ]


def test_each_row_has_the_command_that_repeats_it_typed_in_the_folder_of_the_page(tmp_path, monkeypatch):
    first, other = write_run(tmp_path / "my runs" / "a", IMAGES), write_run(tmp_path / "b", IMAGES, seed=1, epochs=2)
    Record("done", None, "segzoo run", 1.0, None, threads=1, attempts=1).write(other)  # as of a cell of a benchmark
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "deep" / "out"
    segzoo.compare(["my runs/a", "b"], out="deep/out")
    commands = [row["command"] for row in read_rows(out / "results.csv")]
    assert commands == [
        "TF_NUM_INTRAOP_THREADS=2 segzoo run --config '../../my runs/a/config.toml'",
        "TF_NUM_INTRAOP_THREADS=1 segzoo run --config ../../b/config.toml",
    ]
    for command, run in zip(commands, (first, other), strict=True):
        assert (out / shlex.split(command)[-1]).samefile(run / "config.toml")
        label = "unet epochs=2" if run is other else "unet epochs=3"
        assert f"\n# shapes, {label}\n{command}\n" in (out / "leaderboard.md").read_text()


def test_a_folder_that_holds_something_is_not_written_to(tmp_path, command):
    runs = [write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "b", IMAGES, filters=8)]
    out = tmp_path / "full"
    out.mkdir()
    (out / "results.csv").write_text("mine")
    for taken in (out, out / "results.csv", runs[0]):
        done = command("compare", *runs, "--out", taken)
        assert (done.code, done.out) == (2, "")
        assert done.err == f"segzoo: {taken} exists already and is not empty; choose another --out\n"
    assert [path.read_text() for path in out.iterdir()] == ["mine"]
    done = command("compare", *runs, "--out", out / "results.csv" / "below")
    assert (done.code, done.out) == (2, "")
    assert f"cannot write to {out / 'results.csv' / 'below'}" in done.err
    (tmp_path / "empty").mkdir()
    assert f"results in {tmp_path / 'empty'}\n" in command("compare", *runs, "--out", tmp_path / "empty").out
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == FILES


def test_where_there_is_no_comparison_there_is_no_folder(tmp_path):
    runs = [write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "b", IMAGES, data="b")]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="of different data"):
        segzoo.compare(runs, out=tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_a_page_of_runs_that_differ_in_more_than_their_model_says_so(tmp_path):
    first = write_run(tmp_path / "a", IMAGES, trainer={"precision": "float32"}, view="resize")
    other = write_run(tmp_path / "b", IMAGES, steps=1000, trainer={"precision": "float16"}, view="crop", data="b")
    facts = {"machine": json.loads((first / "manifest.json").read_text())["machine"] | {"processor": "Abacus 4000"}}
    change(other / "manifest.json", **facts, versions={"segmentation-zoo": "0.2.0"})
    change(other / "metrics.json", split="val", selected_on_this_split=True)
    segzoo.compare([first, other], different_data=True, out=tmp_path / "out")
    page = (tmp_path / "out" / "leaderboard.md").read_text()
    for words in (
        "- Trainer: keras (precision = float16).\n- Trainer: keras (precision = float32).\n- Loss: dice.\n",
        "- Not all runs were on the same data: there is a test where the scored images are the same.\n",
        "- Not all runs were made with the same versions, which may make a difference too.\n",
        "- Not all runs were made on one machine: do not compare their times.\n",
        "- Machine: Abacus 3000, 8 GiB, Linux.\n- Machine: Abacus 4000, 8 GiB, Linux.\n",
        "Scored: test split, 3 images; or val split, 3 images, on which the best epoch was chosen too.",
        "Budget: 3 epochs; or 3 epochs or 1,000 training steps, whichever comes first.",
        "8 x 8 pixels, crops of images; or 8 x 8 pixels, to which images are resized.",
        "| - | no test: other images |",
    ):
        assert words in page


def test_the_command_says_in_what_runs_differ_that_are_compared(tmp_path, command):
    first, other = write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "b", IMAGES, seed=1)
    assert "Not all runs" not in command("compare", first, other).out
    change(other / "manifest.json", versions={"segmentation-zoo": "0.2.0"})
    change(other / "metrics.json", selected_on_this_split=True)
    done = command("compare", first, other)
    assert "Not all runs were made with the same versions" in done.out
    assert "on which the best epoch was chosen too" in " ".join(done.out.split())


def test_interrupted_in_the_middle_it_leaves_nothing(tmp_path, monkeypatch):
    runs = [write_run(tmp_path / "a", IMAGES), write_run(tmp_path / "b", IMAGES, filters=8)]
    before = sorted(tmp_path.iterdir())

    def interrupted(results):
        raise KeyboardInterrupt

    monkeypatch.setattr("segzoo.benchmarking.result_files.leaderboard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        segzoo.compare(runs, out=tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_runs_of_segzoo_itself_are_compared(tmp_path, command):
    settings = {"model.depth": 1, "model.batch_norm": False, "dataset.size": 16}
    settings |= {"dataset.train": 4, "dataset.val": 4, "dataset.test": 4}
    for name, filters in (("narrow", 1), ("wide", 2)):
        options = {"settings": settings | {"model.filters": filters}, "epochs": 1, "out": tmp_path / name}
        metrics = segzoo.run("unet", "shapes", **options).metrics
    comparison = json.loads(command("compare", tmp_path / "narrow", tmp_path / "wide", "--json").out)
    (row,) = [row for row in comparison["rows"] if row["model"] == "unet filters=2"]
    assert row["scores"]["mean_iou"]["mean"] == metrics["mean_iou"]
    assert row["note"] == "no test: one seed"
    assert all(cost["training_seconds_per_epoch"] > 0 for cost in comparison["timings"]["rows"])


def test_the_terminal_shows_the_costs_of_the_page(tmp_path, capsys):
    results = tabulate(write_example(tmp_path / "out"))
    print_results(results)
    printed = capsys.readouterr().out
    page = (results.folder / "leaderboard.md").read_text()
    header = page.partition("### Cost\n\n")[2].splitlines()[0]
    for heading in header.split("|"):
        assert heading in printed
