"""Losses that are wrong."""

from __future__ import annotations

import math
import threading
from typing import ClassVar

from pydantic import ConfigDict, Field

from segzoo.plugin import Loss


class RightLoss(Loss):
    """The mean cross-entropy."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        inside = weights > 0
        labels = ops.where(inside, labels, 0)
        logits = ops.where(inside[..., None], ops.cast(logits, "float32"), 0.0)
        values = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        total = ops.sum(weights, axis=(1, 2))
        return ops.sum(weights * values, axis=(1, 2)) / ops.where(total > 0, total, 1.0)


cross_entropy = RightLoss()


class Undocumented(RightLoss):
    pass


class CitedWithoutYear(RightLoss):
    """Names no year."""

    paper: ClassVar[str] = "Somebody et al., somewhere"


class LostInJson(RightLoss):
    """Has a default for which JSON knows no word."""

    limit: float = Field(math.inf, description="A limit.")


class LostInToml(RightLoss):
    """Lets None mean something else than the default, which TOML cannot say."""

    limit: float | None = Field(1.0, description="A limit; None for none.")

    @classmethod
    def example(cls):
        return cls(limit=None)


class Undescribed(RightLoss):
    """Does not say what its option does."""

    factor: float = 1.0


class Thawed(RightLoss):
    """Can be changed."""

    model_config = ConfigDict(frozen=False)

    factor: float = Field(1.0, description="A factor.")


class Careless(RightLoss):
    """Takes any option."""

    model_config = ConfigDict(extra="ignore")


class Scalar(RightLoss):
    """Gives one value for the batch."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        return ops.mean(cross_entropy(labels, logits, weights))


class NeverFinite(RightLoss):
    """Divides by zero."""

    def __call__(self, labels, logits, weights):
        return cross_entropy(labels, logits, weights) / 0


class WaitsForWeights(RightLoss):
    """Waits for something that never happens."""

    def __call__(self, labels, logits, weights):
        threading.Event().wait()  # without end


class BatchMean(RightLoss):
    """Divides by the weights of the whole batch."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        total = ops.sum(weights, axis=(1, 2))
        return cross_entropy(labels, logits, weights) * total / ops.maximum(ops.mean(total), 1e-6)


class Smoothed(RightLoss):
    """Wants a tenth of each pixel's probability for another class."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        rolled = ops.roll(ops.cast(logits, "float32"), 1, axis=-1)
        return 0.9 * cross_entropy(labels, logits, weights) + 0.1 * cross_entropy(labels, rolled, weights)


class Nothing(RightLoss):
    """Is as content with wrong predictions as with right ones."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        return 0.01 * ops.tanh(cross_entropy(labels, logits, weights))


class NaiveLogarithm(RightLoss):
    """Takes the logarithm of a probability, which is 0 in half precision."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        logits = ops.where(weights[..., None] > 0, logits, ops.zeros_like(logits))
        truth = ops.one_hot(ops.where(weights > 0, labels, 0), logits.shape[-1], dtype=logits.dtype)
        entropies = -ops.cast(ops.log(ops.sum(ops.softmax(logits) * truth, axis=-1)), "float32")
        return ops.sum(weights * entropies, axis=(1, 2)) / ops.maximum(ops.sum(weights, axis=(1, 2)), 1e-6)


class CountsTheBorder(RightLoss):
    """Gives every pixel some weight, those to leave out too."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        return cross_entropy(ops.where(weights > 0, labels, 0), logits, ops.maximum(weights, 0.1))


class LooksAtValues(RightLoss):
    """Looks at the values of its weights, which a graph has not got."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        return cross_entropy(labels, logits, weights) if ops.convert_to_numpy(weights).any() else 0 * weights[:, 0, 0]


class PrefersTheTop(RightLoss):
    """Weighs pixels by their row."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        return cross_entropy(labels, logits, weights / ops.arange(1, logits.shape[1] + 1, dtype="float32")[:, None])


class OtherGradient(RightLoss):
    """Shows one value and descends another."""

    def __call__(self, labels, logits, weights):
        from keras import ops

        value = cross_entropy(labels, logits, weights)
        return value * ops.stop_gradient(value)
