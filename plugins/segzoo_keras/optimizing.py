"""The optimizer and its learning rate, which may depend on how much of the training is done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from segzoo_keras import KerasTrainer
    from segzoo_keras.freezing import Trainable

POWER = 0.9
"""Of the polynomial schedule, as in DeepLab (arXiv:1606.00915)."""


class ByVariable(keras.optimizers.Optimizer):
    """What is mixed into a Keras optimizer whose variables differ in their learning rates, or in when they are trained.

    Weight decay is by the rate of the variable. Adam corrects its averages, which begin at 0, by the number of steps;
    for variables that join later these are the steps since then. With the number of all steps, the first ones of such
    variables would be up to six times too large.
    """

    def __init__(self, factors: tuple[float, ...], late: frozenset[int], **config: Any) -> None:
        super().__init__(**config)
        self._decay, self.weight_decay = config.get("weight_decay"), None  # Keras' would be at the same rate for all
        self._factors, self._late, self._counts_late = factors, late, False
        self._before = self.add_variable((), dtype="int", aggregation="only_first_replica", name="before")

    @property
    def iterations(self) -> Any:
        """The steps that are done; while a variable is changed that has joined later, those since then."""
        return super().iterations - self._before if self._counts_late else super().iterations

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """See `keras.optimizers.Optimizer.update_step`."""
        place = self._get_variable_index(variable)
        rate = learning_rate * self._factors[place]
        if self._decay and self._use_weight_decay(variable):
            self.assign_sub(variable, variable * self._decay * rate)
        self._counts_late = place in self._late
        super().update_step(gradient, variable, rate)
        self._counts_late = False

    def apply(self, grads: list[Any], trainable_variables: list[keras.Variable]) -> None:
        """See `keras.optimizers.Optimizer.apply`."""
        super().apply(grads, trainable_variables)
        if self._late.isdisjoint(map(self._get_variable_index, trainable_variables)):
            self._before.assign(self._iterations)


def make_optimizer(options: KerasTrainer, trainable: Trainable) -> keras.optimizers.Optimizer:
    """The Keras optimizer that the options name, built for all variables that are ever trained."""
    config: dict[str, Any] = {"learning_rate": options.learning_rate, "global_clipnorm": options.clip_norm or None}
    if options.optimizer == "sgd":
        config |= {"momentum": 0.9, "nesterov": True}
    if options.weight_decay or options.optimizer == "adamw":  # which needs a number
        config["weight_decay"] = options.weight_decay
    kind = type(keras.optimizers.get(options.optimizer))
    if not trainable.alike:
        kind = type(kind.__name__, (ByVariable, kind), {})
        config |= {"factors": trainable.factors, "late": trainable.late}
    optimizer = kind(**config)
    optimizer.exclude_from_weight_decay([v for v in trainable.variables if not v.name.endswith("kernel")])
    if options.precision == "mixed_float16":
        # Float16 has no numbers for the small gradients of a loss that is not scaled up.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(trainable.variables)
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
