"""What an augmentation is given, in both views, and what of its result is trained on; nothing else is ever changed."""

import numpy as np
import pytest
from test_batches import CROP, SIZES, Positions, Sized

from segzoo.errors import PluginError
from segzoo.networks.frame import Frame
from segzoo.plugin import IGNORE, Augmentation
from segzoo.training.pipeline import decode

FRAMES = [Frame(CROP), Frame(CROP, 8, 4, 7), Frame(CROP, view="crop"), Frame(CROP, 8, 4, 7, view="crop")]
MARGIN = 5


class Still(Augmentation):
    """The crop in the middle."""

    def margin(self, size):
        return MARGIN

    def augment(self, image, mask, weights, size, random):
        top, left = ((given - wanted) // 2 for given, wanted in zip(mask.shape, size, strict=True))
        part = slice(top, top + size[0]), slice(left, left + size[1])
        return image[part], mask[part], None if weights is None else weights[part]


class Swapped(Still):
    """Mirrored by chance, with pixels by chance."""

    def augment(self, image, mask, weights, size, random):
        image, mask, weights = super().augment(image, mask, weights, size, random)
        noise = random.integers(0, 256, image.shape, np.uint8)
        step = random.choice([1, -1])
        return (image // 2 + noise // 2)[:, ::step], mask[:, ::step], weights[:, ::step]


class Watching(Still):
    """Keeps what it is given."""

    def augment(self, image, mask, weights, size, random):
        GIVEN.append((image, mask, weights, size))
        return super().augment(image, mask, weights, size, random)


class Raising(Still):
    """Fails."""

    def augment(self, image, mask, weights, size, random):
        raise ValueError("an empty box")


GIVEN = []


def arrays(frame, augmentation=None, loss=None, samples=None):
    return decode(samples or Sized(), frame, loss or Positions(), augmentation=augmentation)


def assert_same(batch, other):
    for array, expected in zip(batch, other, strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_what_is_not_moved_is_trained_on_as_it_is(frame, depth):
    samples = Sized(depth=depth)
    still, plain = arrays(frame, Still(), samples=samples), arrays(frame, samples=samples)
    picks = plain.epoch(3, 1)
    assert_same(still.batch(picks), plain.batch(picks))


@pytest.mark.parametrize("frame", FRAMES)
def test_a_result_depends_on_the_seed_of_its_pick_alone(frame):
    data = arrays(frame, Swapped())
    picks = data.epoch(0, 1)
    together = data.batch(picks)
    apart = [np.concatenate(parts) for parts in zip(*data.batches(3, picks), strict=True)]
    assert_same(together, apart)
    assert_same(together, arrays(frame, Swapped()).batch(picks))
    assert not np.array_equal(together.images, arrays(frame).batch(picks).images)
    order = np.argsort(picks.seeds)
    assert_same((array[order] for array in together), data.batch(picks[order]))


def test_resized_images_are_given_whole_and_get_the_border_of_the_network_afterwards():
    GIVEN.clear()
    data = arrays(FRAMES[1], Watching())
    data.batch(data.epoch(0, 0))
    assert len(GIVEN) == len(SIZES)
    for image, mask, weights, size in GIVEN:
        assert (size, image.shape, mask.shape, weights.shape) == (CROP, (*CROP, 2), CROP, CROP)


@pytest.mark.parametrize("frame", FRAMES[2:])
def test_crops_are_given_with_what_is_around_them_in_the_image_and_mirrored_beyond_it(frame):
    GIVEN.clear()
    samples, data = Sized(), arrays(frame, Watching())
    picks = data.epoch(0, 1)
    for pick in range(len(picks)):
        data.batch(picks[pick : pick + 1])
    before = [(a - b) // 2 + MARGIN for a, b in zip(frame.input_size, frame.image_size, strict=True)]
    for index, corner, (image, mask, weights, size) in zip(
        picks.samples.tolist(), picks.corners.tolist(), GIVEN, strict=True
    ):
        assert size == frame.input_size
        top, left = (99 + start - around for start, around in zip(corner, before, strict=True))
        part = slice(top, top + size[0] + 2 * MARGIN), slice(left, left + size[1] + 2 * MARGIN)
        whole, labels = samples[index]
        np.testing.assert_array_equal(image, np.pad(whole, ((99, 99), (99, 99), (0, 0)), "reflect")[part])
        np.testing.assert_array_equal(mask, np.pad(labels, 99, constant_values=IGNORE)[part])
        np.testing.assert_array_equal(weights, np.pad(Positions().weight_map(labels), 99)[part])


@pytest.mark.parametrize("frame", FRAMES)
def test_what_is_validated_is_never_augmented(frame):
    changed, plain = arrays(frame, Raising()), arrays(frame)
    for seen, expected in zip(
        changed.predicted(lambda images: images, 3), plain.predicted(lambda images: images, 3), strict=True
    ):
        assert_same(seen, expected)


def test_an_error_names_the_plugin_its_line_and_the_sample():
    data = arrays(FRAMES[0], Raising())
    message = (
        r"^augmentation Raising: `augment` raised ValueError: an empty box \(test_augmenting.py:\d+\), "
        r"augmenting sample '\d'$"
    )
    with pytest.raises(PluginError, match=message):
        data.batch(data.epoch(0, 0))
