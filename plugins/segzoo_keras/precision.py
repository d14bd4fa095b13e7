"""The failures of training in 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from segzoo.errors import ConfigError, PluginError

if TYPE_CHECKING:
    import keras


def build_network(build: Callable[[], keras.Model], precision: str) -> keras.Model:
    """The network under the policy in force, which is `precision`; if only float32 can build it, say so."""
    import keras

    try:
        return build()
    except PluginError as error:
        if precision == "float32":
            raise
        keras.config.set_dtype_policy("float32")
        build()  # if this fails too, the precision is not the cause
        raise ConfigError(
            f"the network cannot be built in {precision}; take --set trainer.precision=float32 ({error})"
        ) from error


def scale_is_used_up(optimizer: keras.optimizers.LossScaleOptimizer) -> bool:
    """Whether loss scaling has stopped helping.

    It leaves out a step whose gradients overflow, and halves the scale: that is how it finds one. But while gradients
    overflow at any scale, nothing is learnt, and the loss stays a number.
    """
    return float(optimizer.dynamic_scale.numpy()) < 1
