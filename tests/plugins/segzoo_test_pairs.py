"""Black images of 16x16 pixels, the right half of each of another class; samples or a split may be wrong."""

from typing import Literal

from segzoo.plugin import Dataset, Info, Split


class Samples(list):
    """Four pairs and their names."""

    def __init__(self, split, pairs):
        super().__init__(pairs)
        self.ids = [f"{split}/photo{number}.jpg" for number in range(len(self))]


class Pairs(Dataset):
    """Pairs for tests, the third of a split wrong."""

    splits: tuple[Split, ...] = ("train", "val", "test")
    fault: Literal["none", "label", "size"] = "none"
    faulty: Split = "train"
    warned: tuple[str, ...] = ()

    def describe(self, cache):
        return Info(("a", "b"), 3, self.splits, (16, 16), 1)

    def open(self, cache, split):
        import numpy as np

        mask = np.repeat(np.uint8([[0, 1]]), 8, 1).repeat(16, 0)
        samples = Samples(split, [(np.zeros((16, 16, 3), np.uint8), mask) for _ in range(4)])
        if split == self.faulty and self.fault != "none":
            image, mask = samples[2]
            samples[2] = image, mask + 7 if self.fault == "label" else mask[:9]
        return samples

    def warnings(self, cache):
        return list(self.warned)
