"""Datasets that are wrong."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segzoo.plugin import IGNORE, Dataset, Info


def unchanged(image, mask):
    return image, mask


@dataclass(frozen=True)
class Stripes:
    """Small grey images, and where they are bright; one pixel is left out."""

    ids: tuple[str, ...]
    change: Callable[[Any, Any], Any] = unchanged

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        import numpy as np

        mask = np.zeros((8, 9), np.uint8)
        mask[:, : 1 + sum(map(ord, self.ids[index])) % 6] = 1
        image = 100 + 50 * mask[..., None]
        mask[0, 0] = IGNORE
        return self.change(image, mask)


class RightData(Dataset):
    """Two splits of stripes."""

    def describe(self, cache):
        return Info(classes=("dark", "bright"), channels=1, splits=("train", "val"))

    def open(self, cache, split):
        return Stripes(names(split))


def names(split):
    return tuple(f"{split}/{number}" for number in range(8))


def wide(image, mask):
    return image, mask.astype("int64")


def flat(image, mask):
    return image[..., 0], mask


def doubled(image, mask):
    return image, (mask > 0) * mask.dtype.type(255)


def counted_from_one(image, mask):
    return image, mask + (mask != IGNORE)


def noisy(image, mask):
    import numpy as np

    return image + np.random.default_rng().integers(0, 9, image.shape, np.uint8), mask


class WideMasks(RightData):
    """Has masks of 64 bits."""

    def open(self, cache, split):
        return Stripes(names(split), wide)


class FlatImages(RightData):
    """Has grey images without an axis for their channel."""

    def open(self, cache, split):
        return Stripes(names(split), flat)


def deep(image, mask):
    return image.astype("uint16") * 257, mask


class MixedDepths(RightData):
    """Has images of 8 bits to train on, and images of 16 bits to validate on."""

    def open(self, cache, split):
        return Stripes(names(split), deep if split == "val" else unchanged)


def unlabelled(image, mask):
    return image


class NoMasks(RightData):
    """Has images alone where pairs of image and mask should be."""

    def open(self, cache, split):
        return Stripes(names(split), unlabelled)


class Empty(RightData):
    """Has no samples in one of its splits."""

    def open(self, cache, split):
        return Stripes(names(split) if split == "train" else ())


class Waits(RightData):
    """Waits for something that never happens."""

    def prepare(self, cache):
        threading.Event().wait()  # without end


class Ends(RightData):
    """Ends the process."""

    def prepare(self, cache):
        os._exit(7)


class BlackAndWhiteMasks(RightData):
    """Has masks of 0 and 255."""

    def open(self, cache, split):
        return Stripes(names(split), doubled)


class CountsFromOne(RightData):
    """Calls its two classes 1 and 2."""

    def open(self, cache, split):
        return Stripes(names(split), counted_from_one)


class Augments(RightData):
    """Changes its images whenever they are read."""

    def open(self, cache, split):
        return Stripes(names(split), noisy)


class Overlaps(RightData):
    """Validates on images that it trains on."""

    def open(self, cache, split):
        return Stripes(names("train")[6 if split == "val" else 0 :])


class NoVal(RightData):
    """Has nothing to validate on."""

    def describe(self, cache):
        return Info(classes=("dark", "bright"), channels=1, splits=("train", "test"))


class Miscounts(Stripes):
    """As many ids as files, one of which is no image."""

    def __len__(self):
        return len(self.ids) - 1


class HiddenFile(RightData):
    """Has more ids than samples."""

    def open(self, cache, split):
        return Miscounts(names(split))


class Shuffles(RightData):
    """Shuffles its samples whenever a split is opened."""

    def open(self, cache, split):
        return Stripes(tuple(random.sample(names(split), 8)))


class FewerFiles(RightData):
    """Names the files of some of its samples."""

    def files(self, cache, split):
        return [(Path(__file__),)] * 3


class OtherFiles(RightData):
    """Names files that are not there."""

    def files(self, cache, split):
        return [(Path(f"/nowhere/{name}.png"),) for name in names(split)]


class OpenFile(RightData):
    """Holds what cannot be sent to another process."""

    def open(self, cache, split):
        return Stripes(names(split), lambda image, mask: (image, mask))


@dataclass(frozen=True)
class OneThread(Stripes):
    """Samples from a connection like that of sqlite3, which serves the thread that opened it."""

    owner: int = field(default_factory=threading.get_ident)

    def __getitem__(self, index):
        if threading.get_ident() != self.owner:
            raise RuntimeError("objects created in a thread can only be used in that same thread")
        return super().__getitem__(index)


class Connection(RightData):
    """Reads only in the thread that opened it."""

    def open(self, cache, split):
        return OneThread(names(split))


class Hashed(RightData):
    """Has its samples in the order of a set, which is another one in each process."""

    def open(self, cache, split):
        return Stripes(tuple(set(names(split))))


class Missing(RightData):
    """Has lost its folder."""

    def open(self, cache, split):
        raise FileNotFoundError("no folder")
