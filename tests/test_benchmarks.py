"""The benchmarks: what they compare is the same thing, they take turns, and each runs at a small size."""

import json
import math
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats
from stored_runs import write_run

import segzoo
from segzoo_encoder_unet import EncoderUNet
from segzoo_oxford_pets import OxfordPets
from segzoo_unet import UNet

FOLDER = Path(__file__).parent.parent / "benchmarks"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py"))
COMMANDS = [name for name in MODULES if "    python benchmarks/" in (FOLDER / f"{name}.py").read_text("utf-8")]
COUNT = 31_055_427


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)


@pytest.fixture
def pets(tmp_path):
    """A folder of 24 drawn pets of 32x32 pixels."""
    import_module("generated").write_pets(tmp_path / "pets", 24, (32, 32))
    return tmp_path / "pets"


@pytest.fixture
def printed_by(capsys):
    """What a benchmark prints: `printed_by("startup", "--rounds", 1)`."""

    def runner(name, *words):
        import_module(name).main([str(word) for word in words])
        return capsys.readouterr().out

    return runner


def rows(printed):
    """The first column of the tables, and the numbers in each row."""
    cells = [line.strip("| ").split(" | ") for line in printed.splitlines() if re.match(r"\| (?!---)", line)]
    return {row[0]: [float(n.replace(",", "")) for n in re.findall(r"\d[\d,.]*", " ".join(row[1:]))] for row in cells}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports(name):
    if name in ("torch_unet", "torch_encoder_unet", "torch_curve_worker"):
        pytest.importorskip("torch")
    import_module(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_explains_itself_and_is_in_the_readme(name, capsys):
    with pytest.raises(SystemExit) as ended:
        import_module(name).main(["--help"])
    assert ended.value.code == 0
    assert f"python benchmarks/{name}.py" in capsys.readouterr().out
    assert f"| `{name}.py` |" in (FOLDER / "README.md").read_text("utf-8")


def test_the_networks_are_as_large_as_ours():
    assert import_module("article").unet((160, 160)).count_params() == COUNT
    assert UNet().build((160, 160, 3), 3).count_params() == COUNT


def test_the_network_in_pytorch_is_as_large():
    torch = pytest.importorskip("torch")
    model = import_module("torch_unet").UNet()
    assert (
        sum(tensor.numel() for tensor in [*model.parameters(), *model.buffers()] if tensor.is_floating_point()) == COUNT
    )
    assert model.eval()(torch.zeros(1, 3, 32, 48)).shape == (1, 3, 32, 48)


def test_the_articles_loader_and_ours_give_the_same_pixels(pets, tmp_path):
    article, pipeline = import_module("article"), import_module("input_pipeline")
    pairs, val_pairs = article.split(pets, 8)
    images, masks = article.Pets(pairs, (32, 32))[0]
    data = pipeline.decoded(pets, 8, (32, 32))
    picks = data.epoch(0, 0)
    batch = data.batch(picks[np.argsort(picks.samples)][:8])
    np.testing.assert_array_equal(images, batch.images)
    np.testing.assert_array_equal(masks[..., 0], batch.labels)
    assert set(np.unique(masks)) == {0, 1, 2}
    samples = OxfordPets(root=pets, split="article", val_size=8, allow_missing=True).open(tmp_path, "val")
    assert [photo.stem for photo, _ in val_pairs] == list(samples.ids)


@pytest.mark.slow
def test_the_input_pipelines_are_measured(pets, printed_by):
    printed = printed_by("input_pipeline", "--root", pets, "--val-size", 8, "--size", 32, "--rounds", 2)
    assert "from the 16 training images" in printed
    measured = rows(printed)
    assert measured["segzoo, from the second epoch on"][3:] == [1.0, 1.0, 1.0]
    speed, least, most, *faster = measured["article"]
    assert 0 < least <= speed <= most
    assert min(faster) > 0


@pytest.mark.slow
def test_opening_a_folder_is_measured(printed_by):
    table = rows(printed_by("folder_index", "--files", 60, "--rounds", 1))
    assert min(table["with its index"] + table["without"]) > 0


@pytest.mark.slow
def test_ranges_are_compared(pets, printed_by, monkeypatch):
    module = import_module("pixel_range")
    kinds = {name: module.KINDS[name] for name in ("10 of 16 bits", "10 of 16 bits, hot pixels")}
    monkeypatch.setattr(module, "KINDS", kinds)
    words = ("--root", pets, "--images", 10, "--epochs", 1, "--filters", 2, "--rounds", 1)
    table = rows(printed_by("pixel_range", *words))
    assert [len(table[name]) for name in (*kinds, "photos of 8 bits")] == [6, 9, 3]
    assert all(0 <= score <= 1 for name in (*kinds, "photos of 8 bits") for score in table[name])


@pytest.mark.slow
def test_verifying_is_measured(pets, printed_by):
    words = ("--root", pets, "--val-size", 4, "--rounds", 1, "--files", 30, 60, "--memory-rounds", 1)
    table = rows(printed_by("data_verify", *words))
    assert min(table["1 process"]) > 0
    assert table["30"][0] > 20  # MiB: a Python with NumPy
    assert table["60"][3] > 0


@pytest.mark.slow
def test_what_a_cell_takes_more_is_measured(printed_by):
    measured = rows(printed_by("cell_overhead", "--rounds", 1))
    assert measured["the same as a cell"][0] > 1
    assert set(measured) >= {"`segzoo run`", "difference"}


def test_competitors_take_turns():
    turns = []
    competitors = {name: lambda name=name: turns.append(name) or len(turns) for name in "ab"}
    assert import_module("measure").interleaved(competitors, 3) == {"a": [1, 3, 5], "b": [2, 4, 6]}
    assert turns == list("ababab")


def test_numbers_are_written_without_exponents_and_with_their_spread():
    measure = import_module("measure")
    assert measure.spread([3.14159, 1, 12345.6]) == "3.14 (1.00 - 12,346)"
    assert measure.spread([0.00123456, 0.0, 0.012]) == "0.00123 (0 - 0.0120)"
    assert measure.ratios([1, 6], [2, 3]) == [0.5, 2]
    assert measure.table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | --: |\n| x | 1 |"


def test_no_path_of_the_machine_gets_into_a_result(monkeypatch):
    monkeypatch.setattr("sys.argv", [str(FOLDER / "startup.py"), "--python", "/home/me/bin/python", "--rounds", "3"])
    origin = import_module("measure").origin(["keras"], "2 threads each")
    assert origin.startswith("`python benchmarks/startup.py --python .../python --rounds 3`, at commit ")
    assert "/home" not in origin
    assert origin.endswith("2 threads each")


def test_operations_are_summed_by_kind_without_those_that_they_call():
    names = {
        1: SimpleNamespace(name="step/unet/conv1/convolution:_MklNativeConv2D"),
        2: SimpleNamespace(name="gradient_tape/conv1/Conv2DBackpropFilter:Conv2DBackpropFilter"),
        3: SimpleNamespace(name="step:PartitionedCall"),
        4: SimpleNamespace(name="ExecutorState::Process"),
        5: SimpleNamespace(name="step/relu/Relu:Relu"),
    }
    seconds = 10**12
    events = [(4, 0, 100), (3, 1, 10), (1, 2, 4), (5, 7, 2), (2, 20, 5)]  # kind, start, duration
    line = SimpleNamespace(
        events=[
            SimpleNamespace(metadata_id=kind, offset_ps=start * seconds, duration_ps=duration * seconds)
            for kind, start, duration in events
        ]
    )
    table = import_module("operations").own_times(line, names)
    assert table == {"convolution": 9, "PartitionedCall": 4, "Relu": 2}


def test_a_competitor_that_fails_says_why(tmp_path):
    turns = import_module("turns")
    training = turns.Training("segzoo", 1, 16, 1, 1, root=str(tmp_path / "nowhere"))
    with turns.Competitor(training, threads=1) as competitor, pytest.raises(SystemExit, match="nowhere has not the"):
        competitor.round()


def test_the_network_in_pytorch_has_as_many_parameters():
    pytest.importorskip("torch")
    network = import_module("torch_encoder_unet").EncoderUNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == EncoderUNet.parameters.trainable


@pytest.mark.slow
def test_the_article_trains(pets, tmp_path, printed_by):
    best = tmp_path / "best.keras"
    words = ("--root", pets, "--filters", 1, "--epochs", 1, "--size", 32, "--val-size", 8, "--out", best)
    assert "val_loss" in printed_by("article", *words)
    assert best.exists()


@pytest.mark.slow
def test_training_steps_are_measured(printed_by, monkeypatch):
    monkeypatch.setattr(import_module("train_throughput"), "torch_version", lambda python: None)
    words = ("steps", "--filters", 1, "--size", 16, "--rounds", 2, "--steps", 2, "--threads", 1)
    printed = printed_by("train_throughput", *words, "--only", "segzoo", "article", "PyTorch float32")
    assert "Without PyTorch" in printed
    assert [name.partition(" ")[0] for name in rows(printed)] == ["training", "segzoo", "article"]


@pytest.mark.slow
def test_a_step_with_stand_ins_is_compared_with_that_of_keras(printed_by):
    words = ("unet", "--set", "model.filters=1", "model.depth=1", "--precision", "float32", "--size", 16)
    table = rows(printed_by("stand_ins", *words, "--rounds", 2, "--steps", 2, "--threads", 1))
    assert list(table)[1:] == ["Keras' layers, float32", "batch normalization, float32", "all stand-ins, float32"]
    for middle, least, most, *_, peak in list(table.values())[1:]:
        assert 0 < least <= middle <= most
        assert peak > 100


@pytest.mark.slow
def test_encoders_are_compared(printed_by):
    words = ("--only", "efficientnet_lite0", "mobilenet_v2", "--size", 32, "--batch-size", 1, "--threads", 1)
    table = rows(printed_by("encoders", *words, "--rounds", 1, "--steps", 1))
    assert set(table) == {"encoder", "`efficientnet_lite0`", "`mobilenet_v2`"}
    assert table["`efficientnet_lite0`"][0] == pytest.approx(5.2)
    assert all(figures[1] > 0 for name, figures in table.items() if name != "encoder")


@pytest.mark.slow
def test_whole_epochs_are_measured(pets, printed_by):
    words = ("--filters", 1, "--size", 32, "--rounds", 2, "--threads", 1, "--root", pets, "--val-size", 8)
    table = rows(printed_by("train_throughput", "epochs", *words))
    first, middle, least, most, *_ = table["article"]
    assert 0 < least <= middle <= most < first
    (ours,) = [row for name, row in table.items() if name.startswith("segzoo")]
    waiting, _, peak = ours[-3:]
    assert len(ours) == len(table["article"]) + 1  # the article's script does not tell how long it waits
    assert 0 <= waiting < 100 < peak


def curve(side, losses, seconds, sitting="a", **more):
    """What `time_to_quality.py` writes of a side."""
    epochs = [{"seconds": seconds, "images": 100, "val_loss": loss, "mean_iou": 1 - loss} for loss in losses]
    facts = {"task": "Pets, 32x32", "seed": 0, "sitting": sitting, "first": side == "article.py", "options": {}}
    return facts | {"side": side, "how": "", "before": 1, "epochs": epochs, "drift": 1.1, "origin": "here"} | more


def test_quality_is_reported_by_the_time_of_the_first_side(tmp_path, printed_by):
    records = [
        curve("article.py", [0.9, 0.8, 0.5, 0.7], 10),
        curve("segzoo", [0.6, 0.5, 0.4, 0.3, 0.35, 0.32, 0.31, 0.3], 5),
        curve("worse", [0.9, 0.8, 0.7, 0.6], 10),
        curve("article.py", [0.9, 0.4], 10, "b"),
        curve("segzoo", [0.4, 0.2], 10, "b"),
    ]
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    words = ("--curves", tmp_path / "drawn", "--time-to", 0.4)
    table = rows(printed_by("time_to_quality", "report", tmp_path / "seeds.jsonl", *words))
    assert table["article.py"][:5] == pytest.approx([2, 0.45, 0.071, 0.55, 0.071])
    ours = table["segzoo"]
    assert ours[:3] == pytest.approx([2, 0.25, 0.071])
    shares = [(10 / 30 + 10 / 20) / 2, (10 / 40 + 10 / 20) / 2]
    assert [ours[9], ours[11]] == pytest.approx(shares, abs=5e-4)
    assert ours[-2] == pytest.approx((15 / 40 + 10 / 20) / 2, abs=1e-3)
    assert table["worse"][5:] == [1, 1, 4, 10, 2, 1, 1]  # never reached for one, thrice
    drawing = (tmp_path / "drawn" / "pets-32x32.svg").read_text("utf-8")
    assert len(ElementTree.fromstring(drawing).findall(".//{*}path[@clip-path]")) == 2 * len(records)


def test_axes_have_round_numbers_and_leave_out_steep_beginnings():
    curves = import_module("curves")
    assert curves.ticks(0.27, 0.81) == pytest.approx([0.4, 0.6, 0.8])
    assert curves.ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    low, high = curves.limits([0.3, 0.5, 40], losses=True)
    assert low < 0.3
    assert 0.9 < high < 1
    low, high = curves.limits([0.1, 0.8], losses=False)
    assert low < 0.1 < 0.8 < high


def test_a_recipe_that_does_not_fit_is_refused_before_it_is_measured(tmp_path, pets, printed_by):
    words = ("pets", tmp_path / "seeds.jsonl", "--root", pets, "--val-size", 8)
    with pytest.raises(SystemExit, match=r"schedul.*did you mean"):
        printed_by("time_to_quality", *words, "--recipe", "mine", "trainer.schedul=cosine")
    with pytest.raises(SystemExit, match="--val-size 9: give a multiple of 8"):
        printed_by("time_to_quality", *words[:-1], 9)
    assert not (tmp_path / "seeds.jsonl").exists()


@pytest.mark.slow
def test_quality_is_measured_beside_the_script(pets, tmp_path, printed_by, monkeypatch):
    monkeypatch.setattr(import_module("time_to_quality"), "torch_version", lambda python: None)
    words = ("--filters", 1, "--size", 32, "--epochs", 1, "--threads", 1, "--root", pets, "--val-size", 8)
    recipe = ("--recipe", "dice", "loss.name=dice", "trainer.ema=0.9")
    printed_by("time_to_quality", "pets", tmp_path / "seeds.jsonl", *words, *recipe)
    records = [json.loads(line) for line in (tmp_path / "seeds.jsonl").read_text("utf-8").splitlines()]
    assert [record["side"] for record in records] == ["article.py", "dice"]
    assert str(pets) not in str(records)
    article, ours = ([epoch["seconds"] for epoch in record["epochs"]] for record in records)
    assert len(article) == 1
    assert sum(ours[:-1]) < sum(article) <= sum(ours)
    assert 0.5 < records[1]["epochs"][0]["val_loss"] < 2  # cross-entropy, though it trains another loss
    assert len(rows(printed_by("time_to_quality", "report", tmp_path / "seeds.jsonl"))) == 3


@pytest.mark.slow
def test_quality_is_measured_on_any_dataset(tmp_path, printed_by):
    words = ("--model", "resunet", "--dataset", "shapes", "--image-size", 16, 16, "--epochs", 1, "--threads", 1)
    small = ("--set", "model.filters=2", "dataset.train=16", "dataset.val=8", "dataset.size=32")
    printed_by("time_to_quality", "any", tmp_path / "seeds.jsonl", *words, *small, "--seeds", 3)
    first, ours = [json.loads(line) for line in (tmp_path / "seeds.jsonl").read_text("utf-8").splitlines()]
    assert (first["side"], ours["side"]) == ("the article's settings", "segzoo")
    assert first["options"]["settings"]["trainer.optimizer"] == "rmsprop"
    assert first["seed"] == ours["seed"] == 3


@pytest.mark.slow
def test_few_images_are_trained_on_in_ways_that_take_turns(pets, tmp_path, printed_by):
    words = ("--root", pets, "--val-size", 8, "--size", 32, "--steps", 1, "--images", 4)
    small = ("--set", "model.encoder.depth=1", "model.encoder.weights=none", "model.decoder_filters=[2]")
    ways = ("--way", "constant", "trainer.schedule=constant", "--way", "default")
    printed_by("few_images", tmp_path / "few.jsonl", *words, *small, *ways)
    records = [json.loads(line) for line in (tmp_path / "few.jsonl").read_text("utf-8").splitlines()]
    assert [record["way"] for record in records] == ["constant", "default"]
    assert str(pets) not in str(records)
    table = rows(printed_by("few_images", "report", tmp_path / "few.jsonl"))
    assert table["default"][0] == 1
    assert table["default"][1] == pytest.approx(records[1]["mean_iou"], rel=0.01)


@pytest.mark.slow
def test_a_step_is_taken_apart(printed_by):
    table = rows(printed_by("step_profile", "--filters", 1, "--size", 16, "--rounds", 1, "--steps", 2, "--threads", 1))
    assert table["convolutions alone, float32"][3:6] == [1.0, 1.0, 1.0]
    assert 0 < table["convolution"][1] < 100


@pytest.mark.slow
def test_the_cost_of_checkpoints_is_measured(printed_by):
    words = ("--filters", 1, "--images", 16, "--epochs", 2, "--size", 16)
    _, checkpoints, *_, first, most = rows(printed_by("checkpoint", *words))["1"]
    assert checkpoints >= 1
    assert 0 < first <= most


@pytest.mark.slow
def test_predictions_of_segzoo_and_of_plain_keras_take_turns(pets, printed_by):
    words = ("--root", pets, "--filters", 2, "--size", 32, "--images", 10, "--rounds", 1)
    table = rows(printed_by("predicting", *words))
    article, bare, masks, overlays = [speeds for name, speeds in table.items() if name != "what is done"]
    for speeds in (article, bare, masks, overlays):
        assert speeds[0] > 0
        assert speeds[3] == pytest.approx(speeds[0] / article[0], rel=0.02)
        assert speeds[6] == pytest.approx(speeds[0] / bare[0], rel=0.02)


def test_simulated_benchmarks_are_judged(printed_by):
    table = rows(printed_by("significance", "--benchmarks", 20))
    certain, wilcoxon = table["4,000 images"]
    assert certain <= 20 < wilcoxon
    assert table["10"][-1] > 90  # percent found of a difference of four standard deviations


def test_equal_models_are_drawn_alike_and_a_better_one_is_better():
    significance, rng = import_module("significance"), np.random.default_rng(0)
    world = significance.World((40, 50), images=2000, better=0.1)
    first, other = significance.scores(world, rng)
    assert (first.shape, other.shape) == ((40, 2000), (50, 2000))
    assert first.mean() - other.mean() == pytest.approx(0.1, abs=0.01)
    assert first.mean(axis=1).std() == pytest.approx(world.seed_sds[0], rel=0.3)
    assert np.corrcoef(first.mean(axis=0), other.mean(axis=0))[0, 1] > 0.8  # the same images
    heavy = np.stack(list(significance.scores(significance.World(heavy=True), rng)))
    assert (heavy.min(), heavy.max()) == (0, 1)
    hit = np.stack(list(significance.scores(significance.World(hit=True), rng)))
    assert set(np.unique(hit)) == {0, 1}
    assert hit.mean() == pytest.approx(0.5, abs=0.1)


def test_seeds_share_luck_and_images_fall_into_groups_where_a_world_says_so():
    significance, rng = import_module("significance"), np.random.default_rng(0)
    shared = significance.World((40, 40), (0.001, 0.001), shared_sd=0.05)
    first, other = (values.mean(axis=1) for values in significance.scores(shared, rng))
    assert np.corrcoef(first, other)[0, 1] > 0.9
    first, other = significance.scores(significance.World(images=3000, model_image_sd=0.3, groups=10), rng)
    groups = (first - other).mean(axis=0).reshape(-1, 10)
    assert groups.mean(axis=0).std() > 0.15 > groups.mean(axis=1).std()  # 0.42 are expected, and 0.13


@pytest.mark.slow
def test_pooling_of_variances_is_judged(printed_by):
    lines = [line for line in printed_by("pooling", "--benchmarks", 2000).splitlines() if line.startswith("| ")]
    table = {tuple(line.strip("| ").split(" | ")[:2]): re.findall(r"([\d.]+)%", line) for line in lines[2:]}
    keys = ("of each model its own", "pooled over 5 models")
    alone, pooled = ([float(share) for share in table[key, "3"]] for key in keys)
    assert max(alone[:5]) < 8  # wherever models are equal
    assert 3 < pooled[0] < 7
    assert min(pooled[1:5]) > 8
    assert pooled[5] > alone[5] + 10


def test_variances_are_pooled_as_in_student_s_test():
    pooling = import_module("pooling")
    means = np.random.default_rng(0).random((50, 2, 4))
    expected = stats.ttest_ind(means[:, 0], means[:, 1], axis=1).pvalue
    np.testing.assert_allclose(pooling.pooled(means), expected)
    by_hand = np.array([[[8.0, 10.0], [5.0, 5.0], [1.0, 1.0 + 8**0.5]]])  # variances 2, 0 and 4; 3 degrees of freedom
    np.testing.assert_allclose(pooling.pooled(by_hand), 2 * stats.t.sf(4 / 2**0.5, 3))


@pytest.mark.slow
def test_the_variance_of_scores_is_taken_apart(tmp_path, printed_by):
    significance, rng = import_module("significance"), np.random.default_rng(0)
    pair = significance.scores(significance.World((6, 6), (0.02, 0.02), images=3000), rng)
    for name, table in zip("ab", pair, strict=True):
        for seed, values in enumerate(table):
            write_run(tmp_path / f"{name}{seed}", [*values.tolist(), math.nan], seed=seed)  # the last is unlabelled
    words = [[tmp_path / f"{name}{seed}" for seed in range(6)] for name in "ab"]
    printed = printed_by("score_variance", "--runs", *words[0], "--others", *words[1])
    assert "Mean IoU of 3000 images" in printed
    assert float(re.search(r"Model x image: (\S+)", printed)[1]) == pytest.approx(
        significance.World.model_image_sd, 0.1
    )
    table = rows(printed)
    image_sd = (significance.IMAGE_SD**2 + significance.World.model_image_sd**2) ** 0.5
    for name in ("runs", "others"):
        seeds, _, image, seed, noise = table[name]
        assert seeds == 6
        assert (image, noise) == pytest.approx((image_sd, significance.NOISE_SD), rel=0.05)
        assert seed == pytest.approx(0.02, rel=0.6)
    assert table["over seeds and images"][0] <= 1 < table["Wilcoxon over images alone"][0]


@pytest.mark.parametrize(("runs", "splits"), [(4, 3), (5, 10), (6, 10), (7, 35)])
def test_trainings_are_split_in_halves_in_every_way(runs, splits):
    table = np.random.default_rng(0).random((runs, 20))
    assert len(list(import_module("score_variance").halves(table))) == splits


@pytest.mark.slow
def test_the_tables_of_stored_cells_are_timed_with_their_memory(printed_by):
    small = ("--models", 2, "--datasets", 1, "--seeds", 2, "--images", 3, "--rounds", 1)
    seconds, _, _, mib, _, _ = rows(printed_by("tabulate", *small))["4"]
    assert seconds > 0
    assert 10 < mib < 1000


@pytest.mark.slow
def test_the_overlaps_of_tiles_are_compared_on_runs(printed_by, tmp_path):
    settings = {"model.filters": 2, "model.depth": 1, "dataset.size": 32}
    run = segzoo.run(
        "unet", "shapes", settings=settings, steps=1, view="crop", image_size=(16, 16), out=tmp_path / "run"
    )
    found = rows(printed_by("overlap", run.folder, "--rounds", 1))
    assert [found[name][0] for name in ("none", "a half", "at once")] == [4, 9, 1]
    assert found["at once"][-1] == 100


@pytest.mark.slow
def test_a_large_image_is_predicted_in_a_process_of_its_own(printed_by):
    table = rows(printed_by("large_image", "--sides", 256, "--tile", 64, "--rounds", 1))
    assert min(table["256x256"]) > 0
