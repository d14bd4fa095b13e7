"""A convolution of one pixel, and what breaks the promises of networks."""

from typing import Literal

from segzoo.plugin import Model

SIZES = {
    "stride of 0": {"stride": 0},
    "large offset": {"stride": 2, "offset": 2},
    "negative margin": {"margin": -1},
}
"""Sizes that a network cannot have."""


class Faulty(Model):
    """A network that breaks a promise."""

    fault: Literal[
        "none",
        "half",
        "thirds",
        "error",
        "tensor",
        "nothing",
        "list",
        "dictionary",
        "integers",
        "no weights",
        "no gradient",
        "half in training",
        "stride of 0",
        "large offset",
        "negative margin",
    ] = "none"

    @property
    def stride(self):
        return SIZES.get(self.fault, {}).get("stride", 1)

    @property
    def offset(self):
        return SIZES.get(self.fault, {}).get("offset", 0)

    @property
    def margin(self):
        return SIZES.get(self.fault, {}).get("margin", 0)

    def build(self, image_shape, num_classes):
        import keras

        x = inputs = keras.Input(image_shape)
        if self.fault == "half":
            x = keras.layers.MaxPooling2D(2)(x)
        if self.fault == "thirds":
            x = keras.layers.Concatenate()([x, keras.layers.UpSampling2D(3)(keras.layers.MaxPooling2D(3)(x))])
        if self.fault == "error":
            raise RuntimeError("no weights")
        if self.fault == "tensor":
            return x
        if self.fault == "nothing":
            return None
        logits = keras.layers.Conv2D(num_classes, 1, trainable=self.fault != "no weights")(x)
        if self.fault == "half in training":
            logits = HalfInTraining()(logits)
        outputs = {
            "list": [logits, x],
            "dictionary": {"logits": logits},
            "integers": keras.ops.cast(logits, "int32"),
            "no gradient": keras.ops.stop_gradient(logits),
        }
        return keras.Model(inputs, outputs.get(self.fault, logits))


def HalfInTraining():  # noqa: N802
    """A layer whose output is smaller in training."""
    import keras

    class Layer(keras.layers.Layer):
        def call(self, inputs, training=False):
            return inputs[:, ::2, ::2] if training else inputs

    return Layer()


class Fixed(Faulty):
    """A network of one size, which is not asked for another."""

    fixed_size = True

    def build(self, image_shape, num_classes):
        assert image_shape == (16, 16, 3)
        return super().build(image_shape, num_classes)
