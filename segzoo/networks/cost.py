"""The cost of a network: its parameters, the floating-point operations for an image, and the time of its training.

A floating-point operation is a multiplication or an addition, so a multiply-add counts 2. Counted are the products of
convolutions and matrices. All else is left out: biases, activations, normalization, pooling and resizing are bound by
memory rather than arithmetic, and nobody counts them alike.

TensorFlow's own profiler (`tf.compat.v1.profiler`) does not do: it counts nothing inside functions that a graph calls,
where Keras puts grouped convolutions, nothing of Einsum, and of dilated convolutions the padding that their detour over
SpaceToBatchND needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from statistics import median
from typing import TYPE_CHECKING, Any

from segzoo.errors import PluginError

if TYPE_CHECKING:
    import keras

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
"""Operations that call a function."""


def parameters(network: keras.Model) -> int:
    """Number of trainable parameters."""
    return sum(prod(variable.shape) for variable in network.trainable_variables)


def traced(network: keras.Model, shape: tuple[int, int, int, int]) -> Any:
    """The network in inference as a concrete function of TensorFlow, for images (B, H, W, C) of that shape.

    Raises:
        PluginError: if Keras runs on another backend.
    """
    import keras
    import tensorflow as tf

    if (backend := keras.backend.backend()) != "tensorflow":
        raise PluginError(f"graphs are TensorFlow's, but Keras runs on {backend}: set KERAS_BACKEND=tensorflow")
    function = tf.function(lambda images: network(images, training=False))
    return function.get_concrete_function(tf.TensorSpec(shape, tf.float32))


def flops(function: Any) -> int:
    """Floating-point operations of one call of a concrete function; see the top of this module for what counts.

    A layer that is called repeatedly counts each time. Padding counts as the image does.

    Raises:
        PluginError: if a shape is known only at run time, or a product is in a loop or a branch.
    """
    return _graph_flops(function.graph)


def _graph_flops(graph: Any) -> int:
    return sum(_operation_flops(operation, graph) for operation in graph.get_operations())


def _operation_flops(operation: Any, graph: Any) -> int:
    if operation.type in RULES:
        return RULES[operation.type](operation)
    called = sum(_graph_flops(graph._get_function(name).graph) for name in _functions(operation))
    if called and operation.type not in CALLS:
        raise PluginError(f"FLOPs cannot be counted: how often '{operation.name}' is at work is known only at run time")
    return called


def _functions(operation: Any) -> list[str]:
    """Names of the functions that an operation may call."""
    attributes = operation.node_def.attr.values()
    return [name for value in attributes for name in (value.func.name, *(f.name for f in value.list.func)) if name]


def _convolution(operation: Any) -> int:
    """Of each output as many products as its filter (..., inputs of its group, outputs) has for one output."""
    return 2 * _size(_undilated(operation)) * prod(_shape(operation.inputs[1])[:-1])


def _depthwise(operation: Any) -> int:
    """The same of a filter (H, W, inputs, multiplier), where each output has one input."""
    return 2 * _size(_undilated(operation)) * prod(_shape(operation.inputs[1])[:-2])


def _undilated(operation: Any) -> Any:
    """The output of a convolution; of a dilated one that is made of SpaceToBatchND, without its padding."""
    output = operation.outputs[0]
    followers = [follower for follower in output.consumers() if follower.type == "BatchToSpaceND"]
    dilated = operation.inputs[0].op.type == "SpaceToBatchND" and len(followers) == 1
    return followers[0].outputs[0] if dilated else output


def _transposed_convolution(operation: Any) -> int:
    """Each input goes into as many products as its filter (..., outputs, inputs) has for one input."""
    return 2 * _size(operation.inputs[2]) * prod(_shape(operation.inputs[1])[:-1])


def _transposed_depthwise(operation: Any) -> int:
    return 2 * _size(operation.inputs[2]) * prod(_shape(operation.inputs[1])[:-2])


def _matrix_product(operation: Any) -> int:
    """Each output is a sum of as many products as the first matrix (..., rows, columns) has columns."""
    flipped = any(operation.node_def.attr[name].b for name in ("transpose_a", "adj_x"))
    return 2 * _size(operation.outputs[0]) * _shape(operation.inputs[0])[-2 if flipped else -1]


def _einsum(operation: Any) -> int:
    """As many products as there are combinations of all indices, summed over those that the output lacks."""
    if len(operation.inputs) == 1:  # a transposition or a sum
        return 0
    inputs, _, output = operation.get_attr("equation").decode().partition("->")
    sizes: dict[str, int] = {}
    for term, tensor in zip(inputs.split(","), operation.inputs, strict=True):
        for name, size in _named(term, _shape(tensor)).items():
            sizes[name] = max(size, sizes.get(name, 1))  # under an ellipsis, 1 goes with any size
    summed = {name for name in sizes if len(name) == 1 and name not in output}
    return (2 if summed else 1) * prod(sizes.values())


def _named(term: str, shape: tuple[int, ...]) -> dict[str, int]:
    """The sizes of a term's indices; those under its ellipsis are named from their right."""
    before, dots, after = term.partition("...")
    hidden = len(shape) - len(before) - len(after)
    names = [*before, *(f"...{i}" for i in range(hidden, 0, -1) if dots), *after]
    return dict(zip(names, shape, strict=True))


def _size(tensor: Any) -> int:
    return prod(_shape(tensor))


def _shape(tensor: Any) -> tuple[int, ...]:
    if not tensor.shape.is_fully_defined():
        raise PluginError(f"FLOPs cannot be counted: the shape of '{tensor.op.name}' is known only at run time")
    return tuple(tensor.shape)


RULES: Mapping[str, Callable[[Any], int]] = {
    "Conv": _convolution,
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _transposed_convolution,
    "Conv3DBackpropInputV2": _transposed_convolution,
    "DepthwiseConv2dNativeBackpropInput": _transposed_depthwise,
    "MatMul": _matrix_product,
    "BatchMatMul": _matrix_product,
    "BatchMatMulV2": _matrix_product,
    "BatchMatMulV3": _matrix_product,
    "Einsum": _einsum,
}
"""Counters of products by operation; operations that are not listed count 0."""


@dataclass(frozen=True)
class TrainingCost:
    """Times of a typical epoch; None where the trainer did not measure them."""

    seconds_per_epoch: float | None
    """Wall time with validation, the median over epochs."""
    images_per_second: float | None
    """Training images by the time of training them, waiting included and validation not; the median over epochs."""
    waiting_share: float | None
    """Share of the time of training that went by waiting for images, over all epochs together."""
    start_up: bool
    """Whether start-up is in the figures, because there is no epoch but the first, which compiles the step."""


def training_cost(rows: Sequence[Mapping[str, Any]]) -> TrainingCost:
    """The cost of a training from the rows of its `timings.csv`, all epochs but the first.

    Medians, since of a training that was resumed there are more epochs that had to compile.
    """
    later = rows[1:] or rows
    seconds = [float(row["seconds"]) for row in later]
    timed = [row for row in later if float(row.get("training_seconds") or 0)]
    rates = [float(row["images"]) / float(row["training_seconds"]) for row in timed]
    waited = [row for row in timed if row.get("waiting_seconds") not in (None, "")]
    waiting, training = (sum(float(row[key]) for row in waited) for key in ("waiting_seconds", "training_seconds"))
    return TrainingCost(
        seconds_per_epoch=median(seconds) if seconds else None,
        images_per_second=median(rates) if rates else None,
        waiting_share=waiting / training if waited else None,
        start_up=len(rows) == 1,
    )
