"""Trained networks with all that it takes to use them: those of runs, and those in any file of Keras."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from segzoo.errors import ConfigError
from segzoo.networks.frame import Frame
from segzoo.networks.saved import load
from segzoo.plugin_errors import summary
from segzoo.runs.finished import Run, open_run
from segzoo.runs.folder import RunFolder

if TYPE_CHECKING:
    import keras

SUFFIX = ".keras"
"""Of the files in which Keras saves networks."""
NEEDED = "--image-size HEIGHTxWIDTH, and --view, --stride, --offset, --margin and --class-names where they differ"


@dataclass(frozen=True)
class Trained:
    """A trained network, and what it makes of images."""

    source: Path
    """The folder of the run, or the file of the network, as the user has named it."""
    file: Path
    """The file of the network."""
    frame: Frame
    """What of an image the network sees, and where its prediction lies."""
    classes: tuple[str, ...]
    """The names of the classes."""
    channels: int
    """Those of the images."""
    range: tuple[float, float] | None
    """The values in files of images that the smallest and the largest pixel value stand for; see `Info`."""
    network: Callable[[], keras.Model] = field(repr=False, compare=False)
    """Loads the network: float32 pixel values 0..255 (B, H, W, C) to logits."""

    def fingerprint(self) -> str:
        """SHA-256 of the file of the network."""
        with self.file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def open_trained(source: Run | Path | str, frame: Frame | None = None, classes: Sequence[str] = ()) -> Trained:
    """The network of a finished run, by the run or its folder, or that of a `.keras` file.

    A run knows its frame and its classes. With a file they are given; classes without names are called `class 0` and so
    on. The network of a file is loaded at once, that of a run when it is asked for.

    Raises:
        SegzooError: if there is no network, or it does not make of images what the frame and the classes promise.
    """
    if isinstance(source, Run) or Path(source).suffix != SUFFIX:
        run = source if isinstance(source, Run) else open_run(source)
        if frame or classes:
            raise ConfigError(f"the run in {run.folder} knows how it sees images and its classes; leave out {NEEDED}")
        info = run.info
        return Trained(
            run.folder, run.files.model, run.frame, info.classes, info.channels, info.range, network=run.network
        )
    return _of_file(Path(source), frame, classes)


def _of_file(path: Path, frame: Frame | None, classes: Sequence[str]) -> Trained:
    if frame is None:
        folder = RunFolder(path.parent)
        instead = f", or name the run that it is of: {path.parent}" if folder.finished else ""
        raise ConfigError(f"say how the network in {path} sees images, with {NEEDED}{instead}")
    network = load(path, lambda: _unknown(path))
    channels, count = _channels(network, path), _classes(network, frame, path)
    if classes and len(classes) != count:
        raise ConfigError(f"the network in {path} has {count} classes, but {len(classes)} names are given for them")
    names = tuple(classes) or tuple(f"class {index}" for index in range(count))
    return Trained(path, path, frame, names, channels, None, network=lambda: network)


def _unknown(path: Path) -> keras.Model:
    raise ConfigError(f"{path} has layers that Keras does not know; name the folder of the run that has made it")


def _channels(network: keras.Model, path: Path) -> int:
    """How many channels images have for a network."""
    shape = getattr(network, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or not shape[-1]:
        raise ConfigError(f"the network in {path} takes {shape}, not images (batch, height, width, channels)")
    return int(shape[-1])


def _classes(network: keras.Model, frame: Frame, path: Path) -> int:
    """How many classes a network gives each pixel; asked with an image, since shapes in a graph may be open."""
    import numpy as np

    images = np.zeros((1, *frame.input_size, _channels(network, path)), np.float32)
    size = "x".join(map(str, frame.input_size))
    try:
        shape = tuple(network.predict_on_batch(images).shape)
    except Exception as error:  # whatever layers raise at a size that they cannot take
        raise ConfigError(
            f"the network in {path} cannot take images of {size}; give another --image-size, or its --stride and "
            f"--offset ({summary(error)})"
        ) from error
    if len(shape) != 4 or shape[1:3] != frame.output_size or shape[3] < 2:
        promised = "x".join(map(str, frame.output_size))
        raise ConfigError(
            f"the network in {path} makes {shape} of an image of {size}, not logits (1, {promised.replace('x', ', ')}, "
            "classes) of two classes or more; if it predicts less than it sees, give --margin"
        )
    return int(shape[3])
