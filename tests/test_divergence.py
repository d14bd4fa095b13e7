"""A loss that is no number in a training: whose fault it is said to be, and when."""

import keras
import numpy as np
import pytest
from test_keras_trainer import CLASSES, Blocks, Recorder, linear_network
from test_requirements import Divides, Given

from segzoo.errors import PluginError, TrainingError
from segzoo.plugin import IGNORE


def network(change, in_training_only=False):
    """A 1x1 convolution, and what is changed about its logits."""

    class Change(keras.layers.Layer):
        def call(self, x, training=False):
            return change(x) if training or not in_training_only else x

    def build():
        inputs = keras.Input((None, None, 3))
        return keras.Model(inputs, Change()(keras.layers.Conv2D(CLASSES, 1)(inputs)))

    return build


def refused(recorder, *words, **options):
    with pytest.raises(PluginError) as caught:
        recorder.fit(*words, **options)
    assert "lower the learning rate" not in str(caught.value)
    return str(caught.value)


def with_loss(recorder, loss):
    recorder.job = type(recorder.job)(**{**vars(recorder.job), "loss": loss})
    return recorder


def left_out(samples, index):
    """The same samples, of one of which no pixel is labelled."""
    samples[index] = samples[index][0], np.full_like(samples[index][1], IGNORE)
    return samples


def test_a_network_of_no_number_is_told_before_a_step(tmp_path):
    recorder = Recorder(tmp_path)
    message = refused(recorder, network(lambda x: x / 0))
    assert message.startswith("the network: 6,144 of 6,144 of its logits are not finite before the first training step")
    assert "precision" not in message
    assert recorder.images == []


def test_numbers_of_16_bits_may_be_the_cause(tmp_path):
    message = refused(Recorder(tmp_path), network(lambda x: x * 1e30 * 1e30), precision="mixed_bfloat16")
    assert message.endswith(", or take --set trainer.precision=float32")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (keras.ops.mean, r"of 6 images it gives a tensor, float32 of shape \(\), but should give a tensor, "),
        (keras.ops.log1p, ""),
        (lambda values: values * np.nan, "it is nan for an image"),
        (lambda values: keras.ops.sqrt(values - values), "its gradient is not finite before the first training step"),
        (keras.ops.stop_gradient, "it has no gradient, so nothing can be learnt from it"),
    ],
)
def test_a_loss_is_told_before_a_step(tmp_path, monkeypatch, change, expected):
    monkeypatch.setattr(Given, "change", staticmethod(change))
    recorder = with_loss(Recorder(tmp_path, epochs=1), Given())
    if not expected:
        recorder.fit()
        return
    with pytest.raises(PluginError, match=f"^loss Given: {expected}"):
        recorder.fit()
    assert recorder.images == []


def test_a_loss_that_fails_for_images_without_labels_is_named_in_whatever_step(tmp_path):
    recorder = with_loss(Recorder(tmp_path), Divides())
    first = Blocks()
    assert refused(recorder, linear_network, left_out(first, 0), batch_size=1, learning_rate=1e-9) == (
        "loss Divides: it is nan where all pixels of an image weigh 0, and should be 0"
    )


def test_and_so_it_is_if_only_the_validation_has_such_images(tmp_path):
    recorder = with_loss(Recorder(tmp_path, epochs=3), Divides())
    message = refused(recorder, linear_network, Blocks(), left_out(Blocks(3), 1), learning_rate=1e-9)
    assert message == "loss Divides: it is nan where all pixels of an image weigh 0, and should be 0"
    assert (sum(recorder.images), recorder.rows) == (len(Blocks()), [])  # nothing is reported of the first epoch


def test_and_so_it_is_if_only_some_logits_are_too_much_for_it(tmp_path):
    class Steep(Given):
        """Not finite unless all logits of an image are 0, or it is of the size of training crops."""

        def __call__(self, labels, logits, weights):
            values = super().__call__(labels, logits, weights)
            validated = keras.ops.any(labels == IGNORE, axis=(1, 2))
            return keras.ops.where(validated & keras.ops.any(logits != 0, axis=(1, 2, 3)), np.inf, values)

    val = Blocks(3)
    val[1][1][0, 0] = IGNORE
    message = refused(with_loss(Recorder(tmp_path), Steep()), linear_network, Blocks(), val)
    assert message.startswith("loss Steep: it is inf for finite logits, the largest of which is ")


def test_logits_that_become_no_numbers_in_validation_are_those_of_a_training_that_diverges(tmp_path):
    class Growing(keras.layers.Layer):
        """Statistics of batches that overflow."""

        def build(self, shape):
            self.size = self.add_weight(shape=(), initializer="ones", trainable=False)

        def call(self, x, training=False):
            if training:
                self.size.assign(self.size * 1e30)
            return x if training else x * self.size

    def build():
        inputs = keras.Input((None, None, 3))
        return keras.Model(inputs, Growing()(keras.layers.Conv2D(CLASSES, 1)(inputs)))

    with pytest.raises(TrainingError, match="val_loss was no number in any epoch; lower the learning rate"):
        Recorder(tmp_path).fit(build, batch_size=2)


def frozen():
    network = linear_network()
    network.trainable = False
    return network


def without_weights():
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, keras.ops.concatenate([inputs, inputs[..., :1]], axis=-1))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (frozen, "it has no trainable weights, so there is nothing to train"),
        (without_weights, "it has no trainable weights, so there is nothing to train"),
        (network(keras.ops.stop_gradient), "no gradient reaches any of its weights, so nothing can be learnt"),
        (
            network(lambda x: x[:, ::2], in_training_only=True),
            f"in training it makes float32 (8, 16, {CLASSES}) of an image, but should make logits (16, 16, {CLASSES})",
        ),
        (
            network(lambda x: keras.ops.cast(x, "int32"), in_training_only=True),
            f"in training it makes int32 (16, 16, {CLASSES}) of an image, but should make logits",
        ),
    ],
)
def test_a_network_that_no_step_can_train_is_named(tmp_path, build, expected):
    recorder = Recorder(tmp_path)
    assert refused(recorder, build).startswith(f"the network: {expected}")
    assert recorder.images == []


def test_what_a_network_does_in_training_only_is_its_fault(tmp_path):
    message = refused(Recorder(tmp_path), network(lambda x: x * np.nan, in_training_only=True))
    assert message.startswith("the network: the loss of the first training step is nan, though without training it is")


def test_steps_that_are_too_large_are_still_said_to_be(tmp_path):
    with pytest.raises(
        TrainingError, match=r"the loss became (nan|inf) in epoch \d; lower the learning rate, as in .*e\+37"
    ):
        Recorder(tmp_path).fit(learning_rate=1e38, optimizer="sgd", batch_size=2)


def test_a_training_that_goes_on_is_not_looked_at_again(tmp_path):
    calls = []

    class Counted(Given):
        def __call__(self, labels, logits, weights):
            calls.append(tuple(labels.shape))
            return super().__call__(labels, logits, weights)

    with_loss(Recorder(tmp_path, epochs=1), Counted()).fit(batch_size=4)
    fresh = calls.count((4, 16, 16))
    calls.clear()
    with_loss(Recorder(tmp_path, epochs=2, resume=True), Counted()).fit(batch_size=4)
    assert fresh
    assert calls.count((4, 16, 16)) == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("bad", "shapes"),
            "model 'bad' of segzoo-test-not-finite: 1,024 of 1,024 of its logits are not finite before",
        ),
        (("unet", "shapes", "--loss", "mean"), "loss 'mean' of segzoo-test-not-finite: it is inf for an image, of "),
        (
            ("unet", "shapes", "--loss", "mean", "--set", "loss.gives=scalar"),
            "loss 'mean' of segzoo-test-not-finite: of 1 images it gives a tensor, float32 of shape (), but should "
            "give a tensor, float32 of shape (1,), a value for each image",
        ),
    ],
)
def test_a_run_names_the_plugin(install, command, tmp_path, words, expected):
    points = {
        "segzoo.models": "bad = segzoo_test_not_finite:Net",
        "segzoo.losses": "mean = segzoo_test_not_finite:Mean",
    }
    install("segzoo-test-not-finite", points)
    small = ("dataset.size=16", "dataset.train=2", "dataset.val=1", "dataset.test=1", "trainer.batch_size=1")
    small += ("model.filters=2", "model.depth=1") if words[0] == "unet" else ()
    settings = [word for setting in small for word in ("--set", setting)]
    outcome = command("run", *words, *settings, "--out", str(tmp_path / "run"))
    assert outcome.code == 2
    assert f"segzoo: {expected}" in outcome.err
    assert not (tmp_path / "run").exists()
