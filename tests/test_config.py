"""Configurations: defaults < file < command line, and every mistake named."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.errors import ConfigError
from segzoo.plugin import StartingWeights
from segzoo.runs.config import RunConfig, compose, dataset_of, parse_setting

WORDS = {"model": "unet", "dataset": "shapes"}


def write(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text)
    return path


def test_names_alone_suffice():
    config = compose(words=WORDS)
    assert (config.model.name, config.dataset.name) == ("unet", "shapes")
    assert (config.augmentation.name, config.trainer.name, config.loss.name) == ("standard", "keras", "cross_entropy")
    assert (config.epochs, config.image_size, config.seed) == (None, None, 0)


def test_file_then_words_then_settings(tmp_path):
    path = write(tmp_path, 'epochs = 3\nseed = 4\n[model]\nname = "a"\nfilters = 8\ndepth = 2\n[dataset]\nname = "d"\n')
    config = compose(path, {"model": "b", "epochs": 5, "seed": None}, {"model.filters": 9})
    assert config.model.name == "b"
    assert config.model.options == {"filters": 9, "depth": 2}
    assert (config.epochs, config.seed, config.dataset.name) == (5, 4, "d")


def test_the_dataset_of_a_file_then_the_name_then_settings(tmp_path):
    path = write(tmp_path, 'epochs = 3\n[dataset]\nname = "d"\nroot = "there"\n[dataset.colors]\nroad = "#000000"\n')
    assert dataset_of(path).name == "d"
    dataset = dataset_of(path, "e", {"dataset.root": "here", "dataset.colors.car": "#ffffff"})
    assert dataset.name == "e"
    assert dataset.options == {"root": "here", "colors": {"road": "#000000", "car": "#ffffff"}}
    assert dataset_of(name="d").options == {}
    with pytest.raises(ConfigError, match=r"table dataset, key 'name': input should be a valid string"):
        dataset_of(write(tmp_path, "[dataset]\nname = 3\n"))
    with pytest.raises(ConfigError, match=r"'model\.filters' is no setting of a dataset"):
        dataset_of(path, settings={"model.filters": 3})


def test_toml_and_back():
    settings = {"model.filters": 16, "dataset.root": "a folder", "trainer.x": [1, 2], "loss.y": {"z": 0.5}}
    config = compose(words=WORDS | {"epochs": 2, "image_size": (160, 224), "seed": 7}, settings=settings)
    assert RunConfig.model_validate(tomllib.loads(config.to_toml())) == config


def test_whether_the_checkpoint_is_kept_is_written_down_and_makes_no_difference():
    kept, other = (compose(words=WORDS | {"keep_checkpoint": keep}) for keep in (True, None))
    assert (kept.table()["keep_checkpoint"], "keep_checkpoint" in other.table()) == (True, False)
    assert kept.differences(other) == other.differences(kept) == []
    assert kept.deciding() == other.deciding() == other.table()


def test_differences_are_named_with_both_values():
    config = compose(words=WORDS | {"seed": 7}, settings={"model.filters": 16, "loss.y": {"z": 0.5, "same": 1}})
    other = compose(words=WORDS | {"seed": 8, "epochs": 2}, settings={"model.depth": 3, "loss.y": {"z": 1, "same": 1}})
    assert config.differences(config) == []
    assert config.differences(other) == [
        "epochs is unset there, 2 here",
        "loss.y.z is 0.5 there, 1 here",
        "model.depth is unset there, 3 here",
        "model.filters is 16 there, unset here",
        "seed is 7 there, 8 here",
    ]


@given(
    options=st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True).filter(lambda key: key != "name"),
        st.one_of(
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False),
            st.text(),
            st.lists(st.integers()),
        ),
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_options_survive_the_file(options, seed):
    config = compose(words=WORDS | {"seed": seed}, settings={f"model.{k}": v for k, v in options.items()})
    assert RunConfig.model_validate(tomllib.loads(config.to_toml())) == config


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("model.filters=16", "model.filters", 16),
        ("trainer.learning_rate=1e-3", "trainer.learning_rate", 1e-3),
        ("dataset.allow_missing=true", "dataset.allow_missing", True),
        ("dataset.root=../data", "dataset.root", "../data"),
        ("dataset.root=a=b", "dataset.root", "a=b"),
        ('dataset.split="article"', "dataset.split", "article"),
        ("dataset.split=article", "dataset.split", "article"),
        ("dataset.val_size=null", "dataset.val_size", None),
        ("model.widths=[1, 2]", "model.widths", [1, 2]),
        ('model.a={"b": 1}', "model.a", {"b": 1}),
        ("dataset.root=2026-01-01", "dataset.root", "2026-01-01"),
        ("model.filters=__import__('os')", "model.filters", "__import__('os')"),
        ("model.a=", "model.a", ""),
    ],
)
def test_settings_are_literals_else_text(text, key, value):
    assert parse_setting(text) == (key, value)


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        ("epoch = 3", {}, "key 'epoch': unknown option; did you mean 'epochs'?"),
        ("epochs = 0", {}, "key 'epochs': input should be greater than or equal to 1, not 0"),
        ("seconds = inf", {}, "key 'seconds': input should be a finite number, not inf"),
        ("image_size = [0, 3]", {}, "is not a size"),
        ("view = 'crops'", {}, "key 'view': input should be 'resize' or 'crop', not 'crops'"),
        ("epochs = = 3", {}, "is not TOML"),
        ("model = 3", {}, "'model' must be a table"),
        ("", {"view": "crop"}, "--set view: write --view instead"),
        ("", {"epochs": 3}, "--set epochs: write --epochs instead"),
        (
            "",
            {"modle.filters": 3},
            "keys begin with model., dataset., augmentation., trainer., loss., tracker.; did you mean 'model'?",
        ),
        ("", {"model": 3}, "keys begin with"),
    ],
)
def test_mistakes_are_named(tmp_path, file, settings, message):
    with pytest.raises(ConfigError) as caught:
        compose(write(tmp_path, file), WORDS if "model = 3" not in file else {}, settings)
    assert message in str(caught.value)


def test_no_model_no_file_and_no_equals_sign(tmp_path):
    with pytest.raises(ConfigError, match="no model given"):
        compose()
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*gone\.toml"):
        compose(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="write KEY=VALUE"):
        parse_setting("model.filters")


def test_an_option_that_is_no_table_has_no_options():
    with pytest.raises(ConfigError, match="'filters' is 16, and has no options"):
        compose(words=WORDS, settings={"model.filters": 16, "model.filters.x": 1})


def test_starting_weights_are_compared_once_they_are_known():
    plain = compose(words=WORDS | {"init": "net.keras"})
    known, other = (
        plain.model_copy(update={"starting_weights": {"init": StartingWeights("net.keras", sha)}}) for sha in "ab"
    )
    assert plain.differences(known) == known.differences(plain) == []
    assert known.differences(other) == ["starting_weights.init.sha256 is a there, b here"]


@pytest.mark.parametrize(
    ("words", "settings", "kept"),
    [({}, {}, True), ({"init": "b.keras"}, {}, False), ({}, {"model.filters": 3}, False), ({"seed": 3}, {}, True)],
)
def test_starting_weights_of_a_file_go_when_the_network_may_begin_with_others(tmp_path, words, settings, kept):
    file = tmp_path / "config.toml"
    config = compose(words=WORDS | {"init": "a.keras"})
    known = config.model_copy(update={"starting_weights": {"init": StartingWeights("a.keras", "c0")}})
    file.write_text(known.to_toml())
    assert compose(file) == known
    assert (compose(file, words, settings).starting_weights is not None) == kept
