"""LadderNet: two U-Nets in a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field

from segzoo.plugin import Count, Model

if TYPE_CHECKING:
    import keras


class LadderNet(Model):
    """Two U-Nets in a chain, the first one's decoder feeding the second one's encoder at every stage.

    Skips are sums, and the two convolutions of a residual block are one layer used twice. Without batch normalization
    it is the network of the author's code, else the one of his paper.
    """

    paper: ClassVar[str] = "Zhuang 2018, LadderNet, arXiv:1810.07810"
    parameters: ClassVar[Count | None] = Count(
        1_385_563,
        classes=3,
        published="The author's code has 1,381,652, without batch normalization, for 2 classes and 1 channel: "
        "`batch_norm = false` has as many. Batch normalization adds 4 a channel of each of the 19 blocks.",
    )
    width: ClassVar[str | None] = "filters"

    filters: int = Field(10, ge=1, description="Filters of the first stage; each stage down has twice as many.")
    depth: int = Field(4, ge=1, le=8, description="Number of strided convolutions in each of the two U-Nets.")
    dropout: float = Field(
        0.25, ge=0, lt=1, description="Rate of whole-map dropout between a block's two convolutions."
    )
    batch_norm: bool = Field(True, description="Normalize over the batch after each of a block's two convolutions.")
    bn_momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of the moving statistics of batch normalization.")

    @property
    def stride(self) -> int:
        """Each strided convolution halves the size."""
        return int(2**self.depth)

    @classmethod
    def example(cls) -> Self:
        """Two stages of four filters."""
        return cls(filters=4, depth=2)

    def build(self, image_shape: tuple[int | None, int | None, int], num_classes: int) -> keras.Model:
        """See `Model.build`."""
        from segzoo_laddernet.network import laddernet

        return laddernet(image_shape, num_classes, self)
