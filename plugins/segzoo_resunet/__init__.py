"""The Deep Residual U-Net: a U-Net of pre-activation residual units."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field

from segzoo.plugin import Count, Model

if TYPE_CHECKING:
    import keras


class ResUNet(Model):
    """The Deep Residual U-Net: pre-activation residual units in an encoder, a bridge and a decoder.

    A unit is twice batch normalization, ReLU and a 3x3 convolution, plus its input; the very first convolution takes
    the image as it is. Convolutions of stride 2 stand where the U-Net pools, and the decoder upsamples without weights.

    The published 7.8 M are the fifteen convolutions of the paper's table: 7,780,096 weights with 1 class. But every
    unit changes the number of channels, so that its input cannot be added as it is: each needs a 1x1 projection, of
    which the paper says nothing. They are 430,272 weights; with them, the biases and the batch normalizations the
    network has 8.2 M. A projection takes the input before it is normalized, which keeps the identity path free, and has
    no bias, since the convolution that it is added to has one. Upsampling repeats pixels: the paper does not say how,
    and the Keras of 2017, in which it was written, knew no other way.
    """

    paper: ClassVar[str] = "Zhang, Liu, Wang 2018, Road Extraction by Deep Residual U-Net, arXiv:1711.10684"
    parameters: ClassVar[Count | None] = Count(
        8_219_715,
        classes=3,
        published="7.8 M in the paper, with 1 class: the 7,780,096 weights of its fifteen convolutions. The "
        "projections that its shortcuts need are another 430,272, biases and batch normalizations 9,217.",
    )
    width: ClassVar[str | None] = "filters"

    filters: int = Field(64, ge=1, description="Filters of the first level; each level down has twice as many.")
    depth: int = Field(3, ge=1, le=8, description="Number of convolutions of stride 2, the bridge's included.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Rate of dropout after the bridge; the paper has none.")
    bn_momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of the moving statistics of batch normalization.")

    @property
    def stride(self) -> int:
        """Each level down halves the size."""
        return int(2**self.depth)

    @classmethod
    def example(cls) -> Self:
        """Two levels of four filters and a bridge."""
        return cls(filters=4, depth=2)

    def build(self, image_shape: tuple[int | None, int | None, int], num_classes: int) -> keras.Model:
        """See `Model.build`."""
        from segzoo_resunet.network import resunet

        return resunet(image_shape, num_classes, self)
