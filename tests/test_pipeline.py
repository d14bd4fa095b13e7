"""Sizes, padding, resizing and batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.pipeline import Frame, order, prepare, resize_channels, resize_image, resize_mask, to_pixels
from segzoo.plugin import IGNORE, Loss
from segzoo_unet import UNet

frames = st.builds(
    Frame,
    image_size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    stride=st.sampled_from([1, 2, 8, 16, 32]),
    offset=st.sampled_from([0, 3, 12]),
    margin=st.sampled_from([0, 5, 92]),
)


@given(frames)
def test_the_input_is_the_smallest_legal_size_whose_output_covers_the_image(frame):
    for side, total in zip(frame.image_size, frame.input_size, strict=True):
        steps, rest = divmod(total - frame.offset, frame.stride)
        assert rest == 0
        assert steps >= 1
        assert total - 2 * frame.margin >= side
        smaller = total - frame.stride
        assert smaller - 2 * frame.margin < side or steps == 1


@given(frames)
def test_what_is_padded_is_cut_off_again(frame):
    values = np.arange(np.prod(frame.image_size)).reshape(1, *frame.image_size)
    padded = frame.pad_masks(values, -1)
    assert padded.shape[1:] == frame.output_size
    np.testing.assert_array_equal(frame.cut(padded), values)


@given(frames)
def test_a_network_that_only_loses_its_margin_sees_each_pixel_where_its_prediction_lies(frame):
    images = np.arange(np.prod(frame.image_size), dtype=np.float32).reshape(1, *frame.image_size, 1)
    padded = frame.pad_images(images)
    assert padded.shape[1:3] == frame.input_size
    m = frame.margin
    output = padded[:, m : padded.shape[1] - m, m : padded.shape[2] - m]
    np.testing.assert_array_equal(frame.cut(output), images)


def test_images_are_mirrored_as_often_as_it_takes():
    frame = Frame((3, 1), stride=8, margin=4)
    row = frame.pad_images(np.array([[[[10]], [[20]], [[30]]]], np.float32))[0, :, 0, 0]
    assert (
        row.tolist() == [10, 20, 30, 20, 10, 20, 30, 20, 10, 20, 30, 20, 10, 20, 30, 20][: len(row)] or len(row) == 16
    )
    assert set(row) == {10, 20, 30}
    assert abs(np.diff(row)).tolist() == [10] * 15


@pytest.mark.parametrize(
    ("depth", "image", "given_size", "output"),
    [(4, 388, 572, 388), (4, 64, 252, 68), (4, 1, 188, 4), (3, 100, 188, 100)],
)
def test_sizes_of_the_unpadded_unet(depth, image, given_size, output):
    frame = Frame.around((image, image), UNet(padding="valid", batch_norm=False, depth=depth))
    assert frame.input_size == (given_size, given_size)
    assert frame.output_size == (output, output)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_resizing_a_mask_invents_no_label(h, w, new_h, new_w, seed):
    mask = np.random.default_rng(seed).choice([0, 3, 7, IGNORE], (h, w)).astype(np.uint8)
    resized = resize_mask(mask, (new_h, new_w))
    assert resized.shape == (new_h, new_w)
    assert set(np.unique(resized)) <= set(np.unique(mask))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_images_keep_type_and_channels(dtype, channels):
    top = np.iinfo(dtype).max
    image = np.random.default_rng(0).integers(0, top, (30, 20, channels), dtype, endpoint=True)
    small = resize_image(image, (10, 8))
    assert small.shape == (10, 8, channels)
    assert small.dtype == dtype
    for c in range(channels):  # channels do not mix; the mean stays
        assert abs(float(small[..., c].mean()) - float(image[..., c].mean())) < top * 0.02
    constant = np.full((9, 9, channels), top, dtype)
    assert (resize_image(constant, (4, 20)) == top).all()


def test_resizing_to_the_same_size_changes_nothing():
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    assert resize_image(image, (5, 7)) is image
    logits = image.astype(np.float32)
    assert resize_channels(logits, (5, 7)) is logits


def test_pixels_are_0_to_255_in_either_depth():
    assert to_pixels(np.array([0, 128, 255], np.uint8)).tolist() == [0, 128, 255]
    np.testing.assert_allclose(to_pixels(np.array([0, 65535], np.uint16)), [0, 255])


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


def test_batches_hold_each_sample_once_in_the_order_given():
    data = prepare(Numbered(7), Frame((6, 6), stride=4), Plain())
    batches = list(data.batches(3, np.array([6, 5, 4, 3, 2, 1, 0])))
    assert [len(batch.images) for batch in batches] == [3, 3, 1]
    assert [int(image[0, 0, 0]) for batch in batches for image in batch.images] == [6, 5, 4, 3, 2, 1, 0]
    first = batches[0]
    assert (first.images.dtype, first.images.shape) == (np.float32, (3, 8, 8, 3))
    assert (first.labels.dtype, first.labels.shape) == (np.int32, (3, 8, 8))
    assert (first.weights.dtype, first.weights.shape) == (np.float32, (3, 8, 8))


def test_the_frame_weighs_nothing():
    batch = prepare(Numbered(1), Frame((6, 6), stride=4), Plain()).batch([0])
    assert (batch.labels == IGNORE).sum() == 64 - 36
    np.testing.assert_array_equal(batch.weights, batch.labels != IGNORE)


def test_a_loss_with_a_weight_map_weighs_pixels():
    batch = prepare(Numbered(2), Frame((6, 6), stride=4), Weighted()).batch([0, 1])
    assert batch.weights[0].sum() == 36
    assert batch.weights[1].sum() == 72


def test_each_sample_is_decoded_once_more_than_the_first_at_most():
    samples = Numbered(9)
    data = prepare(samples, Frame((4, 4)), Plain())
    list(data.batches(4))
    list(data.batches(4))
    assert sum(samples.decoded) <= 10


def test_arrays_that_do_not_fit_lie_in_a_file(monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10})())
    data = prepare(Numbered(5), Frame((6, 6)), Plain())
    assert isinstance(data.images, np.memmap)
    assert [int(image[0, 0, 0]) for image in data.batch([4, 2]).images] == [4, 2]


def test_equal_pixels_have_equal_fingerprints():
    prints = [prepare(samples, Frame((4, 4))).fingerprint for samples in (Numbered(3), Numbered(3), Numbered(4))]
    assert prints[0] == prints[1] != prints[2]
