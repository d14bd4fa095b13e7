"""Trainers that are wrong."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import Any

from segzoo.plugin import Events, Trainer


class RightTrainer(Trainer):
    """The trainer `keras`, with room for mistakes around it."""

    def fit(self, build, train, val, job):
        from segzoo_keras import KerasTrainer

        return KerasTrainer().fit(build, train, val, job)


class StandsStill(RightTrainer):
    """Takes steps too small to get anywhere."""

    def fit(self, build, train, val, job):
        from segzoo_keras import KerasTrainer

        return KerasTrainer(learning_rate=1e-12).fit(build, train, val, job)


class Passing(Events):
    """Passes the steps and epochs of a training on; here stands what mistakes are made with them."""

    def __init__(self, events):
        self.events = events

    def images_done(self, count):
        self.events.images_done(count)

    def epoch_ended(self, figures, times=None):
        self.events.epoch_ended(figures, times or {})


class ValLosses(Passing):
    """Puts others in place of the validation's losses."""

    def __init__(self, events, losses):
        super().__init__(events)
        self.losses = losses

    def epoch_ended(self, figures, times=None):
        super().epoch_ended(dict(figures, val_loss=self.losses.pop(0)))


class Rows(Events):
    """Keeps what is reported."""

    def __init__(self):
        self.rows = []

    def epoch_ended(self, figures, times=None):
        self.rows.append(figures)


class LastWeights(RightTrainer):
    """Gives back the network as it is after the last epoch."""

    def fit(self, build, train, val, job):
        # Without a validation of its own, the trainer takes the epoch that trains best, which is the last one.
        reported = Rows()
        super().fit(build, train, val, replace(job, events=reported))
        losses = [row["val_loss"] for row in reported.rows]
        return super().fit(build, train, train, replace(job, events=ValLosses(job.events, losses)))


class Twice(Passing):
    """Each epoch ends twice."""

    def epoch_ended(self, figures, times=None):
        super().epoch_ended(figures)
        super().epoch_ended(figures)


class ReportsTwice(RightTrainer):
    """Reports every epoch twice."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=Twice(job.events)))


class OnlyLoss(Passing):
    """Drops the validation's loss."""

    def epoch_ended(self, figures, times=None):
        super().epoch_ended({"loss": figures["loss"]})


class ReportsNoValLoss(RightTrainer):
    """Keeps the validation's loss for itself."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=OnlyLoss(job.events)))


class NoEpochs(Passing):
    """No epoch ever ends."""

    def epoch_ended(self, figures, times=None):
        return


class ReportsNothing(RightTrainer):
    """Trains, and says nothing of its epochs."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=NoEpochs(job.events)))


class NoSteps(Passing):
    """No step is ever done."""

    def images_done(self, count):
        return


class CountsNothing(RightTrainer):
    """Does not tell the progress bar."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=NoSteps(job.events)))


class Texts(Passing):
    """Rounds figures to texts."""

    def epoch_ended(self, figures, times=None):
        super().epoch_ended({name: f"{value:.4f}" for name, value in figures.items()})


class ReportsTexts(RightTrainer):
    """Reports figures as texts."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=Texts(job.events)))


class Noted(Passing):
    """Has a text beside the figures."""

    def epoch_ended(self, figures, times=None):
        super().epoch_ended(figures, {"started": "09:15"})


class ReportsTimesOfDay(RightTrainer):
    """Reports a time as a text."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=Noted(job.events)))


class Numbered(Passing):
    """Numbers the epochs."""

    epoch = 0

    def epoch_ended(self, figures, times=None):
        super().epoch_ended({"epoch": self.epoch} | figures)


class NumbersEpochs(RightTrainer):
    """Reports the number of the epoch, from 0."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=Numbered(job.events)))


class HalfImages(Passing):
    """Reports images as numbers that may have a fraction."""

    def images_done(self, count):
        super().images_done(float(count))


class CountsFractions(RightTrainer):
    """Counts images in numbers that may have a fraction."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=HalfImages(job.events)))


class Diverged(Passing):
    """No loss is a number."""

    def epoch_ended(self, figures, times=None):
        super().epoch_ended(dict(figures, loss=math.nan))


class ReportsNan(RightTrainer):
    """Reports losses that are no numbers."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, events=Diverged(job.events)))


class Compiles(RightTrainer):
    """Gives back a compiled network."""

    def fit(self, build, train, val, job):
        network = super().fit(build, train, val, job)
        network.compile("adam", "mse")
        return network


class GivesWeights(RightTrainer):
    """Gives back the weights of the network."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, job).get_weights()


class TrainsForever(RightTrainer):
    """Does not end, and says nothing."""

    def fit(self, build, train, val, job):
        while True:
            train[0]


class DeafToSteps(RightTrainer):
    """Trains on and on where only steps end the training."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, steps=None))


class DeafToEpochs(RightTrainer):
    """Trains on and on where only epochs end the training."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, epochs=None))


class ResizesAll(RightTrainer):
    """Resizes images whatever the view."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, frame=replace(job.frame, view="resize")))


class DeafToAugmentation(RightTrainer):
    """Trains on images as they are."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, augmentation=None))


class AugmentsAll(RightTrainer):
    """Reports the losses of changed images."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, Changed(val, job.augmentation) if job.augmentation else val, job)


@dataclass(frozen=True)
class Changed:
    """Samples as an augmentation makes them."""

    samples: Any
    augmentation: Any

    @property
    def ids(self):
        return self.samples.ids

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        import numpy as np

        image, mask = self.samples[index]
        return self.augmentation.augment(image, mask, None, mask.shape, np.random.default_rng(index))[:2]


class DeafToSeeds(RightTrainer):
    """Trains from seed 0 whatever it is told."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, seed=0))


class Lucky(RightTrainer):
    """Trains from another seed every time."""

    def fit(self, build, train, val, job):
        return super().fit(build, train, val, replace(job, seed=random.SystemRandom().randrange(2**31)))


class LeavesTraces(RightTrainer):
    """Seeds Python's random for all that comes after it."""

    def fit(self, build, train, val, job):
        random.seed(job.seed)
        return super().fit(build, train, val, job)
