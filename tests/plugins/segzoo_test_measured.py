"""A dataset with a score that only it defines."""

from typing import ClassVar

from segzoo.plugin import Dataset, Metric, Score
from segzoo_shapes import Shapes


class Bright(Metric):
    """How much of an image is no background."""

    definitions: ClassVar = {
        "bright": Score("The share of pixels that are no background, in truth.", "higher"),
        "shares": Score("The share of pixels that are of a class, in truth.", "lower"),
        "image_bright": Score("The mean over images of the share.", "higher"),
    }
    image_means: ClassVar = {"image_bright": "bright"}

    def count(self, image):
        return image.confusion.sum(1)

    def scores(self, counts, classes):
        shares = counts / counts.sum()
        return {"bright": shares[1:].sum(), "shares": dict(zip(classes, shares, strict=True))}


class Measured(Dataset):
    """Shapes with a score of their own."""

    shapes: Shapes = Shapes(train=8, val=4, test=3, size=32)

    def describe(self, cache):
        return self.shapes.describe(cache)

    def open(self, cache, split):
        return self.shapes.open(cache, split)

    def metric(self):
        return Bright()
