"""Plugins whose methods return what they should not: of another type, or with values that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from segzoo.plugin import Dataset, Info, Metric, Score, Trainer

CHANGES = {
    "same class": {"classes": ("a", "a")},
    "number as class": {"classes": ("a", 1)},
    "no class": {"classes": ()},
    "channels": {"channels": "3"},
    "split": {"splits": ("train", "val", "holdout")},
    "size": {"image_size": 16},
    "epochs": {"epochs": 0},
    "view": {"view": "zoom"},
}
"""What a dataset says wrongly of itself."""


class Samples:
    """Four noisy images."""

    def __init__(self, split):
        self.ids = [f"{split}-{number}" for number in range(4)]

    def __len__(self):
        return 4

    def __getitem__(self, index):
        import numpy as np

        rng = np.random.default_rng([index, ord(self.ids[0][1])])
        return rng.integers(0, 256, (16, 16, 3), np.uint8), rng.integers(0, 2, (16, 16), np.uint8)


class Share(Metric):
    """The share of right pixels, or a fault."""

    def __init__(self, fault):
        self.fault = fault
        self.definitions = {"share": "of right pixels" if fault == "definition" else Score("Right pixels.", "higher")}

    def count(self, image):
        if self.fault == "count":
            raise KeyError("planted in count")
        return int((image.mask == image.predictions).sum())

    def scores(self, counts, classes):
        if self.fault == "scores":
            raise KeyError("planted in scores")
        return {"share": float(counts)}


class Data(Dataset):
    """Noise."""

    fault: str = Field("", description="What is wrong.")

    def describe(self, cache):
        info = Info(("a", "b"), 3, ("train", "val"), (16, 16), 1)
        return {"classes": ("a", "b")} if self.fault == "dict" else replace(info, **CHANGES.get(self.fault, {}))

    def open(self, cache, split):
        return Samples(split)

    def warnings(self, cache):
        return "a text" if self.fault == "warnings" else ()

    def metric(self):
        return {"share": 1.0} if self.fault == "metric" else Share(self.fault)


class Fit(Trainer):
    """Trains nothing, and returns the network or something else."""

    returns: Literal["network", "list", "other size", "not finite"] = Field("network", description="What it returns.")

    def fit(self, build, train, val, job):
        import keras

        network = build()
        job.events.epoch_ended({"loss": 1.0, "val_loss": 1.0})
        inputs = keras.Input((None, None, 3))
        match self.returns:
            case "list":
                return network.get_weights()
            case "other size":
                return keras.Model(inputs, keras.layers.MaxPooling2D(2)(network(inputs)))
            case "not finite":
                return keras.Model(inputs, keras.layers.Rescaling(float("nan"))(network(inputs)))
        return network
