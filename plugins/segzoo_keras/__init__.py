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
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate of the optimizer, after the warmup.")
    schedule: Literal["constant", "cosine", "polynomial"] = Field(
        "cosine",
        description="Learning rate after the warmup: constant, or decaying to 0 at the end of the training (epochs, "
        "steps or seconds, whichever comes first) along half a cosine wave or a polynomial of power 0.9.",
    )
    warmup: float = Field(
        0.05, ge=0, lt=1, description="Share of the training in which the learning rate first rises from 0."
    )
    weight_decay: float = Field(
        0.05,
        ge=0,
        description="Decoupled weight decay of the kernels: a step subtracts this share of a kernel, times the "
        "learning rate. Biases and parameters of normalizations do not decay. 0: none.",
    )
    clip_norm: float = Field(
        1.0, ge=0, description="Maximum global norm of the gradients, which are scaled down to it; 0: no clipping."
    )
    half_size: float = Field(
        0.4,
        ge=0,
        lt=1,
        description="Share of the training, from its beginning, with images at half their height and width, or at the "
        "next larger size that the network takes: a step is two to three times as fast. Only in the view resize, where "
        "64 pixels a side remain, and without pretrained weights. 0: none.",
    )
    freeze: tuple[str, ...] = Field(
        (),
        description="Layers that are not trained, by name or path, such as encoder/stem_conv, with shell wildcards; "
        "the name of a nested network stands for all its layers. Their batch normalizations keep their moving "
        "statistics.",
    )
    unfreeze_after: float | None = Field(
        None, gt=0, lt=1, description="Share of the training after which frozen layers are trained too; unset: never."
    )
    lr_multipliers: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        {},
        description='Factors of the learning rate, by patterns of layers as in freeze, such as {"encoder" = 0.1}; if '
        "several patterns match a layer, the first applies.",
    )
    pretrained_rate: float = Field(
        0.2,
        ge=0,
        allow_inf_nan=False,
        description="Factor of the learning rate of an encoder that begins with pretrained weights, such as ImageNet's "
        "or those of --init, where no pattern of lr_multipliers matches it.",
    )
    batch_size: int = Field(8, ge=1, description="Images that the network sees at once.")
    accumulate: int = Field(
        1, ge=1, description="Batches whose gradients are averaged for one step, in the memory of a single batch."
    )
    ema: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="Momentum of a moving average of the weights, such as 0.999, which is validated and saved in their "
        "place; 0: no average.",
    )
    select: Literal["val_loss", "mean_iou"] = Field(
        "val_loss", description="What the best epoch is chosen by: the lowest val_loss, or the highest val_mean_iou."
    )
    patience: int | None = Field(
        None, ge=1, description="Epochs without improvement after which the training stops early; unset: it does not."
    )
    class_weights: Literal["none", "auto"] | tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = Field(
        "none",
        description="Weights of the classes in the training loss: a number for each class, or auto for those that "
        "`segzoo data stats` prints. val_loss is not weighted.",
    )
    rare_crops: float = Field(
        0.0,
        ge=0,
        le=1,
        description="In the view crop, the share of crops that lie around a pixel of a random class of their image, so "
        "that rare classes are seen more often.",
    )
    pixels: Literal["-1..1", "0..255"] = Field(
        "-1..1",
        description="Range of pixel values at the input of the network, -1..1 with pretrained weights; the saved model "
        "takes 0..255 in either case.",
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
