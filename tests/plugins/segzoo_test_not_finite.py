"""A network and losses that are wrong in their numbers, in the way that the option `gives` names."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from segzoo.plugin import Loss, Model


class Net(Model):
    """A convolution whose logits are divided by 0."""

    def build(self, image_shape, num_classes):
        import keras

        inputs = keras.Input(image_shape)
        return keras.Model(inputs, keras.layers.Rescaling(float("nan"))(keras.layers.Conv2D(num_classes, 1)(inputs)))


class Mean(Loss):
    """The mean of the squared logits, as a loss should not give it."""

    gives: Literal["nan", "scalar", "gradient", "weights"] = Field("nan", description="What is wrong.")

    def __call__(self, labels, logits, weights):
        from keras import ops

        values = ops.mean(ops.square(logits), axis=(1, 2, 3))
        if self.gives == "gradient":
            return ops.sqrt(0 * values)
        return values / 0 if self.gives == "nan" else ops.mean(values)

    def weight_map(self, mask):
        import numpy as np

        return np.ones((3, 4), np.float32) if self.gives == "weights" else None
