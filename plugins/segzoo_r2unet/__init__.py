"""The R2U-Net: a U-Net of recurrent residual convolutional units."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field

from segzoo.plugin import Count, Model

if TYPE_CHECKING:
    import keras


class R2UNet(Model):
    """The U-Net of recurrent residual units, in which a convolution runs t + 1 times with the same weights.

    A recurrent convolution sees its input x and its own last output: h(0) = f(w * x), then h(s) = f(w * (x + h(s - 1)))
    for s = 1..t. A unit is a 1x1 projection to its width plus two recurrent convolutions of that projection. All steps
    share their weights, so that the number of parameters does not depend on `t`; ports that unroll the recurrence into
    convolutions of their own end at 95.99 M.

    The paper writes one kernel for x and another for h(s - 1), and yet claims the parameters of a network without
    recurrence. Both are true where the two kernels are one, since w * x + w * h = w * (x + h): so does the reference
    port, LeeJunHyun/Image_Segmentation, and so does this network, which has exactly its parameters. Where the paper is
    silent on the decoder the port decides: nearest upsampling and a 3x3 convolution.

    Batch normalization, of which the paper's equations know nothing, stands where a recurrent convolution ends, before
    its last ReLU; within the recurrence the equations hold as they are. The port normalizes in every step with one and
    the same layer: the parameters are the same, but moving statistics averaged over steps that differ fit none of
    them, and the network is worse in inference than it was in training. A normalization for each step would make the
    parameters depend on `t`.
    """

    paper: ClassVar[str] = "Alom, Hasan, Yakopcic, Taha, Asari 2018, R2U-Net, arXiv:1802.06955"
    parameters: ClassVar[Count | None] = Count(
        39_091_393,
        classes=1,
        published="39,091,393 in the port LeeJunHyun/Image_Segmentation, at any t. Ports that do not share the weights "
        "of the steps have 95.99 M.",
    )
    width: ClassVar[str | None] = "filters"

    filters: int = Field(64, ge=1, description="Filters of the first stage; each stage down has twice as many.")
    depth: int = Field(4, ge=1, le=8, description="Number of 2x2 poolings.")
    t: int = Field(2, ge=1, description="Recurrent steps after the first pass of each convolution; adds no parameters.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Rate of dropout after the deepest stage and the one above it.")
    batch_norm: bool = Field(True, description="Normalize over the batch at the end of each recurrence.")
    bn_momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of the moving statistics of batch normalization.")

    @property
    def stride(self) -> int:
        """Each pooling halves the size."""
        return int(2**self.depth)

    @classmethod
    def example(cls) -> Self:
        """Two stages of four filters."""
        return cls(filters=4, depth=2)

    def build(self, image_shape: tuple[int | None, int | None, int], num_classes: int) -> keras.Model:
        """See `Model.build`."""
        from segzoo_r2unet.network import r2unet

        return r2unet(image_shape, num_classes, self)
