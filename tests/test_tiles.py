"""Tiles: they cover each pixel, and put together what a network says of each."""

import tracemalloc
from itertools import count, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segzoo.data.rows import Rows
from segzoo.errors import ConfigError
from segzoo.networks import tiles
from segzoo.networks.frame import Frame
from segzoo.networks.tiles import Tiling, logit_rows, starts, tiled, weight

sides = st.integers(1, 120)
overlaps = st.sampled_from([0, 0.1, 0.25, 0.5, 0.8])
frames = st.builds(
    lambda stride, offset, **others: Frame(stride=stride, offset=offset % stride, **others),
    image_size=st.tuples(st.integers(4, 40), st.integers(4, 40)),
    stride=st.sampled_from([1, 4, 16]),
    offset=st.sampled_from([0, 3]),
    margin=st.sampled_from([0, 5, 20]),
    view=st.just("crop"),
)
sizes = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=3)


def images_of(sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 2), np.uint8) for size in sizes]


def arrays(network, frame, images, size, tiling):
    return [rows.array() for rows in logit_rows(network, frame, map(Rows.of, images), size, tiling)]


def pixelwise(frame):
    """A network that knows nothing of a pixel's neighbours, and the sizes of the batches that it has seen."""
    seen = []

    def network(images):
        assert images.shape[1:3] == frame.input_size
        assert images.dtype == np.float32
        seen.append(len(images))
        height, width = frame.input_size
        inner = images[:, frame.margin : height - frame.margin, frame.margin : width - frame.margin]
        return np.concatenate([np.sqrt(inner), inner[..., :1] / 7], axis=-1)

    return network, seen


@given(sides, sides, overlaps)
def test_tiles_cover_an_axis_and_overlap(side, tile, overlap):
    result = starts(side, tile, overlap)
    if side <= tile:
        (start,) = result
        before, after = -start, tile - side + start
        assert min(before, after) >= 0
        assert after - before in (0, 1)
        return
    assert (result[0], result[-1]) == (0, side - tile)
    steps = np.diff(result)
    assert (steps > 0).all()
    assert (steps <= max(1, tile * (1 - overlap))).all()


@pytest.mark.parametrize(("overlap", "step"), [(0.5, 128), (0.25, 192), (0, 256), (0.9, 25)])
def test_tiles_are_no_more_than_it_takes(overlap, step):
    assert starts(256 + 10 * step, 256, overlap) == list(range(0, 10 * step + 1, step))


@given(sides)
def test_no_pixel_of_a_tile_weighs_nothing_and_the_middle_weighs_most(tile):
    result = weight(tile)
    assert result.shape == (tile,)
    assert result.min() == 1
    assert result[tile // 2] == result.max()
    np.testing.assert_array_equal(result, result[::-1])


@pytest.mark.parametrize("overlap", [-0.1, 1, 1.5, float("nan")])
def test_an_overlap_that_is_no_part_of_a_tile_is_refused(overlap):
    with pytest.raises(ConfigError, match="at least 0 and below 1"):
        Tiling(overlap)


@settings(max_examples=50)
@given(frames, st.tuples(st.integers(1, 60), st.integers(1, 60)), overlaps)
def test_where_tiles_overlap_their_logits_have_the_weights_of_their_pixels(frame, size, overlap):
    """Each tile says its number; the mean is compared with the plain formula."""
    numbers = count(1)

    def network(images):
        return np.stack([np.full((*frame.output_size, 2), next(numbers), np.float32) for _ in images])

    (result,) = arrays(network, frame, [np.zeros((*size, 1), np.uint8)], 3, Tiling(overlap))
    total, sums = np.zeros(size), np.zeros(size)
    corners = product(*(starts(*sides, overlap) for sides in zip(size, frame.image_size, strict=True)))
    for number, corner in enumerate(corners, 1):
        inside = tuple(slice(max(0, -start), side - start) for start, side in zip(corner, size, strict=True))
        weights = np.outer(*map(weight, frame.image_size))[inside]
        place = tuple(
            slice(max(0, start), max(0, start) + part) for start, part in zip(corner, weights.shape, strict=True)
        )
        sums[place] += weights * number
        total[place] += weights
    np.testing.assert_allclose(result, np.stack([sums / total] * 2, axis=-1), rtol=1e-5)


@settings(max_examples=50)
@given(frames, sizes, st.integers(1, 9), overlaps)
def test_a_pixelwise_network_says_the_same_through_tiles_to_the_last_bit(frame, sizes, size, overlap):
    images = images_of(sizes)
    network, seen = pixelwise(frame)
    result = arrays(network, frame, images, size, Tiling(overlap))
    assert len(result) == len(images)
    for image, logits in zip(images, result, strict=True):
        expected = np.concatenate([np.sqrt(image.astype(np.float32)), image[..., :1].astype(np.float32) / 7], axis=-1)
        np.testing.assert_array_equal(logits, expected)
        assert logits.dtype == np.float32
    total = sum(len(Tiling(overlap).grid(frame, image.shape[:2])) for image in images)
    assert seen == [size] * (total // size) + [total % size] * (total % size > 0)


@settings(max_examples=50)
@given(frames.filter(lambda frame: frame.margin), sizes)
def test_a_network_without_padding_says_the_same_as_of_the_whole_image(frame, sizes):
    m = frame.margin

    def network(images):
        """The sum of the pixels at the corners of the neighbourhood that the network sees."""
        ends = (slice(None, -2 * m), slice(2 * m, None))
        return sum(images[:, rows, columns] for rows in ends for columns in ends)

    for image, logits in zip(images_of(sizes), tiled(network, frame, images_of(sizes), 5), strict=True):
        around = np.pad(image.astype(np.float32), ((m, m), (m, m), (0, 0)), mode="reflect")
        np.testing.assert_array_equal(logits, network(around[None])[0])


def test_no_more_images_are_read_than_fill_a_batch():
    frame, read = Frame((8, 8), view="crop"), []

    def images():
        for image in images_of([(8, 12)] * 5):  # two tiles each
            read.append(image)
            yield image

    coming = tiled(lambda pixels: pixels, frame, images(), 4)
    next(coming)
    assert len(read) == 2
    list(coming)
    assert len(read) == 5


@settings(max_examples=50)
@given(frames, sizes, st.integers(1, 9), st.integers(1, 30), overlaps)
def test_images_that_come_by_rows_have_the_logits_of_arrays(frame, sizes, size, height, overlap):
    images, tiling = images_of(sizes), Tiling(overlap)

    def network(images):
        inner = images[:, frame.margin : images.shape[1] - frame.margin, frame.margin : images.shape[2] - frame.margin]
        return np.cumsum(inner, axis=1) + np.cumsum(inner, axis=2)  # each tile says something else of a pixel

    by_rows = logit_rows(network, frame, (Rows.of(image).in_chunks(height) for image in images), size, tiling)
    for rows, expected in zip(by_rows, arrays(network, frame, images, size, tiling), strict=True):
        assert rows.size == expected.shape[:2]
        np.testing.assert_array_equal(rows.array(), expected)


def test_rows_leave_when_no_later_tile_lies_on_them_and_no_earlier_are_read():
    frame, read = Frame((8, 8), view="crop"), []

    def chunks():
        for top in range(64):
            read.append(top)
            yield np.full((1, 24, 1), top, np.uint8)

    rows = next(logit_rows(lambda pixels: pixels, frame, [Rows((64, 24), chunks())], 5, Tiling(0.5)))
    done = 0
    for chunk in rows:
        assert len(chunk) == (4 if done < 56 else 8)
        np.testing.assert_array_equal(chunk[:, 0, 0], np.arange(done, done + len(chunk)))
        assert len(read) <= done + 8 + 4  # a batch may begin the next row of tiles
        done += len(chunk)
    assert done == 64


def test_the_rows_of_an_image_that_are_not_wanted_are_passed_over():
    frame, images = Frame((8, 8), view="crop"), images_of([(20, 20), (30, 9)])
    coming = logit_rows(lambda pixels: pixels, frame, map(Rows.of, images), 4)
    next(iter(next(coming)))
    np.testing.assert_array_equal(next(coming).array(), images[1])


def test_the_logits_of_single_tiles_stay_when_the_next_image_is_asked_for():
    frame, images = Frame((32, 32), view="crop"), images_of([(20, 20), (30, 9), (32, 32)])
    found = list(logit_rows(lambda pixels: pixels, frame, map(Rows.of, images), 2))
    for image, rows in zip(images, found, strict=True):
        np.testing.assert_array_equal(rows.array(), image)


def test_few_rows_of_a_wide_image_leave_together(monkeypatch):
    monkeypatch.setattr(tiles, "TOGETHER", 100)
    frame, (image,) = Frame((8, 8), view="crop"), images_of([(16, 24)])  # 48 values in a row
    chunks = list(next(logit_rows(lambda pixels: pixels, frame, [Rows.of(image)], 5)))
    assert {len(chunk) for chunk in chunks} == {2}
    np.testing.assert_array_equal(np.concatenate(chunks), image)


def test_memory_is_that_of_a_row_of_tiles():
    def peak(height):
        rows = Rows((height, 256), (np.zeros((16, 256, 3), np.uint8) for _ in range(height // 16)))
        tracemalloc.start()
        for logits in logit_rows(lambda pixels: pixels, Frame((64, 64), view="crop"), [rows], 4):
            assert sum(len(chunk) for chunk in logits) == height
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(4096) < 1.2 * peak(512) < 20 * 64 * 256 * 3 * 4
