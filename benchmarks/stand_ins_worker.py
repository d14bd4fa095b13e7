"""Trains a network of a plugin on random images in memory, with stand-ins or without, one epoch a turn; see `turns.py`.

Options: `model` and `settings` as `segzoo run` takes them, `precision`, `batch_size`, and the `kind` of stand-ins.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from turns import FIRST_STEPS, Pace, Training, main

from segzoo.runs.config import compose
from segzoo.runs.planning import resolve

CLASSES = 3


def train(training: Training, pace: Pace) -> None:
    step = compiled(training)
    for _ in range(training.epochs):
        seconds = 0.0
        for number in range(training.batches):
            start = time.process_time()
            step()
            seconds += time.process_time() - start if number >= FIRST_STEPS else 0.0
            pace.step(training.options["batch_size"])
        pace.epoch({"seconds": seconds})


def compiled(training: Training) -> Callable[[], float]:
    """A training step on images that stay the same; it returns the loss."""
    import keras
    import numpy as np
    import tensorflow as tf

    options = training.options
    words = {"model": options["model"], "dataset": "shapes"}
    model = resolve(compose(None, words, options["settings"])).model
    keras.config.set_dtype_policy(options["precision"])
    plain = model.build((None, None, 3), CLASSES)
    network = trained(plain, options["kind"])
    optimizer = keras.optimizers.AdamW()
    optimizer.build(plain.trainable_variables)
    rng = np.random.default_rng(0)
    shape = (options["batch_size"], training.image_size, training.image_size)
    images = tf.constant(rng.uniform(-1, 1, (*shape, 3)), tf.float32)
    labels = tf.constant(rng.integers(0, CLASSES, shape), tf.int32)

    @tf.function
    def step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = tf.cast(network(images, training=True), tf.float32)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply(tape.gradient(loss, plain.trainable_variables), plain.trainable_variables)
        return loss

    return lambda: float(step(images, labels))


def trained(network: Any, kind: str) -> Any:
    """The network with stand-ins of a kind."""
    from segzoo_keras import stand_ins

    if kind == "none":
        return network
    if kind == "normalization":  # as if no other layer had a stand-in that is quicker
        stand_ins.has_slow_gradient = lambda layer: False
    return stand_ins.with_stand_ins(network)


if __name__ == "__main__":
    main(train)
