"""The trainer for Keras networks on TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from segzoo.plugin import Job, Samples, Trainer

if TYPE_CHECKING:
    import keras


class KerasTrainer(Trainer):
    """Trains any Keras network with a loop of its own, and keeps the weights of the epoch that validates best.

    A subclassed network's own `train_step` and `compile` are not used. Whatever the precision, weights, losses and
    scores are float32, and so is the network that is saved.
    """

    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = Field(
        "adamw", description="Keras optimizer; sgd has Nesterov momentum 0.9."
    )
    learning_rate: float = Field(2e-3, gt=0, description="Step size of the optimizer.")
    schedule: Literal["constant", "cosine", "polynomial"] = Field(
        "cosine",
        description="Whether the learning rate stays, or falls to 0 by the end of epochs, steps or seconds, whichever "
        "ends first: as half a cosine wave, or as the power 0.9 of what is left.",
    )
    warmup: float = Field(
        0.05, ge=0, lt=1, description="Share of the training in which the learning rate first rises from 0."
    )
    weight_decay: float = Field(
        0.05,
        ge=0,
        description="Share of each kernel that a step takes away, times the learning rate; biases and scales do not "
        "decay. 0: none.",
    )
    clip_norm: float = Field(1.0, ge=0, description="Largest norm of the gradient of all variables together; 0: any.")
    half_size: float = Field(
        0.4,
        ge=0,
        lt=1,
        description="Share of the training, from its beginning, in which the network sees images at half their height "
        "and width, or at the next size that it takes, in about a third of the time; in the view resize, where 64 "
        "pixels a side are left, and without pretrained weights.",
    )
    freeze: tuple[str, ...] = Field(
        (),
        description="Layers that are not trained, and whose batch normalizations keep their statistics: names or paths "
        "such as encoder/stem_conv, with the wildcards of a shell; a network with such a name is all its layers.",
    )
    unfreeze_after: float | None = Field(
        None, gt=0, lt=1, description="Share of the training after which frozen layers are trained too; unset: never."
    )
    lr_multipliers: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        {},
        description='Factors of the learning rate for layers with such names, as in {"encoder" = 0.1}; of several '
        "patterns that fit, the first counts.",
    )
    pretrained_rate: float = Field(
        0.2,
        ge=0,
        allow_inf_nan=False,
        description="Factor of the learning rate for an encoder that begins with pretrained weights, where "
        "lr_multipliers has none for it.",
    )
    batch_size: int = Field(8, ge=1, description="Images that the network sees at once.")
    accumulate: int = Field(
        1, ge=1, description="Batches in a training step, which takes the mean of their gradients and no more memory."
    )
    ema: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="Momentum of a moving average of the weights, such as 0.999, which is validated and saved in their "
        "place; 0: no average.",
    )
    select: Literal["val_loss", "mean_iou"] = Field(
        "val_loss", description="What the best epoch is best in: the lowest val_loss, or the highest val_mean_iou."
    )
    patience: int | None = Field(
        None, ge=1, description="Epochs without a better one after which the training ends; unset: none end it."
    )
    class_weights: Literal["none", "auto"] | tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = Field(
        "none",
        description="What a pixel weighs in training, by its class: a number for each class, or those that "
        "`segzoo data stats` prints; val_loss has none.",
    )
    rare_crops: float = Field(
        0.0,
        ge=0,
        le=1,
        description="In the view crop, the share of crops that lie around a pixel of a random class of their image, so "
        "that rare classes are seen more often.",
    )
    pixels: Literal["-1..1", "0..255"] = Field(
        "-1..1", description="Range that the network sees; the saved model takes 0..255 in either case."
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "auto",
        description="What the network computes in. auto: mixed_bfloat16 on a processor with AVX512_BF16 or AMX and on "
        "GPUs of compute capability 8.0 and above, else float32. mixed_float16 trains with loss scaling.",
    )
    jit_compile: bool = Field(
        False, description="Whether XLA compiles the network: slow to begin, and then often faster on a GPU."
    )
    deterministic: bool = Field(
        False,
        description="Whether a GPU is to give the same bits each time, for which it is slower; on a processor they are "
        "the same in any case.",
    )

    @field_validator("freeze", mode="before")
    @classmethod
    def _one_pattern(cls, patterns: Any) -> Any:
        return [patterns] if isinstance(patterns, str) else patterns

    @model_validator(mode="after")
    def _freezing_agrees(self) -> Self:
        if self.unfreeze_after is not None and not self.freeze:
            raise ValueError("unfreeze_after needs frozen layers, as of --set trainer.freeze=encoder")
        return self

    @property
    def depends_on_length(self) -> bool:
        """See `Trainer.depends_on_length`: whether learning rate, size of images or frozen layers do."""
        follows_plan = self.schedule != "constant" or self.warmup > 0
        return follows_plan or self.half_size > 0 or self.unfreeze_after is not None

    @property
    def images_per_step(self) -> int:
        """Images by which the weights are changed once."""
        return self.batch_size * self.accumulate

    def resolved(self) -> Self:
        """See `Plugin.resolved`: the precision that this machine is fast in."""
        if self.precision != "auto":
            return self
        from segzoo.training import fast_precision

        return self.model_copy(update={"precision": fast_precision()})

    def fit(self, build: Callable[[], keras.Model], train: Samples, val: Samples, job: Job) -> keras.Model:
        """See `Trainer.fit`."""
        from segzoo_keras.engine import fit

        return fit(self.resolved(), build, train, val, job)
