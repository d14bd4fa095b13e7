"""Definitions of benchmarks: what may be left out, what is decided once, what may change, and every mistake named."""

import tomllib
from pathlib import Path

import pytest

from segzoo.benchmarking import plan as plans
from segzoo.benchmarking.definition import read_definition
from segzoo.benchmarking.plan import Cell, decide, read_plan
from segzoo.errors import ConfigError
from segzoo_keras import precision

ROOT = Path(__file__).parent.parent
SHORT = 'models = ["unet", "resunet"]\ndatasets = ["shapes"]\n'


@pytest.fixture
def definition(tmp_path):
    """Reads a definition from text."""

    def read(text=SHORT):
        path = tmp_path / "benchmark.toml"
        path.write_text(text)
        return read_definition(path)

    return read


def test_models_and_datasets_suffice(definition):
    plan = decide(definition())
    decided = plan.definition
    assert (decided.seeds, decided.baseline, decided.match) == ((0, 1, 2), "unet", "none")
    assert decided.threads == plans.threads()
    assert [entry.label for entry in decided.models] == ["unet", "resunet"]
    config = plan.config(Cell("shapes", "resunet", 2))
    assert (config.model.name, config.dataset.name, config.trainer.name) == ("resunet", "shapes", "keras")
    assert (config.seed, config.epochs, config.image_size) == (2, 6, (64, 64))


def test_the_benchmark_that_ships_is_of_three_small_models_and_three_seeds():
    plan = decide(read_definition(ROOT / "benchmarks" / "smoke.toml"))
    assert len(plan.cells()) == 9
    assert {cell.dataset for cell in plan.cells()} == {"shapes"}


def test_options_labels_and_seeds_of_entries(definition):
    plan = decide(
        definition(
            """
            models = ["unet", {name = "unet", label = "wide", filters = 32, seeds = [3, 4]}]
            datasets = [{name = "shapes", label = "few", train = 8, seed = 5, image_size = [32, 48]}]
            seeds = [0, 7, 8]
            loss = "dice"
            [trainer]
            name = "keras"
            batch_size = 2
            """
        )
    )
    wide = plan.config(Cell("few", "wide", 4))
    assert wide.model.options["filters"] == 32
    assert (wide.dataset.options["train"], wide.dataset.options["seed"], wide.seed) == (8, 5, 4)
    assert (wide.image_size, wide.loss.name, wide.trainer.options["batch_size"]) == ((32, 48), "dice", 2)
    # Models take turns, each with its own seeds.
    assert [(cell.model, cell.seed) for cell in plan.cells()] == [
        ("unet", 0),
        ("wide", 3),
        ("unet", 7),
        ("wide", 4),
        ("unet", 8),
    ]


@pytest.mark.parametrize(
    ("common", "own", "expected"),
    [
        ("", "", (6, None, None)),
        ("epochs = 3", "", (3, None, None)),
        ("steps = 30", "", (None, 30, None)),
        ("epochs = 3\nsteps = 30", "", (3, 30, None)),
        ("epochs = 3", ", steps = 30", (None, 30, None)),
        ("steps = 30", ", seconds = 2.5", (None, None, 2.5)),
    ],
)
def test_the_budget_of_a_dataset_takes_the_place_of_the_common_one(definition, common, own, expected):
    text = f'models = ["unet"]\ndatasets = [{{name = "shapes"{own}}}]\n{common}'
    config = decide(definition(text)).config(Cell("shapes", "unet", 0))
    assert (config.epochs, config.steps, config.seconds) == expected


def test_a_plan_is_whole_in_its_file_and_reads_back(definition, tmp_path):
    plan = decide(definition(SHORT + 'seeds = [1]\nmatch = "parameters"\ntime_limit = 60'))
    full = plans.Plan(plan.definition, {"shapes": {"resunet": {"filters": 9}}}, {"shapes": {"resunet": "small"}})
    full.write(tmp_path)
    table = tomllib.loads((tmp_path / "benchmark.toml").read_text())
    assert table["models"][0] == {
        "name": "unet",
        "label": "unet",
        **plan.config(Cell("shapes", "unet", 1)).model.options,
    }
    assert table["trainer"]["precision"] in ("float32", "mixed_bfloat16")
    assert table["notes"]["shapes"]["resunet"] == "small"
    assert read_plan(tmp_path) == full
    assert full.config(Cell("shapes", "resunet", 1)).model.options["filters"] == 9
    assert full.config(Cell("shapes", "unet", 1)).model.options["filters"] == 64


def test_what_the_machine_decided_stays_decided(definition, monkeypatch):
    monkeypatch.setattr(precision, "fast_precision", lambda: "mixed_bfloat16")
    monkeypatch.setattr(plans, "threads", lambda: 8)
    first = decide(definition())
    monkeypatch.setattr(precision, "fast_precision", lambda: "float32")
    monkeypatch.setattr(plans, "threads", lambda: 4)
    assert decide(definition(), first) == first
    assert decide(definition()).definition.trainer.options["precision"] == "float32"
    with pytest.raises(ConfigError, match=r"trainer\.precision is mixed_bfloat16 there, float32 here"):
        decide(definition(SHORT + '[trainer]\nname = "keras"\nprecision = "float32"'), first)
    with pytest.raises(ConfigError, match="threads is 8 there, 4 here"):
        decide(definition(SHORT + "threads = 4"), first)


def test_models_datasets_and_seeds_may_be_added(definition):
    first = decide(definition())
    more = decide(
        definition(
            """
            models = ["unet", "resunet", {name = "resunet", label = "wide", filters = 40}]
            datasets = ["shapes", {name = "shapes", label = "few", train = 8}]
            seeds = [0, 1, 2, 3]
            time_limit = 60
            baseline = "resunet"
            """
        ),
        first,
    )
    assert set(first.cells()) < set(more.cells())
    assert [first.config(cell) for cell in first.cells()] == [more.config(cell) for cell in first.cells()]


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ('models = ["unet"]\ndatasets = ["shapes"]', "model 'resunet' is there, but not here"),
        ('models = ["unet", "resunet"]\ndatasets = [{name = "shapes", label = "x"}]', "dataset 'shapes' is there, but"),
        (SHORT + "seeds = [0, 1]", "model 'unet', seed 2 is there, but not here; model 'resunet', seed 2"),
        (SHORT + "epochs = 7", "dataset 'shapes', epochs is 6 there, 7 here"),
        (
            SHORT + "steps = 7",
            "dataset 'shapes', epochs is 6 there, unset here; dataset 'shapes', steps is unset there",
        ),
        (SHORT + 'loss = "dice"', "loss.name is cross_entropy there, dice here"),
        (SHORT + 'match = "parameters"', "match is none there, parameters here"),
        (
            'models = [{name = "unet", filters = 8}, "resunet"]\ndatasets = [{name = "shapes", size = 32}]',
            "model 'unet', filters is 64 there, 8 here; dataset 'shapes', image_size is [64, 64] there, [32, 32] here; "
            "dataset 'shapes', size is 64 there, 32 here",
        ),
    ],
)
def test_any_other_change_is_named(definition, text, changed):
    first = decide(definition())
    with pytest.raises(ConfigError) as caught:
        decide(definition(text), first)
    assert f"begun with another definition: {changed}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_with_matched_widths_the_baseline_stays(definition):
    first = decide(definition(SHORT + 'match = "parameters"'))
    with pytest.raises(ConfigError, match="baseline is unet there, resunet here"):
        decide(definition(SHORT + 'match = "parameters"\nbaseline = "resunet"'), first)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models = [\n", "is not TOML"),
        ('models = ["unet"]', "key 'datasets': field required"),
        ('models = []\ndatasets = ["shapes"]', "models: name one at least; see `segzoo list models`"),
        (SHORT + "epoch = 3", "key 'epoch': unknown option; did you mean 'epochs'?"),
        (SHORT + "epochs = 0", "key 'epochs': input should be greater than or equal to 1, not 0"),
        (SHORT + "time_limit = inf", "key 'time_limit': input should be a finite number, not inf"),
        (SHORT + "seeds = [1, 1]", "key 'seeds': a seed is there twice, not [1, 1]"),
        (SHORT + "seeds = []", "key 'seeds': name one at least, not []"),
        (SHORT + "seeds = 3", "key 'seeds': write a list, in brackets, not 3"),
        (SHORT + "seeds = [-1]", "key 'seeds.0': input should be greater than or equal to 0, not -1"),
        ('models = "unet"\ndatasets = ["shapes"]', "key 'models': write a list, in brackets, not 'unet'"),
        (SHORT + 'match = "size"', "key 'match': input should be 'none' or 'parameters', not 'size'"),
        (SHORT + 'baseline = "resnet"', "baseline: no model is called 'resnet'; did you mean 'resunet'?"),
        (SHORT + 'loss = "dise"', "no loss 'dise'; did you mean 'dice'?"),
        (SHORT + "trainer = {batch_size = 3}", "key 'trainer.name': input should be a valid string, not None"),
        ('models = ["uent"]\ndatasets = ["shapes"]', "no model 'uent'; did you mean 'unet'?"),
        ('models = ["unet"]\ndatasets = ["shape"]', "no dataset 'shape'; did you mean 'shapes'?"),
        (
            'models = [{name = "unet", filtres = 3}]\ndatasets = ["shapes"]',
            "model 'unet', option 'filtres': unknown option; did you mean 'filters'?",
        ),
        (
            'models = ["unet"]\ndatasets = [{name = "shapes", epochs = 0}]',
            "dataset 'shapes', key 'epochs': input should be greater than or equal to 1, not 0",
        ),
        ('models = [{label = "a"}]\ndatasets = ["shapes"]', "key 'models.0.name': field required"),
        ('models = [{name = 3}]\ndatasets = ["shapes"]', "key 'models.0.name': input should be a valid string, not 3"),
        ('models = [3]\ndatasets = ["shapes"]', "key 'models.0': write a name, or a table with one, not 3"),
        ('models = ["unet"]\ndatasets = [["shapes"]]', "key 'datasets.0': write a name, or a table with one, not ["),
        (SHORT + 'loss = ["dice"]', "key 'loss': write a name, or a table with one, not ['dice']"),
        (
            'models = [{name = "unet", label = "a/b"}]\ndatasets = ["shapes"]',
            "key 'models.0.label': a label names a folder: write letters",
        ),
        (
            f'models = [{{name = "unet", label = "{"a" * 300}"}}]\ndatasets = ["shapes"]',
            "write letters, digits and . _ + -, a letter or digit first, 100 at most",
        ),
        (
            'models = ["unet", {name = "unet", filters = 8}]\ndatasets = ["shapes"]',
            'two models are called \'unet\': give one a label of its own, as in {name = "unet", label = "unet-2"}',
        ),
        (
            'models = ["unet", {name = "resunet", label = "UNet"}]\ndatasets = ["shapes"]',
            "two models are called 'unet'",
        ),
    ],
)
def test_mistakes_are_named(definition, text, message):
    with pytest.raises(ConfigError) as caught:
        decide(definition(text))
    assert message in str(caught.value)
    assert str(caught.value).count("\n") == 0
