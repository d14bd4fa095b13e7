"""What encoders and the models that take them share: the option, the input, and the weights to begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from segzoo.defaults import EXAMPLES
from segzoo.errors import DataError
from segzoo.files.stamps import sha256
from segzoo.plugin import Encoder, Model, StartingWeights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _create(value: Any) -> Any:
    """The encoder that a name, or a table with a name and options, stands for; what is none is left to the type."""
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping):
        return value
    if not isinstance(name := table.get("name"), str):
        raise ValueError(f'name an encoder, as in name = "{EXAMPLES["encoder"]}"; see `segzoo list encoders`')
    from segzoo import registry  # not at the top: modules of plugins import this one, and are to be quick

    return registry.create(Encoder, name, {key: option for key, option in table.items() if key != "name"})


def _table(value: Any) -> Any:
    """The table that `_create` reads back; the default of an option may be a name."""
    if not isinstance(value, Encoder):
        return value
    from segzoo import registry

    return {"name": registry.name_of(type(value)), **value.model_dump(mode="json", exclude_none=True)}


EncoderOption = Annotated[
    Encoder, BeforeValidator(_create), PlainSerializer(_table), WithJsonSchema({"type": "encoder"})
]
"""The type of a model's option that is an encoder: given by its name, or as a table with `name` and its options.

    encoder: EncoderOption = Field("efficientnet_lite0", description="What makes the feature maps.")
"""


def encoders_of(model: Model) -> dict[str, Encoder]:
    """The options of a model that are encoders, by their names, which are those of the layers too."""
    return {name: value for name, value in model if isinstance(value, Encoder)}


def with_resolved_encoders(model: Model) -> Model:
    """The same model with every option of its encoders decided that is left to the machine; see `Plugin.resolved`."""
    resolved = {name: encoder.resolved() for name, encoder in encoders_of(model).items()}
    return model.model_copy(update=resolved) if resolved else model


def weights_in(path: Path, name: str = "") -> StartingWeights:
    """The weights in a file as `Encoder.prepare` returns them: by a name, which is the file's if none is given.

    Raises:
        DataError: if the file cannot be read.
    """
    try:
        return StartingWeights(name or path.name, sha256(path))
    except OSError as error:
        raise DataError(f"cannot read the weights {path}: {(error.strerror or str(error)).lower()}") from error


def normalized(images: Any, mean: Sequence[float], deviation: Sequence[float]) -> Any:
    """Images in [-1, 1], a Keras tensor (B, H, W, C), as weights want them that were trained on normalized ones.

    Args:
        images: the tensor.
        mean: that of each of the channels that the weights know, of values in [0, 1].
        deviation: the standard deviation of each. Images of one channel get the mean of both over the channels;
            further channels those of the first ones again.
    """
    from keras import layers

    channels = images.shape[-1]
    means, deviations = (_for_channels(values, channels) for values in (mean, deviation))
    scale = [0.5 / deviation for deviation in deviations]
    offset = [(0.5 - mean) / deviation for mean, deviation in zip(means, deviations, strict=True)]
    # In float32 whatever the policy: bfloat16 would merge neighbouring pixel values before the mean is taken away.
    return layers.Rescaling(scale, offset, dtype="float32", name="normalization")(images)


def _for_channels(values: Sequence[float], channels: int) -> list[float]:
    if channels == 1:
        return [sum(values) / len(values)]
    return [values[channel % len(values)] for channel in range(channels)]


def first_kernel(kernel: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """The kernel (height, width, C, filters) of a first convolution for images of another number of channels.

    For one channel it is the sum over all, as if a grey image were repeated. For others the channels are repeated from
    the first on, and scaled so that the sum over all of them is about what it was.
    """
    import numpy as np

    known, fitting = kernel.shape[2], kernel
    if channels == 1:
        fitting = kernel.sum(axis=2, keepdims=True)
    elif channels != known:
        fitting = np.take(kernel, np.arange(channels) % known, axis=2) * np.float32(known / channels)
    return fitting
