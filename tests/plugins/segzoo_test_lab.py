"""A trainer without TensorFlow: the options of the model say what happens to a run."""

import json
import os
import signal
import threading
import tomllib
from pathlib import Path
from typing import Literal

from segzoo.errors import TrainingError
from segzoo.plugin import Model, Trainer
from segzoo_keras import KerasTrainer


class Net(Model):
    """A network that nobody builds."""

    what: Literal["learn", "refuse", "crash", "fault", "swell", "bloat", "die", "hang"] = "learn"

    def build(self, image_shape, num_classes):
        raise MemoryError("a tensor") if self.what == "bloat" else NotImplementedError


class Constant:
    """Sees the same class everywhere."""

    def predict_on_batch(self, images):
        import numpy as np

        return np.eye(4, dtype=np.float32)[np.zeros(images.shape[:3], int)]

    def get_config(self):
        return {}

    def save(self, path):
        Path(path).write_text("constant")


class Quick(Trainer):
    """Counts epochs, and keeps the count."""

    def fit(self, build, train, val, job):
        from segzoo.training import prepare

        for samples in (train, val):
            prepare(samples, job)
        kept = job.folder / "checkpoints" / "epochs.json"
        rows = json.loads(kept.read_text()) if job.resume and kept.exists() else []
        if rows:
            job.events.resumed(rows)
        while len(rows) < job.epochs:
            rows.append({"loss": 1 / (len(rows) + 1 + job.seed)})
            job.events.message(f"training epoch {len(rows)}")
            job.events.images_done(len(train))
            job.events.epoch_ended(rows[-1])
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(rows))
            happen(job.folder, build)
        return Constant()


class Wary(KerasTrainer):
    """The trainer `keras`, with a checkpoint after each step."""

    def fit(self, build, train, val, job):
        from segzoo_keras import checkpoint

        checkpoint.PERIOD, checkpoint.SHARE = 0, float("inf")
        return super().fit(build, train, val, job)


def happen(folder, build):
    what = tomllib.loads((folder / "config.toml").read_text())["model"]["what"]
    if what == "learn" or "SEGZOO_TEST_MENDED" in os.environ:
        return
    if what == "refuse":
        raise TrainingError("the loss became nan in epoch 1")
    if what == "crash":
        raise KeyError("a key")
    if what == "fault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "swell":
        raise MemoryError
    if what == "bloat":
        build()
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    hanging = folder / "hanging"
    if not hanging.exists():  # the next process goes on
        hanging.write_text(str(os.getpid()))
        threading.Event().wait()
