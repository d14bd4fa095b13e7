"""Benchmarks with every value decided: by the file, the plugins and the machine, once and for all."""

import tomllib
from pathlib import Path

import pytest

from segzoo.benchmarking import plan as plans
from segzoo.benchmarking.definition import read_definition
from segzoo.benchmarking.plan import Cell, decide, read_plan
from segzoo.errors import ConfigError
from segzoo.networks import precision

ROOT = Path(__file__).parent.parent
SHORT = 'models = ["unet", "resunet"]\ndatasets = ["shapes"]\n'


def test_models_and_datasets_suffice(definition):
    plan = decide(definition(SHORT))
    decided = plan.definition
    assert (decided.seeds, decided.baseline, decided.match) == ((0, 1, 2), "unet", "none")
    assert decided.threads == plans.threads()
    assert [entry.label for entry in decided.models] == ["unet", "resunet"]
    config = plan.config(Cell("shapes", "resunet", 2))
    assert (config.model.name, config.dataset.name, config.trainer.name) == ("resunet", "shapes", "keras")
    assert (config.seed, config.epochs, config.image_size) == (2, 12, (64, 64))


def test_the_benchmark_that_ships_is_of_three_small_models_and_three_seeds():
    plan = decide(read_definition(ROOT / "benchmarks" / "smoke.toml"))
    assert len(plan.cells()) == 9
    assert {cell.dataset for cell in plan.cells()} == {"shapes"}


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
    first = decide(definition(SHORT))
    monkeypatch.setattr(precision, "fast_precision", lambda: "float32")
    monkeypatch.setattr(plans, "threads", lambda: 4)
    assert decide(definition(SHORT), first) == first
    assert decide(definition(SHORT)).definition.trainer.options["precision"] == "float32"
    with pytest.raises(ConfigError, match=r"trainer\.precision is mixed_bfloat16 there, float32 here"):
        decide(definition(SHORT + '[trainer]\nname = "keras"\nprecision = "float32"'), first)
    with pytest.raises(ConfigError, match="threads is 8 there, 4 here"):
        decide(definition(SHORT + "threads = 4"), first)


def test_models_datasets_and_seeds_may_be_added(definition):
    first = decide(definition(SHORT))
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
        (SHORT + "epochs = 7", "dataset 'shapes', epochs is 12 there, 7 here"),
        (
            SHORT + "steps = 7",
            "dataset 'shapes', epochs is 12 there, unset here; dataset 'shapes', steps is unset there",
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
    first = decide(definition(SHORT))
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
        (SHORT + 'loss = "dise"', "no loss 'dise'; did you mean 'dice'?"),
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
    ],
)
def test_what_does_not_fit_a_plugin_is_named(definition, text, message):
    with pytest.raises(ConfigError) as caught:
        decide(definition(text))
    assert message in str(caught.value)
    assert str(caught.value).count("\n") == 0
