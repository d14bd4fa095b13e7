"""Datasets with scores of their own that are wrong."""

from __future__ import annotations

import math
from typing import ClassVar

from segzoo.plugin import IGNORE, Metric, Score
from wrong_plugins.datasets import RightData


class Accuracy(Metric):
    """The share of labelled pixels that are right; counts are all of them and the right ones."""

    definitions: ClassVar = {"accuracy": Score("The share of labelled pixels that are right.", "higher")}

    def count(self, image):
        labelled = image.mask != IGNORE
        return int(labelled.sum()), int((image.predictions == image.mask)[labelled].sum())

    def add(self, counts, others):
        return tuple(map(sum, zip(counts, others, strict=True)))

    def scores(self, counts, classes):
        pixels, right = counts
        return {"accuracy": right / pixels if pixels else math.nan}


class WithMetric(RightData):
    """Has a score of its own."""

    def metric(self):
        return Accuracy()


class AlsoError(Accuracy):
    """Has more scores than it defines."""

    def scores(self, counts, classes):
        accuracy = super().scores(counts, classes)
        return accuracy | {"error": 1 - accuracy["accuracy"]}


class Undefined(RightData):
    """Does not say what one of its scores means."""

    def metric(self):
        return AlsoError()


class ByNumber(Accuracy):
    """Calls the classes by their numbers."""

    def scores(self, counts, classes):
        return {"accuracy": dict.fromkeys(range(len(classes)), super().scores(counts, classes)["accuracy"])}


class OtherClasses(RightData):
    """Has a score of classes that it does not have."""

    def metric(self):
        return ByNumber()


class EveryPixel(Accuracy):
    """Counts all pixels."""

    def count(self, image):
        return image.mask.size, int(image.predictions.sum())


class CountsTheIgnored(RightData):
    """Has a score in which ignored pixels count."""

    def metric(self):
        return EveryPixel()


class Remembering(Accuracy):
    """Adds up in itself what it has counted."""

    def __init__(self):
        self.counts = (1, 0)

    def scores(self, counts, classes):
        self.counts = self.add(self.counts, counts)
        return super().scores(self.counts, classes)


class Remembers(RightData):
    """Has a score that depends on what was scored before."""

    def metric(self, remembering=Remembering()):  # noqa: B008
        return remembering


class InPlace(Accuracy):
    """Adds to the counts that it is given."""

    def count(self, image):
        return list(super().count(image))

    def add(self, counts, others):
        counts[:] = super().add(counts, others)
        return counts


class AddsInPlace(RightData):
    """Has a score that changes the counts of an image."""

    def metric(self):
        return InPlace()


class Latest(Accuracy):
    """Knows the last image only."""

    def add(self, counts, others):
        return others


class AddsNothing(RightData):
    """Has a score that depends on the order of the images."""

    def metric(self):
        return Latest()
