"""Synthetic images of overlapping shapes, drawn from a seed: the dataset that needs no download."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field

from segzoo.plugin import Dataset, Info, Samples, Split


class Shapes(Dataset):
    """Textured circles, squares and triangles on cluttered ground, drawn from a seed: no download, quick to learn.

    Circles are checked, squares striped and triangles shaded; colours say nothing of the class. The background has the
    same textures in muted colours, and lines as bright as the shapes. Scenes are drawn in units of the image side:
    another `size` shows the same ones, only finer.
    """

    size: int = Field(64, ge=16, le=1024, description="Height and width of the images, in pixels.")
    train: int = Field(160, ge=1, le=100_000, description="Number of training images.")
    val: int = Field(40, ge=1, le=100_000, description="Number of validation images.")
    test: int = Field(40, ge=1, le=100_000, description="Number of test images.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed that the images are drawn from.")

    @classmethod
    def example(cls) -> Self:
        """Eight training images, four to validate and four to test, 32x32."""
        return cls(size=32, train=8, val=4, test=4)

    def describe(self, cache: Path) -> Info:
        """See `Dataset.describe`."""
        return Info(
            classes=("background", "circle", "square", "triangle"),
            channels=3,
            splits=("train", "val", "test"),
            image_size=(self.size, self.size),
            epochs=12,
            licence="Apache-2.0",  # that of the program that draws them
        )

    def open(self, cache: Path, split: Split) -> Samples:
        """See `Dataset.open`."""
        from segzoo_shapes.drawing import Drawings

        counts = {"train": self.train, "val": self.val, "test": self.test}
        return Drawings(self.seed, split, counts[split], self.size)

    def stamp(self, cache: Path, split: Split) -> str:
        """See `Dataset.stamp`. The options are all there is."""
        return self.model_dump_json()
