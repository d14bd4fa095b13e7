"""The loss of predicting class frequencies: that of a network of which nothing but these is known."""

import numpy as np
import pytest

from segzoo.data.resizing import resize_mask
from segzoo.data.samples import Subset
from segzoo.networks.frame import Frame
from segzoo.plugin import IGNORE, Loss
from segzoo.training.frequencies import FEW, loss_of_frequencies
from segzoo_losses import CrossEntropy


class Noise:
    """Samples of noise, which count how often each is read."""

    def __init__(self, count, size=(9, 12)):
        self.ids, self.size, self.reads = [str(i) for i in range(count)], size, [0] * count

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        self.reads[index] += 1
        rng = np.random.default_rng(index)
        mask = rng.choice(np.uint8([0, 1, IGNORE]), self.size, p=[0.5, 0.3, 0.2])
        return rng.integers(0, 256, (*self.size, 3), np.uint8), mask


class Weighted(Loss):
    """Cross-entropy that weighs class 1 three times as much."""

    def __call__(self, labels, logits, weights):
        return CrossEntropy()(labels, logits, weights)

    def weight_map(self, mask):
        return np.where(mask == 1, np.float32(3), np.float32(1))


LABELS = {0: 60, 1: 30, 2: 10, IGNORE: 500}


@pytest.mark.parametrize("view", ["resize", "crop"])
@pytest.mark.parametrize(("loss", "weight"), [(CrossEntropy(), 1), (Weighted(), 3)])
def test_the_loss_is_that_of_each_pixel_at_the_size_that_the_network_sees(view, loss, weight):
    samples, frame = Noise(5), Frame((6, 5), stride=4, margin=2, view=view)
    expected = []
    for _, mask in map(samples.__getitem__, range(5)):
        seen = resize_mask(mask, (6, 5)) if view == "resize" else mask
        pixels = [np.count_nonzero(seen == label) * factor for label, factor in ((0, 1), (1, weight))]
        expected.append(-np.dot(pixels, np.log([0.6, 0.3])) / sum(pixels))
    found = loss_of_frequencies(samples, LABELS, 3, frame, loss, near=0.0)
    assert found == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_class_that_was_never_trained_on_costs_much_and_not_all():
    loss = loss_of_frequencies(Noise(3), {0: 10}, 3, Frame((6, 5)), CrossEntropy(), near=0.0)
    assert 1 < loss < 20


@pytest.mark.parametrize("near", [0.1, 9.0])
def test_a_few_samples_tell_what_is_clear(near):
    samples = Noise(3 * FEW)
    loss_of_frequencies(samples, LABELS, 2, Frame((9, 12)), CrossEntropy(), near)
    assert sum(samples.reads) <= FEW + 1


def test_all_samples_are_read_where_the_estimate_is_near():
    samples, frame = Noise(3 * FEW), Frame((9, 12))
    loss = loss_of_frequencies(samples, LABELS, 2, frame, CrossEntropy(), near=0.665)
    assert min(samples.reads) == 1
    each = [loss_of_frequencies(Subset(samples, [i]), LABELS, 2, frame, CrossEntropy(), 0.0) for i in range(3 * FEW)]
    assert loss == pytest.approx(np.mean(each), rel=1e-6)


def test_any_loss_will_do():
    class Seven(Loss):
        def __call__(self, labels, logits, weights):
            from keras import ops

            return 7 * ops.ones(labels.shape[0])

    assert loss_of_frequencies(Noise(3), LABELS, 2, Frame((9, 12)), Seven(), near=0.0) == 7
