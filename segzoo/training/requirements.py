"""What a network and a loss must give, so that training makes sense; else it is they that are at fault, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo.errors import PluginError
from segzoo.plugin import Job
from segzoo.plugin_errors import title
from segzoo.training.batches import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray


def require_trainable(job: Job, batch: Batch, logits: Any, remedy: str = "") -> None:
    """Refuse a network or a loss that no training can begin with. To be called before the first step.

    What is infinite or no number then is so by itself, and not for a step that was too large.

    Args:
        job: the job; its loss is computed once, outside of any graph.
        batch: some images to train on.
        logits: what the network makes of them in inference, (B, H', W', C) as the labels are (B, H', W').
        remedy: what else the user may try where the logits are not finite, such as another precision.

    Raises:
        PluginError: if the logits or the loss of an image are not finite, or if the loss is no tensor float32 (B,). It
            names the network or the loss.
    """
    loss, values = title(type(job.loss)), np.asarray(logits)
    if wrong := _share_not_finite(values):
        raise PluginError(
            f"{job.network}: {wrong} of its logits are not finite before the first training step, so a smaller step "
            f"does not help; look for a division by 0, or a logarithm or a root of what may be 0 or less{remedy}"
        )
    losses = _losses(job, batch.labels, values, batch.weights)
    if not np.isfinite(losses).all():
        raise PluginError(
            f"{loss}: it is {_first_not_finite(losses)} for an image, of logits that are finite, before the first "
            "training step, so a smaller step does not help; look for a division by 0, or a logarithm or a root of it"
        )


def require_finite_loss(job: Job, labels: NDArray[np.int32], weights: NDArray[np.float32], logits: Any = None) -> None:
    """Refuse a loss that is infinite or no number for these images, (B, H', W'), though nothing in them is.

    To be called when a training has come to a loss that is no number, and the cause is asked for.

    Args:
        job: the job.
        labels: what the loss was given.
        weights: what it was given.
        logits: what it was given, if that is known, (B, H', W', C). If they are infinite, no number, or beyond float16,
            as they become in a training that diverges, they are the cause and not the loss.

    Raises:
        PluginError: if the loss is not finite for these logits, or for logits that are all 0.
    """
    zeros = np.zeros((*labels.shape, job.num_classes), np.float32)
    tried = {"logits that are all 0": zeros}
    if logits is not None and (largest := np.abs(values := np.asarray(logits)).max()) <= np.finfo(np.float16).max:
        tried[f"finite logits, the largest of which is {largest:.3g}"] = values
    for what, given in tried.items():
        losses = _losses(job, labels, given, weights)
        if not np.isfinite(losses).all():
            empty = not weights[~np.isfinite(losses)].any()
            where = "where all pixels of an image weigh 0, and should be 0" if empty else f"for {what}"
            raise PluginError(f"{title(type(job.loss))}: it is {_first_not_finite(losses)} {where}")


def _losses(job: Job, labels: Any, *others: Any) -> NDArray[Any]:
    """The loss of each image."""
    from keras import ops

    given = job.loss(*map(ops.convert_to_tensor, (labels, *others)))
    is_tensor, losses, expected = ops.is_tensor(given), np.asarray(ops.convert_to_numpy(given)), (len(labels),)
    if not is_tensor or losses.shape != expected or losses.dtype != np.float32:
        kind = "a tensor" if is_tensor else f"an object of the type {type(given).__name__}"
        raise PluginError(
            f"{title(type(job.loss))}: of {len(labels)} images it gives {kind}, {losses.dtype} of shape "
            f"{losses.shape}, but should give a tensor, float32 of shape {expected}, a value for each image"
        )
    return losses


def _share_not_finite(values: NDArray[Any]) -> str:
    """Such as `16 of 4,096`; empty if all are finite."""
    wrong = values.size - np.count_nonzero(np.isfinite(values))
    return f"{wrong:,} of {values.size:,}" if wrong else ""


def _first_not_finite(values: NDArray[Any]) -> float:
    return float(values[~np.isfinite(values)][0])
