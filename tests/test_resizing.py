"""Images and masks of other sizes, and their pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.data.resizing import resize_channels, resize_image, resize_mask, to_pixels
from segzoo.plugin import IGNORE


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
