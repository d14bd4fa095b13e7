"""Plugins that are wrong on purpose, each in one way that its first line names, for `segzoo.testing` to find.

`Right...` are those of which the others are made. Like real plugins they import nothing heavy at the top.
"""

from __future__ import annotations

import math
import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from segzoo.networks.encoders import EncoderOption
from segzoo.plugin import (
    IGNORE,
    Augmentation,
    Count,
    Dataset,
    Encoder,
    Events,
    Info,
    Loss,
    Metric,
    Model,
    Score,
    StartingWeights,
    Subscriber,
    Tracker,
    Trainer,
)


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


def unchanged(image, mask):
    return image, mask


@dataclass(frozen=True)
class Stripes:
    """Small grey images, and where they are bright; one pixel is left out."""

    ids: tuple[str, ...]
    change: Callable[[Any, Any], Any] = unchanged

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        import numpy as np

        mask = np.zeros((8, 9), np.uint8)
        mask[:, : 1 + sum(map(ord, self.ids[index])) % 6] = 1
        image = 100 + 50 * mask[..., None]
        mask[0, 0] = IGNORE
        return self.change(image, mask)


class RightData(Dataset):
    """Two splits of stripes."""

    def describe(self, cache):
        return Info(classes=("dark", "bright"), channels=1, splits=("train", "val"))

    def open(self, cache, split):
        return Stripes(names(split))


def names(split):
    return tuple(f"{split}/{number}" for number in range(8))


def wide(image, mask):
    return image, mask.astype("int64")


def flat(image, mask):
    return image[..., 0], mask


def doubled(image, mask):
    return image, (mask > 0) * mask.dtype.type(255)


def counted_from_one(image, mask):
    return image, mask + (mask != IGNORE)


def noisy(image, mask):
    import numpy as np

    return image + np.random.default_rng().integers(0, 9, image.shape, np.uint8), mask


class WideMasks(RightData):
    """Has masks of 64 bits."""

    def open(self, cache, split):
        return Stripes(names(split), wide)


class FlatImages(RightData):
    """Has grey images without an axis for their channel."""

    def open(self, cache, split):
        return Stripes(names(split), flat)


def deep(image, mask):
    return image.astype("uint16") * 257, mask


class MixedDepths(RightData):
    """Has images of 8 bits to train on, and images of 16 bits to validate on."""

    def open(self, cache, split):
        return Stripes(names(split), deep if split == "val" else unchanged)


def unlabelled(image, mask):
    return image


class NoMasks(RightData):
    """Has images alone where pairs of image and mask should be."""

    def open(self, cache, split):
        return Stripes(names(split), unlabelled)


class Empty(RightData):
    """Has no samples in one of its splits."""

    def open(self, cache, split):
        return Stripes(names(split) if split == "train" else ())


class Waits(RightData):
    """Waits for something that never happens."""

    def prepare(self, cache):
        threading.Event().wait()  # without end


class Ends(RightData):
    """Ends the process."""

    def prepare(self, cache):
        os._exit(7)


class BlackAndWhiteMasks(RightData):
    """Has masks of 0 and 255."""

    def open(self, cache, split):
        return Stripes(names(split), doubled)


class CountsFromOne(RightData):
    """Calls its two classes 1 and 2."""

    def open(self, cache, split):
        return Stripes(names(split), counted_from_one)


class Augments(RightData):
    """Changes its images whenever they are read."""

    def open(self, cache, split):
        return Stripes(names(split), noisy)


class Overlaps(RightData):
    """Validates on images that it trains on."""

    def open(self, cache, split):
        return Stripes(names("train")[6 if split == "val" else 0 :])


class NoVal(RightData):
    """Has nothing to validate on."""

    def describe(self, cache):
        return Info(classes=("dark", "bright"), channels=1, splits=("train", "test"))


class Miscounts(Stripes):
    """As many ids as files, one of which is no image."""

    def __len__(self):
        return len(self.ids) - 1


class HiddenFile(RightData):
    """Has more ids than samples."""

    def open(self, cache, split):
        return Miscounts(names(split))


class Shuffles(RightData):
    """Shuffles its samples whenever a split is opened."""

    def open(self, cache, split):
        return Stripes(tuple(random.sample(names(split), 8)))


class FewerFiles(RightData):
    """Names the files of some of its samples."""

    def files(self, cache, split):
        return [(Path(__file__),)] * 3


class OtherFiles(RightData):
    """Names files that are not there."""

    def files(self, cache, split):
        return [(Path(f"/nowhere/{name}.png"),) for name in names(split)]


class OpenFile(RightData):
    """Holds what cannot be sent to another process."""

    def open(self, cache, split):
        return Stripes(names(split), lambda image, mask: (image, mask))


@dataclass(frozen=True)
class OneThread(Stripes):
    """Samples from a connection like that of sqlite3, which serves the thread that opened it."""

    owner: int = field(default_factory=threading.get_ident)

    def __getitem__(self, index):
        if threading.get_ident() != self.owner:
            raise RuntimeError("objects created in a thread can only be used in that same thread")
        return super().__getitem__(index)


class Connection(RightData):
    """Reads only in the thread that opened it."""

    def open(self, cache, split):
        return OneThread(names(split))


class Hashed(RightData):
    """Has its samples in the order of a set, which is another one in each process."""

    def open(self, cache, split):
        return Stripes(tuple(set(names(split))))


class Accuracy(Metric):
    """The share of labelled pixels that are right; counts are all of them and the right ones."""

    definitions: ClassVar = {"accuracy": Score("The share of labelled pixels that are right.", "higher")}

    def count(self, image):
        labelled = image.mask != IGNORE
        return int(labelled.sum()), int((image.predictions == image.mask)[labelled].sum())

    def add(self, counts, others):
        return tuple(map(sum, zip(counts, others, strict=True)))

    def scores(self, counts, classes):
        pixels, right = counts
        return {"accuracy": right / pixels if pixels else math.nan}


class WithMetric(RightData):
    """Has a score of its own."""

    def metric(self):
        return Accuracy()


class AlsoError(Accuracy):
    """Has more scores than it defines."""

    def scores(self, counts, classes):
        accuracy = super().scores(counts, classes)
        return accuracy | {"error": 1 - accuracy["accuracy"]}


class Undefined(RightData):
    """Does not say what one of its scores means."""

    def metric(self):
        return AlsoError()


class ByNumber(Accuracy):
    """Calls the classes by their numbers."""

    def scores(self, counts, classes):
        return {"accuracy": dict.fromkeys(range(len(classes)), super().scores(counts, classes)["accuracy"])}


class OtherClasses(RightData):
    """Has a score of classes that it does not have."""

    def metric(self):
        return ByNumber()


class EveryPixel(Accuracy):
    """Counts all pixels."""

    def count(self, image):
        return image.mask.size, int(image.predictions.sum())


class CountsTheIgnored(RightData):
    """Has a score in which ignored pixels count."""

    def metric(self):
        return EveryPixel()


class Remembering(Accuracy):
    """Adds up in itself what it has counted."""

    def __init__(self):
        self.counts = (1, 0)

    def scores(self, counts, classes):
        self.counts = self.add(self.counts, counts)
        return super().scores(self.counts, classes)


class Remembers(RightData):
    """Has a score that depends on what was scored before."""

    def metric(self, remembering=Remembering()):  # noqa: B008
        return remembering


class InPlace(Accuracy):
    """Adds to the counts that it is given."""

    def count(self, image):
        return list(super().count(image))

    def add(self, counts, others):
        counts[:] = super().add(counts, others)
        return counts


class AddsInPlace(RightData):
    """Has a score that changes the counts of an image."""

    def metric(self):
        return InPlace()


class Latest(Accuracy):
    """Knows the last image only."""

    def add(self, counts, others):
        return others


class AddsNothing(RightData):
    """Has a score that depends on the order of the images."""

    def metric(self):
        return Latest()


class Missing(RightData):
    """Has lost its folder."""

    def open(self, cache, split):
        raise FileNotFoundError("no folder")


class RightAugmentation(Augmentation):
    """Shows a part of a crop with its margin, and mirrors half of the images."""

    def margin(self, size):
        return 5

    def augment(self, image, mask, weights, size, random):
        spare = [given - wanted for given, wanted in zip(mask.shape, size, strict=True)]
        top, left = (int(random.integers(0, number + 1)) for number in spare)
        step = random.choice([1, -1])
        part = slice(top, top + size[0]), slice(left, left + size[1])
        return tuple(array if array is None else array[part][:, ::step] for array in (image, mask, weights))


class GivesAList(RightAugmentation):
    """Returns a list."""

    def augment(self, image, mask, weights, size, random):
        return list(super().augment(image, mask, weights, size, random))


class ForgetsTheWeights(RightAugmentation):
    """Returns image and mask only."""

    def augment(self, image, mask, weights, size, random):
        return *super().augment(image, mask, weights, size, random)[:2], None


class KeepsTheMargin(RightAugmentation):
    """Returns the crop with its margin."""

    def augment(self, image, mask, weights, size, random):
        return image, mask, weights


class GivesFloats(RightAugmentation):
    """Returns pixels as floats."""

    def augment(self, image, mask, weights, size, random):
        image, *others = super().augment(image, mask, weights, size, random)
        return image / 255, *others


class InventsLabels(RightAugmentation):
    """Blends neighbouring labels."""

    def augment(self, image, mask, weights, size, random):
        image, mask, weights = super().augment(image, mask, weights, size, random)
        return image, ((mask.astype(int) * 3 + 7) // 2).astype(mask.dtype), weights


class WritesIntoTheImage(RightAugmentation):
    """Changes the image that is kept for all epochs."""

    def augment(self, image, mask, weights, size, random):
        image += 1
        return super().augment(image, mask, weights, size, random)


class Outward(RightAugmentation):
    """Has a margin inside of the crop."""

    def margin(self, size):
        return -1


class ColoursOnly(RightAugmentation):
    """Takes the mean of red, green and blue."""

    def augment(self, image, mask, weights, size, random):
        if image.shape[2] != 3:
            raise ValueError(f"{image.shape[2]} channels")
        return super().augment(image, mask, weights, size, random)


class LeavesTheMask(RightAugmentation):
    """Turns images upside down, and not their masks."""

    def augment(self, image, mask, weights, size, random):
        image, *others = super().augment(image, mask, weights, size, random)
        return image[::-1], *others


class LabelsTheIgnored(RightAugmentation):
    """Gives pixels without a label that of the background."""

    def augment(self, image, mask, weights, size, random):
        image, mask, weights = super().augment(image, mask, weights, size, random)
        background = mask.copy()
        background[mask == IGNORE] = mask.min()
        return image, background, weights


class LeavesTheWeights(RightAugmentation):
    """Turns images and masks upside down, and not the weights."""

    def augment(self, image, mask, weights, size, random):
        image, mask, weights = super().augment(image, mask, weights, size, random)
        return image[::-1], mask[::-1], weights


class DrawsByItself(RightAugmentation):
    """Draws from a generator that nobody seeds."""

    def augment(self, image, mask, weights, size, random):
        import numpy as np

        return super().augment(image, mask, weights, size, np.random.default_rng())


class AlwaysTheSame(RightAugmentation):
    """Mirrors every image."""

    def augment(self, image, mask, weights, size, random):
        import numpy as np

        crop = super().augment(image, mask, weights, size, np.random.default_rng(1))
        return tuple(array if array is None else array[::-1, ::-1] for array in crop)


class MainThreadOnly(RightAugmentation):
    """Cannot work in the threads that make batches."""

    def augment(self, image, mask, weights, size, random):
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signal only works in main thread of the main interpreter")
        return super().augment(image, mask, weights, size, random)


class RightTrainer(Trainer):
    """The trainer `keras`, with room for mistakes around it."""

    def fit(self, build, train, val, job):
        from segzoo_keras import KerasTrainer

        return KerasTrainer().fit(build, train, val, job)


class StandsStill(RightTrainer):
    """Takes steps too small to get anywhere."""

    def fit(self, build, train, val, job):
        from segzoo_keras import KerasTrainer

        return KerasTrainer(learning_rate=1e-12).fit(build, train, val, job)


class Passing(Events):
    """Passes the steps and epochs of a training on; here stands what mistakes are made with them."""

    def __init__(self, events):
        self.events = events

    def images_done(self, count):
        self.events.images_done(count)

    def epoch_ended(self, figures, times=None):
        self.events.epoch_ended(figures, times or {})


class ValLosses(Passing):
    """Puts others in place of the validation's losses."""

    def __init__(self, events, losses):
        super().__init__(events)
        self.losses = losses

    def epoch_ended(self, figures, times=None):
        super().epoch_ended(dict(figures, val_loss=self.losses.pop(0)))


class Rows(Events):
    """Keeps what is reported."""

    def __init__(self):
        self.rows = []

    def epoch_ended(self, figures, times=None):
        self.rows.append(figures)


class LastWeights(RightTrainer):
    """Gives back the network as it is after the last epoch."""

    def fit(self, build, train, val, job):
        # Without a validation of its own, the trainer takes the epoch that trains best, which is the last one.
        reported = Rows()
        super().fit(build, train, val, replace(job, events=reported))
        losses = [row["val_loss"] for row in reported.rows]
        return super().fit(build, train, train, replace(job, events=ValLosses(job.events, losses)))


class Twice(Passing):
    """Each epoch ends twice."""

    def epoch_ended(self, figures, times=None):
        super().epoch_ended(figures)
        super().epoch_ended(figures)


class ReportsTwice(RightTrainer):
    """Reports every epoch twice."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=Twice(job.events)))


class OnlyLoss(Passing):
    """Drops the validation's loss."""

    def epoch_ended(self, figures, times=None):
        super().epoch_ended({"loss": figures["loss"]})


class ReportsNoValLoss(RightTrainer):
    """Keeps the validation's loss for itself."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=OnlyLoss(job.events)))


class NoEpochs(Passing):
    """No epoch ever ends."""

    def epoch_ended(self, figures, times=None):
        return


class ReportsNothing(RightTrainer):
    """Trains, and says nothing of its epochs."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=NoEpochs(job.events)))


class NoSteps(Passing):
    """No step is ever done."""

    def images_done(self, count):
        return


class CountsNothing(RightTrainer):
    """Does not tell the progress bar."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=NoSteps(job.events)))


class Texts(Passing):
    """Rounds figures to texts."""

    def epoch_ended(self, figures, times=None):
        super().epoch_ended({name: f"{value:.4f}" for name, value in figures.items()})


class ReportsTexts(RightTrainer):
    """Reports figures as texts."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=Texts(job.events)))


class Noted(Passing):
    """Has a text beside the figures."""

    def epoch_ended(self, figures, times=None):
        super().epoch_ended(figures, {"started": "09:15"})


class ReportsTimesOfDay(RightTrainer):
    """Reports a time as a text."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=Noted(job.events)))


class Numbered(Passing):
    """Numbers the epochs."""

    epoch = 0

    def epoch_ended(self, figures, times=None):
        super().epoch_ended({"epoch": self.epoch} | figures)


class NumbersEpochs(RightTrainer):
    """Reports the number of the epoch, from 0."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=Numbered(job.events)))


class HalfImages(Passing):
    """Reports images as numbers that may have a fraction."""

    def images_done(self, count):
        super().images_done(float(count))


class CountsFractions(RightTrainer):
    """Counts images in numbers that may have a fraction."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=HalfImages(job.events)))


class Diverged(Passing):
    """No loss is a number."""

    def epoch_ended(self, figures, times=None):
        super().epoch_ended(dict(figures, loss=math.nan))


class ReportsNan(RightTrainer):
    """Reports losses that are no numbers."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=Diverged(job.events)))


class Compiles(RightTrainer):
    """Gives back a compiled network."""

    def fit(self, build, train, val, job):
        network = super().fit(build, train, val, job)
        network.compile("adam", "mse")
        return network


class GivesWeights(RightTrainer):
    """Gives back the weights of the network."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, job).get_weights()


class TrainsForever(RightTrainer):
    """Does not end, and says nothing."""

    def fit(self, build, train, val, job):
        while True:
            train[0]


class DeafToSteps(RightTrainer):
    """Trains on and on where only steps end the training."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, steps=None))


class DeafToEpochs(RightTrainer):
    """Trains on and on where only epochs end the training."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, epochs=None))


class ResizesAll(RightTrainer):
    """Resizes images whatever the view."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, frame=replace(job.frame, view="resize")))


class DeafToAugmentation(RightTrainer):
    """Trains on images as they are."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, augmentation=None))


class AugmentsAll(RightTrainer):
    """Reports the losses of changed images."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, Changed(val, job.augmentation) if job.augmentation else val, job)


@dataclass(frozen=True)
class Changed:
    """Samples as an augmentation makes them."""

    samples: Any
    augmentation: Any

    @property
    def ids(self):
        return self.samples.ids

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        import numpy as np

        image, mask = self.samples[index]
        return self.augmentation.augment(image, mask, None, mask.shape, np.random.default_rng(index))[:2]


class DeafToSeeds(RightTrainer):
    """Trains from seed 0 whatever it is told."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, seed=0))


class Lucky(RightTrainer):
    """Trains from another seed every time."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, seed=random.SystemRandom().randrange(2**31)))


class LeavesTraces(RightTrainer):
    """Seeds Python's random for all that comes after it."""

    def fit(self, build, train, val, job):
        random.seed(job.seed)
        return super().fit(build, train, val, job)


class Listens(Subscriber):
    """Hears of a run, and keeps what it wants."""

    def __init__(self):
        self.folder, self.epochs = None, []

    def run_started(self, config, folder):
        self.folder = folder

    def resumed(self, figures, times=(), images=0):
        self.epochs = [row["epoch"] for row in figures]

    def epoch_ended(self, figures, times=None):
        self.epochs.append(figures["epoch"])


class RightTracker(Tracker):
    """Follows a run with a subscriber of a class of its own."""

    listens: ClassVar = Listens

    def subscriber(self):
        return self.listens()


class GivesItself(RightTracker):
    """Takes the plugin for the subscriber."""

    def subscriber(self):
        return self


class RoundsAll(RightTracker):
    """Does not think of figures that are no numbers."""

    class listens(Listens):  # noqa: N801
        def epoch_ended(self, figures, times=None):
            self.epochs.append([round(value) for value in figures.values()])


class EndsBeforeItBegins(RightTracker):
    """Needs an epoch in the process that ends the run."""

    class listens(Listens):  # noqa: N801
        def __init__(self):
            super().__init__()
            self.last = {}

        def epoch_ended(self, figures, times=None):
            self.last = figures

        def run_ended(self, metrics):
            self.last["val_loss"]


class OneForAll(RightTracker):
    """Has one subscriber for all runs."""

    def subscriber(self):
        return EVERY_RUN


EVERY_RUN = Listens()


class TakesTheEpoch(RightTracker):
    """Takes the number of the epoch out of the row."""

    class listens(Listens):  # noqa: N801
        def epoch_ended(self, figures, times=None):
            self.epochs.append(figures.pop("epoch", None))


class TidiesUp(RightTracker):
    """Begins with a folder that is empty."""

    class listens(Listens):  # noqa: N801
        def run_started(self, config, folder):
            for path in folder.glob("*.csv"):
                path.unlink()


class DrawsANumber(RightTracker):
    """Gives each run a name by chance."""

    class listens(Listens):  # noqa: N801
        def run_started(self, config, folder):
            self.name = f"run-{random.randrange(10**6)}"
