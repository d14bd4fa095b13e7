"""Predictions of single images as arrays, for notebooks and servers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from segzoo.data.images import channels_first
from segzoo.data.pixels import Pixels
from segzoo.data.rows import Rows
from segzoo.errors import DataError
from segzoo.files.stamps import stamp_of
from segzoo.inference.ensemble import Blend, Ensemble, Manner, Precision
from segzoo.inference.trained import SUFFIX, open_trained
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import classify, softmax
from segzoo.networks.symmetries import Symmetries
from segzoo.processes.terminal import quiet
from segzoo.runs.finished import Run
from segzoo.runs.folder import RunFolder

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOADED = 4
"""Networks, or ensembles of them, that stay loaded: those that were used last."""
LOADING = Lock()
"""Has the threads of a server load a network only once."""


class Prediction(NamedTuple):
    """What is predicted of an image."""

    labels: NDArray[np.uint8]
    """The class (H, W) of each pixel, the most probable one."""
    probabilities: NDArray[np.float32]
    """Those of all classes, (H, W, K)."""


def predict(
    run: Run | Path | str,
    image: NDArray[Any] | Path | str,
    *,
    page: int = 0,
    also: Sequence[Run | Path | str] = (),
    frame: Frame | None = None,
    classes: Sequence[str] = (),
    tta: Symmetries | None = None,
    overlap: float | None = None,
    blend: Blend = "mean",
    scale: float | None = None,
    precision: Precision = "auto",
) -> Prediction:
    """Predict an image at its size.

    The image is an array (H, W) or (H, W, C) of what a file of it would hold, or the path of a file, of which `page` is
    taken. The network is loaded with the first image, and again only if its file has changed; many threads may call.
    All else is as in `predict_files`.

    Raises:
        SegzooError: if the network cannot be opened, or the image cannot be read or has other channels.
    """
    sources = tuple(str(source.folder if isinstance(source, Run) else source) for source in (run, *also))
    stamps = stamp_of(file for file in map(_network_file, sources) if file.exists())
    with LOADING:
        ensemble = _loaded(sources, stamps, frame, tuple(classes), Manner(tta, overlap, blend, scale, precision))
    pixels = _read(image, page, ensemble.first.pixels)
    logits = next(ensemble.logits([partial(Rows.of, pixels)])).array()
    return Prediction(classify(logits), softmax(logits))


def _network_file(source: str) -> Path:
    return Path(source) if Path(source).suffix == SUFFIX else RunFolder(Path(source)).model


@lru_cache(LOADED)
def _loaded(
    sources: tuple[str, ...], stamps: str, frame: Frame | None, classes: tuple[str, ...], manner: Manner
) -> Ensemble:
    """The ensemble of these networks, as long as their files have the same stamps."""
    with quiet():
        ensemble = Ensemble([open_trained(source, frame, classes) for source in sources], manner)
        ensemble.load()
    return ensemble


def _read(image: NDArray[Any] | Path | str, page: int, pixels: Pixels) -> NDArray[Any]:
    """The pixels (H, W, C) of an image, as those of the training."""
    if isinstance(image, Path | str):
        return pixels.read(Path(image), page)
    values = np.asarray(image)
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim == 3 and (values.shape[2], pixels.channels) == (1, 3):
        values = np.repeat(values, 3, axis=2)
    if values.ndim != 3 or not values.size or values.shape[2] != pixels.channels:
        raise DataError(
            f"the array has the shape {np.shape(image)}, and an image (height, width, {pixels.channels}) is wanted"
            f"{channels_first(values.shape)}"
        )
    return pixels.of_values(values, Path("the array"))
