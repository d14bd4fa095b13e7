"""Batches of images resized to one size."""

import numpy as np
import pytest

from segzoo.errors import PluginError
from segzoo.networks.frame import Frame
from segzoo.plugin import IGNORE, Loss
from segzoo.training.batches import order
from segzoo.training.pipeline import decode


def test_an_order_is_a_permutation_that_seed_and_epoch_decide():
    assert sorted(order(50, 1, 2)) == list(range(50))
    assert order(50, 1, 2).tolist() == order(50, 1, 2).tolist()
    assert order(50, 1, 2).tolist() != order(50, 1, 3).tolist()
    assert order(50, 1, 2).tolist() != order(50, 2, 2).tolist()


class Numbered:
    """Samples whose pixels tell their index, and that count how often each is decoded."""

    def __init__(self, count, size=(6, 6)):
        self.ids = [str(i) for i in range(count)]
        self.size, self.decoded = size, [0] * count

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        self.decoded[index] += 1
        return np.full((*self.size, 3), index, np.uint8), np.full(self.size, index % 3, np.uint8)


class Plain(Loss):
    """No weights."""

    def __call__(self, labels, logits, weights):
        raise NotImplementedError


class Weighted(Loss):
    """Twice the weight on class 1."""

    def __call__(self, labels, logits, weights):
        raise NotImplementedError

    def weight_map(self, mask):
        return np.where(mask == 1, np.float32(2), np.float32(1))


def in_order(data):
    """An epoch's picks in the order of the samples."""
    picks = data.epoch(0, 0)
    return picks[np.argsort(picks.samples)]


def test_batches_hold_each_sample_once_in_the_order_given():
    data = decode(Numbered(7), Frame((6, 6), stride=4), Plain())
    batches = list(data.batches(3, in_order(data)[::-1]))
    assert [len(batch.images) for batch in batches] == [3, 3, 1]
    assert [int(image[0, 0, 0]) for batch in batches for image in batch.images] == [6, 5, 4, 3, 2, 1, 0]
    first = batches[0]
    assert (first.images.dtype, first.images.shape) == (np.float32, (3, 8, 8, 3))
    assert (first.labels.dtype, first.labels.shape) == (np.int32, (3, 8, 8))
    assert (first.weights.dtype, first.weights.shape) == (np.float32, (3, 8, 8))


def test_the_frame_weighs_nothing():
    data = decode(Numbered(1), Frame((6, 6), stride=4), Plain())
    batch = data.batch(data.epoch(0, 0))
    assert (batch.labels == IGNORE).sum() == 64 - 36
    np.testing.assert_array_equal(batch.weights, batch.labels != IGNORE)


class Flattened(Plain):
    """Gives the weights of a mask in a row."""

    def weight_map(self, mask):
        return np.ones(mask.size, np.float32)


def test_weights_of_another_shape_than_the_mask_are_the_fault_of_the_loss():
    expected = r"^loss Flattened: `weight_map` gives an array of shape \(36,\) for a mask of \(6, 6\)$"
    with pytest.raises(PluginError, match=expected):
        decode(Numbered(2), Frame((6, 6)), Flattened())


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (-1, "`weight_map` gives weights below 0, or weights that are not finite"),
        (np.nan, "`weight_map` gives weights below 0, or weights that are not finite"),
        (np.inf, "`weight_map` gives weights below 0, or weights that are not finite"),
        ("many", "taking `weight_map` for an array of numbers raised ValueError: could not convert string"),
    ],
)
def test_weights_that_weigh_nothing_well_are_the_fault_of_the_loss(last, expected):
    class Last(Plain):
        """The weight of each mask but the first."""

        def weight_map(self, mask):
            return np.full(mask.shape, last if mask.any() else 1)

    with pytest.raises(PluginError, match=f"^loss Last: {expected}"):
        decode(Numbered(2), Frame((6, 6)), Last())


def test_a_loss_with_a_weight_map_weighs_pixels():
    data = decode(Numbered(2), Frame((6, 6), stride=4), Weighted())
    batch = data.batch(in_order(data))
    assert batch.weights[0].sum() == 36
    assert batch.weights[1].sum() == 72


def test_each_sample_is_decoded_once_more_than_the_first_at_most():
    samples = Numbered(9)
    data = decode(samples, Frame((4, 4)), Plain())
    list(data.batches(4, data.epoch(0, 0)))
    list(data.batches(4, data.epoch(0, 0)))
    assert sum(samples.decoded) <= 10


def test_arrays_that_do_not_fit_lie_in_a_file(monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10})())
    data = decode(Numbered(5), Frame((6, 6)), Plain())
    assert isinstance(data.kept.images.flat, np.memmap)
    assert [int(image[0, 0, 0]) for image in data.batch(in_order(data)[np.array([4, 2])]).images] == [4, 2]


def test_equal_pixels_have_equal_fingerprints():
    prints = [decode(samples, Frame((4, 4))).fingerprint for samples in (Numbered(3), Numbered(3), Numbered(4))]
    assert prints[0] == prints[1] != prints[2]
