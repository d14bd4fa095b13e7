"""Checks of trainers: short trainings of a small network on a dataset that is drawn."""

from __future__ import annotations

import pickle
import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segzoo import registry
from segzoo.defaults import AUGMENTED_BY, DEFAULTS, TRAINED_ON
from segzoo.errors import PluginError
from segzoo.files.cache import cache_folder
from segzoo.networks.build import clean_state
from segzoo.networks.frame import Frame
from segzoo.plugin import Augmentation, Dataset, Events, Job, Loss, Samples, Split, Trainer
from segzoo.runs.folder import RunFolder
from segzoo.training.pipeline import decode

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

CLASSES = 4
SIDE = 16
IMAGES = 96
"""Images to train on."""


@dataclass
class Training(Events):
    """A training and the events that the trainer sent during it."""

    epochs: int | None = 2
    steps: int | None = None
    seed: int = 0
    contrary: bool = False
    """Whether the masks to validate on are wrong, so that the better the network learns, the worse is its val_loss."""
    rows: list[dict[str, float]] = field(default_factory=list)
    times: list[dict[str, float]] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    frame: Frame = field(default_factory=lambda: Frame((SIDE, SIDE)))
    augmentation: Augmentation | None = None
    loss: Loss = field(default_factory=lambda: registry.create(Loss, DEFAULTS["loss"], {}))

    def fit(self, trainer: Trainer) -> keras.Model:
        """The network that the trainer returns."""
        with tempfile.TemporaryDirectory() as folder:
            job = Job(
                loss=self.loss,
                num_classes=CLASSES,
                frame=self.frame,
                epochs=self.epochs,
                seed=self.seed,
                folder=Path(folder),
                checkpoints=RunFolder(Path(folder)).checkpoints,
                events=self,
                steps=self.steps,
                augmentation=self.augmentation,
            )
            return trainer.fit(small_network, self.samples("train"), self.samples("val"), job)

    def epoch_ended(self, figures: Mapping[str, float], times: Mapping[str, float] = {}) -> None:
        """Keep the figures; a training that does not end is ended."""
        self.rows.append(dict(figures))
        self.times.append(dict(times))
        if self.epochs and len(self.rows) > 2 * self.epochs:
            raise PluginError(f"a job with epochs = {self.epochs} goes on after {len(self.rows)} calls of epoch_ended")

    def images_done(self, count: int) -> None:
        """Keep the number; a training that does not end is ended."""
        self.images.append(count)
        if self.steps and len(self.images) > self.steps:
            raise PluginError(f"a job with steps = {self.steps} goes on after {len(self.images)} calls of images_done")

    def reported(self, figure: str) -> list[float]:
        """This figure of each epoch."""
        assert self.rows, "epoch_ended was never called: no epoch has figures"
        for row in self.rows:
            assert figure in row, f"epoch_ended was given only {', '.join(row)}; it needs loss and val_loss"
        return [number(figure, row) for row in self.rows]

    def samples(self, split: Split) -> Samples:
        """The samples of a split; where there are crops to be cut, images that are larger than these."""
        if self.frame.view == "crop":
            return Grains(IMAGES if split == "train" else 8)
        dataset = registry.create(Dataset, TRAINED_ON, {"size": SIDE, "train": IMAGES, "val": 8})
        samples = dataset.open(cache_folder(), split)
        return Contrary(samples) if self.contrary and split == "val" else samples

    def val_loss(self, network: keras.Model) -> float:
        """The loss of a network over the validation images."""
        import keras

        data = decode(self.samples("val"), self.frame, self.loss)
        seen = data.predicted(lambda images: keras.ops.convert_to_numpy(network(images, training=False)), IMAGES)
        losses = [keras.ops.convert_to_numpy(self.loss(*batch)) for batch in seen]
        return float(np.mean(np.concatenate(losses)))


@dataclass(frozen=True)
class Contrary:
    """Samples whose masks have the next class in place of the true class."""

    samples: Samples

    @property
    def ids(self) -> Any:
        """The ids of the samples."""
        return self.samples.ids

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int, /) -> tuple[NDArray[Any], NDArray[Any]]:
        image, mask = self.samples[index]
        return image, (mask + 1) % CLASSES


@dataclass(frozen=True)
class Grains:
    """Images of several sizes whose every pixel is of another class than its neighbours, dark or bright, by chance."""

    count: int

    @property
    def ids(self) -> Any:
        """Numbers."""
        return [str(index) for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> tuple[NDArray[Any], NDArray[Any]]:
        size = (SIDE - 3 + 7 * (index % 4), 2 * SIDE + index % 3)
        mask = np.random.default_rng(index).integers(0, 2, size, np.uint8)
        return np.repeat((60 + 140 * mask)[..., None], 3, axis=-1), mask


def number(name: str, row: Mapping[str, Any]) -> float:
    """A figure as a number of Python; it may be one of NumPy or TensorFlow, but no text."""
    try:
        return float(row[name].__float__())
    except (AttributeError, TypeError, ValueError) as error:
        raise AssertionError(f"epoch_ended was given {name} = {row[name]!r}, which is no number") from error


def small_network() -> keras.Model:
    """Two convolutions and a classifier, for images of any size."""
    import keras

    x = inputs = keras.Input((None, None, 3))
    for _ in range(2):
        x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    return keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1, dtype="float32")(x))


def check_network_is_fitted(trainer: Trainer) -> None:
    """All other checks need a training: `fit` gives back a Keras network, and `epoch_ended` is given finite losses."""
    import keras

    training = Training(epochs=1)
    network = training.fit(trainer)
    assert isinstance(network, keras.Model), f"`fit` returned a {type(network).__name__}, not a keras.Model"
    for figure in ("loss", "val_loss"):
        values = training.reported(figure)
        assert np.isfinite(values).all(), f"epoch_ended was given {figure} = {values[0]}, which is not finite"


def check_network_is_not_compiled(trainer: Trainer) -> None:
    """The network is saved as it comes, and whoever loads a compiled one needs its loss and optimizer."""
    assert not Training(epochs=1).fit(trainer).compiled, (
        "`fit` returned a compiled network; train one that shares its layers, and return the one that is not compiled"
    )


def check_figures_are_numbers(trainer: Trainer) -> None:
    """What is reported becomes rows of `history.csv` and `timings.csv`, and curves: no texts, and no arrays."""
    training = Training(epochs=1)
    training.fit(trainer)
    for row in (*training.rows, *training.times):
        assert "epoch" not in row, f"epoch_ended was given epoch = {row['epoch']!r}; a run numbers the epochs itself"
        for name in row:
            number(name, row)
    for images in training.images:
        assert isinstance(images, Integral), f"images_done was given {images!r}, which is no number of images"


def check_loss_falls(trainer: Trainer) -> None:
    """A trainer that does not make the loss smaller trains nothing."""
    training = Training(epochs=8)
    training.fit(trainer)
    losses = training.reported("loss")
    rounded = [round(loss, 4) for loss in losses]
    assert losses[-1] < 0.95 * losses[0], f"8 epochs on `{TRAINED_ON}` had the losses {rounded}"


def check_best_weights_are_left(trainer: Trainer) -> None:
    """The network that is saved and scored is that of the epoch with the lowest val_loss, not the last one."""
    training = Training(epochs=6, contrary=True)
    network = training.fit(trainer)
    losses = training.reported("val_loss")
    left = training.val_loss(network)
    rounding = 0.005 * min(losses)  # a trainer may validate in 16 bits, of which bfloat16 keeps two or three digits
    assert abs(left - min(losses)) <= 0.2 * (max(losses) - min(losses)) + rounding, (
        f"the network that is given back has val_loss {left:.4f} on pixel values 0..255, but the epochs had "
        f"{[round(loss, 4) for loss in losses]}"
    )


def check_history_has_one_row_an_epoch(trainer: Trainer) -> None:
    """Curves and the progress bar are drawn from what the trainer reports."""
    training = Training()
    training.fit(trainer)
    losses = [training.reported(figure) for figure in ("loss", "val_loss")]
    assert len(training.rows) == 2, f"of 2 epochs, epoch_ended was called {len(training.rows)} times"
    assert np.isfinite(np.array(losses, float)).all(), f"the losses of the epochs are {losses}"
    seen = sum(training.images)
    assert seen == 2 * IMAGES, f"in 2 epochs of {IMAGES} images, images_done was told of {seen}"


def check_steps_end_the_training(trainer: Trainer) -> None:
    """Networks can only be compared that were trained for as long: a budget of steps is to be kept."""
    training = Training(epochs=None, steps=2)
    training.fit(trainer)
    steps = len(training.images)
    assert steps == 2, f"of a job of 2 steps and any number of epochs, images_done was called for {steps}"
    assert training.rows, "of a job of 2 steps, epoch_ended was never called, not even for an epoch cut short"


def check_crops_are_heeded(trainer: Trainer) -> None:
    """In the view `crop`, images of any size are trained on and validated as they are; resizing would lose detail."""
    training = Training(epochs=6, frame=Frame((SIDE, SIDE), view="crop"))
    left, losses = training.val_loss(training.fit(trainer)), training.reported("val_loss")
    assert abs(left - min(losses)) <= 0.05 * min(losses), (
        f"of whole images at their own size, the network given back has val_loss {left:.4f}, but the epochs had "
        f"{[round(loss, 4) for loss in losses]}"
    )


def check_augmentation_is_for_training_alone(trainer: Trainer) -> None:
    """Who asks for augmentation must get it; and what is validated changed by chance says little of real images."""
    strong = registry.create(Augmentation, AUGMENTED_BY, {"level": "strong", "brightness": 1.0})
    plain, changed = Training(epochs=3), Training(epochs=3, augmentation=strong)
    plain.fit(trainer)
    left = changed.val_loss(changed.fit(trainer))
    losses = [training.reported("loss")[0] for training in (plain, changed)]
    assert abs(losses[0] - losses[1]) > 1e-4 * losses[0], (
        f"with augmentation '{AUGMENTED_BY}' and without, the first epoch has the same loss: give `prepare` the job"
    )
    told = min(changed.reported("val_loss"))
    assert abs(left - told) <= 0.01 * left, (
        f"of images as they are, the network given back has val_loss {left:.4f}, but the best epoch had {told:.4f}: do "
        "not augment what is validated"
    )


def check_seed_decides_the_training(trainer: Trainer) -> None:
    """A run can be repeated, and repeated with another seed to see how much of a difference is luck."""
    first, again, other = (Training(seed=seed).fit(trainer).get_weights() for seed in (1, 1, 2))
    same = all(np.allclose(*pair, atol=1e-4) for pair in zip(first, again, strict=True))
    assert same, "trained twice from the same seed, the network has other weights"
    same = all(np.allclose(*pair, atol=1e-4) for pair in zip(first, other, strict=True))
    assert not same, "trained from another seed, the network has the same weights"


def check_global_state_is_left(trainer: Trainer) -> None:
    """In a notebook, one training must not change what comes after it."""
    import keras

    with clean_state(1, "mixed_bfloat16"):
        python, numpy = random.getstate(), pickle.dumps(np.random.get_state())
        network = Training(epochs=1).fit(trainer)
        policy = keras.config.dtype_policy().name
        assert policy == "mixed_bfloat16", f"it leaves Keras' precision policy at {policy}, which was mixed_bfloat16"
        assert random.getstate() == python, "it leaves Python's random in another state"
        assert pickle.dumps(np.random.get_state()) == numpy, "it leaves NumPy's random in another state"
    assert network.dtype_policy.compute_dtype == "float32", f"its network computes in {network.dtype_policy.name}"
