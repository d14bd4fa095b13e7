"""What a network and a loss must give before training begins: what is refused, and who is named."""

import keras
import numpy as np
import pytest

from segzoo.errors import PluginError
from segzoo.networks.frame import Frame
from segzoo.plugin import IGNORE, Job, Loss
from segzoo.training import Batch, require_finite_loss, require_trainable

SHAPE = (2, 4, 5)


class Given(Loss):
    """Makes of the mean cross-entropy whatever `change` makes of it."""

    change = staticmethod(lambda values: values)

    def __call__(self, labels, logits, weights):
        """As the interface has it, but for the change."""
        total = keras.ops.maximum(keras.ops.sum(weights, axis=(1, 2)), 1e-6)
        counted = keras.ops.where(weights > 0, labels, 0)
        values = weights * keras.ops.sparse_categorical_crossentropy(counted, logits, from_logits=True)
        return type(self).change(keras.ops.sum(values, axis=(1, 2)) / total)


class Divides(Loss):
    """Divides by the sum of the weights, which may be 0."""

    def __call__(self, labels, logits, weights):
        """The sum of the logits by that of the weights."""
        logits = keras.ops.sum(logits, axis=-1)
        return keras.ops.sum(weights * logits, axis=(1, 2)) / keras.ops.sum(weights, axis=(1, 2))


def job(tmp_path, loss):
    return Job(loss, 3, Frame((4, 5)), 1, 0, tmp_path, tmp_path, network="model 'tiny' of tiny-nets")


def batch():
    labels = np.random.default_rng(0).integers(0, 3, SHAPE).astype(np.int32)
    labels[:, 0] = IGNORE
    return Batch(np.zeros((*SHAPE, 1), np.float32), labels, (labels != IGNORE).astype(np.float32))


def refused(tmp_path, loss, changed=None, logits=None):
    logits = np.zeros((*SHAPE, 3), np.float32) if logits is None else logits
    with pytest.raises(PluginError) as caught:
        require_trainable(job(tmp_path, loss), changed or batch(), logits, "; or do without")
    return str(caught.value)


def test_what_is_right_passes(tmp_path):
    require_trainable(job(tmp_path, Given()), batch(), np.zeros((*SHAPE, 3), np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_the_networks(tmp_path, value):
    logits = np.zeros((*SHAPE, 3), np.float32)
    logits[1, 2] = value
    message = refused(tmp_path, Given(), logits=logits)
    assert message.startswith("model 'tiny' of tiny-nets: 15 of 120 of its logits are not finite before the first ")
    assert message.endswith("; or do without")


@pytest.mark.parametrize(
    ("change", "given"),
    [
        (keras.ops.mean, r"a tensor, float32 of shape \(\)"),
        (lambda values: keras.ops.broadcast_to(values[:, None], (2, 4)), r"a tensor, float32 of shape \(2, 4\)"),
        (lambda values: values[:1], r"a tensor, float32 of shape \(1,\)"),
        (lambda values: keras.ops.cast(values, "float16"), r"a tensor, float16 of shape \(2,\)"),
        (lambda values: keras.ops.cast(values, "bfloat16"), r"a tensor, bfloat16 of shape \(2,\)"),
        (lambda values: [0.5, 0.5], r"an object of the type list, float64 of shape \(2,\)"),
        (keras.ops.convert_to_numpy, r"an object of the type ndarray, float32 of shape \(2,\)"),
    ],
)
def test_a_loss_of_another_shape_or_type_is_told_with_what_should_be(tmp_path, monkeypatch, change, given):
    monkeypatch.setattr(Given, "change", staticmethod(change))
    with pytest.raises(PluginError, match=rf"^loss Given: of 2 images it gives {given}, but should give a tensor, f"):
        require_trainable(job(tmp_path, Given()), batch(), np.zeros((*SHAPE, 3), np.float32))


def test_a_loss_that_is_no_number_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(Given, "change", staticmethod(lambda values: values / 0))
    message = refused(tmp_path, Given())
    assert message.startswith("loss Given: it is inf for an image, of logits that are finite, before the first ")


def test_the_cause_of_a_loss_that_is_no_number_can_be_asked_for(tmp_path, monkeypatch):
    _, labels, weights = batch()
    require_finite_loss(job(tmp_path, Divides()), labels, weights)
    weights[1] = 0
    require_finite_loss(job(tmp_path, Given()), labels, weights)
    with pytest.raises(PluginError, match=r"^loss Divides: it is nan where all pixels of an image weigh 0, and "):
        require_finite_loss(job(tmp_path, Divides()), labels, weights)
    monkeypatch.setattr(Given, "change", staticmethod(lambda values: values / 0))
    with pytest.raises(PluginError, match=r"^loss Given: it is inf for logits that are all 0$"):
        require_finite_loss(job(tmp_path, Given()), *batch()[1:])


def test_logits_are_tried_that_training_may_lead_to(tmp_path, monkeypatch):
    """A loss that overflows for logits up to the largest of float16 is wrong; of larger ones it may be infinite."""
    monkeypatch.setattr(Given, "change", staticmethod(keras.ops.exp))
    logits = np.random.default_rng(0).choice(np.float32([-200, 200]), (*SHAPE, 3))
    given = (job(tmp_path, Given()), *batch()[1:])
    with pytest.raises(PluginError, match=r"^loss Given: it is inf for finite logits, the largest of which is 200$"):
        require_finite_loss(*given, logits)
    for diverged in (1e3 * logits, np.nan * logits, np.inf * logits):
        require_finite_loss(*given, diverged)
