"""Encoders that are wrong."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from segzoo.plugin import Encoder, StartingWeights
from wrong_plugins.models import same


class RightEncoder(Encoder):
    """Two convolutions of stride 2, which begin with numbers that it makes itself."""

    @property
    def strides(self):
        return 2, 4

    def build(self, image_shape):
        import keras

        return encoder(image_shape, **self.changes(keras))

    def changes(self, keras) -> dict[str, Any]:
        """What is not as it should be."""
        return {}

    def prepare(self, cache):
        return StartingWeights("sines", "5e" * 32)

    def load(self, network, cache):
        import numpy as np

        for number, weight in enumerate(network.weights):
            weight.assign(1.5 + np.sin(number + np.arange(math.prod(weight.shape))).reshape(weight.shape))


def encoder(image_shape, *, name="encoder", first=same, deep=same, last=same, initializer="he_normal", padding="same"):
    """As it should be: two maps, of strides 2 and 4; what the functions do in between is not."""
    from keras import Input, Model, layers

    def convolution(x):
        x = layers.Conv2D(4, 3, strides=2, padding=padding, kernel_initializer=initializer)(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    inputs = Input(image_shape)
    high = convolution(first(inputs))
    return Model(inputs, last([high, convolution(deep(high))]), name=name)


class Nameless(RightEncoder):
    """Calls its network by a name of its own."""

    def changes(self, keras):
        return {"name": "backbone"}


class LacksAMap(RightEncoder):
    """Makes the coarse map only."""

    def changes(self, keras):
        return {"last": lambda maps: maps[1:]}


class NotFiniteMaps(RightEncoder):
    """Divides by zero."""

    def changes(self, keras):
        return {"deep": keras.layers.Rescaling(math.inf)}


class CoarsestFirst(RightEncoder):
    """Has its maps the other way round."""

    @property
    def strides(self):
        return 4, 2

    def changes(self, keras):
        return {"last": lambda maps: maps[::-1]}


class LosesBorders(RightEncoder):
    """Does not pad."""

    def changes(self, keras):
        return {"padding": "valid", "first": lambda x: keras.ops.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)))}


class EncodesColours(RightEncoder):
    """Takes an image apart into red, green and blue."""

    def changes(self, keras):
        return {"first": lambda x: keras.ops.stack([x[..., 0], x[..., 1], x[..., 2]], axis=-1)}


class SeedsItsMaps(RightEncoder):
    """Draws the same weights whatever the seed."""

    def changes(self, keras):
        return {"initializer": keras.initializers.HeNormal(0)}


class MapsOfTheBatch(RightEncoder):
    """Takes the mean of the batch, in inference too."""

    def changes(self, keras):
        return {"deep": lambda x: x + keras.ops.mean(x, axis=0, keepdims=True)}


class HasADeadEnd(RightEncoder):
    """Keeps a map from learning."""

    def changes(self, keras):
        return {"last": lambda maps: [maps[0], keras.ops.stop_gradient(maps[1])]}


class TooFineMaps(RightEncoder):
    """Divides by a difference that bfloat16 does not see."""

    def changes(self, keras):
        one = keras.ops.ones_like
        return {"deep": lambda x: 0.001 * x / (one(x) - 0.999 * one(x))}


class CannotBeReadBack(RightEncoder):
    """Has a layer that Keras does not read back."""

    def changes(self, keras):
        return {"deep": keras.layers.Lambda(lambda x: 2 * x)}


class OtherWeightsEachTime(RightEncoder):
    """Counts how often it was asked."""

    asked: ClassVar[list[int]] = []

    def prepare(self, cache):
        self.asked.append(1)
        return StartingWeights("sines", f"{len(self.asked):064x}")


class Abridges(RightEncoder):
    """Gives the first digits of a digest."""

    def prepare(self, cache):
        return StartingWeights("sines", "5e5e5e5e")


class LoadsNothing(RightEncoder):
    """Forgets its weights."""

    def load(self, network, cache):
        return


class LoadsColours(RightEncoder):
    """Has weights for images of three channels."""

    def load(self, network, cache):
        import numpy as np

        network.weights[0].assign(np.ones((3, 3, 3, 4)))
        for weight in network.weights[1:]:
            weight.assign(np.ones(weight.shape))
