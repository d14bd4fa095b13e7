"""Replaces connections by zeros, each in turn, to see which of them change a network's output."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.testing.networks import run

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

PLAIN_MERGES = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Subtract")
"""Operations of which no input makes sense twice; a square or attention to oneself does."""


class Switched:
    """A network with a switch before each input of each operation that joins several.

    It has the layers, and so the weights, of the network that it is made of.
    """

    def __init__(self, network: keras.Model) -> None:
        import keras

        self.names: list[str] = []
        """For each switch, what it turns off."""
        self.twice: list[str] = []
        """Operations that get the same tensor more than once."""
        self._off: NDArray[Any] = np.zeros(0, int)  # for each image of a batch, which switch is off
        self._network = keras.models.clone_model(
            network, clone_function=lambda layer: layer, call_function=self._call, recursive=True
        )

    def needs(self, image: NDArray[Any], switches: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether the output for an image (1, H, W, C) changes when each of these alone is off."""
        images = np.repeat(image, len(switches), axis=0)
        # Twice at the same place of an equal batch, even rounding is the same.
        self._off = np.full(len(switches), -1)
        before = run(self._network, images)
        self._off = switches
        changed: NDArray[np.bool_] = (run(self._network, images) != before).any(axis=(1, 2, 3))
        return changed

    def _call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        import keras

        tensors = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, keras.KerasTensor)]
        if len(tensors) < 2 or isinstance(operation, keras.Function):
            return operation(*args, **kwargs)
        if type(operation).__name__ in PLAIN_MERGES and len({id(x) for x in tensors}) < len(tensors):
            self.twice.append(operation.name)
        switch = partial(self._switch, operation.name, len(self.names))
        args, kwargs = keras.tree.map_structure(switch, (args, kwargs))
        return operation(*args, **kwargs)

    def _switch(self, name: str, first: int, x: Any) -> Any:
        import keras

        if not isinstance(x, keras.KerasTensor) or "float" not in x.dtype:
            return x
        index = len(self.names)
        self.names.append(f"input {index - first + 1} of {name}")

        def turn(values: Any) -> Any:
            on = (self._off != index).reshape(-1, *[1] * (len(values.shape) - 1))
            return values * keras.ops.cast(on, values.dtype)

        return keras.layers.Lambda(turn, output_shape=lambda shape: shape, dtype=x.dtype)(x)
