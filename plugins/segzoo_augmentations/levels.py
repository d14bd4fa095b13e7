"""How much each part of the standard augmentation changes an image, by its level and its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from segzoo_augmentations import Standard


class Strengths(NamedTuple):
    """The options of `Standard` with all values decided."""

    flips: Literal["none", "horizontal", "both"] = "horizontal"
    scale: tuple[float, float] = (1.0, 1.0)
    aspect: float = 0.0
    rotation: float = 0.0
    elastic: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    blur: float = 0.0
    noise: float = 0.0


LEVELS = {
    "light": Strengths(scale=(0.8, 1.25), brightness=0.1, contrast=0.1, saturation=0.1),
    "medium": Strengths(
        scale=(0.7, 1.5),
        aspect=0.1,
        rotation=10,
        brightness=0.15,
        contrast=0.25,
        saturation=0.3,
        blur=0.5,
        noise=0.02,
    ),
    "strong": Strengths(
        scale=(0.5, 2.0),
        aspect=0.25,
        rotation=30,
        elastic=0.02,
        brightness=0.3,
        contrast=0.5,
        saturation=0.6,
        blur=1,
        noise=0.05,
    ),
}


def strengths(options: Standard) -> Strengths:
    """Those of the level, but for the parts whose options are set."""
    given = {part: getattr(options, part) for part in Strengths._fields}
    return LEVELS[options.level]._replace(**{part: value for part, value in given.items() if value is not None})
