"""Augmentations that are wrong."""

from __future__ import annotations

import threading

from segzoo.plugin import IGNORE, Augmentation


class RightAugmentation(Augmentation):
    """Shows a part of a crop with its margin, and mirrors half of the images."""

    def margin(self, size):
        return 5

    def augment(self, image, mask, weights, size, random):
        spare = [given - wanted for given, wanted in zip(mask.shape, size, strict=True)]
        top, left = (int(random.integers(0, number + 1)) for number in spare)
        step = random.choice([1, -1])
        part = slice(top, top + size[0]), slice(left, left + size[1])
        return tuple(array if array is None else array[part][:, ::step] for array in (image, mask, weights))


class GivesAList(RightAugmentation):
    """Returns a list."""

    def augment(self, image, mask, weights, size, random):
        return list(super().augment(image, mask, weights, size, random))


class ForgetsTheWeights(RightAugmentation):
    """Returns image and mask only."""

    def augment(self, image, mask, weights, size, random):
        return *super().augment(image, mask, weights, size, random)[:2], None


class KeepsTheMargin(RightAugmentation):
    """Returns the crop with its margin."""

    def augment(self, image, mask, weights, size, random):
        return image, mask, weights


class GivesFloats(RightAugmentation):
    """Returns pixels as floats."""

    def augment(self, image, mask, weights, size, random):
        image, *others = super().augment(image, mask, weights, size, random)
        return image / 255, *others


class InventsLabels(RightAugmentation):
    """Blends neighbouring labels."""

    def augment(self, image, mask, weights, size, random):
        image, mask, weights = super().augment(image, mask, weights, size, random)
        return image, ((mask.astype(int) * 3 + 7) // 2).astype(mask.dtype), weights


class WritesIntoTheImage(RightAugmentation):
    """Changes the image that is kept for all epochs."""

    def augment(self, image, mask, weights, size, random):
        image += 1
        return super().augment(image, mask, weights, size, random)


class Outward(RightAugmentation):
    """Has a margin inside of the crop."""

    def margin(self, size):
        return -1


class ColoursOnly(RightAugmentation):
    """Takes the mean of red, green and blue."""

    def augment(self, image, mask, weights, size, random):
        if image.shape[2] != 3:
            raise ValueError(f"{image.shape[2]} channels")
        return super().augment(image, mask, weights, size, random)


class LeavesTheMask(RightAugmentation):
    """Turns images upside down, and not their masks."""

    def augment(self, image, mask, weights, size, random):
        image, *others = super().augment(image, mask, weights, size, random)
        return image[::-1], *others


class LabelsTheIgnored(RightAugmentation):
    """Gives pixels without a label that of the background."""

    def augment(self, image, mask, weights, size, random):
        image, mask, weights = super().augment(image, mask, weights, size, random)
        background = mask.copy()
        background[mask == IGNORE] = mask.min()
        return image, background, weights


class LeavesTheWeights(RightAugmentation):
    """Turns images and masks upside down, and not the weights."""

    def augment(self, image, mask, weights, size, random):
        image, mask, weights = super().augment(image, mask, weights, size, random)
        return image[::-1], mask[::-1], weights


class DrawsByItself(RightAugmentation):
    """Draws from a generator that nobody seeds."""

    def augment(self, image, mask, weights, size, random):
        import numpy as np

        return super().augment(image, mask, weights, size, np.random.default_rng())


class AlwaysTheSame(RightAugmentation):
    """Mirrors every image."""

    def augment(self, image, mask, weights, size, random):
        import numpy as np

        crop = super().augment(image, mask, weights, size, np.random.default_rng(1))
        return tuple(array if array is None else array[::-1, ::-1] for array in crop)


class MainThreadOnly(RightAugmentation):
    """Cannot work in the threads that make batches."""

    def augment(self, image, mask, weights, size, random):
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signal only works in main thread of the main interpreter")
        return super().augment(image, mask, weights, size, random)
