"""The same images are found, and those that look alike, without comparing each with each."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segzoo.inspection.hashes import DISTANCE, digest, groups_of_equal, near_neighbours, perceptual_hash

HASHES = st.integers(0, 2**64 - 1)


def differing(first, second):
    return (first ^ second).bit_count()


def picture(seed, size=(120, 160), channels=3):
    """A landscape of smooth hills, (H, W, C)."""
    hills = np.random.default_rng(seed).integers(0, 256, (6, 7, channels), np.uint8)
    layers = [Image.fromarray(hills[..., c]).resize(size[::-1], Image.Resampling.BICUBIC) for c in range(channels)]
    return np.stack([np.asarray(layer) for layer in layers], axis=-1)


def compressed(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=40)
    return np.asarray(Image.open(file))


CHANGES = {
    "compressed": compressed,
    "smaller": lambda image: np.asarray(Image.fromarray(image).resize((70, 50))),
    "larger": lambda image: np.asarray(Image.fromarray(image).resize((333, 240))),
    "darker": lambda image: (image * 0.7).astype(np.uint8),
    "cut by a pixel": lambda image: image[1:, 1:],
    "16 bits": lambda image: image.astype(np.uint16) * 257,
    "a fourth channel": lambda image: np.concatenate([image, image.mean(2, keepdims=True).astype(np.uint8)], axis=2),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_looks_the_same_has_nearly_the_same_hash(change):
    images = [picture(seed) for seed in range(20)]
    distances = [differing(perceptual_hash(image), perceptual_hash(change(image))) for image in images]
    assert max(distances) <= DISTANCE


def test_what_looks_different_has_another_hash():
    hashes = [perceptual_hash(picture(seed, channels=1)) for seed in range(40)]
    assert min(differing(first, other) for i, first in enumerate(hashes) for other in hashes[:i]) > DISTANCE


@pytest.mark.parametrize("value", [0, 200, 255])
def test_an_image_without_contrast_looks_like_nothing(value):
    noise = np.random.default_rng(0).integers(0, 3, (80, 90, 3), np.uint8)
    assert perceptual_hash(np.maximum(value, noise).astype(np.uint8)) == 0
    assert perceptual_hash(np.full((8, 9, 1), value, np.uint16)) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)])
def test_the_smallest_images_have_a_hash(size):
    assert 0 <= perceptual_hash(picture(1, size)) < 2**64


def test_the_hash_is_that_of_the_definition():
    image = np.zeros((8, 9, 1), np.uint8)
    image[0, 1] = image[7, 8] = 100
    assert perceptual_hash(image) == (1 << 63) | 1


@given(st.lists(st.tuples(HASHES, st.integers(0, 2)), max_size=40), st.data())
def test_the_nearest_of_a_higher_group_is_found(rows, data):
    for value, _ in rows[:10]:  # random hashes are never near each other
        flips = data.draw(st.sets(st.integers(0, 63), max_size=DISTANCE + 2))
        rows = [*rows, (value ^ sum(1 << bit for bit in flips), data.draw(st.integers(0, 2)))]
    distances = {index: distance for index, _, distance in near_neighbours(*columns(rows))}
    expected = {}
    for i, (value, group) in enumerate(rows):
        near = [differing(value, other) for other, higher in rows if higher > group and value and other]
        if near and min(near) <= DISTANCE:
            expected[i] = min(near)
    assert distances == expected
    for index, neighbour, distance in near_neighbours(*columns(rows)):
        assert rows[neighbour][1] > rows[index][1]
        assert differing(rows[index][0], rows[neighbour][0]) == distance


def columns(rows):
    return np.array([value for value, _ in rows], np.uint64), np.array([group for _, group in rows], np.int64)


def test_many_that_share_most_of_their_hash_are_compared_in_time_and_none_is_lost():
    rng = np.random.default_rng(0)
    hashes = rng.integers(1, 2**16, 1500).astype(np.uint64)  # 48 of 64 bits are the same in all
    distances = {index: distance for index, _, distance in near_neighbours(hashes, np.arange(1500) % 2)}
    some = range(0, 1500, 150)
    nearest = {i: min(differing(int(hashes[i]), int(other)) for other in hashes[1::2]) for i in some}
    assert {i: distances.get(i) for i in some} == {i: d if d <= DISTANCE else None for i, d in nearest.items()}


@given(st.lists(st.integers(0, 5), max_size=30))
def test_equal_digests_are_grouped(values):
    rows = np.array([(value // 2, value % 2) for value in values], np.uint64).reshape(-1, 2)
    groups = [group.tolist() for group in groups_of_equal(rows)]
    expected = [[i for i, other in enumerate(values) if other == value] for value in sorted(set(values))]
    assert sorted(groups) == sorted(group for group in expected if len(group) > 1)


def test_a_digest_depends_on_values_shape_and_type():
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    digests = {digest(variant) for variant in (array, array.T, array.reshape(4, 3), array.astype(np.uint16), array + 1)}
    assert len(digests) == 5
    assert digest(array[:, ::-1][:, ::-1]) == digest(array)
    assert (len(digest(array)), len(digest(array, 8))) == (16, 8)
