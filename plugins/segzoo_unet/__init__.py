"""The U-Net, in its everyday form and as published."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from segzoo.plugin import Count, Model

if TYPE_CHECKING:
    import keras


class UNet(Model):
    """The classic U-Net: an encoder and a decoder of paired convolutions, joined by skip connections.

    With `padding = "same"` and batch normalization it is the form in everyday use, whose output is as large as its
    input. With `padding = "valid"` and `batch_norm = false` it is the network of the paper: 572x572 in, 388x388 out.
    """

    paper: ClassVar[str] = "Ronneberger, Fischer, Brox 2015, U-Net, arXiv:1505.04597"
    parameters: ClassVar[Count | None] = Count(
        31_043_651,
        classes=3,
        published="The paper states none. Without batch normalization, of 2 classes and 1 channel it has 31,030,658, "
        "as its figure 1 gives; batch normalization adds 2 a channel, and 11,776 moving statistics not trained.",
    )
    width: ClassVar[str | None] = "filters"

    filters: int = Field(64, ge=1, description="Filters of the first stage; each stage down has twice as many.")
    depth: int = Field(4, ge=1, le=8, description="Number of 2x2 poolings.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Rate of dropout after the deepest stage and the one above it.")
    batch_norm: bool = Field(True, description="Normalize over the batch between convolution and ReLU.")
    bn_momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of the moving statistics of batch normalization.")
    padding: Literal["same", "valid"] = Field(
        "same", description="Padding of the 3x3 convolutions; the paper's is valid."
    )

    @property
    def stride(self) -> int:
        """Each pooling halves the size."""
        return int(2**self.depth)

    @property
    def offset(self) -> int:
        """Unpadded, a stage takes 4 pixels before it halves: every pooled size is even for 16 k + 12 at depth 4."""
        return 0 if self.padding == "same" else -4 % self.stride

    @property
    def margin(self) -> int:
        """Unpadded, two pixels a convolution, scaled by its stage: 92 at depth 4."""
        return 0 if self.padding == "same" else 6 * self.stride - 4

    @classmethod
    def example(cls) -> Self:
        """Two stages of four filters."""
        return cls(filters=4, depth=2)

    def build(self, image_shape: tuple[int | None, int | None, int], num_classes: int) -> keras.Model:
        """See `Model.build`."""
        from segzoo_unet.network import unet

        return unet(image_shape, num_classes, self)
