"""Precision: which one this machine is fast in, and trained float32 networks that compute in bfloat16.

TensorFlow is imported to choose only where there is the driver of a GPU, so that it costs nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from segzoo.networks.folding import fold
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import Predictor, classify, predict
from segzoo.processes.terminal import quiet

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

CPUINFO = Path("/proc/cpuinfo")
GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""NVIDIA's on Linux, and that of Linux inside Windows; of other makers' GPUs TensorFlow does not tell the speed."""
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Instructions that multiply in bfloat16. Without them, as with AVX2 alone, it is slower than float32."""

FEW = 100_000
"""Pixels that it takes to tell how often classes differ."""
CORNER = 1024
"""Height and width of the part of an image that is predicted to compare precisions."""


def fast_precision() -> Literal["float32", "mixed_bfloat16"]:
    """The dtype policy that is fast here: bfloat16 where the GPUs, or else the processor, are fast at it."""
    capabilities = gpu_capabilities() if any(driver.exists() for driver in GPU_DRIVERS) else []
    # Tensor cores take bfloat16 from Ampere on: https://docs.nvidia.com/cuda/ampere-tuning-guide
    fast = min(capabilities) >= (8, 0) if capabilities else processor_is_fast()
    return "mixed_bfloat16" if fast else "float32"


def processor_is_fast() -> bool:
    """Whether the processor multiplies in bfloat16 itself; only Linux says so, elsewhere the answer is no."""
    try:
        lines = CPUINFO.read_text("utf-8").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return bool(BFLOAT16_FLAGS & set(flags))


def gpu_capabilities() -> list[tuple[int, int]]:
    """The compute capability of each GPU that TensorFlow sees, (0, 0) where it is unknown."""
    with quiet():
        import tensorflow as tf

        details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
        return [gpu.get("compute_capability", (0, 0)) for gpu in details]


def in_bfloat16(network: keras.Model) -> keras.Model:
    """The same network, whose layers compute in bfloat16 from now on; its weights stay float32.

    Its convolutions normalize too, where that is another layer: two roundings less, and quicker; see `fold`.
    The first layer with weights and what comes before it stay float32, since bfloat16 would merge neighbouring pixel
    values, and so do the last layer with weights, which makes the logits, and what comes behind it.
    """
    import keras

    fold(network)
    layers = list(_leaves(network))
    weighted = [place for place, layer in enumerate(layers) if layer.weights] or [0]
    for layer in layers[weighted[0] + 1 : weighted[-1]]:
        layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    network.predict_function = None  # which Keras keeps as it was compiled
    return network


def _leaves(network: Any) -> Iterator[Any]:
    """The layers that consist of no others, in the order of the graph; of a class of its own, as it holds them."""
    for layer in network.layers:
        yield from _leaves(layer) if getattr(layer, "layers", None) else [layer]


def bfloat16_agreement(
    network: Predictor, load: Callable[[], keras.Model], frame: Frame, images: Iterable[NDArray[Any]]
) -> float | None:
    """The share of the pixels of images (H, W, C) that get the same class if the network computes in bfloat16.

    `load` gives another copy of the network. None if bfloat16 is slow here, if there are fewer than FEW pixels, or if
    the network was written for float32 alone. In the view `crop`, a corner of an image is enough.
    """
    if fast_precision() == "float32":
        return None
    seen = list(images) if frame.view == "resize" else [image[:CORNER, :CORNER] for image in images]
    if sum(image.shape[0] * image.shape[1] for image in seen) < FEW:
        return None
    try:
        return agreement(network, in_bfloat16(load()), frame, seen)
    except Exception:  # layers that cannot compute in bfloat16 raise anything
        return None


def agreement(network: Predictor, other: Predictor, frame: Frame, images: Iterable[NDArray[Any]]) -> float:
    """The share of the pixels of images (H, W, C) to which two networks give the same class."""
    equal = total = 0
    for image in images:
        first, second = (classify(predict(one, frame, [image])[0]) for one in (network, other))
        equal, total = equal + int(np.count_nonzero(first == second)), total + first.size
    return equal / total
