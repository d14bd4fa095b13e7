"""Plugins whose methods return what they should not: of another type, or with values that cannot be."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from segzoo.plugin import Dataset, Info, Metric, Score, Trainer

CHANGES = {
    "same class": {"classes": ("a", "a")},
    "number as class": {"classes": ("a", 1)},
    "no class": {"classes": ()},
    "channels": {"channels": "3"},
    "split": {"splits": ("train", "val", "holdout")},
    "no val": {"splits": ("train", "test")},
    "size": {"image_size": 16},
    "epochs": {"epochs": 0},
    "view": {"view": "zoom"},
    "reading": {"reading": "uint8"},
}
"""What a dataset says wrongly of itself."""


def array(ids):
    """The ids as an array of NumPy."""
    import numpy as np

    return np.array(ids)


IDS = {
    "numbers as ids": lambda ids: [*range(len(ids))],
    "array of ids": array,
    "set of ids": set,
    "generator of ids": iter,
    "ids as keys": dict.fromkeys,
    "text of ids": "".join,
    "no ids": lambda ids: None,
    "lists as ids": lambda ids: [[name] for name in ids],
}
"""What samples give for their ids."""
FILES = {
    "texts as files": lambda count: ["image.png"] * count,
    "texts in files": lambda count: [(Path("image.png"), "mask.png")] * count,
    "a text later": lambda count: [(Path("image.png"),)] * (count - 1) + ["mask.png"],
    "few files": lambda count: [(Path("image.png"),)] * (count - 1),
    "set of files": lambda count: {(Path("image.png"), Path("mask.png"))},
}
"""What a dataset gives for the files of its samples."""


class Samples:
    """Four noisy images."""

    def __init__(self, split, fault):
        self.names = [f"{split}-{number}" for number in range(4)]
        self.fault = fault

    @property
    def ids(self):
        return IDS[self.fault](self.names) if self.fault in IDS else self.names

    def __len__(self):
        return 4

    def __getitem__(self, index):
        import numpy as np

        if self.fault == "exit" and index == 3:
            sys.exit("no licence")
        rng = np.random.default_rng([index, ord(self.names[0][1])])
        return rng.integers(0, 256, (16, 16, 3), np.uint8), rng.integers(0, 2, (16, 16), np.uint8)


class Exiting:
    """Ends the process when it is asked how many it has."""

    ids = ()

    def __len__(self):
        sys.exit("no licence")

    def __getitem__(self, index):
        raise IndexError(index)


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
        if self.fault == "ids that exit":
            return Exiting()
        samples = Samples(split, self.fault)
        return [samples[index] for index in range(4)] if self.fault == "list" else samples

    def files(self, cache, split):
        return FILES[self.fault](4) if self.fault in FILES else ()

    def warnings(self, cache):
        return "a text" if self.fault == "warnings" else ()

    def metric(self):
        return {"share": 1.0} if self.fault == "metric" else Share(self.fault)


class Fit(Trainer):
    """Trains nothing, reports what it should not, or returns something else than the network."""

    returns: Literal["network", "list", "other size", "not finite"] = Field("network", description="What it returns.")
    images: Any = Field(4, description="What it tells of the images of a step.")
    figures: dict[str, Any] = Field({}, description="What it reports beside the losses.")
    folder: Literal["stays", "removed", "removed early", "left"] = Field(
        "stays", description="What becomes of the folder."
    )

    def fit(self, build, train, val, job):
        import os
        import shutil

        import keras

        network = build()
        if self.folder == "left":
            os.chdir("/")
        if self.folder == "removed early":
            shutil.rmtree(job.folder)
        job.events.images_done(self.images)
        job.events.epoch_ended({"loss": 1.0, "val_loss": 1.0, **self.figures})
        if self.folder == "removed":
            shutil.rmtree(job.folder)
        inputs = keras.Input((None, None, 3))
        match self.returns:
            case "list":
                return network.get_weights()
            case "other size":
                return keras.Model(inputs, keras.layers.MaxPooling2D(2)(network(inputs)))
            case "not finite":
                return keras.Model(inputs, keras.layers.Rescaling(float("nan"))(network(inputs)))
        return network
