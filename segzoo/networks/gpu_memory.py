"""What TensorFlow does with GPUs, if there are any."""

from __future__ import annotations

from contextlib import suppress


def grow_memory() -> None:
    """Have TensorFlow take the memory of each GPU as it needs it, and not all of it at once.

    To be called before anything is computed; it changes nothing on a GPU that is in use already, or without one.
    """
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        with suppress(RuntimeError, ValueError):  # it is in use, or divided by whoever calls
            tf.config.experimental.set_memory_growth(gpu, True)
