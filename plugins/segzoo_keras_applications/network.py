"""Networks of `keras.applications`, cut where their feature maps are."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from keras import Function, Input, Model, layers

from segzoo.networks.encoders import normalized
from segzoo_keras_applications import Application

SIDE = 256
"""Height and width of the image by whose maps strides are told."""
MOMENTUM = 0.99
"""The largest of batch normalization. At 0.999, as in MobileNets, moving statistics lag by thousands of steps, which
are more than fine-tuning takes."""


def encoder(application: Application, channels: int, strides: Sequence[int]) -> Model:
    """Images (B, H, W, channels) in [-1, 1] to the maps of these strides; with random weights."""
    inputs = Input((None, None, channels), name="image")
    network = classifier(application, images=normalized(inputs, application.mean, application.deviation))
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = min(layer.momentum, MOMENTUM)
    return Model(inputs, feature_maps(network, application.blocks, strides), name="encoder")


def classifier(application: Application, weights: Path | None = None, images: Any = None) -> Model:
    """The network of Keras up to its classifier, for normalized images: by default for any of 3 channels.

    Raises:
        ValueError, OSError, KeyError: if the file of the weights is another one.
    """
    function = getattr(keras.applications, application.function)
    known = inspect.signature(function).parameters
    options = {"include_preprocessing": False} if "include_preprocessing" in known else {}
    return function(include_top=False, weights=weights and str(weights), input_tensor=images, **options)


def feature_maps(network: Model, blocks: str, strides: Sequence[int]) -> list[Any]:
    """The output of the last block of each stride; blocks end with operations whose names the pattern matches."""
    outputs = [operation.output for operation in network.operations if re.search(blocks, operation.name)]
    image = (1, SIDE, SIDE, network.inputs[0].shape[-1])
    shapes = Function(network.inputs[0], outputs).compute_output_shape(image)
    last = {SIDE // shape[1]: output for output, shape in zip(outputs, shapes, strict=True)}
    return [last[stride] for stride in strides]
