"""A dataset of drawn images, one of which may be wrong, or all of them pages of one file."""

from dataclasses import dataclass
from typing import Literal

from segzoo.plugin import Dataset, File, Info

Fault = Literal["none", "label", "rows", "channels", "type", "unlabelled", "error", "repeated", "hang"]


@dataclass(frozen=True)
class Samples:
    """Ten images of noise with their bright pixels."""

    split: str
    fault: Fault = "none"

    @property
    def ids(self):
        return [f"{self.split}/{number}" for number in range(10)]

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if self.fault == "hang":
            hang()
        if self.fault == "repeated":
            return Samples("val")[4] if (self.split, index) == ("train", 2) else self.draw(index)
        sample = self.draw(index)
        return spoilt(*sample, self.fault) if (self.split, index) == ("val", 7) else sample

    def draw(self, index):
        import numpy as np

        rng = np.random.default_rng([index, ord(self.split[0])])
        image = rng.integers(0, 256, (12, 14, 1), np.uint8)
        return image, (image[..., 0] > 128).astype(np.uint8)


def spoilt(image, mask, fault):
    match fault:
        case "label":
            mask[0, 0] = 2
        case "rows":
            mask = mask[1:]
        case "channels":
            image = image[..., [0, 0]]
        case "type":
            image = image * 1.0
        case "unlabelled":
            mask[:] = 255
        case "error":
            raise FileNotFoundError("no disk")
    return image, mask


def hang():
    """Say whether TensorFlow is loaded, and wait to be ended."""
    import os
    import sys
    import time

    os.write(1, f"{'tensorflow' in sys.modules}\n".encode())  # in one piece, whoever else writes
    time.sleep(60)


class Data(Dataset):
    """A dataset for tests."""

    fault: Fault = "none"
    file: File | None = None
    """The file whose pages the samples are said to be."""
    pages: int = 10
    """For how many samples of a split the file is said."""
    warned: tuple[str, ...] = ()

    def describe(self, cache):
        return Info(("dark", "bright"), 1, ("train", "val"))

    def open(self, cache, split):
        return Samples(split, self.fault)

    def files(self, cache, split):
        return [(self.file,)] * self.pages if self.file else super().files(cache, split)

    def warnings(self, cache):
        return list(self.warned)
