"""Tiles: they cover each pixel, and put together what a network says of each."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segzoo.networks.frame import Frame
from segzoo.networks.tiles import corners, starts, tiled, weight

sides = st.integers(1, 120)
frames = st.builds(
    Frame,
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


@given(sides, sides)
def test_tiles_cover_an_axis_and_overlap_by_half(side, tile):
    result = starts(side, tile)
    if side <= tile:
        (start,) = result
        before, after = -start, tile - side + start
        assert min(before, after) >= 0
        assert after - before in (0, 1)
        return
    assert (result[0], result[-1]) == (0, side - tile)
    steps = np.diff(result)
    assert (steps > 0).all()
    assert (steps <= max(1, tile // 2)).all()


@given(st.tuples(sides, sides), st.tuples(sides, sides))
def test_tiles_cover_each_pixel(size, tile):
    covered = np.zeros(size, bool)
    for top, left in corners(size, tile):
        covered[max(0, top) : top + tile[0], max(0, left) : left + tile[1]] = True
    assert covered.all()


@given(st.tuples(sides, sides))
def test_no_pixel_of_a_tile_weighs_nothing_and_the_middle_weighs_most(tile):
    result = weight(tile)
    assert result.shape == tile
    assert result.min() == 1
    assert result[tile[0] // 2, tile[1] // 2] == result.max()
    np.testing.assert_array_equal(result, result[::-1, ::-1])


@settings(max_examples=50)
@given(frames, sizes, st.integers(1, 9))
def test_a_pixelwise_network_says_the_same_through_tiles_to_the_last_bit(frame, sizes, size):
    images = images_of(sizes)
    network, seen = pixelwise(frame)
    result = list(tiled(network, frame, iter(images), size))
    assert len(result) == len(images)
    for image, logits in zip(images, result, strict=True):
        expected = np.concatenate([np.sqrt(image.astype(np.float32)), image[..., :1].astype(np.float32) / 7], axis=-1)
        np.testing.assert_array_equal(logits, expected)
        assert logits.dtype == np.float32
    total = sum(len(corners(image.shape[:2], frame.image_size)) for image in images)
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
