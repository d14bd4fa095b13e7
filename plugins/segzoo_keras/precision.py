"""Precision: which dtype policy is fast on this machine, and the failures of training in 16 bits.

TensorFlow is imported to choose only where there is the driver of a GPU, so that it costs nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segzoo.errors import ConfigError, PluginError
from segzoo.training import quiet

if TYPE_CHECKING:
    import keras

CPUINFO = Path("/proc/cpuinfo")
GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""NVIDIA's on Linux, and that of Linux inside Windows; of other makers' GPUs TensorFlow does not tell the speed."""
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Instructions that multiply in bfloat16. Without them, as with AVX2 alone, it is slower than float32."""


def fast_precision() -> Literal["float32", "mixed_bfloat16"]:
    """The dtype policy to train under: bfloat16 where the GPUs, or else the processor, are fast at it."""
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


def build_network(build: Callable[[], keras.Model], precision: str) -> keras.Model:
    """The network under the policy in force, which is `precision`; if only float32 can build it, say so."""
    import keras

    try:
        return build()
    except PluginError as error:
        if precision == "float32":
            raise
        keras.config.set_dtype_policy("float32")
        build()  # if this fails too, the precision is not the cause
        raise ConfigError(
            f"the network cannot be built in {precision}; take --set trainer.precision=float32 ({error})"
        ) from error


def scale_is_used_up(optimizer: keras.optimizers.LossScaleOptimizer) -> bool:
    """Whether loss scaling has stopped helping.

    It leaves out a step whose gradients overflow, and halves the scale: that is how it finds one. But while gradients
    overflow at any scale, nothing is learnt, and the loss stays a number.
    """
    return float(optimizer.dynamic_scale.numpy()) < 1
