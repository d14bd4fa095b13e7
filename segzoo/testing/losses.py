"""Checks of losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.networks.build import clean_state
from segzoo.plugin import IGNORE, Loss
from segzoo.testing.networks import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = (0.01, 0.001)
"""Steps for finite differences; the gradient must be near one of them."""


class Case(NamedTuple):
    """Three images of 4x5 pixels and four classes, as a loss gets them."""

    labels: NDArray[np.int32]
    logits: NDArray[Any]
    weights: NDArray[np.float32]

    @property
    def ignored(self) -> NDArray[np.bool_]:
        """Pixels that do not count."""
        zero: NDArray[np.bool_] = self.weights == 0
        return zero


def case() -> Case:
    """Uneven weights, some pixels left out, no pixel of the last class in the last image."""
    rng = np.random.default_rng(0)
    shape = (3, 4, 5)
    labels = rng.integers(4, size=shape).astype(np.int32)
    labels[-1] %= 3
    weights = rng.uniform(0.2, 2, shape).astype(np.float32)
    left_out = rng.random(shape) < 0.2
    labels[left_out], weights[left_out] = IGNORE, 0
    return Case(labels, rng.normal(0, 2, (*shape, 4)).astype(np.float32), weights)


def check_one_value_an_image(loss: Loss) -> None:
    """Batches of any size, and all other checks, need a loss of each image, float32 (B,)."""
    values = value(loss, *case())
    assert values.shape == (3,), f"the loss of 3 images has shape {values.shape}, not (3,)"
    assert values.dtype == np.float32, f"the loss is {values.dtype}, not float32"
    assert np.isfinite(values).all(), f"the loss of 3 images is not finite: {values}"


def check_it_can_be_compiled(loss: Loss) -> None:
    """Trainers compile their steps, and in a graph tensors have shapes, but no values that code could look at."""
    import keras

    labels, logits, weights = case()
    with clean_state():
        inputs = keras.Input(logits.shape[1:])
        network = keras.Model(inputs, keras.layers.Identity()(inputs))
    network.compile(loss=total(loss), run_eagerly=False, jit_compile=False)
    network.test_on_batch(logits, np.stack([labels, weights], axis=-1))


def check_images_have_losses_of_their_own(loss: Loss) -> None:
    """The loss of an image must not depend on the others in its batch, or it changes with the batch size."""
    labels, logits, weights = case()
    values = value(loss, labels, logits, weights)
    for i in range(3):
        alone = value(loss, labels[i : i + 1], logits[i : i + 1], weights[i : i + 1])
        assert_near(alone[0], values[i], f"image {i} alone has another loss than in a batch")


def check_perfect_prediction_costs_nothing(loss: Loss) -> None:
    """Training aims at the least loss, and that must be where every pixel is right."""
    labels, _, weights = case()
    right = 40 * np.eye(4, dtype=np.float32)[np.where(weights > 0, labels, 0)] - 20
    wrong = np.roll(right, 1, axis=-1)
    perfect, bad = value(loss, labels, right, weights), value(loss, labels, wrong, weights)
    assert np.abs(perfect).max() < 0.01, f"where every pixel is right with certainty, the loss is {perfect.max():.3g}"
    assert bad.min() > 0.1, f"where every pixel is wrong with certainty, the loss is only {bad.min():.3g}"


def check_float16_logits_are_finite(loss: Loss) -> None:
    """In mixed precision logits may come in float16, and may be large; one infinite value ends a training."""
    labels, logits, weights = case()
    large = (logits / np.abs(logits).max() * 50_000).astype(np.float16)
    values = value(loss, labels, large, weights)
    assert np.isfinite(values).all(), f"of float16 logits as large as 50,000 the loss is {values}"
    assert values.dtype == np.float32, f"of float16 logits the loss is {values.dtype}, not float32"


def check_weight_zero_does_not_count(loss: Loss) -> None:
    """Borders and frames have weight 0: what the network says there may change neither value nor gradient."""
    labels, logits, weights = batch = case()
    other = logits.copy()
    other[batch.ignored] = 1e6
    assert_near(value(loss, labels, other, weights), value(loss, *batch), "logits of weight 0 change the loss")
    relabelled = np.where(batch.ignored, 1, labels)
    assert_near(value(loss, relabelled, logits, weights), value(loss, *batch), "labels of weight 0 change the loss")
    assert not gradient(loss, *batch)[batch.ignored].any(), "the gradient is not 0 where the weight is"
    steep = gradient(loss, labels, other, weights)
    assert np.isfinite(steep).all(), "large logits of weight 0 make the gradient infinite or no number"
    empty = value(loss, labels, logits, 0 * weights)
    assert not empty.any(), f"the loss of an image is {empty[0]:.3g} where all its pixels weigh 0"


def check_order_of_pixels_does_not_matter(loss: Loss) -> None:
    """A loss sees pixels, not shapes: the same pixels in another order cost the same."""
    labels, logits, weights = batch = case()
    order = np.random.default_rng(1).permutation(labels[0].size)
    mixed = [values.reshape(3, labels[0].size, -1)[:, order].reshape(values.shape) for values in batch]
    assert_near(value(loss, *mixed), value(loss, labels, logits, weights), "pixels in another order change the loss")


def check_gradient_is_that_of_the_value(loss: Loss) -> None:
    """Training follows the gradient; where it is not that of the value, the loss that is shown means nothing."""
    labels, logits, weights = case()
    slope = gradient(loss, labels, logits, weights)
    rng = np.random.default_rng(2)
    for _ in range(4):
        step = rng.normal(size=logits.shape).astype(np.float32)
        along = (slope * step).sum(axis=(1, 2, 3))
        # A loss that sorts pixels has kinks: a short step crosses fewer of them, a long one suffers less from rounding.
        differences = np.stack([_difference(loss, labels, logits, weights, size * step) / size for size in SIZES])
        nearest = np.take_along_axis(differences, np.abs(differences - along).argmin(axis=0)[None], axis=0)[0]
        assert_near(along, nearest, "the gradient is no finite difference", 0.01)


def _difference(loss: Loss, labels: Any, logits: NDArray[Any], weights: Any, step: NDArray[Any]) -> NDArray[Any]:
    """Half of what the losses (B,) differ by a step forth and a step back."""
    after, before = (value(loss, labels, logits + sign * step, weights) for sign in (1, -1))
    half: NDArray[Any] = (after - before) / 2
    return half


def value(loss: Loss, labels: Any, logits: Any, weights: Any) -> NDArray[Any]:
    """The loss of each image."""
    from keras import ops

    return np.asarray(ops.convert_to_numpy(loss(*map(ops.convert_to_tensor, (labels, logits, weights)))))


def gradient(loss: Loss, labels: Any, logits: NDArray[Any], weights: Any) -> NDArray[Any]:
    """The gradient of each image's loss with respect to its logits (B, H, W, C), by whatever back-end Keras runs on."""
    import keras

    # A network whose only weights are the logits, one row for each image: a step of plain descent shows their gradient.
    with clean_state():
        inputs = keras.Input((len(logits),))
        layer = keras.layers.Dense(logits[0].size, use_bias=False)
        network = keras.Model(inputs, keras.layers.Reshape(logits.shape[1:])(layer(inputs)))
    layer.set_weights([logits.reshape(len(logits), -1)])
    truth = np.stack([labels, weights], axis=-1)
    compiled(network, keras.optimizers.SGD(1.0), total(loss)).train_on_batch(np.eye(len(logits)), truth)
    slope: NDArray[Any] = logits - layer.get_weights()[0].reshape(logits.shape)
    return slope


def total(loss: Loss) -> Callable[[Any, Any], Any]:
    """The sum of the losses of all images, of the truth (B, H, W, 2), which is labels and weights, and of logits."""

    def added(truth: Any, logits: Any) -> Any:
        from keras import ops

        return ops.sum(loss(ops.cast(truth[..., 0], "int32"), logits, truth[..., 1]))

    return added


def assert_near(actual: Any, expected: Any, what: str, relative: float = 1e-4) -> None:
    """Finite, and equal up to the share `relative`, and up to rounding near 0."""
    for values in (actual, expected):
        assert np.isfinite(values).all(), f"{what}: not finite, but {values}"
    difference = np.abs(actual - expected)
    assert (difference <= relative * np.abs(expected) + 1e-5).all(), f"{what}: {actual}, not {expected}"
