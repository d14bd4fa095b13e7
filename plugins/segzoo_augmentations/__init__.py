"""Augmentations: none, and the standard one of geometry and colours, in three levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from segzoo.plugin import IGNORE, Augmentation

if TYPE_CHECKING:
    import numpy as np


def _ascending(scale: tuple[float, float]) -> tuple[float, float]:
    if not scale[0] <= scale[1]:
        raise ValueError("give the smaller factor first")
    return scale


Factor = Annotated[float, Field(ge=0.1, le=10)]


class NoAugmentation(Augmentation):
    """Trains on images as they are."""

    def augment(
        self,
        image: np.ndarray,
        mask: np.ndarray,
        weights: np.ndarray | None,
        size: tuple[int, int],
        random: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """See `Augmentation.augment`."""
        return image, mask, weights


class Standard(Augmentation):
    """Flips, scales, turns and bends images, and changes their colours, sharpness and noise, by chance.

    How much is said by `level`, and by the option of each part where that is set. Images are interpolated once,
    bilinearly, however many parts move pixels; masks and weights take the nearest pixel. What comes in from outside of
    an image is mirrored, and not trained on. Factors are drawn evenly on a logarithmic scale.
    """

    level: Literal["light", "medium", "strong"] = Field(
        "medium", description="How much is changed, where the options of the parts do not say it."
    )
    flips: Literal["none", "horizontal", "both"] | None = Field(
        None, description="Mirrors half of the images: left to right, or independently top to bottom as well."
    )
    scale: Annotated[tuple[Factor, Factor], AfterValidator(_ascending)] | None = Field(
        None, description="Range of factors by which images are enlarged; of an enlarged one a part is seen."
    )
    aspect: float | None = Field(
        None, ge=0, le=3, description="Share by which images become wider or higher than they were, at most."
    )
    rotation: float | None = Field(None, ge=0, le=180, description="Largest angle of a turn, in degrees.")
    elastic: float | None = Field(
        None,
        ge=0,
        le=0.2,
        description="Standard deviation, as a share of the shorter side, of the shifts of 3x3 points, between which "
        "the image is bent smoothly, in a fifth of the images. The U-Net paper's is 0.02.",
    )
    brightness: float | None = Field(
        None, ge=0, le=1, description="Share of the range of pixel values that is added or taken away, at most."
    )
    contrast: float | None = Field(
        None, ge=0, le=3, description="Share by which differences from the mean are raised or lowered, at most."
    )
    saturation: float | None = Field(
        None, ge=0, le=3, description="The same for differences from grey, in images of three channels."
    )
    blur: float | None = Field(
        None, ge=0, le=10, description="Largest sigma of a Gaussian blur, in pixels, in a fifth of the images."
    )
    noise: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Largest standard deviation of Gaussian noise, as a share of the range of pixel values, in a fifth "
        "of the images.",
    )

    def margin(self, size: tuple[int, int]) -> int:
        """See `Augmentation.margin`: as far as the strongest shrinking, turn and bend reach beyond the crop."""
        from segzoo_augmentations.geometry import reach
        from segzoo_augmentations.levels import strengths

        return reach(strengths(self), size)

    def augment(
        self,
        image: np.ndarray,
        mask: np.ndarray,
        weights: np.ndarray | None,
        size: tuple[int, int],
        random: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """See `Augmentation.augment`."""
        from segzoo_augmentations.colours import recoloured
        from segzoo_augmentations.geometry import Places
        from segzoo_augmentations.levels import strengths

        parts = strengths(self)
        places = Places.drawn(parts, image.shape[:2], size, random)
        pixels = recoloured(places.interpolated(image), image.dtype, parts, random)
        return pixels, places.nearest(mask, IGNORE), None if weights is None else places.nearest(weights, 0)
