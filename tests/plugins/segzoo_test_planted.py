"""A plugin of each kind that raises an exception in the method that its option `fails` names."""

from __future__ import annotations

from pydantic import Field

from segzoo.plugin import Augmentation, Dataset, Info, Loss, Model, Subscriber, Tracker, Trainer


def fail(plugin, method):
    """Raise an exception if it is the turn of this method."""
    if plugin.fails == method:
        raise RuntimeError(f"planted in {method}")


class Net(Model):
    """A convolution, once it is built."""

    fails: str = Field("", description="The method that fails.")

    @property
    def stride(self):
        fail(self, "stride")
        return 1

    def build(self, image_shape, num_classes):
        import keras

        fail(self, "build")
        inputs = keras.Input(image_shape)
        return keras.Model(inputs, Layer(self)(keras.layers.Conv2D(num_classes, 1)(inputs)))


def Layer(net):  # noqa: N802
    """A layer that fails as the network is run."""
    import keras

    class Failing(keras.layers.Layer):
        def call(self, inputs):
            fail(net, "call")
            return inputs

    return Failing()


class Samples:
    """Six noisy images."""

    def __init__(self, data, split):
        self.data, self.split = data, split
        self.ids = [f"{split}-{number}" for number in range(6)]

    def __len__(self):
        fail(self.data, "__len__")
        return len(self.ids)

    def __getitem__(self, index):
        import numpy as np

        if index == 3:
            fail(self.data, "__getitem__")
        rng = np.random.default_rng([index, len(self.split)])
        return rng.integers(0, 256, (16, 16, 3), np.uint8), rng.integers(0, 2, (16, 16), np.uint8)


class Data(Dataset):
    """Noise."""

    fails: str = Field("", description="The method that fails.")

    def prepare(self, cache):
        fail(self, "prepare")

    def describe(self, cache):
        fail(self, "describe")
        return Info(("a", "b"), 3, ("train", "val", "test"), (16, 16), 1)

    def open(self, cache, split):
        fail(self, "open")
        return Samples(self, split)

    def files(self, cache, split):
        fail(self, "files")
        return ()

    def warnings(self, cache):
        fail(self, "warnings")
        return ()

    def stamp(self, cache, split):
        fail(self, "stamp")
        return ""


class Sum(Loss):
    """The mean of the logits, squared."""

    fails: str = Field("", description="The method that fails.")

    def __call__(self, labels, logits, weights):
        from keras import ops

        fail(self, "__call__")
        return ops.mean(ops.square(logits), axis=(1, 2, 3))

    def weight_map(self, mask):
        fail(self, "weight_map")


class Noise(Augmentation):
    """Adds nothing."""

    fails: str = Field("", description="The method that fails.")

    def margin(self, size):
        fail(self, "margin")
        return 0

    def augment(self, image, mask, weights, size, random):
        fail(self, "augment")
        if self.fails == "labels":
            mask = mask + 3
        return image, mask, weights


class Fit(Trainer):
    """Trains nothing."""

    fails: str = Field("", description="The method that fails.")
    tells: bool = Field(False, description="Whether it tells of an epoch.")

    def fit(self, build, train, val, job):
        from segzoo.training import clean_state

        with clean_state(job.seed):
            network = build()
        fail(self, "fit")
        if self.tells:
            job.events.images_done(len(train))
            job.events.epoch_ended({"loss": 0.5, "val_loss": 0.4})
        return network


class Follow(Tracker):
    """Writes nothing down."""

    fails: str = Field("", description="The method that fails.")

    def subscriber(self):
        fail(self, "subscriber")
        return Following(self)


class Following(Subscriber):
    """Follows a run, until it fails."""

    def __init__(self, tracker):
        self.tracker = tracker

    def epoch_ended(self, figures, times=()):
        fail(self.tracker, "epoch_ended")
