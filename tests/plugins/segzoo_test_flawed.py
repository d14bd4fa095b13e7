"""A dataset that is wrong as a whole, and a trainer that reports what it is told to: what makes scores meaningless."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from segzoo.plugin import Dataset, Info, Split, Trainer

Fault = Literal[
    "none",
    "shared ids",
    "repeated id",
    "few ids",
    "many ids",
    "ignored",
    "single value",
    "foreground 255",
    "None",
    "triple",
    "lists",
    "no pixels",
    "two types",
    "absent class",
    "random",
    "dark",
    "crowded",
]


class Samples:
    """Six images of noise, brighter where the class is higher."""

    def __init__(self, split, fault, classes):
        self.split, self.fault, self.classes = split, fault, classes
        self.ids = ["shared" if fault == "shared ids" and i == 2 else f"{split}-{i}" for i in range(6)]
        if fault == "repeated id":
            self.ids[4] = self.ids[1]
        if fault == "few ids":
            self.ids.pop()
        if fault == "many ids":
            self.ids.append("more")

    def __len__(self):
        return 6

    def __getitem__(self, index):
        import numpy as np

        rng = np.random.default_rng(None if self.fault == "random" and index == 5 else [index, ord(self.split[1])])
        mask = rng.integers(0, self.classes, (2, 2), np.uint8).repeat(8, 0).repeat(8, 1)
        image = (100 * mask[..., None] + rng.integers(0, 50, (16, 16, 3), np.uint8)).astype(np.uint8)
        if self.fault == "ignored":
            mask[:] = 255
        if self.fault == "single value":
            mask[:] = 0
        if self.fault == "foreground 255":
            mask[mask > 0] = 255
        if self.fault == "dark":
            image //= 8
        if self.fault == "crowded":
            mask[:] = 1
        if self.fault == "absent class":
            mask[mask == 2] = 1
        if index != 3:
            return image, mask
        changed = {
            "None": None,
            "triple": (image, mask, self.ids[index % len(self.ids)]),
            "lists": (image.tolist(), mask.tolist()),
            "no pixels": (image[:0], mask[:0]),
            "two types": (image.astype(np.uint16), mask),
        }
        return changed.get(self.fault, (image, mask))


class Flawed(Dataset):
    """Noise in two or three levels."""

    fault: Fault = "none"
    faulty: tuple[Split, ...] = ("train",)
    splits: tuple[Split, ...] = ("train", "val", "test")

    def describe(self, cache):
        classes = ("low", "high") if self.fault == "foreground 255" else ("low", "middle", "high")
        return Info(classes, 3, self.splits, (16, 16), 1)

    def open(self, cache, split):
        return Samples(split, self.fault if split in self.faulty else "none", len(self.describe(cache).classes))


class Network:
    """Predicts one class for all pixels, or classes by the brightness."""

    def __init__(self, sees):
        self.sees = sees

    def predict_on_batch(self, images):
        import numpy as np

        classes = np.minimum(images.mean(-1) // 90, 2).astype(int)
        return np.eye(3, dtype=np.float32)[classes if self.sees == "brightness" else classes * 0]

    def get_config(self):
        return {}

    def save(self, path):
        Path(path).write_text(self.sees)


class Scripted(Trainer):
    """Trains nothing, and reports these losses."""

    val_losses: tuple[float, ...] = (0.3, 0.1, 0.2)
    sees: Literal["brightness", "nothing"] = "brightness"

    def fit(self, build, train, val, job):
        from segzoo.training import prepare

        for samples in (train, val):
            prepare(samples, job)
        for loss in self.val_losses:
            job.events.images_done(len(train))
            job.events.epoch_ended({"loss": loss, "val_loss": loss})
        return Network(self.sees)
