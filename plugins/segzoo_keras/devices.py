"""What TensorFlow computes on: batches on a GPU before they are needed, and operations of the same bits each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism, is_op_determinism_enabled
from tensorflow.python.util import _pywrap_util_port as build

from segzoo.errors import TrainingError
from segzoo.training import Batch


def fastest_device() -> str | None:
    """The GPU that TensorFlow computes on; None if that is the processor."""
    return "GPU:0" if tf.config.list_logical_devices("GPU") else None


def computes_with_onednn() -> bool:
    """Whether TensorFlow computes by oneDNN, as on most processors with AVX-512; it has no public way to ask."""
    return fastest_device() is None and bool(build.IsMklEnabled())


def placed(batches: Iterator[Batch], device: str | None) -> Iterator[tuple[Batch, tuple[Any, ...]]]:
    """Each batch, and the same in the memory of a device: copied when it is asked for, as by a thread that runs ahead.

    Without a device it is the same arrays.
    """
    for batch in batches:
        if device is None:
            yield batch, batch
            continue
        with tf.device(device):
            copies = tuple(tf.convert_to_tensor(values) for values in batch)
        yield batch, copies


@contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """A block in which TensorFlow takes only operations that give the same bits each time, if that is wanted.

    TensorFlow has no public way to end that; this one is what its tests take.

    Raises:
        TrainingError: if an operation in the block has no such form.
    """
    if not wanted or is_op_determinism_enabled():
        yield
        return
    tf.config.experimental.enable_op_determinism()
    try:
        yield
    except (RuntimeError, tf.errors.UnimplementedError) as error:
        if "determinis" not in str(error).lower():
            raise
        reason = " ".join(str(error).split())
        raise TrainingError(
            f"something in this training is not deterministic; take --set trainer.deterministic=false ({reason})"
        ) from error
    finally:
        disable_op_determinism()
