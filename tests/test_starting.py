"""What the network of a run begins with: weights of its encoder, those of another run, and what is kept of that."""

import hashlib
import json
import random
import re
import shutil
import tomllib
from dataclasses import replace

import keras
import numpy as np
import pytest
from torch_weights import random_tensors, save

import segzoo
from segzoo.errors import ConfigError, DataError
from segzoo.networks.build import clean_state
from segzoo.networks.transfer import values_of
from segzoo.plugin import StartingWeights
from segzoo.runs.config import compose
from segzoo.runs.planning import resolve
from segzoo.runs.starting import Start, building, fetched, pretrained
from segzoo_efficientnet_lite import EfficientNetLite0

STILL = {"trainer.learning_rate": 1e-30, "trainer.warmup": 0, "trainer.ema": 0}
"""Trains without changing a weight but the moving statistics."""
DATA = {"dataset.size": 16, "dataset.train": 8, "dataset.val": 4, "dataset.test": 4}
ENCODER_UNET = {"model": "encoder_unet", "dataset": "shapes"}
UNET = STILL | DATA | {"model.filters": 4, "model.depth": 2}


@pytest.fixture
def weights(tmp_path):
    """A file of random weights for the first map of EfficientNet-Lite0."""
    network = EfficientNetLite0(weights="none", depth=1).build((None, None, 3))
    return save(random_tensors(network, np.random.default_rng(0)), tmp_path / "mine.pth", stream=False)


def encoder_unet(weights):
    options = {"encoder": {"weights": str(weights), "depth": 1}, "decoder_filters": [4]}
    return STILL | DATA | {f"model.{key}": value for key, value in options.items()}


def kernels(network):
    return {name: values for name, values in values_of(network).items() if name.endswith("kernel")}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_begins_with_the_weights_of_another(trained, tmp_path):
    run = segzoo.run("unet", "shapes", settings=UNET, steps=1, init=trained.folder, out=tmp_path / "run")
    before, after = kernels(trained.network()), kernels(run.network())
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
    sha = digest(trained.folder / "model.keras")
    assert run.manifest["starting_weights"] == {"init": {"name": "unet-shapes", "sha256": sha}}
    config = tomllib.loads((run.folder / "config.toml").read_text())
    assert config["init"] == str(trained.folder)
    assert config["starting_weights"]["init"]["sha256"] == sha
    assert "| init begins with | unet-shapes |" in (run.folder / "README.md").read_text()


def test_weights_of_another_shape_stay_random_and_are_listed(trained, tmp_path, command):
    shutil.copy(trained.folder / "model.keras", tmp_path / "net.keras")
    settings = [word for key, value in (UNET | {"model.depth": 1}).items() for word in ("--set", f"{key}={value}")]
    words = ["--init", str(tmp_path / "net.keras"), "--steps", "1", "--out", str(tmp_path / "run")]
    done = command("run", "unet", "shapes", *settings, *words)
    assert done.code == 0, done.err
    assert f"not in {tmp_path / 'net.keras'}, so they begin as they would without it: bottom_conv1/kernel " in done.err
    assert "bottom_conv1/kernel (3x3x4x8, where it is " in done.err
    assert done.err.count("so they begin as they would without it") == 1
    assert "encoder1_conv1" not in done.err


def test_a_network_without_a_fitting_weight_is_refused(tmp_path):
    inputs = keras.Input((None, None, 3))
    keras.Model(inputs, keras.layers.Conv2D(4, 3, name="other")(inputs)).save(tmp_path / "other.keras")
    with pytest.raises(ConfigError, match=r"no weight of it has the name and the shape .* of model 'unet'"):
        segzoo.run("unet", "shapes", settings=UNET, steps=1, init=tmp_path / "other.keras", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["nothing.keras", "nothing"])
def test_a_missing_network_is_named_and_nothing_is_left(tmp_path, name):
    with pytest.raises(DataError, match=rf"cannot read the network {re.escape(str(tmp_path / name))}: no such file"):
        segzoo.run("unet", "shapes", settings=UNET, steps=1, init=tmp_path / name, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_begins_with_the_weights_of_its_encoder(weights, tmp_path):
    run = segzoo.run("encoder_unet", "shapes", settings=encoder_unet(weights), steps=1, out=tmp_path / "run")
    encoder = EfficientNetLite0(weights=weights, depth=1)
    expected = encoder.build((None, None, 3))
    encoder.load(expected, tmp_path)
    after = kernels(run.network())
    for name, values in kernels(expected).items():
        np.testing.assert_array_equal(after[f"encoder/{name}"], values)
    assert run.manifest["starting_weights"] == {"encoder": {"name": "mine.pth", "sha256": digest(weights)}}


def test_an_encoder_with_weights_learns_at_a_rate_of_its_own(weights, tmp_path):
    settings = DATA | encoder_unet(weights) | {"trainer.learning_rate": 0.01, "trainer.pretrained_rate": 0}
    settings |= {"trainer.weight_decay": 0}
    network = EfficientNetLite0(weights=weights, depth=1).build((None, None, 3))
    EfficientNetLite0(weights=weights, depth=1).load(network, tmp_path)
    run = segzoo.run("encoder_unet", "shapes", settings=settings, steps=1, seed=1, out=tmp_path / "run")
    after = kernels(run.network())
    for name, values in kernels(network).items():
        np.testing.assert_array_equal(after[f"encoder/{name}"], values)
    still = segzoo.run("encoder_unet", "shapes", settings=settings | STILL, steps=1, seed=1, out=tmp_path / "still")
    assert (kernels(still.network())["logits/kernel"] != after["logits/kernel"]).any()


def test_random_weights_are_no_starting_weights(tmp_path):
    run = segzoo.run("encoder_unet", "shapes", settings=encoder_unet("none"), steps=1, out=tmp_path / "run")
    assert "starting_weights" not in run.manifest
    assert "starting_weights" not in (run.folder / "config.toml").read_text()


def test_a_run_goes_on_and_predicts_without_the_weights_it_began_with(weights, tmp_path):
    settings = encoder_unet(weights) | {"trainer.schedule": "constant", "trainer.half_size": 0}
    run = segzoo.run("encoder_unet", "shapes", settings=settings, epochs=1, keep_checkpoint=True, out=tmp_path / "run")
    manifest = run.manifest["starting_weights"]
    before = kernels(run.network())
    weights.unlink()
    longer = segzoo.run(epochs=2, out=tmp_path / "run", resume=True)
    assert longer.manifest["starting_weights"] == manifest
    for name, values in kernels(longer.network()).items():
        np.testing.assert_array_equal(values, before[name])
    assert segzoo.predict(longer, np.zeros((16, 16, 3), np.uint8)).labels.shape == (16, 16)


def test_a_run_is_repeated_only_with_the_same_weights(weights, tmp_path):
    run = segzoo.run("encoder_unet", "shapes", settings=encoder_unet(weights), steps=1, out=tmp_path / "run")
    network = EfficientNetLite0(weights="none", depth=1).build((None, None, 3))
    again = segzoo.run(config=run.folder / "config.toml", out=tmp_path / "again")
    assert json.dumps(again.metrics) == json.dumps(run.metrics)
    save(random_tensors(network, np.random.default_rng(1)), weights, stream=False)
    with pytest.raises(ConfigError, match=r"wants 'encoder' to begin with mine.pth, .* remove the table \[starting_w"):
        segzoo.run(config=run.folder / "config.toml", out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


WIDE = """
from pydantic import Field
from segzoo.plugin import Model

class Net(Model):
    '''Three convolutions without names, in a network that is no graph of layers.'''

    filters: int = Field(4, description="Filters of the second one.")

    def build(self, image_shape, num_classes):
        import keras
        filters = self.filters

        class Network(keras.Model):
            def __init__(self):
                super().__init__()
                self.first, self.second = keras.layers.Conv2D(4, 1), keras.layers.Conv2D(filters, 1)
                self.last = keras.layers.Conv2D(num_classes, 1)

            def call(self, images):
                return self.last(self.second(self.first(images)))

        return Network()
"""


def test_a_network_that_keras_does_not_know_gives_its_weights_to_a_wider_one(install, tmp_path):
    install("segzoo-test-wide", {"segzoo.models": "wide = segzoo_test_wide:Net"}, code=WIDE)

    def run(name, **more):
        return segzoo.run("wide", "shapes", steps=1, out=tmp_path / name, **more)

    first = run("first", settings=STILL | DATA)
    before = kernels(first.network())
    assert {name: values.shape[2:] for name, values in before.items()} == {
        "conv2d/kernel": (3, 4),
        "conv2d_2/kernel": (4, 4),
        "conv2d_3/kernel": (4, 4),
    }
    wider = STILL | DATA | {"model.filters": 6}
    after = kernels(run("wider", init=first.folder, settings=wider).network())
    np.testing.assert_array_equal(after["conv2d/kernel"], before["conv2d/kernel"])
    assert after["conv2d_2/kernel"].shape == (1, 1, 4, 6)
    same = kernels(
        run("same", init=first.folder / "model.keras", settings=STILL | DATA | {"model.filters": 4}).network()
    )
    for name, values in before.items():
        np.testing.assert_array_equal(same[name], values)
    with pytest.raises(ConfigError, match=r"Keras does not know all layers of that .*; give the folder of the run"):
        run("other", init=first.folder / "model.keras", settings=wider)


def test_the_weights_of_an_encoder_are_read_once(weights, tmp_path):
    experiment = resolve(compose(words=ENCODER_UNET, settings=encoder_unet(weights)))
    start = Start(experiment, fetched(experiment))
    first = kernels(start())
    weights.unlink()
    for name, values in kernels(start()).items():
        if name.startswith("encoder/"):
            np.testing.assert_array_equal(values, first[name])


def test_an_encoder_is_pretrained_by_its_own_weights_or_those_of_another_network(weights):
    def names(**started):
        known = {name: StartingWeights(name, "0" * 64) for name in started}
        experiment = resolve(compose(words=ENCODER_UNET, settings=encoder_unet(weights)))
        return pretrained(replace(experiment, config=experiment.config.model_copy(update={"starting_weights": known})))

    assert names() == ()
    assert names(encoder=1) == names(init=1) == names(encoder=1, init=1) == ("encoder",)


def test_a_run_that_is_interrupted_before_it_is_made_longer_stays_as_it_was(weights, tmp_path, monkeypatch):
    settings = encoder_unet(weights) | {"trainer.schedule": "constant", "trainer.half_size": 0, "trainer.warmup": 0}
    out = tmp_path / "run"
    segzoo.run("encoder_unet", "shapes", settings=settings, epochs=1, keep_checkpoint=True, out=out)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("segzoo.runs.experiment.Start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            segzoo.run(epochs=2, out=out, resume=True)
    assert segzoo.open_run(out).config.epochs == 1
    assert len(segzoo.run(epochs=2, out=out, resume=True).history) == 2


def test_building_anew_changes_no_draws(weights, tmp_path):
    """The second network that a trainer builds, and what is drawn after, do not depend on the weights."""
    experiment = resolve(compose(words=ENCODER_UNET, settings=encoder_unet(weights)))
    draws = []
    for build in (building(experiment), Start(experiment, fetched(experiment))):
        with clean_state(7):
            network = build()
            draws.append((network.get_layer("logits").kernel.numpy(), random.random()))
    for plain, begun in zip(*draws, strict=True):
        np.testing.assert_array_equal(plain, begun)
