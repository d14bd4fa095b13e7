"""Whatever a dataset gives is checked when it is read, and the file is named."""

import numpy as np
import pytest

from segzoo.errors import DataError, PluginError
from segzoo.plugin import IGNORE, Info
from segzoo.samples import CheckedSamples

INFO = Info(("sky", "sea"), 3, ("train", "val"))


class Pairs(list):
    """A list of (image, mask) as samples."""

    @property
    def ids(self):
        return [f"photo{i}" for i in range(len(self))]


def pair(image=(4, 6, 3), mask=(4, 6), image_type=np.uint8, mask_type=np.uint8, label=1):
    return np.zeros(image, image_type), np.full(mask, label, mask_type)


def test_good_samples_pass_unchanged():
    samples = CheckedSamples(Pairs([pair(), pair(label=IGNORE)]), INFO, "train")
    assert len(samples) == 2
    assert list(samples.ids) == ["photo0", "photo1"]
    assert samples[1][1].tolist() == pair(label=IGNORE)[1].tolist()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (pair(label=2), DataError, "mask of 'photo1' of the split 'val' has labels that are no class: 2; allowed are"),
        (pair(mask=(4, 5)), DataError, "image 'photo1' of the split 'val' is 6x4 pixels, its mask 5x4"),
        (pair(image=(4, 6, 4)), DataError, "has 4 channels, the dataset says 3"),
        (pair(image=(4, 6)), PluginError, "not uint8 or uint16"),
        (pair(image_type=np.float32), PluginError, "not uint8 or uint16"),
        (pair(mask_type=np.int64), PluginError, "not uint8"),
        (pair(mask=(4, 6, 1)), PluginError, "not uint8"),
    ],
)
def test_a_wrong_sample_is_named(wrong, error, message):
    samples = CheckedSamples(Pairs([pair(), wrong]), INFO, "val")
    samples[0]
    with pytest.raises(error, match=message.replace("(", r"\(")):
        samples[1]


def test_an_empty_split_and_ids_that_repeat_are_refused():
    with pytest.raises(DataError, match="the split 'test' has no images"):
        CheckedSamples(Pairs(), INFO, "test")

    class Same(Pairs):
        ids = ("a", "a")

    with pytest.raises(PluginError, match="not as many different ids"):
        CheckedSamples(Same([pair(), pair()]), INFO, "train")


def test_the_fingerprint_depends_on_every_byte_and_not_on_who_read_first():
    pairs = [pair(label=i % 2) for i in range(5)]
    prints = CheckedSamples(Pairs(pairs), INFO, "train").fingerprint()
    backwards = CheckedSamples(Pairs(pairs), INFO, "train")
    for index in (4, 2):
        backwards[index]
    assert backwards.fingerprint() == prints
    pairs[3][0][0, 0, 0] = 1
    assert CheckedSamples(Pairs(pairs), INFO, "train").fingerprint() != prints
    assert CheckedSamples(Pairs(pairs[:-1]), INFO, "train").fingerprint() != prints


def test_the_fingerprint_reads_only_what_was_not_read():
    class Counted(Pairs):
        reads = 0

        def __getitem__(self, index):
            type(self).reads += 1
            return super().__getitem__(index)

    samples = CheckedSamples(Counted([pair(), pair(), pair()]), INFO, "train")
    samples[1]
    samples.fingerprint()
    samples.fingerprint()
    assert Counted.reads == 3
