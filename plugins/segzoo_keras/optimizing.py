"""The optimizer and its learning rate, which may depend on how much of the training is done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from segzoo_keras import KerasTrainer

POWER = 0.9
"""Of the polynomial schedule, as in DeepLab (arXiv:1606.00915)."""


def make_optimizer(options: KerasTrainer, model: keras.Model) -> keras.optimizers.Optimizer:
    """The Keras optimizer that the options name, built for a network."""
    config: dict[str, Any] = {"learning_rate": options.learning_rate, "global_clipnorm": options.clip_norm or None}
    if options.optimizer == "sgd":
        config |= {"momentum": 0.9, "nesterov": True}
    if options.weight_decay or options.optimizer == "adamw":  # which needs a number
        config["weight_decay"] = options.weight_decay
    optimizer = keras.optimizers.get({"class_name": options.optimizer, "config": config})
    optimizer.exclude_from_weight_decay([v for v in model.trainable_variables if not v.name.endswith("kernel")])
    if options.precision == "mixed_float16":
        # Float16 has no numbers for the small gradients of a loss that is not scaled up.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer


def learning_rate(options: KerasTrainer, done: float) -> float:
    """The learning rate where this share of the training is done, 0 to 1."""
    if done < options.warmup:
        return options.learning_rate * done / options.warmup
    left = max(0.0, (1 - done) / (1 - options.warmup))
    factors: dict[str, float] = {
        "constant": 1.0,
        "cosine": (1 - math.cos(math.pi * left)) / 2,
        "polynomial": left**POWER,
    }
    return options.learning_rate * factors[options.schedule]
