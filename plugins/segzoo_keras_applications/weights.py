"""Weights of networks of `keras.applications`, in files as Keras downloads and saves them."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from segzoo.errors import DataError
from segzoo.files.locking import holding
from segzoo.networks.encoders import first_kernel, weights_in
from segzoo.plugin import StartingWeights
from segzoo.plugin_errors import summary
from segzoo_keras_applications import Application
from segzoo_keras_applications.network import classifier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications"
"""Where Keras downloads weights from."""
RANDOM = "take random ones with --set model.encoder.weights=none"


def prepared(application: Application, weights: str | Path, cache: Path) -> StartingWeights:
    """What the weights are, once their file is there; those from ImageNet are as they were published.

    Raises:
        DataError: if the file cannot be had or read, or is damaged.
    """
    if isinstance(weights, Path):
        return weights_in(weights)
    return weights_in(fetched(application, cache), "ImageNet, by keras.applications")


def fetched(application: Application, cache: Path) -> Path:
    """The file of the weights from ImageNet, in the folder of Keras; downloaded if it is not there.

    Of several processes that want it at once, one downloads it and the others wait, by a lock below `cache`.

    Raises:
        DataError: if it cannot be downloaded, or what is there is another file.
    """
    path = keras_home() / "models" / Path(application.file).name
    if not path.is_file():
        with holding(cache / "keras_applications"):
            if not path.is_file():  # which another process may have brought meanwhile
                _download(application, path)
    elif application.digest and (found := digest(path, application.digest)) != application.digest:
        raise DataError(
            f"{path} is damaged, or another file: its digest is {found}, not {application.digest}; remove it, and "
            "it is downloaded again"
        )
    return path


def _download(application: Application, path: Path) -> None:
    """Bring the file to its place, where it never is in part."""
    address, part = f"{ADDRESS}/{application.file}", path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)  # of a process that was killed: Keras would take it for the whole
    folders = {"cache_dir": str(path.parent.parent), "cache_subdir": path.parent.name}
    try:
        with redirect_stdout(sys.stderr):  # the progress of the download
            keras.utils.get_file(part.name, address, file_hash=application.digest or None, **folders)
    except Exception as error:  # Keras raises exceptions of no particular type
        reason = summary(error).rpartition(" -- ")[2]  # after the address
        raise DataError(
            f"cannot download {address}, the weights of {application.function} from ImageNet ({reason}): put that file "
            f"into {path.parent}, or {RANDOM}"
        ) from error
    part.replace(path)


def keras_home() -> Path:
    """The folder of Keras: `$KERAS_HOME`, else `~/.keras`."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def digest(path: Path, like: str) -> str:
    """The digest of a file, by the algorithm of one that is as long."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256" if len(like) == 64 else "md5").hexdigest()


def load(network: keras.Model, application: Application, weights: str | Path, cache: Path) -> None:
    """Put the weights into an encoder, of any depth and for images of any channels.

    Raises:
        DataError: if the file cannot be had, or holds other weights.
    """
    path = weights if isinstance(weights, Path) else fetched(application, cache)
    try:
        source = classifier(application, path)
    except (ValueError, OSError, KeyError) as error:
        raise DataError(
            f"{path} holds other weights than those of keras.applications.{application.function}(include_top=False) "
            f"({summary(error)}); give a file of these, or {RANDOM}"
        ) from error
    for number, layer in enumerate(layer for layer in network.layers if layer.weights):
        values = source.get_layer(layer.name).get_weights()
        if number == 0:
            values[0] = for_images(values[0], application, network.inputs[0].shape[-1])
        layer.set_weights(values)


def for_images(kernel: NDArray[np.float32], application: Application, channels: int) -> NDArray[np.float32]:
    """The first kernel for images of so many channels, red first."""
    return first_kernel(kernel[:, :, ::-1] if application.reversed else kernel, channels)
