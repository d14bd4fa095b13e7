"""Models that are wrong."""

from __future__ import annotations

import math
import random
from typing import Any, ClassVar

from pydantic import Field

from segzoo.networks.encoders import EncoderOption
from segzoo.plugin import Count, Model


def same(x):
    return x


def unet(
    image_shape, num_classes, *, first=same, skip=same, deep=same, last=same, initializer="he_normal", dtype="float32"
):
    """As it should be: one pooling, one skip connection; what the functions do in between is not."""
    from keras import Input, Model, layers

    def convolution(x):
        x = layers.Conv2D(6, 3, padding="same", kernel_initializer=initializer)(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    inputs = Input(image_shape)
    high = convolution(first(inputs))
    low = deep(convolution(layers.MaxPooling2D(2)(high)))
    x = convolution(layers.Concatenate()([skip(high), layers.UpSampling2D(2)(low)]))
    return Model(inputs, last(layers.Conv2D(num_classes, 1, kernel_initializer=initializer, dtype=dtype)(x)))


class RightNet(Model):
    """A small U-Net."""

    parameters: ClassVar[Count | None] = Count(1_209, classes=3)

    @property
    def stride(self) -> int:
        return 2

    def build(self, image_shape, num_classes):
        import keras

        return unet(image_shape, num_classes, **self.changes(keras, image_shape))

    def changes(self, keras, image_shape) -> dict[str, Any]:
        """What is not as it should be."""
        return {}


class Forgetful(RightNet):
    """Builds a network, and keeps it."""

    def build(self, image_shape, num_classes):
        super().build(image_shape, num_classes)


class Raises(RightNet):
    """Lacks what it builds with."""

    def build(self, image_shape, num_classes):
        raise KeyError("filters")


class NotFinite(RightNet):
    """Divides by zero."""

    parameters: ClassVar[Count | None] = None

    def changes(self, keras, image_shape):
        return {"last": keras.layers.Rescaling(math.inf)}


class GivesAllMaps(RightNet):
    """Makes a list of its logits and of other maps."""

    parameters: ClassVar[Count | None] = None

    def changes(self, keras, image_shape):
        return {"last": lambda logits: [logits, 2 * logits]}


class LargeStride(RightNet):
    """Declares four times the stride that it needs."""

    @property
    def stride(self) -> int:
        return 8


class ThreeChannels(RightNet):
    """Takes an image apart into red, green and blue."""

    def changes(self, keras, image_shape):
        return {"first": lambda x: keras.ops.stack([x[..., 0], x[..., 1], x[..., 2]], axis=-1)}


class OneMapForTwoClasses(RightNet):
    """Makes a single map where there are two classes."""

    def build(self, image_shape, num_classes):
        return unet(image_shape, 1 if num_classes == 2 else num_classes)


class AnySize(RightNet):
    """Pools, but declares any size legal."""

    @property
    def stride(self) -> int:
        return 1


class Transposed(RightNet):
    """Gives width and height the wrong way round."""

    def changes(self, keras, image_shape):
        return {"last": keras.layers.Permute((2, 1, 3), dtype="float32")}


class HalfPrecision(RightNet):
    """Leaves its logits in the precision of the policy."""

    def changes(self, keras, image_shape):
        return {"dtype": None}


class Probabilities(RightNet):
    """Ends with a softmax."""

    def changes(self, keras, image_shape):
        return {"last": keras.layers.Softmax(dtype="float32")}


class Sigmoids(RightNet):
    """Ends with a sigmoid."""

    def changes(self, keras, image_shape):
        return {"last": keras.layers.Activation("sigmoid", dtype="float32")}


class Mirrors(RightNet):
    """Mirrors more of the border than a small image has."""

    def changes(self, keras, image_shape):
        border = ((0, 0), (4, 4), (4, 4), (0, 0))
        return {"first": lambda x: keras.layers.Cropping2D(4)(keras.ops.pad(x, border, mode="reflect"))}


class NotTooHigh(RightNet):
    """Cuts off what is below the ninetieth row."""

    def changes(self, keras, image_shape):
        return {"last": lambda x: x[:, :90]}


class OtherWhenOpen(RightNet):
    """Is another function where the size is left open."""

    def changes(self, keras, image_shape):
        pooling = keras.layers.AveragePooling2D if image_shape[0] else keras.layers.MaxPooling2D
        return {"deep": pooling(3, strides=1, padding="same")}


class SeesTheBatch(RightNet):
    """Takes the mean of the batch, in inference too."""

    def changes(self, keras, image_shape):
        return {"deep": lambda x: x + keras.ops.mean(x, axis=0, keepdims=True)}


class SeesItsPlace(RightNet):
    """Adds the row to the channels of the image, without declaring global context."""

    parameters: ClassVar[Count | None] = None

    def changes(self, keras, image_shape):
        def with_rows(x):
            return keras.layers.Concatenate()([x, keras.ops.cumsum(keras.ops.ones_like(x[..., :1]), axis=1) / 2])

        return {"first": with_rows}


class UnsharedR2UNet(Model):
    """An R2U-Net whose recurrent steps have weights of their own, as in some ports of it."""

    # That of the network whose steps share their weights.
    parameters: ClassVar[Count | None] = Count(7_379, classes=3)

    @property
    def stride(self) -> int:
        return 2

    def build(self, image_shape, num_classes):
        from keras import Input, Model, layers

        def unit(x, width):
            x = begin = layers.Conv2D(width, 1)(x)
            for _ in range(2):
                state = x
                for _ in range(3):
                    joined = state if state is x else layers.Add()([x, state])
                    state = layers.Conv2D(width, 3, padding="same", activation="relu")(joined)
                x = state
            return layers.Add()([begin, x])

        inputs = Input(image_shape)
        skip = unit(inputs, 8)
        x = unit(layers.MaxPooling2D(2)(skip), 16)
        x = unit(layers.Concatenate()([skip, layers.UpSampling2D(2)(x)]), 8)
        return Model(inputs, layers.Conv2D(num_classes, 1, dtype="float32")(x))


class StopsTheGradient(RightNet):
    """Cuts its deep branch off from learning."""

    def changes(self, keras, image_shape):
        return {"deep": keras.ops.stop_gradient}


class EmptySkip(RightNet):
    """Has a skip connection that carries nothing."""

    def changes(self, keras, image_shape):
        return {"skip": lambda x: x * 0}


class DroppedSkip(RightNet):
    """Joins the encoder's map, and goes on without it."""

    def changes(self, keras, image_shape):
        return {"deep": lambda x: keras.layers.Concatenate()([x, keras.layers.AveragePooling2D(1)(x)])[..., :6]}


class EmptyBranch(RightNet):
    """Has a network within the network, one of whose branches carries nothing."""

    def changes(self, keras, image_shape):
        def block(x):
            inputs = keras.Input(x.shape[1:])
            smooth = keras.layers.AveragePooling2D(3, strides=1, padding="same")(inputs)
            return keras.Model(inputs, keras.layers.Add()([inputs, smooth * 0]))(x)

        return {"deep": block}


class SameForSkip(RightNet):
    """Joins a map with itself where the encoder's should come in."""

    parameters: ClassVar[Count | None] = None

    def changes(self, keras, image_shape):
        return {"deep": lambda x: keras.layers.Concatenate()([x, x])}


class CannotLearn(RightNet):
    """Keeps its logits so small that no class is ever sure."""

    def changes(self, keras, image_shape):
        return {"last": lambda x: 0.1 * keras.ops.tanh(x)}


class TooLarge(RightNet):
    """Has numbers on the way that float16 does not reach."""

    def changes(self, keras, image_shape):
        return {"deep": lambda x: x * 1e6 * 1e-6}


class TooFine(RightNet):
    """Divides by a difference that bfloat16 does not see."""

    def changes(self, keras, image_shape):
        one = keras.ops.ones_like
        return {"deep": lambda x: 0.001 * x / (one(x) - 0.999 * one(x))}


class SeedsItself(RightNet):
    """Draws its weights from whatever seed it likes."""

    def changes(self, keras, image_shape):
        return {"initializer": keras.initializers.HeNormal(random.SystemRandom().randrange(2**31))}


class OneSeed(RightNet):
    """Draws the same weights whatever the seed."""

    def changes(self, keras, image_shape):
        return {"initializer": keras.initializers.HeNormal(0)}


class CannotBeLoaded(RightNet):
    """Has a layer that Keras does not read back."""

    def changes(self, keras, image_shape):
        return {"deep": keras.layers.Lambda(lambda x: 2 * x)}


class CannotBeTraced(RightNet):
    """Looks at numbers that a graph has not got."""

    def changes(self, keras, image_shape):
        def flip(x):
            return x if float(keras.ops.max(x)) > 0 else -x

        return {"deep": keras.layers.Lambda(flip, output_shape=lambda shape: shape)}


class TakesItsEncoderApart(Model):
    """Uses the layers of its encoder, so that none of its own has the name of the option."""

    encoder: EncoderOption = Field("efficientnet_lite0", description="What makes the feature maps.")

    @classmethod
    def example(cls):
        return cls.model_validate({"encoder": {"weights": "none", "depth": 1}})

    @property
    def stride(self) -> int:
        return 2

    def build(self, image_shape, num_classes):
        from keras import Model, layers

        encoder = self.encoder.build(image_shape)
        x = layers.UpSampling2D(2)(encoder.outputs[0])
        return Model(encoder.inputs[0], layers.Conv2D(num_classes, 1, dtype="float32")(x))
