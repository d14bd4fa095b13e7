"""A U-Net whose first half is any encoder, with or without weights from ImageNet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, model_validator

from segzoo.networks.encoders import EncoderOption
from segzoo.plugin import Count, Model

if TYPE_CHECKING:
    import keras


class EncoderUNet(Model):
    """A U-Net on any encoder, whose decoder upsamples the encoder's feature maps to the resolution of the image.

    Each stage doubles the resolution by nearest-neighbour upsampling, concatenates the encoder's feature map of that
    resolution, and applies two 3x3 convolutions. The last stage concatenates the image itself, since no encoder has a
    feature map at full resolution.
    """

    paper: ClassVar[str] = "Ronneberger, Fischer, Brox 2015, U-Net, arXiv:1505.04597"
    parameters: ClassVar[Count | None] = Count(
        5_199_491,
        classes=3,
        published="The decoder's 2,240,643, and EfficientNet-Lite0's 2,958,848 without its last convolution and its "
        "classifier, with which it has the 4,652,008 that are published.",
    )

    encoder: EncoderOption = Field(  # type: ignore[assignment]  # by its name, which is validated as any value
        "efficientnet_lite0", description="What makes the feature maps: an encoder's name, or a table with its options."
    )
    decoder_filters: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (256, 128, 64, 32, 16),
        min_length=1,
        description="Filters of the decoder's stages, coarsest first; if the encoder has fewer stages, only the last "
        "numbers are used.",
    )
    batch_norm: bool = Field(True, description="Normalize over the batch between convolution and ReLU in the decoder.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Rate of dropout after each stage of the decoder.")

    @model_validator(mode="after")
    def _enough_filters(self) -> Self:
        if len(self.decoder_filters) < (stages := self.stride.bit_length() - 1):
            raise ValueError(
                f"decoder_filters has {len(self.decoder_filters)} numbers, but the encoder has {stages} stages; give as"
                " many, or a smaller model.encoder.depth"
            )
        return self

    @property
    def stride(self) -> int:
        """That of the coarsest map of the encoder."""
        return max(self.encoder.strides)

    @property
    def global_context(self) -> bool:  # type: ignore[override]  # which is a constant of other networks
        """That of the encoder."""
        return self.encoder.global_context

    @classmethod
    def example(cls) -> Self:
        """Four filters a stage, on the two finest maps of an encoder with random weights."""
        return cls.model_validate(
            {"encoder": {"name": "efficientnet_lite0", "weights": "none", "depth": 2}, "decoder_filters": (4, 4)}
        )

    def build(self, image_shape: tuple[int | None, int | None, int], num_classes: int) -> keras.Model:
        """See `Model.build`."""
        from segzoo_encoder_unet.network import encoder_unet

        return encoder_unet(image_shape, num_classes, self)
