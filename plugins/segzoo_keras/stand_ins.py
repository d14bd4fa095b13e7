"""A second graph of a network, which is trained in its place: better layers stand in for some, on their variables."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

import keras

from segzoo_keras.depthwise import DepthwiseConvolution, has_slow_gradient
from segzoo_keras.devices import computes_with_onednn
from segzoo_keras.normalization import FusedBatchNormalization, replaceable
from segzoo_keras.pointwise import SubsampledConvolution, strided_pointwise

logger = logging.getLogger(__name__)


def with_stand_ins(network: keras.Model) -> keras.Model:
    """The same network on the same variables, with a stand-in wherever there is one for the layer.

    Functional and sequential networks in it are gone through too. All other layers are shared with `network`, so those
    of a subclassed network stay as they are; the log says how many batch normalizations that leaves out, and which.
    """
    graphs = (type(network), keras.Sequential)  # and no children of theirs, whose `call` a clone would lose
    swapped: dict[int, Any] = {}
    stand_ins: list[keras.layers.Layer] = []

    def swap(layer: Any) -> Any:
        if id(layer) not in swapped:  # one that is called twice stays one
            if type(layer) in graphs:
                swapped[id(layer)] = keras.models.clone_model(layer, clone_function=swap)
            elif other := stand_in(layer):
                swapped[id(layer)] = other
                stand_ins.append(other)
        return swapped.get(id(layer), layer)

    trained = swap(network)
    report(network, stand_ins)
    return trained if stand_ins else network


def stand_in(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """What does the same as a built layer on its variables, if there is something better."""
    if replaceable(layer):
        return FusedBatchNormalization(layer)
    if strided_pointwise(layer):
        return SubsampledConvolution(layer)
    if has_slow_gradient(layer) and computes_with_onednn():
        return DepthwiseConvolution(layer)
    return None


def report(network: keras.Model, stand_ins: Collection[keras.layers.Layer]) -> None:
    """Say in the log what was done; batch normalizations inside of other layers show by their moving variance."""
    fused = [layer.plain for layer in stand_ins if isinstance(layer, FusedBatchNormalization)]
    done = {id(plain.moving_variance) for plain in fused}
    left = [v.path for v in network.variables if v.name == "moving_variance" and id(v) not in done]
    if done:
        logger.info("batch normalizations through TensorFlow's fused kernel: %d", len(done))
    if left:
        logger.info("batch normalizations left to Keras' own operations: %d (%s)", len(left), ", ".join(left))
    if depthwise := sum(isinstance(layer, DepthwiseConvolution) for layer in stand_ins):
        logger.info("depthwise convolutions with quicker gradients: %d", depthwise)
