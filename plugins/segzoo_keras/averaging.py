"""Moving averages of a network's weights, to be validated and saved in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf


class Averages:
    """The moving averages of all weights, moving statistics of batches among them; none if the momentum is 0.

    Keras' `use_ema` does not do: it averages trainable variables only, so that they would not fit the statistics, and
    its averages of a short training would be those of its first steps.
    """

    def __init__(self, model: keras.Model, momentum: float) -> None:
        self._weights, self._momentum = (model.weights if momentum else []), momentum
        self.variables = [self._average(weight) for weight in self._weights]
        """One for each weight, with the weights' values at first."""

    def update(self, steps: Any) -> None:
        """Move towards the weights after so many steps; part of the compiled training step.

        The momentum is less in the first steps, as in TensorFlow 1's `ExponentialMovingAverage`.
        """
        count = tf.cast(steps, tf.float32)
        share = 1 - tf.minimum(self._momentum, (1 + count) / (10 + count))
        for average, weight in zip(self.variables, self._weights, strict=True):
            value = tf.convert_to_tensor(weight.value)
            average.assign(average.value + share * (value - average.value) if value.dtype.is_floating else value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """A block in which the network has the averages for weights."""
        trained = [tf.identity(weight.value) for weight in self._weights]
        for weight, average in zip(self._weights, self.variables, strict=True):
            weight.assign(average.value)
        try:
            yield
        finally:
            for weight, value in zip(self._weights, trained, strict=True):
                weight.assign(value)

    @staticmethod
    def _average(weight: keras.Variable) -> keras.Variable:
        value = tf.identity(weight.value)
        return keras.Variable(
            value, trainable=False, dtype=weight.dtype, aggregation="only_first_replica", name=f"{weight.name}_average"
        )
