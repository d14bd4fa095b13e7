"""Crops of images at their own sizes: what an epoch trains on, and what is scored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.networks.frame import Frame
from segzoo.plugin import IGNORE, Loss
from segzoo.training.batches import Picks
from segzoo.training.pipeline import decode
from segzoo_losses import BorderWeightedCrossEntropy

SIZES = [(40, 30), (8, 50), (6, 5), (16, 16), (16, 20), (33, 9), (70, 41)]
CROP = (16, 16)


class Sized:
    """Samples of their own sizes, in which each pixel is another one."""

    def __init__(self, sizes=SIZES, depth=np.uint8):
        self.ids = [str(i) for i in range(len(sizes))]
        self.sizes, self.depth = sizes, depth

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        size = self.sizes[index]
        image = rng.integers(0, np.iinfo(self.depth).max, (*size, 2), self.depth)
        return image, rng.choice([0, 1, 2, IGNORE], size).astype(np.uint8)


class Positions(Loss):
    """Each pixel weighs what tells where it is in its mask."""

    def __call__(self, labels, logits, weights):
        raise NotImplementedError

    def weight_map(self, mask):
        return 1 + np.arange(mask.size, dtype=np.float32).reshape(mask.shape)


def native(samples=None, frame=None, loss=None, cache=None):
    return decode(samples or Sized(), frame or Frame(CROP, view="crop"), loss, cache)


def rows(picks):
    """Sample, row and column of each pick."""
    return [(index, *corner) for index, corner in zip(picks.samples.tolist(), picks.corners.tolist(), strict=True)]


seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(0, 1000))
def test_each_sample_has_as_many_crops_an_epoch_as_have_its_pixels_and_they_lie_in_it(seed, epoch):
    data = native()
    picks = data.epoch(seed, epoch)
    assert np.bincount(picks.samples).tolist() == [5, 2, 1, 1, 2, 2, 12]  # 40 * 30 / (16 * 16) is 4.7, and so on
    assert len(picks) == data.per_epoch == 25
    for index, top, left in rows(picks):
        for start, side, crop in zip((top, left), SIZES[index], CROP, strict=True):
            if side >= crop:
                assert 0 <= start <= side - crop
            else:
                assert (crop - side) // 2 == -start


@given(seeds, st.integers(0, 1000))
def test_a_crop_is_a_function_of_seed_epoch_and_sample_alone(seed, epoch):
    few, many = (rows(data.epoch(seed, epoch)) for data in (native(Sized(SIZES[:4])), native()))
    assert sorted(few) == sorted(pick for pick in many if pick[0] < 4)


def test_crops_are_cut_where_they_were_before():
    assert rows(native().epoch(1, 2))[:4] == [(5, 13, -3), (6, 44, 2), (3, 0, 0), (6, 12, 1)]


@pytest.mark.parametrize("frame", [Frame(CROP), Frame(CROP, view="crop")])
def test_a_pick_has_a_seed_that_depends_on_seed_epoch_and_sample_alone(frame):
    def seeds(data, seed=3, epoch=4):
        picks = data.epoch(seed, epoch)
        return sorted(zip(rows(picks), picks.seeds.tolist(), strict=True))

    few, many = native(Sized(SIZES[:4]), frame), native(frame=frame)
    assert seeds(few) == [pick for pick in seeds(many) if pick[0][0] < 4]
    assert seeds(many) == seeds(native(frame=frame))
    values = [{value for _, value in seeds(many, *when)} for when in ((3, 4), (3, 5), (4, 4))]
    assert len(set.union(*values)) == 3 * many.per_epoch


def test_batches_of_picks_are_parts_of_them():
    data = native()
    picks = data.epoch(0, 1)
    together = data.batch(picks)
    apart = list(data.batches(4, picks))
    assert [len(batch.images) for batch in apart] == [4] * 6 + [1]
    for array, others in zip(together, zip(*apart, strict=True), strict=True):
        np.testing.assert_array_equal(array, np.concatenate(others))


def test_crops_differ_between_epochs_seeds_and_samples_and_reach_all_places():
    data = native(Sized([(24, 20)] * 40))
    epochs = np.array([rows(data.epoch(0, epoch)) for epoch in range(50)])
    assert len({epoch.tobytes() for epoch in epochs}) == 50
    assert rows(data.epoch(1, 0)) != rows(data.epoch(0, 0))
    assert epochs.shape == (50, 80, 3)
    pairs = [[tuple(pick[1:]) for pick in epochs[0] if pick[0] == index] for index in range(40)]
    assert sum(first == second for first, second in pairs) < 5  # of 45 places
    assert len(set(map(tuple, pairs))) > 30
    for axis, places in ((1, 9), (2, 5)):
        counts = np.bincount(epochs[..., axis].ravel(), minlength=places)
        assert len(counts) == places
        assert counts.min() > 0.6 * counts.mean()


@pytest.mark.parametrize("frame", [Frame(CROP, view="crop"), Frame(CROP, 8, 4, 7, view="crop")])
def test_a_batch_holds_crops_with_their_surroundings_and_ignores_those(frame):
    samples, data = Sized(), native(frame=frame, loss=Positions())
    picks = data.epoch(0, 1)
    batch = data.batch(picks)
    assert batch.images.shape == (25, *frame.input_size, 2)
    assert batch.labels.shape == batch.weights.shape == (25, *frame.output_size)
    assert [array.dtype for array in batch] == [np.float32, np.int32, np.float32]
    for (index, top, left), seen, labels, weights in zip(rows(picks), *batch, strict=True):
        image, mask = samples[index]
        before = [(a - b) // 2 for a, b in zip(frame.input_size, frame.image_size, strict=True)]
        around = np.pad(image, ((99, 99), (99, 99), (0, 0)), mode="reflect")
        expected = around[99 + top - before[0] :, 99 + left - before[1] :][: seen.shape[0], : seen.shape[1]]
        np.testing.assert_array_equal(seen, expected)
        hidden = np.full((200, 200), IGNORE, np.uint8)
        hidden[50 : 50 + mask.shape[0], 50 : 50 + mask.shape[1]] = mask
        crop = hidden[50 + top :, 50 + left :][: CROP[0], : CROP[1]]
        np.testing.assert_array_equal(frame.cut(labels[None])[0], crop)
        assert (labels != IGNORE).sum() == (crop != IGNORE).sum()
        assert ((weights > 0) == (labels != IGNORE)).all()
        map_there = Positions().weight_map(mask)[max(0, top) : top + CROP[0], max(0, left) : left + CROP[1]]
        assert set(weights[weights > 0]) <= set(map_there.ravel())


def test_border_weights_are_those_of_the_whole_mask():
    loss = BorderWeightedCrossEntropy()
    mask = np.ones((40, 40), np.uint8)
    mask[:, 20] = mask[20] = 0  # four cells

    class One(list):
        ids = ("one",)

    data = native(One([(np.zeros((40, 40, 1), np.uint8), mask)]), loss=loss)
    picks = Picks(np.array([0]), np.array([[1, 2]]), np.array([3], np.uint64))
    np.testing.assert_array_equal(data.batch(picks).weights[0], loss.weight_map(mask)[1:17, 2:18])
    assert not np.allclose(loss.weight_map(mask)[1:17, 2:18], loss.weight_map(mask[1:17, 2:18]))


@pytest.mark.parametrize("size", [1, 3, 100])
def test_what_is_scored_is_every_image_at_its_own_size(size):
    samples, data = Sized(), native(loss=Positions())
    found = list(data.predicted(lambda images: images, size))
    assert len(found) == len(samples)
    for (labels, logits, weights), (image, mask) in zip(found, samples, strict=True):
        np.testing.assert_array_equal(labels, mask[None].astype(np.int32))
        np.testing.assert_array_equal(logits, image[None].astype(np.float32))
        np.testing.assert_array_equal(weights, (mask != IGNORE) * Positions().weight_map(mask)[None])
