"""Arrays that come row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.data.resizing import resize_channels, resize_image
from segzoo.data.rows import Rows


def numbers(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def in_pieces(array, heights):
    """Rows in chunks of these heights, again and again."""

    def chunks():
        top = 0
        while top < len(array):
            for height in heights:
                if top < len(array):
                    yield array[top : top + height]
                    top += height

    return Rows(array.shape[:2], chunks())


heights = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@given(heights, st.integers(1, 40), st.integers(1, 12))
def test_rows_are_the_same_in_chunks_of_any_height(heights, total, height):
    array = numbers(total, 3, 2)
    rows = in_pieces(array, heights)
    assert rows.size == (total, 3)
    chunks = list(rows.in_chunks(height))
    assert [len(chunk) for chunk in chunks[:-1]] == [height] * (len(chunks) - 1)
    assert 1 <= len(chunks[-1]) <= height
    np.testing.assert_array_equal(np.concatenate(chunks), array)


@given(heights, st.integers(1, 40))
def test_all_rows_are_the_array(heights, total):
    array = numbers(total, 3, 2)
    np.testing.assert_array_equal(in_pieces(array, heights).array(), array)


def test_an_array_in_memory_is_not_copied():
    array = numbers(6, 5, 3)
    assert Rows.of(array).array() is array
    assert np.shares_memory(next(iter(Rows.of(array).in_chunks(4))), array)
    rows = Rows.of(array)
    assert rows.resized((6, 5)) is rows


def test_chunks_are_read_when_they_are_asked_for():
    read = []

    def chunks():
        for top in range(5):
            read.append(top)
            yield numbers(2, 3, 1)

    coming = iter(Rows((10, 3), chunks()).in_chunks(3))
    assert read == []
    next(coming)
    assert read == [0, 1]


@pytest.mark.parametrize("size", [(7, 9), (30, 41), (12, 9), (5, 20)])
@pytest.mark.parametrize("channels", [1, 3])
def test_rows_are_resized_as_arrays_are(size, channels):
    image = numbers(12, 20, channels)
    resized = in_pieces(image, [5]).resized(size)
    assert resized.size == size
    np.testing.assert_array_equal(resized.array(), resize_image(image, size))
    logits = image.astype(np.float32) / 7
    np.testing.assert_array_equal(in_pieces(logits, [5]).resized(size).array(), resize_channels(logits, size))
