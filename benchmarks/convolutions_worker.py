"""Computes the convolutions of the article's network and nothing else, one epoch a turn; see `turns.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from turns import BATCH_SIZE, Pace, Training, main


def train(training: Training, pace: Pace) -> None:
    """Options: `dtype`, the type in which they are computed."""
    import keras
    from article import unet

    network = unet((training.image_size, training.image_size), training.filters)
    kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    passes = [both_ways(layer, training.options["dtype"]) for layer in network.layers if isinstance(layer, kinds)]
    for _ in range(training.epochs):
        for _ in range(training.batches):
            for both in passes:
                both()
            pace.step(BATCH_SIZE)
        pace.epoch()


def both_ways(layer: Any, dtype: str) -> Callable[[], Any]:
    """The convolution of a layer with the gradients of its kernel and its input, as a step needs them."""
    import tensorflow as tf

    def random(shape: tuple[int, ...]) -> Any:
        return tf.cast(tf.random.stateless_normal(shape, seed=(0, 0)), dtype)

    images, kernel = random((BATCH_SIZE, *layer.input.shape[1:])), random(layer.kernel.shape)
    sizes, padding = layer.strides, layer.padding.upper()
    gradient = random((BATCH_SIZE, *layer.output.shape[1:]))
    wanted = 1 if layer.input.shape[-1] == 3 else 2  # nobody asks for the gradient of the pixels

    @tf.function
    def both(images: Any, kernel: Any, gradient: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([kernel, images])
            if "Transpose" in type(layer).__name__:
                output = tf.nn.conv2d_transpose(images, kernel, gradient.shape, sizes, padding)
            else:
                output = tf.nn.conv2d(images, kernel, sizes, padding)
        return output, tape.gradient(output, [kernel, images][:wanted], output_gradients=gradient)

    return lambda: both(images, kernel, gradient)


if __name__ == "__main__":
    main(train)
