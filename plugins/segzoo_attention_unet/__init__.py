"""The Attention U-Net: a U-Net whose skip connections are gated by what the coarser stage has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field

from segzoo.plugin import Count, Model

if TYPE_CHECKING:
    import keras


class AttentionUNet(Model):
    """The U-Net with an additive attention gate on every skip connection but the finest.

    A gate weighs the skip x by the signal g, the features of the next coarser stage at their own resolution:

        map = upsample(sigmoid(psi * ReLU(W_x * x + W_g * g + b_g) + b_psi)), and map x is what is concatenated.

    The paper works on volumes; this is its grid attention for images. As in the paper the finest skip has no gate,
    since low-level features "do not represent the input data in a high dimensional space". The paper's W_x is a 1x1
    convolution of x at the resolution of g, without saying how x gets there; here as in its authors' code it is a 2x2
    convolution of stride 2 without bias, which hears every pixel. From that code, too: W_x and W_g have as many filters
    as x has channels, and maps are upsampled bilinearly. Left out is what belongs to the authors' experiments and not
    to the gate: deep supervision, a second gate on each skip for several classes, and the code's 1x1 convolutions
    before and after the gates.

    All the rest is the `unet` plugin with "same" padding, so that the two differ by nothing but the gates. The much
    used port LeeJunHyun/Image_Segmentation is another design: its gates sit on all four skips at full resolution, take
    signals that were upsampled before, have half as many filters and hold batch normalizations, and 3x3 convolutions
    stand in the place of transposed ones.
    """

    paper: ClassVar[str] = "Oktay, Schlemper et al. 2018, Attention U-Net, arXiv:1804.03999"
    parameters: ClassVar[Count | None] = Count(
        33_109_830,
        classes=3,
        published="The paper's networks are for volumes: 5.88 M, and 6.40 M with gates. In two dimensions the port "
        "LeeJunHyun/Image_Segmentation has 34,878,573 with 1 class: it upsamples by 3x3 convolutions and its gates, on "
        "all four skips, are half as wide. Here the gates are 2,066,179 and all the rest is the U-Net of this zoo.",
    )
    width: ClassVar[str | None] = "filters"

    filters: int = Field(64, ge=1, description="Filters of the first stage; each stage down has twice as many.")
    depth: int = Field(4, ge=2, le=8, description="Number of 2x2 poolings; all skips but the finest have a gate.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Rate of dropout after the deepest stage and the one above it.")
    batch_norm: bool = Field(True, description="Normalize over the batch between convolution and ReLU.")
    bn_momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of the moving statistics of batch normalization.")

    @property
    def stride(self) -> int:
        """Each pooling halves the size."""
        return int(2**self.depth)

    @classmethod
    def example(cls) -> Self:
        """Two stages of four filters, one gate."""
        return cls(filters=4, depth=2)

    def build(self, image_shape: tuple[int | None, int | None, int], num_classes: int) -> keras.Model:
        """See `Model.build`. The layers `gate2_map`, `gate3_map`, ... give the attention maps (B, h, w, 1)."""
        from segzoo_attention_unet.network import attention_unet

        return attention_unet(image_shape, num_classes, self)
