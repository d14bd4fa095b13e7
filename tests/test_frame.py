"""The frame around what a network predicts: its sizes, and what of an image lies in it."""

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segzoo.errors import ConfigError, PluginError
from segzoo.networks.frame import Frame, mirrored
from segzoo.plugin import IGNORE
from segzoo_unet import UNet

frames = st.builds(
    lambda image_size, stride, offset, margin: Frame(image_size, stride, offset % stride, margin),
    image_size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    stride=st.sampled_from([1, 2, 8, 16, 32]),
    offset=st.sampled_from([0, 3, 12]),
    margin=st.sampled_from([0, 5, 92]),
)
sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))
corners = st.tuples(st.integers(-60, 60), st.integers(-60, 60))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"image_size": 16}, "image_size 16: give height and width in pixels, such as (160, 224)"),
        ({"image_size": (16,)}, "image_size (16,): give"),
        ({"image_size": (16, 0)}, "image_size (16, 0): give"),
        ({"image_size": (16, 16.0)}, "image_size (16, 16.0): give"),
        ({"stride": 0}, "stride 0: give an integer from 1 on"),
        ({"stride": "2"}, "stride '2': give an integer from 1 on"),
        ({"margin": -1}, "margin -1: give an integer from 0 on"),
        ({"stride": 4, "offset": 4}, "offset 4: give an integer from 0 to 3, less than the stride"),
    ],
)
def test_numbers_that_cannot_be_are_named(given, expected):
    with pytest.raises(ConfigError, match=re.escape(expected)):
        Frame(**{"image_size": (16, 16), **given})


def test_a_size_may_be_a_list():
    assert Frame([16, 24]) == Frame((16, 24))


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"stride": 0}, "`stride` is 0; it must be an integer from 1 on"),
        ({"stride": 16.0}, "`stride` is 16.0; it must be an integer from 1 on"),
        ({"stride": "2"}, "`stride` is '2'; it must be an integer from 1 on"),
        ({"stride": None}, "`stride` is None; it must be an integer from 1 on"),
        ({"margin": -1}, "`margin` is -1; it must be an integer from 0 on"),
        ({"stride": 4, "offset": 4}, "`offset` is 4; it must be an integer from 0 to 3, less than `stride`"),
        ({"stride": 4, "offset": -1}, "`offset` is -1; it must be an integer from 0 to 3, less than `stride`"),
    ],
)
def test_sizes_that_cannot_be_are_those_of_the_network(declared, expected):
    class Odd(UNet):
        """Declares its sizes as attributes of the class."""

    for name, value in declared.items():
        setattr(Odd, name, value)
    with pytest.raises(PluginError, match=f"^model Odd: {re.escape(expected)}$"):
        Frame.around((16, 16), Odd())


def test_sizes_may_be_integers_of_numpy():
    class Whole(UNet):
        @property
        def stride(self):
            return np.int64(4)

    assert Frame.around((16, 17), Whole()).input_size == (16, 20)


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


@given(st.integers(-100, 100), st.integers(0, 60), st.integers(1, 20))
def test_an_axis_is_mirrored_as_numpy_does_it(start, count, side):
    padded = np.pad(np.arange(side), 200, mode="reflect")
    np.testing.assert_array_equal(mirrored(start, count, side), padded[200 + start :][:count])


@given(frames, sizes, corners)
def test_around_a_part_are_the_pixels_that_are_there_and_else_mirrored_ones(frame, size, corner):
    image = np.arange(np.prod(size)).reshape(*size, 1)
    seen = frame.around_part(image, corner)
    assert seen.shape == (*frame.input_size, 1)
    around = np.pad(image, ((300, 300), (300, 300), (0, 0)), mode="reflect")
    m = frame.margin
    output = seen[None, m : seen.shape[0] - m, m : seen.shape[1] - m]
    (top, left), (height, width) = corner, frame.image_size
    part = around[300 + top : 300 + top + height, 300 + left : 300 + left + width]
    np.testing.assert_array_equal(frame.cut(output)[0], part)
    before = [(total - side) // 2 for total, side in zip(frame.input_size, frame.image_size, strict=True)]
    whole = around[300 + top - before[0] :, 300 + left - before[1] :][: seen.shape[0], : seen.shape[1]]
    np.testing.assert_array_equal(seen, whole)


@given(frames, sizes)
def test_a_whole_image_is_a_part_of_its_own_size(frame, size):
    image = np.arange(np.prod(frame.image_size)).reshape(1, *frame.image_size, 1)
    np.testing.assert_array_equal(frame.around_part(image[0], (0, 0)), frame.pad_images(image)[0])


@given(frames, sizes, corners)
def test_the_mask_of_a_part_is_ignored_outside_of_the_image(frame, size, corner):
    assume(all(-part < start < side for part, start, side in zip(frame.image_size, corner, size, strict=True)))
    mask = (np.arange(np.prod(size)) % 200).astype(np.uint8).reshape(size)
    result = frame.mask_of_part(mask, corner, IGNORE)
    assert result.shape == frame.image_size
    for (row, column), label in np.ndenumerate(result):
        y, x = row + corner[0], column + corner[1]
        inside = 0 <= y < size[0] and 0 <= x < size[1]
        assert label == (mask[y, x] if inside else IGNORE)
