"""Layers that patterns name: what is frozen of them, what a step leaves out, and how they are trained otherwise."""

from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers
from test_halving import phases_of_steps
from test_keras_trainer import CLASSES, PLAIN, Blocks, Recorder
from test_resume import EndedError, Stopping, weights

from segzoo import registry
from segzoo.errors import ConfigError
from segzoo.networks.frame import Frame
from segzoo.plugin import Trainer
from segzoo.testing.plugins import check_options_survive_json, check_options_survive_toml
from segzoo.training import clean_state, prepare
from segzoo_keras import KerasTrainer, checkpoint, engine, halving
from segzoo_keras.averaging import Averages
from segzoo_keras.freezing import Trainable, layers_with_weights
from segzoo_keras.optimizing import make_optimizer
from segzoo_keras.steps import Phase, compile_steps, with_pixels, without_pixels

RATE = 0.01
ENCODER = {"encoder", "encoder/stem_conv", "encoder/stem_norm", "encoder/last_conv"}
DECODER = {"decoder_conv", "decoder_norm", "head"}


def network():
    """An encoder, a network that is a layer; and a decoder, of layers."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, kernel_regularizer="l2", name="stem_conv")(image)
    x = layers.ReLU()(layers.BatchNormalization(name="stem_norm")(x))
    encoder = keras.Model(image, layers.Conv2D(4, 3, padding="same", name="last_conv")(x), name="encoder")
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="decoder_conv")(encoder(inputs))
    x = layers.Dropout(0.2)(layers.ReLU()(layers.BatchNormalization(name="decoder_norm")(x)))
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1, name="head")(x))


def partly_fixed():
    """The same with a layer that is built to be never trained."""
    fixed = network()
    fixed.get_layer("encoder").get_layer("last_conv").trainable = False
    return fixed


class Subclassed(keras.Model):
    """A network without a graph, with a network in it."""

    def __init__(self):
        super().__init__()
        self.body = keras.Sequential([layers.Conv2D(4, 3, padding="same", name="conv")], name="body")
        self.head = layers.Conv2D(CLASSES, 1, name="head")

    def call(self, images):
        return self.head(self.body(images))


def behind_pixels(build, pretrained=(), **options):
    data = SimpleNamespace(frame=Frame((16, 16)), channels=3)
    return Trainable(KerasTrainer(**PLAIN | options), with_pixels(build(), "-1..1", data), pretrained)


def trained(trainable, frozen=True):
    """The paths of the layers of which a variable is trained."""
    variables = {id(variable) for variable in trainable.at(frozen)}
    places = layers_with_weights(without_pixels(trainable.model))
    return {path for path, layer in places if variables & {id(weight) for weight in layer.weights}}


@pytest.mark.parametrize(
    ("build", "patterns", "expected"),
    [
        (network, (), ENCODER | DECODER),
        (network, ("encoder",), DECODER),
        (network, ("encoder*",), DECODER),
        (network, ("encoder/*",), DECODER),
        (network, ("stem_*",), {"encoder", "encoder/last_conv"} | DECODER),
        (network, ("encoder/last*", "head"), (ENCODER | DECODER) - {"encoder/last_conv", "head"}),
        (network, ("*_[cn]o*", "stem_conv"), {"head"}),
        (partly_fixed, ("stem_conv", "head"), {"encoder", "encoder/stem_norm", "decoder_conv", "decoder_norm"}),
        (Subclassed, ("body",), {"head"}),
        (Subclassed, ("body/conv",), {"head"}),
        (Subclassed, ("head",), {"body", "body/conv"}),
    ],
)
def test_a_pattern_is_for_names_and_paths_and_a_network_is_all_of_its_layers(build, patterns, expected):
    assert trained(behind_pixels(build, freeze=patterns)) == expected


def test_layers_that_are_frozen_at_first_are_among_what_is_ever_trained(caplog):
    caplog.set_level("INFO")
    always, later = (behind_pixels(network, freeze=("encoder",), unfreeze_after=after) for after in (None, 0.5))
    assert (always.frozen_until, later.frozen_until) == (float("inf"), 0.5)
    assert trained(always, frozen=False) == DECODER
    assert trained(later, frozen=False) == ENCODER | DECODER
    assert trained(later, frozen=True) == DECODER
    assert caplog.messages == ["frozen parameters: 264 of 436"] * 2


def test_the_flags_of_layers_differ_in_the_block_only_and_so_do_penalties():
    trainable = behind_pixels(partly_fixed, freeze=("encoder*",))

    def flags():
        parts = trainable.model._flatten_layers(), trainable.model.weights
        return [part.trainable for group in parts for part in group], len(trainable.model.losses)

    before = flags()
    assert before[1] == 1
    with trainable.freezing(True):
        assert [weight.path for weight in trainable.model.trainable_weights] == [v.path for v in trainable.at(True)]
        assert trainable.model.losses == []
    assert flags() == before
    with trainable.freezing(False):
        assert flags() == before


def test_of_several_patterns_the_first_that_fits_has_the_factor():
    multipliers = {"stem_norm": 3.0, "encoder": 0.5, "*conv": 0.0}
    trainable = behind_pixels(network, freeze=("head",), lr_multipliers=multipliers)
    found = {variable.path: factor for variable, factor in zip(trainable.variables, trainable.factors, strict=True)}
    assert found == {
        "stem_conv/kernel": 0.5,
        "stem_norm/gamma": 3.0,
        "stem_norm/beta": 3.0,
        "last_conv/kernel": 0.5,
        "last_conv/bias": 0.5,
        "decoder_conv/kernel": 0.0,
        "decoder_norm/gamma": 1.0,
        "decoder_norm/beta": 1.0,
    }


def test_pretrained_layers_have_a_factor_unless_another_is_given():
    def factors(**options):
        trainable = behind_pixels(network, pretrained=("encoder",), **options)
        pairs = zip(trainable.variables, trainable.factors, strict=True)
        return {variable.path.partition("/")[0]: factor for variable, factor in pairs}

    encoder, decoder = ("stem_conv", "stem_norm", "last_conv"), ("decoder_conv", "decoder_norm", "head")
    assert factors() == dict.fromkeys(encoder, 0.2) | dict.fromkeys(decoder, 1.0)
    expected = dict.fromkeys(encoder, 0.5) | dict.fromkeys(decoder, 1.0) | {"head": 2.0}
    assert factors(pretrained_rate=0.5, lr_multipliers={"head": 2}) == expected
    assert factors(lr_multipliers={"encoder": 0.3, "head": 2})["last_conv"] == 0.3
    assert behind_pixels(network, pretrained=("encoder",), pretrained_rate=1).alike


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("encodr*",), "no layer with weights is called 'encodr*'; did you mean 'encoder'?"),
        (
            ("head", "relu"),  # which has none
            "no layer with weights is called 'relu'; there are: decoder_conv, decoder_norm, encoder, "
            "encoder/last_conv, encoder/stem_conv, encoder/stem_norm, head",
        ),
        (("*",), "it leaves nothing to train; name fewer layers"),
    ],
)
def test_patterns_that_cannot_be_meant_are_told(patterns, expected):
    with pytest.raises(ConfigError) as caught:
        behind_pixels(network, freeze=patterns)
    assert str(caught.value) == f"trainer 'keras', option 'freeze': {expected}"


def test_so_are_those_of_factors():
    with pytest.raises(ConfigError, match=r"option 'lr_multipliers': no layer with weights is called 'hed'; did you"):
        behind_pixels(network, lr_multipliers={"encoder": 0.1, "hed": 2.0})


def test_of_many_layers_a_message_names_some():
    def deep():
        return keras.Sequential([layers.Conv2D(3, 1, name=f"conv_{index}") for index in range(20)])

    with pytest.raises(ConfigError, match=r"; there are: conv_0, conv_1, .*conv_7, …$"):
        behind_pixels(deep, freeze=("xyz",))


class Unread(Blocks):
    """Images that are not to be read."""

    def __getitem__(self, index):
        raise AssertionError("an image was read")


def test_a_training_without_any_such_layer_does_not_begin_and_reads_no_image(tmp_path):
    recorder = Recorder(tmp_path)
    for options in ({"freeze": ("encoder",)}, {"lr_multipliers": {"encoder": 0.5}}):
        with pytest.raises(ConfigError, match="no layer with weights is called 'encoder'"):
            recorder.fit(train=Unread(), **options)
    assert (recorder.images, list(tmp_path.iterdir())) == ([], [])


def test_what_is_to_be_trained_later_must_be_frozen():
    with pytest.raises(ConfigError, match="'keras', option: unfreeze_after needs frozen layers, as of --set"):
        registry.create(Trainer, "keras", {"unfreeze_after": 0.5})


def test_a_single_pattern_needs_no_list():
    assert registry.create(Trainer, "keras", {"freeze": "encoder*"}).freeze == ("encoder*",)


def test_the_options_survive_and_what_is_trained_later_depends_on_the_length():
    frozen = KerasTrainer(
        **PLAIN | {"freeze": ("encoder/*", "stem"), "lr_multipliers": {"body[0-9].*": 0.1, "head": 2}}
    )
    later = frozen.model_copy(update={"unfreeze_after": 0.25})
    assert (frozen.depends_on_length, later.depends_on_length) == (False, True)
    for check in (check_options_survive_json, check_options_survive_toml):
        check(later)


def bits(model):
    """The bytes of the weights of each layer, by its path."""
    return {path: [weight.tobytes() for weight in layer.get_weights()] for path, layer in layers_with_weights(model)}


def changed(model, build=network):
    """The paths of the layers that differ from those of the network before its training."""
    with clean_state():
        before = bits(build())
    after = bits(without_pixels(model))
    return {path for path in before if before[path] != after[path]}


@pytest.mark.parametrize(
    "more",
    [
        {"optimizer": "adamw", "weight_decay": 0.1, "clip_norm": 0.5, "ema": 0.9},
        *(
            pytest.param(more, marks=pytest.mark.slow)
            for more in (
                {"precision": "mixed_bfloat16", "accumulate": 3, "batch_size": 1, "weight_decay": 0.1},
                {"precision": "mixed_float16", "optimizer": "sgd", "class_weights": (1.0, 2.0, 1.0, 1.0)},
                {"jit_compile": True, "weight_decay": 0.1},
            )
        ),
    ],
)
def test_frozen_layers_keep_their_bits_and_the_others_learn(tmp_path, more):
    model = Recorder(tmp_path, epochs=2).fit(network, **{"batch_size": 3, "freeze": ("encoder",)} | more)
    assert changed(model) == DECODER
    assert trained(Trainable(KerasTrainer(), model)) == ENCODER | DECODER


def compiled(folder, **options):
    """The steps of a training, its network and its optimizer, and a batch."""
    recorder, options = Recorder(folder), KerasTrainer(**PLAIN | options)
    data = prepare(Blocks(), recorder.job)
    with clean_state():
        model = with_pixels(network(), options.pixels, data)
    trainable = Trainable(options, model)
    optimizer = make_optimizer(options, trainable)
    steps = compile_steps(trainable, optimizer, Averages(model, options.ema), data, options, recorder.job)
    return steps, without_pixels(model), optimizer, data.batch(data.epoch(0, 0))


def test_a_step_computes_no_gradient_of_a_frozen_layer_nor_of_what_lies_below(tmp_path):
    steps, *_ = compiled(tmp_path, freeze=("encoder",), unfreeze_after=0.5)

    def used(frozen):
        """How many operations of some kinds there are whose results are used; others are left out when a graph runs."""
        operations = steps.train[Phase(frozen=frozen)].get_concrete_function().graph.get_operations()
        kinds = [op.type for op in operations if any(output.consumers() for output in op.outputs)]
        return [kinds.count(kind) for kind in ("Conv2DBackpropFilter", "Conv2DBackpropInput", "FusedBatchNormGradV3")]

    assert used(frozen=True) == [2, 1, 1]
    assert used(frozen=False) == [4, 3, 2]


def test_layers_are_frozen_in_the_first_part_of_a_training_and_then_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(halving, "LEAST", 8)
    losses = count(0, -1)  # the last epoch is the best
    monkeypatch.setattr(engine, "validate", lambda *words: {"val_loss": next(losses), "val_mean_iou": 0.5})
    seen = phases_of_steps(monkeypatch)
    options = {"freeze": ("encoder",), "unfreeze_after": 0.6, "half_size": 0.4}
    model = Recorder(tmp_path, epochs=5).fit(partly_fixed, batch_size=3, **options)
    assert seen == [Phase(True, True)] * 4 + [Phase(frozen=True)] * 2 + [Phase()] * 4
    assert changed(model, partly_fixed) == (ENCODER | DECODER) - {"encoder/last_conv"}
    assert not model.get_layer(index=-1).get_layer("encoder").get_layer("last_conv").trainable


@pytest.mark.slow
def test_in_a_budget_of_seconds_they_follow_the_clock(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(engine, "perf_counter", lambda: now[0])
    seen, noted = phases_of_steps(monkeypatch), engine.compile_steps

    def slow(*words):
        def later(step):
            def call(*batch):
                now[0] += 10
                return step(*batch)

            return call

        steps = noted(*words)
        return steps._replace(train={phase: later(step) for phase, step in steps.train.items()})

    monkeypatch.setattr(engine, "compile_steps", slow)
    recorder = Recorder(tmp_path)
    recorder.job = replace(recorder.job, epochs=None, seconds=80)
    recorder.fit(network, batch_size=2, freeze=("encoder",), unfreeze_after=0.5)
    assert seen == [Phase(frozen=True)] * 4 + [Phase()] * 4


@pytest.mark.parametrize("steps", [pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow), 5])
def test_a_training_goes_on_before_and_after_layers_are_trained_to_the_same_bits(tmp_path, monkeypatch, steps):
    """Three of six steps are frozen: it goes on from the first, from the third, and from the fourth."""
    monkeypatch.setattr(checkpoint, "PERIOD", 0)
    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))  # a checkpoint after each step
    options = {"batch_size": 2, "freeze": ("encoder",), "unfreeze_after": 0.5, "schedule": "cosine", "ema": 0.9}
    whole = Recorder(tmp_path / "whole", epochs=2)
    plain = weights(whole.fit(network, **options))
    with pytest.raises(EndedError):
        Stopping(tmp_path / "run", steps, epochs=2).fit(network, **options)
    second = Recorder(tmp_path / "run", epochs=2, resume=True)
    assert weights(second.fit(network, **options)) == plain
    assert [*second.earlier[0], *second.rows] == whole.rows


@pytest.mark.parametrize("optimizer", ["adamw", pytest.param("adam", marks=pytest.mark.slow)])
def test_the_first_step_of_layers_that_are_trained_later_is_as_large_as_any(tmp_path, optimizer):
    """Adam's first step is the learning rate for each weight, up or down."""
    options = {"optimizer": optimizer, "learning_rate": RATE, "freeze": ("encoder",), "unfreeze_after": 0.5}
    steps, model, optimizer, batch = compiled(tmp_path, **options)
    for _ in range(20):
        steps.train[Phase(frozen=True)](*batch)
    kernel = model.get_layer("encoder").get_layer("last_conv").kernel
    before = kernel.numpy()
    steps.train[Phase()](*batch)
    assert np.median(np.abs(kernel.numpy() - before)) == pytest.approx(RATE, rel=0.01)
    assert int(optimizer.iterations) == 21


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        {"optimizer": "adamw", "clip_norm": 0.5, "ema": 0.9},
        {"optimizer": "sgd"},
        {"optimizer": "adam", "accumulate": 2, "batch_size": 2},
        {"optimizer": "rmsprop", "jit_compile": True},
        {"optimizer": "adamw", "precision": "mixed_float16"},
    ],
)
def test_a_factor_for_all_layers_is_that_of_the_learning_rate(tmp_path, more):
    """Weight decay, which is a share of the learning rate, included."""
    results = []
    for options in ({"learning_rate": RATE, "lr_multipliers": {"*": 0.25}}, {"learning_rate": RATE / 4}):
        recorder = Recorder(tmp_path, epochs=2)
        results.append(recorder.fit(network, **{"batch_size": 3, "weight_decay": 0.5} | options | more).get_weights())
    for value, expected in zip(*results, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_a_factor_changes_the_steps_of_its_layers_only(tmp_path):
    """And where it is 0, all that changes of them is the statistics of batches."""
    after = []
    for multipliers in ({}, {"stem_*": 0.0, "decoder_conv": 2.0}):
        steps, model, _, batch = compiled(tmp_path, learning_rate=RATE, weight_decay=0.1, lr_multipliers=multipliers)
        before = model.get_weights()
        steps.train[Phase()](*batch)
        changes = [value - start for value, start in zip(model.get_weights(), before, strict=True)]
        after.append({weight.path: change for weight, change in zip(model.weights, changes, strict=True)})
    plain, other = after
    for path, change in plain.items():
        factor = {"stem_conv": 0, "stem_norm": 0, "decoder_conv": 2}.get(path.partition("/")[0], 1)
        expected = change if "moving" in path else factor * change
        np.testing.assert_allclose(other[path], expected, rtol=1e-4, atol=1e-6, err_msg=path)
