"""Trained networks with all that it takes to use them: those of runs, and those in any file of Keras."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from segzoo.data.pixels import Pixels
from segzoo.errors import ConfigError
from segzoo.files.stamps import sha256
from segzoo.networks.frame import Frame
from segzoo.networks.saved import load, unreadable
from segzoo.plugin_errors import summary
from segzoo.runs.finished import Run, open_run
from segzoo.runs.folder import RunFolder
from segzoo.runs.manifest import AGREEMENT

if TYPE_CHECKING:
    import keras

SUFFIX = ".keras"
"""Of the files in which Keras saves networks."""
OTHERS = "--view, --stride, --offset, --margin and --class-names"
"""The options that say of a file what runs know, beside the size."""


@dataclass(frozen=True)
class Trained:
    """A trained network, and what it makes of images."""

    source: Path
    """The folder of the run, or the file of the network, as the user has named it; the name of a Keras model."""
    file: Path | None
    """The file of the network; None of a Keras model that is in memory."""
    frame: Frame
    """What of an image the network sees, and where its prediction lies."""
    classes: tuple[str, ...]
    """The names of the classes."""
    pixels: Pixels
    """How image files are read."""
    agreement: float | None
    """The share of pixels to which it gives the same class in bfloat16 as in float32; None if that is not known."""
    network: Callable[[], keras.Model] = field(repr=False, compare=False)
    """Loads the network: float32 pixel values 0..255 (B, H, W, C) to logits."""

    @property
    def channels(self) -> int:
        """Those of the images."""
        return self.pixels.channels

    def fingerprint(self) -> str:
        """SHA-256 of the file of the network, or of the weights of a Keras model.

        Raises:
            DataError: if the file cannot be read.
        """
        if self.file is None:
            digest = hashlib.sha256()
            for weight in self.network().get_weights():
                digest.update(weight.tobytes())
            return digest.hexdigest()
        try:
            return sha256(self.file)
        except OSError as error:
            raise unreadable(self.file, error) from error


def open_trained(
    source: Run | keras.Model | Path | str, frame: Frame | None = None, classes: Sequence[str] = ()
) -> Trained:
    """The network of a finished run, by the run or its folder, that of a `.keras` file, or a Keras model.

    A run knows its frame and its classes. Of a file and of a model they are given; classes without names are called
    `class 0` and so on. The network of a file is loaded at once, that of a run when it is asked for.

    Raises:
        SegzooError: if there is no network, or it does not make of images what the frame and the classes promise.
    """
    if not isinstance(source, Run | Path | str):
        return _of_network(source, Path(source.name), None, frame, classes)
    if isinstance(source, Run) or Path(source).suffix != SUFFIX:
        run = source if isinstance(source, Run) else open_run(source)
        if frame or classes:
            raise ConfigError(
                f"the run in {run.folder} knows how it sees images and its classes; leave out --image-size, {OTHERS}"
            )
        info = run.info
        facts = (run.frame, info.classes, Pixels.of(info), run.manifest["network"].get(AGREEMENT))
        return Trained(run.folder, run.network_file, *facts, network=run.network)
    path = Path(source)
    if path.exists():
        _require_frame(frame, path)
    return _of_network(load(path, lambda: _unknown(path)), path, path, frame, classes)


def _of_network(
    network: keras.Model, name: Path, file: Path | None, frame: Frame | None, classes: Sequence[str]
) -> Trained:
    frame = _require_frame(frame, name)
    channels, count = _channels(network, name), _classes(network, frame, name)
    names = tuple(classes) or tuple(f"class {index}" for index in range(count))
    _require_names(names, count, name)
    return Trained(name, file, frame, names, Pixels(channels), None, network=lambda: network)


def _require_names(names: Sequence[str], count: int, network: Path) -> None:
    """Raise a ConfigError unless each class has a name that no other has: tables have columns of these names."""
    if len(names) != count:
        raise ConfigError(f"the network in {network} has {count} classes, but {len(names)} names are given for them")
    if len(set(names)) < count or "" in names:
        twice = next((name for name in names if names.count(name) > 1), "")
        fault = f"'{twice}' is given twice" if twice else "a name is empty"
        raise ConfigError(f"the names {','.join(names)}: {fault}; give each of the {count} classes another name")


def _require_frame(frame: Frame | None, name: Path) -> Frame:
    if frame is None:
        folder = RunFolder(name.parent)
        instead = f", or name the run that it is of: {name.parent}" if folder.finished else ""
        needed = f"--image-size HEIGHTxWIDTH, and {OTHERS} where they differ"
        raise ConfigError(f"say how the network in {name} sees images, with {needed}{instead}")
    return frame


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
        outputs = np.asarray(network.predict_on_batch(images))
    except Exception as error:  # whatever layers raise at a size that they cannot take
        raise ConfigError(
            f"the network in {path} cannot take images of {size}; give another --image-size, or its --stride and "
            f"--offset ({summary(error)})"
        ) from error
    shape = outputs.shape
    if len(shape) != 4 or shape[1:3] != frame.output_size or shape[3] < 2:
        promised = "x".join(map(str, frame.output_size))
        raise ConfigError(
            f"the network in {path} makes {shape} of an image of {size}, not logits (1, {promised.replace('x', ', ')}, "
            "classes) of two classes or more; if it predicts less than it sees, give --margin"
        )
    if (outputs >= 0).all() and np.allclose(outputs.sum(-1), 1, atol=1e-3):
        raise ConfigError(
            f"the network in {path} makes probabilities, not logits: leave out its softmax, or take "
            "`keras.Model(model.inputs, keras.ops.log(keras.ops.maximum(model.output, 1e-30)))`"
        )
    return int(shape[3])
