"""Definitions of benchmarks: what may be left out, what entries may say, and every mistake named."""

import pytest

from segzoo.benchmarking.plan import Cell, decide
from segzoo.errors import ConfigError

SHORT = 'models = ["unet", "resunet"]\ndatasets = ["shapes"]\n'


def test_options_labels_and_seeds_of_entries(definition):
    plan = decide(
        definition(
            """
            models = ["unet", {name = "unet", label = "wide", filters = 32, seeds = [3, 4]}]
            datasets = [{name = "shapes", label = "few", train = 8, seed = 5, image_size = [32, 48]}]
            seeds = [0, 7, 8]
            loss = "dice"
            augmentation = {name = "standard", level = "light"}
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
    assert (wide.augmentation.name, wide.augmentation.options["level"]) == ("standard", "light")
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
        ("", "", (12, None, None)),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models = [\n", "is not TOML"),
        ('models = ["unet"]', "key 'datasets': field required"),
        ('models = []\ndatasets = ["shapes"]', "models: name one at least; see `segzoo list models`"),
        (SHORT + "keep_checkpoint = true", "key 'keep_checkpoint': unknown option"),
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
        (SHORT + "trainer = {batch_size = 3}", "key 'trainer.name': input should be a valid string, not None"),
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
        definition(text)
    assert message in str(caught.value)
    assert str(caught.value).count("\n") == 0
