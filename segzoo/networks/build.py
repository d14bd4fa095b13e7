"""Building the network of a model plugin: seeded, without changes to global state, checked against its declarations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.errors import PluginError, PluginRaisedError
from segzoo.networks.frame import Frame
from segzoo.plugin import Model, Trainer
from segzoo.plugin_errors import Calling, summary, title

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

SIDES = (256, 240, 336)
"""Image sizes of which a network should take some: large enough, and multiples of many numbers."""


@contextmanager
def clean_state(seed: int = 0, policy: str = "float32") -> Iterator[None]:
    """Inside, seeds and Keras' dtype policy are set; afterwards the states are restored. For trainers.

    Keras draws the seeds of initializers and dropout from Python's `random`. `keras.utils.set_random_seed` would do as
    well, but there is no way to undo it.
    """
    import keras

    policy_before, python, numpy = keras.config.dtype_policy(), random.getstate(), np.random.get_state()
    keras.config.set_dtype_policy(policy)
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy_before)
        random.setstate(python)
        np.random.set_state(numpy)


def build_network(model: Model, name: str, frame: Frame, channels: int, num_classes: int) -> keras.Model:
    """The network of the plugin called `name`, for images of any size unless it is one of `fixed_size`.

    Raises:
        PluginError: if it cannot be built, or does not make of the frame's input logits as the frame expects them.
    """
    images = "x".join(map(str, (*frame.input_size, channels)))
    try:
        network, output = _build(model, frame, channels, num_classes)
    except PluginRaisedError as error:
        if not _takes_another_size(model, frame, channels, num_classes):
            raise
        size, why = "x".join(map(str, frame.image_size)), summary(error.exception)
        raise PluginError(
            f"model '{name}' cannot take {images}, made of image size {size}; try another --image-size ({why})"
        ) from error
    promised = (1, *frame.output_size, num_classes)
    if wrong := no_logits(output):
        raise PluginError(f"model '{name}' makes {wrong}; it should make logits {promised} of {images}")
    if tuple(output.shape) != promised:
        raise PluginError(f"model '{name}' makes {tuple(output.shape)} of {images}, but should make {promised}")
    return network


def no_logits(output: Any) -> str:
    """What a network has made that can be no logits, in words; empty if it is a tensor of a float type."""
    import keras

    if not keras.ops.is_tensor(output):
        return f"a {type(output).__name__}, not a tensor"
    kind = keras.backend.standardize_dtype(output.dtype)
    return "" if keras.backend.is_float_dtype(kind) else f"a tensor of {kind}, not of a float type"


def _build(model: Model, frame: Frame, channels: int, num_classes: int) -> tuple[keras.Model, Any]:
    import keras

    size = frame.input_size if model.fixed_size else (None, None)
    network = model.build((*size, channels), num_classes)
    if not isinstance(network, keras.Model):
        raise PluginError(f"{title(type(model))}: `build` returned a {type(network).__name__}, not a keras.Model")
    # A real image: symbolic shapes would not reveal feature maps whose sizes do not match.
    images = np.zeros((1, *frame.input_size, channels), np.float32)
    with Calling(type(model), f"its network, given images of shape {images.shape},"):
        return network, network(images)


def _takes_another_size(model: Model, frame: Frame, channels: int, num_classes: int) -> bool:
    """Whether the network works at a size that suits most networks: then the size is at fault, and not the plugin."""
    for side in SIDES:
        with suppress(PluginError):
            _build(model, replace(frame, image_size=(side, side)), channels, num_classes)
            return frame.image_size != (side, side)
    return False


@dataclass(frozen=True)
class TrainedNetwork:
    """What a trainer has returned, each prediction of which is checked.

    Raises:
        PluginError: if it is no network.
    """

    network: keras.Model
    trainer: Trainer
    frame: Frame
    num_classes: int

    def __post_init__(self) -> None:
        if not hasattr(self.network, "predict_on_batch"):
            kind = type(self.network).__name__
            raise PluginError(f"{title(type(self.trainer))}: `fit` returned a {kind}, not a keras.Model")

    def predict_on_batch(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (B, *output_size, num_classes) of pixel values 0..255 (B, *input_size, C).

        Raises:
            PluginError: if they are of another shape, or not finite.
        """
        with Calling(type(self.trainer), f"its network, given images of shape {images.shape},"):
            logits = np.asarray(self.network.predict_on_batch(images), np.float32)
        promised = (len(images), *self.frame.output_size, self.num_classes)
        name = title(type(self.trainer))
        if logits.shape != promised:
            raise PluginError(f"{name}: its network makes {logits.shape} of {images.shape}, but should make {promised}")
        if not np.isfinite(logits).all():
            raise PluginError(f"{name}: its network gives logits that are not finite")
        return logits
