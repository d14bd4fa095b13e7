"""Test-time augmentation: a network that is asked about mirrored and turned images, and answers with the mean.

The whole input of the network is mirrored, with the pixels around what it predicts, and its output is mirrored back; so
sizes, margins and frames are those of the network alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from segzoo.errors import ConfigError
from segzoo.networks.prediction import Predictor, mean_as_logits, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

Symmetries = Literal["flips", "d4"]
"""`flips`: the image, mirrored up and down, left and right, and both. `d4`: these, and these turned by 90 degrees."""


@dataclass(frozen=True)
class Symmetric:
    """A network whose prediction is the mean of the probabilities in all symmetries.

    Raises:
        ConfigError: if the network cannot take turned images.
    """

    network: Predictor
    symmetries: Symmetries

    def __post_init__(self) -> None:
        height, width = getattr(self.network, "input_shape", (None,) * 4)[1:3]
        if self.symmetries == "d4" and height != width:
            raise ConfigError(
                f"the network takes images of {height}x{width} alone, which cannot be turned by 90 degrees as "
                "`--tta d4` does: take `--tta flips`"
            )

    def predict_on_batch(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (B, H', W', num_classes) of pixel values 0..255 (B, H, W, C): see `mean_as_logits`."""
        return mean_as_logits(self._probabilities(images))

    def _probabilities(self, images: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """The probabilities in each symmetry, turned back."""
        for turned, *flips in product((False, True) if self.symmetries == "d4" else (False,), (1, -1), (1, -1)):
            view = images.swapaxes(1, 2) if turned else images
            view = view[:, :: flips[0], :: flips[1]]
            logits: Any = self.network.predict_on_batch(np.ascontiguousarray(view))
            probabilities = softmax(np.asarray(logits, np.float32))[:, :: flips[0], :: flips[1]]
            yield probabilities.swapaxes(1, 2) if turned else probabilities
