"""A dataset with a score that only it defines."""

from segzoo.plugin import Dataset
from segzoo_shapes import Shapes


class Bright:
    """The share of pixels of things."""

    definitions = {"bright": "The share of pixels that are no background, in truth."}  # noqa: RUF012

    def count(self, mask, probabilities):
        return (mask > 0).mean()

    def scores(self, counts):
        return {"bright": sum(counts) / len(counts)}


class Judged(Dataset):
    """Shapes with a score of their own."""

    shapes: Shapes = Shapes(train=8, val=4, test=3, size=32)

    def describe(self, cache):
        return self.shapes.describe(cache)

    def open(self, cache, split):
        return self.shapes.open(cache, split)

    def judge(self):
        return Bright()
