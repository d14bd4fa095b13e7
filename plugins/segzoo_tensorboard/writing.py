"""Event files for TensorBoard, written by TensorFlow's own summaries."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tomli_w
from PIL import Image
from tensorboard.plugins.hparams import api as hparams

from segzoo.plugin import Subscriber

NAME = "tensorboard"
"""Of the folder in a run's."""


class EventFiles(Subscriber):
    """Writes what happens in a run, at the end of each event, so that it is there while the run goes on."""

    def __init__(self) -> None:
        self._writer = tf.summary.create_noop_writer()
        self._epoch = 0

    def run_started(self, config: Mapping[str, Any], folder: Path) -> None:
        """Begin anew, since a run that goes on tells of all epochs before; write the options."""
        shutil.rmtree(folder / NAME, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(folder / NAME))
        text = "".join(f"    {line}\n" for line in tomli_w.dumps(config).splitlines())  # indented, as code in Markdown
        with self._writer.as_default(step=0):
            tf.summary.text("config", text)
            hparams.hparams(dict(flat(config)))
        self._writer.flush()

    def resumed(
        self, figures: Sequence[Mapping[str, float]], times: Sequence[Mapping[str, float]] = (), images: int = 0
    ) -> None:
        """Write the epochs of earlier processes."""
        for row, row_times in zip(figures, times, strict=True):
            self.epoch_ended(row, row_times)

    def epoch_ended(self, figures: Mapping[str, float], times: Mapping[str, float] = {}) -> None:
        """Write figures and times of an epoch."""
        self._epoch = int(figures["epoch"])
        self._write_scalars("epoch", figures)
        self._write_scalars("time", times)

    def pictures(self, paths: Sequence[Path]) -> None:
        """Write the pictures of samples, with their masks and predictions."""
        with self._writer.as_default(step=self._epoch):
            for path in paths:
                with Image.open(path) as picture:
                    tf.summary.image(f"samples/{path.stem}", np.asarray(picture.convert("RGB"))[None])
        self._writer.flush()

    def run_ended(self, metrics: Mapping[str, Any]) -> None:
        """Write the scores of the run."""
        self._write_scalars("score", dict(flat(metrics)))
        self._writer.close()

    def _write_scalars(self, group: str, values: Mapping[str, Any]) -> None:
        with self._writer.as_default(step=self._epoch):
            for name, value in values.items():
                if name != "epoch" and isinstance(value, Real) and not isinstance(value, bool):
                    tf.summary.scalar(f"{group}/{name}", float(value))
        self._writer.flush()


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, bool | float | str]]:
    """All values of nested tables by their dotted names; what is no number and no text, as text."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, bool | int | float | str) else str(value)
