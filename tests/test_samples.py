"""Whatever a dataset gives is checked when it is read, and the file is named."""

import numpy as np
import pytest

from segzoo.data.samples import CheckedSamples, OnDemand
from segzoo.errors import DataError, PluginError
from segzoo.files.stamps import stamp_of
from segzoo.plugin import IGNORE, Dataset, Info

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
        (pair(mask=(4, 5)), DataError, "image 'photo1' of the split 'val' is 4x6 pixels, its mask 4x5"),
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


def test_the_fingerprint_depends_on_ids_sizes_and_masks():
    class Named(Pairs):
        ids = ("photo0", "other")

    def turned(image, mask):
        return image.transpose(1, 0, 2), mask.T

    base = [pair(), pair()]
    prints = [
        CheckedSamples(samples, INFO, "train").fingerprint()
        for samples in (Pairs(base), Named(base), Pairs([base[0], turned(*base[1])]), Pairs([base[0], pair(label=0)]))
    ]
    assert len(set(prints)) == 4


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


def test_items_on_demand_are_a_sequence_that_makes_only_what_is_asked_for():
    made = []

    def make(index):
        made.append(index)
        return index * index

    squares = OnDemand(1_000_000, make)
    assert len(squares) == 1_000_000
    assert (squares[-1], squares[3], squares[1:7:2]) == (999_999**2, 9, [1, 9, 25])
    assert made == [999_999, 3, 1, 3, 5]
    assert list(OnDemand(3, make)) == [0, 1, 4]
    with pytest.raises(IndexError):
        squares[1_000_000]


def test_the_stamp_of_a_dataset_is_made_of_its_files(tmp_path):
    class Photos(Dataset):
        def describe(self, cache):
            return INFO

        def open(self, cache, split):
            raise AssertionError("a stamp opens nothing")

    class Files(Photos):
        def files(self, cache, split):
            return [(cache / f"{split}.png", cache / "mask.png")]

    for name in ("train", "val", "mask"):
        (tmp_path / f"{name}.png").write_bytes(b"1")
    assert Photos().stamp(tmp_path, "train") == ""
    assert Photos().missing(tmp_path) == ()
    before = Files().stamp(tmp_path, "train")
    assert before == stamp_of([tmp_path / "train.png", tmp_path / "mask.png"]) != Files().stamp(tmp_path, "val")
    (tmp_path / "train.png").write_bytes(b"22")
    assert Files().stamp(tmp_path, "train") != before
