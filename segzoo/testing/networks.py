"""Building small networks for the checks, reproducibly and without changes to Keras' global state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.networks.build import clean_state
from segzoo.networks.frame import Frame
from segzoo.plugin import Model

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

CLASSES = 3
SIDE = 16
"""Height and width of the images of most checks, before they are made legal."""


def build(
    model: Model,
    frame: Frame,
    channels: int = 3,
    classes: int = CLASSES,
    *,
    seed: int = 0,
    policy: str = "float32",
    fixed: bool = False,
) -> keras.Model:
    """The network as a run would build it: for images of any size, unless it is `fixed` to the frame's."""
    import keras

    size = frame.input_size if fixed or model.fixed_size else (None, None)
    with clean_state(seed, policy):
        network = model.build((*size, channels), classes)
        assert isinstance(network, keras.Model), f"`build` returned a {type(network).__name__}, not a keras.Model"
        if not network.built:  # a subclassed network creates its weights when it is first called
            network(np.zeros((1, *frame.input_size, channels), np.float32))
    return network


def stirred(network: keras.Model, seed: int = 0) -> keras.Model:
    """The network with a little noise added to all trainable weights, as if it had been trained.

    Weights that begin at zero, as those of a last layer often do, would hide what lies before them.
    """
    rng = np.random.default_rng(seed)
    for weight in network.trainable_weights:
        values = np.asarray(weight)
        scale = 0.1 * values.std() or 0.05
        weight.assign(values + rng.normal(0, scale, values.shape).astype(values.dtype))
    return network


def compiled(network: keras.Model, optimizer: Any, loss: Any) -> keras.Model:
    """The network, ready for a few training steps."""
    import keras

    # JAX is slow step by step; TensorFlow would take longer to trace a graph than these few steps take without one.
    jit = keras.backend.backend() == "jax"
    with clean_state():
        network.compile(optimizer, loss, jit_compile=jit, run_eagerly=not jit)
    return network


def frame_of(model: Model, side: int = SIDE) -> Frame:
    """The frame in which the model predicts an image of that height and width."""
    return Frame.around((side, side), model)


def noise(frame: Frame, count: int = 2, channels: int = 3, seed: int = 0) -> NDArray[np.float32]:
    """Random images float32 (count, H, W, channels) in [-1, 1], of the size that the network takes."""
    shape = (count, *frame.input_size, channels)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def run(network: keras.Model, images: NDArray[np.float32]) -> NDArray[Any]:
    """The network's output for the images, in inference mode."""
    import keras

    return np.asarray(keras.ops.convert_to_numpy(network(images, training=False)))


def spread(values: NDArray[Any]) -> float:
    """Largest minus smallest value, at least 1e-6: the scale that differences are compared with."""
    return max(float(np.ptp(values)), 1e-6)
