"""CANet: a dilated ResNet whose context is gathered by a chain of information flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from segzoo.plugin import Count, Model

if TYPE_CHECKING:
    import keras


class CANet(Model):
    """CANet: a dilated ResNet, context from a global and several chained pooled flows, attention, a light decoder.

    The abstract names the parts; the layers follow the code that the authors published with the journal's version
    (`CANetv1` in BebDong/MXNetSeg): convolutions are followed by batch normalization and ReLU, flow k pools by 2^k and
    convolves twice, depthwise-separably, and the skip connection is 48 channels wide. Chosen here: the attention that
    the paper is named after is always there (their code can leave it out), the encoder is trained from scratch (theirs
    starts from ImageNet), every encoder has their stem of three 3x3 convolutions, bilinear enlarging aligns pixel
    centres (theirs corners), and there is no auxiliary classifier, since a network here has one output.
    """

    paper: ClassVar[str] = (
        "Tang, Liu, Zhang, Jiang, Zhang 2020, Attention-guided Chained Context Aggregation, arXiv:2002.12041"
    )
    parameters: ClassVar[Count | None] = Count(
        33_765_155,
        classes=3,
        published="No count of the whole network is known to be. 23,631,808 are the encoder's: the 25,557,032 of "
        "ResNet-50 less its classifier, with three 3x3 convolutions for its stem.",
    )
    width: ClassVar[str | None] = "filters"
    global_context: ClassVar[bool] = True

    filters: int = Field(64, ge=4, description="Width of the first residual stage; all other widths follow it.")
    encoder: Literal["resnet18", "resnet34", "resnet50", "resnet101"] = Field(
        "resnet50", description="The residual network that encodes; resnet50 is the authors' default."
    )
    output_stride: Literal[8, 16, 32] = Field(
        8, description="Input size over the size of the deepest map; stages that do not halve it are dilated."
    )
    flows: int = Field(4, ge=1, le=5, description="Number of context flows; flow k pools the deepest map by 2^k.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Rate of dropout before the decoder and before the classifier.")
    bn_momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of the moving statistics of batch normalization.")

    @property
    def stride(self) -> int:
        """What the deepest map is smaller by, times what the last flow pools it by: 128 at the defaults."""
        return int(self.output_stride * 2**self.flows)

    @classmethod
    def example(cls) -> Self:
        """Eighteen layers, four filters, two context flows."""
        return cls(filters=4, encoder="resnet18", flows=2)

    def build(self, image_shape: tuple[int | None, int | None, int], num_classes: int) -> keras.Model:
        """See `Model.build`."""
        from segzoo_canet.network import canet

        return canet(image_shape, num_classes, self)
