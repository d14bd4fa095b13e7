"""A convolution of one pixel, and what breaks the promises of networks."""

from typing import Literal

from segzoo.plugin import Model


class Faulty(Model):
    """A network that may halve the size, demand a multiple of three, raise an error or give no network."""

    fault: Literal["none", "half", "thirds", "error", "tensor", "nothing"] = "none"

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
        return keras.Model(inputs, keras.layers.Conv2D(num_classes, 1)(x))


class Fixed(Faulty):
    """A network of one size, which is not asked for another."""

    fixed_size = True

    def build(self, image_shape, num_classes):
        assert image_shape == (16, 16, 3)
        return super().build(image_shape, num_classes)
