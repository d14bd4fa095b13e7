"""Arrays that come row by row."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.data import rows as rows_module
from segzoo.data.resizing import resize_channels, resize_image
from segzoo.data.rows import Rows
from segzoo.networks.frame import mirrored


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
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


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


@given(heights, st.integers(1, 30), st.integers(1, 12))
def test_windows_hold_the_rows_at_their_places(heights, total, height):
    array = numbers(total, 3, 2)
    places = [mirrored(start, height, total) for start in range(-2, total, 3)]
    for window, rows in zip(in_pieces(array, heights).windows(places), places, strict=True):
        np.testing.assert_array_equal(window, array[rows])


@given(sizes, sizes, st.sampled_from([1, 3]), st.sampled_from([np.uint8, np.uint16, np.float32]))
def test_rows_are_resized_as_arrays_are(before, after, channels, dtype):
    values = numbers(*before, channels).astype(dtype)
    expected = (resize_channels if dtype == np.float32 else resize_image)(values, after)
    resized = in_pieces(values, [5]).resized(after)
    assert resized.size == after
    np.testing.assert_array_equal(resized.array(), expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "AT_ONCE", 0)
        patch.setattr(rows_module, "TOGETHER", 8)
        by_rows = in_pieces(values, [5]).resized(after).array()
    assert by_rows.dtype == dtype
    np.testing.assert_allclose(by_rows, expected, rtol=0, atol=1e-4 if dtype == np.float32 else 1)


@pytest.mark.parametrize(("before", "after"), [(20_000, 1_000), (1_000, 20_000)])
def test_memory_for_resizing_large_images_is_that_of_some_rows(before, after, monkeypatch):
    monkeypatch.setattr(rows_module, "AT_ONCE", 0)
    rows = Rows((before, 500), (np.zeros((1, 500, 3), np.uint8) for _ in range(before)))
    tracemalloc.start()
    heights = [len(chunk) for chunk in rows.resized((after, 500))]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(heights) == after
    assert peak < 20_000 * 500 * 3 / 10
