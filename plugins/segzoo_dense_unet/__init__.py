"""The One Hundred Layers Tiramisu: a U-Net of dense blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from segzoo.plugin import Count, Model

if TYPE_CHECKING:
    import keras


class DenseUNet(Model):
    """FC-DenseNet, the "Tiramisu": a U-Net whose stages are dense blocks, where every layer sees all before it.

    The paper's networks are 56 layers with a growth rate of 12, and 67 or 103 layers with one of 16.
    """

    paper: ClassVar[str] = "Jégou, Drozdzal, Vazquez, Romero, Bengio 2017, FC-DenseNet, arXiv:1611.09326"
    parameters: ClassVar[Count | None] = Count(
        9_320_035,
        classes=3,
        published="For 11 classes the paper states 9.4 M with 103 layers, 3.5 M with 67 and 1.5 M with 56. With moving "
        "statistics, as the authors' code counts, its layers have 9,425,163, 3,502,923 and 1,397,963 (growth rate 12): "
        "where 0.1 M of the last went is open (SimJeg/FC-DenseNet#31).",
    )
    width: ClassVar[str | None] = "growth_rate"

    layers: Literal[56, 67, 103] = Field(103, description="Number of convolutions, as the paper counts its networks.")
    growth_rate: int = Field(
        16, ge=1, description="Maps that each layer adds; the paper's is 12 with 56 layers, else 16."
    )
    dropout: float = Field(
        0.2, ge=0, lt=1, description="Rate of dropout after each convolution of a block or transition."
    )
    bn_momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of the moving statistics of batch normalization.")

    @property
    def stride(self) -> int:
        """Five poolings, each halving the size."""
        return 32

    @classmethod
    def example(cls) -> Self:
        """The shallowest of the three, each layer adding two maps."""
        return cls(layers=56, growth_rate=2)

    def build(self, image_shape: tuple[int | None, int | None, int], num_classes: int) -> keras.Model:
        """See `Model.build`."""
        from segzoo_dense_unet.network import dense_unet

        return dense_unet(image_shape, num_classes, self)
