"""The trainer for Keras networks on TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field

from segzoo.plugin import Job, Samples, Trainer

if TYPE_CHECKING:
    import keras


class KerasTrainer(Trainer):
    """Trains any Keras network with a loop of its own, and keeps the weights of the epoch with the lowest val_loss.

    A subclassed network's own `train_step` and `compile` are not used. Whatever the precision, weights, losses and
    scores are float32, and so is the network that is saved.
    """

    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = Field(
        "adam", description="Keras optimizer; sgd has Nesterov momentum 0.9."
    )
    learning_rate: float = Field(1e-3, gt=0, description="Step size of the optimizer.")
    batch_size: int = Field(8, ge=1, description="Images in a training step.")
    pixels: Literal["-1..1", "0..255"] = Field(
        "-1..1", description="Range that the network sees; the saved model takes 0..255 in either case."
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "auto",
        description="What the network computes in. auto: mixed_bfloat16 on a processor with AVX512_BF16 or AMX and on "
        "GPUs of compute capability 8.0 and above, else float32. mixed_float16 trains with loss scaling.",
    )

    def resolved(self) -> Self:
        """See `Plugin.resolved`: the precision that this machine is fast in."""
        if self.precision != "auto":
            return self
        from segzoo_keras.precision import fast_precision

        return self.model_copy(update={"precision": fast_precision()})

    def fit(self, build: Callable[[], keras.Model], train: Samples, val: Samples, job: Job) -> keras.Model:
        """See `Trainer.fit`."""
        from segzoo_keras.engine import fit

        return fit(self.resolved(), build, train, val, job)
