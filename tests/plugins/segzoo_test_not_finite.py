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

    gives: Literal["nan", "scalar", "gradient", "weights", "negative weights", "late nan", "NumPy", "NumPy inside"] = (
        Field("nan", description="What is wrong.")
    )

    def __call__(self, labels, logits, weights):
        from keras import ops

        values = ops.mean(ops.square(logits), axis=(1, 2, 3))
        if self.gives == "gradient":
            return ops.sqrt(0 * values)
        if self.gives == "late nan":  # in the validation alone, by the masks of `segzoo_test_planted`
            return values + ops.where(abs(ops.sum(labels == 1, axis=(1, 2)) - 128) < 3, float("nan"), 0.0)
        if self.gives == "NumPy":
            return values.numpy()
        if self.gives == "NumPy inside":
            return values * float(weights.numpy().mean())
        return {"nan": values / 0, "scalar": ops.mean(values)}.get(self.gives, values)

    def weight_map(self, mask):
        import numpy as np

        maps = {"weights": np.ones((3, 4), np.float32), "negative weights": np.where(mask == 1, 1, np.float32(-1))}
        return maps.get(self.gives)
