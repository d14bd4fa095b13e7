"""The window classifier of 2012, which the U-Net replaced, computed for all pixels at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from segzoo.plugin import Count, Model

if TYPE_CHECKING:
    import keras


class SlidingWindow(Model):
    """Classifies each pixel from the square window around it, as the winner of the ISBI challenge of 2012 did.

    The windows of neighbouring pixels overlap almost wholly, so the network runs over the image in one pass of dilated
    convolutions; the logits are those of the window network run pixel by pixel.
    """

    paper: ClassVar[str] = (
        "Ciresan, Giusti, Gambardella, Schmidhuber 2012, Deep Neural Networks Segment Neuronal Membranes, NIPS 2012"
    )
    parameters: ClassVar[Count | None] = Count(
        221_027,
        classes=3,
        published="The paper states none; the layers of its table 1 have 219,290 for 2 classes and 1 channel.",
    )
    width: ClassVar[str | None] = "filters"

    window: Literal[95, 65] = Field(95, description="Side of the window in pixels: 95 is the paper's N4, 65 its N3.")
    filters: int = Field(48, ge=1, description="Filters of each convolution.")
    hidden: int = Field(200, ge=1, description="Units of the fully connected layer; N4 has 200, N3 has 100.")

    @property
    def margin(self) -> int:
        """A pixel is classified where its whole window lies in the image."""
        return self.window // 2

    @classmethod
    def example(cls) -> Self:
        """The small window, four filters and eight hidden units."""
        return cls(window=65, filters=4, hidden=8)

    def build(self, image_shape: tuple[int | None, int | None, int], num_classes: int) -> keras.Model:
        """See `Model.build`."""
        from segzoo_sliding_window.network import sliding_window

        return sliding_window(image_shape, num_classes, self)
