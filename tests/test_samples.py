"""Whatever a dataset gives is checked when it is read, and the file is named."""

import re
from threading import Barrier, Thread

import numpy as np
import pytest

from segzoo.data.faults import label_counts, repeated_id, shared_ids
from segzoo.data.samples import CheckedSamples, Identity, OnDemand, spread
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
    samples = CheckedSamples(Pairs([pair(), pair(label=IGNORE)]), INFO, "val")
    assert len(samples) == 2
    assert list(samples.ids) == ["photo0", "photo1"]
    assert samples[1][1].tolist() == pair(label=IGNORE)[1].tolist()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (pair(label=2), DataError, "mask of 'photo1' of the split 'val' has labels that are no class: 2; allowed are"),
        (pair(mask=(4, 5)), DataError, "image 'photo1' of the split 'val' is 4x6 pixels, its mask 4x5"),
        (pair(image=(4, 6, 4)), DataError, "has 4 channels, the dataset says 3"),
        (
            pair(image=(0, 6, 3), mask=(0, 6)),
            DataError,
            "image 'photo1' of the split 'val' is 0x6 pixels, which is none",
        ),
        (pair(image=(4, 6)), PluginError, "not uint8 or uint16"),
        (pair(image_type=np.float32), PluginError, "not uint8 or uint16"),
        (pair(mask_type=np.int64), PluginError, "not uint8"),
        (pair(mask=(4, 6, 1)), PluginError, "not uint8"),
    ],
)
def test_a_wrong_sample_is_named(wrong, error, message):
    samples = CheckedSamples(Pairs([pair(), wrong]), INFO, "val")
    samples[0]
    with pytest.raises(error, match=f"^dataset Dataset: .*{re.escape(message)}"):
        samples[1]


@pytest.mark.parametrize(
    ("sample", "what"),
    [
        (None, "is None;"),
        ((*pair(), "photo1"), "is of the type tuple of ndarray, ndarray, str;"),
        ([[[0]], [0]], "is of the type list of list, list;"),
        (np.zeros((2, 4, 6), np.uint8), "is of the type ndarray;"),
        ((pair()[0], None), "is of the type tuple of ndarray, NoneType;"),
        ((), "is of the type tuple;"),
    ],
)
def test_a_sample_that_is_no_pair_of_arrays_is_named_with_its_dataset(sample, what):
    samples = CheckedSamples(Pairs([pair(), sample]), INFO, "val")
    with pytest.raises(PluginError) as raised:
        samples[1]
    expected = f"dataset Dataset: sample 'photo1' of the split 'val' {what} it must be a pair of NumPy arrays"
    assert str(raised.value).startswith(expected)


def test_an_empty_split_is_refused():
    with pytest.raises(DataError, match="the split 'test' has no images"):
        CheckedSamples(Pairs(), INFO, "test")


def test_an_id_that_is_there_twice_is_named():
    assert repeated_id("abc", "val") is None
    text = "the id 'b' is there 2 times in the split 'val': each sample needs another"
    assert str(repeated_id("abb", "val")) == text


def test_ids_that_two_splits_share_are_named():
    assert shared_ids({"train": "abc", "val": "de", "test": "f"}) is None
    only = shared_ids({"train": "abc", "val": "de", "test": "fd"})
    assert str(only).startswith("the sample 'd' is in the splits 'val' and 'test': what is trained on must not")
    several = shared_ids({"train": "abc", "val": "cb", "test": "xa"})
    assert str(several).startswith(
        "the sample 'c' is in the splits 'train' and 'val', and 2 more ids are in two splits:"
    )


def of_labels(*labels, split="train", classes=("sky", "sea")):
    """Samples each of which has one of these labels only."""
    return CheckedSamples(Pairs([pair(label=label) for label in labels]), Info(classes, 3, ("train", "val")), split)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (
            of_labels(IGNORE, IGNORE),
            "every pixel of the split 'train' is left out, by the label 255: .* the labels 0 to 1",
        ),
        (of_labels(IGNORE, split="test"), "every pixel of the split 'test' is left out"),
        (
            of_labels(0, 0),
            "all pixels of the masks of the split 'train' have the label 0, 'sky': there is nothing to learn",
        ),
        (of_labels(1, IGNORE), "all pixels of the masks of the split 'train' have the label 1, 'sea'"),
        (of_labels(0, IGNORE), "have the labels 0 and 255 only, and 255 leaves a pixel out: .* 'sea' the label 1"),
        (of_labels(0, IGNORE, classes=("sky", "sea", "land")), "have the label 0, 'sky'"),
    ],
)
def test_a_split_that_cannot_be_learned_from_is_refused_when_its_last_sample_is_read(samples, message):
    for index in range(1, len(samples)):
        samples[index]
    with pytest.raises(DataError, match=message):
        samples[0]


@pytest.mark.parametrize(
    "samples", [of_labels(0, 1), of_labels(0, 0, split="val"), of_labels(IGNORE, 1, 2, classes="abc")]
)
def test_a_split_with_enough_labels_is_not(samples):
    samples.fingerprint()


def test_a_split_is_checked_once_however_many_threads_read_it():
    samples, together, errors = of_labels(*[0] * 8), Barrier(8), []

    def read(index):
        together.wait()
        try:
            samples[index]
        except DataError as error:
            errors.append(error)

    readers = [Thread(target=read, args=(index,)) for index in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    samples[3]
    assert len(errors) == 1


def test_what_an_earlier_run_has_read_is_checked_too():
    first, later = of_labels(1, 1), of_labels(1, 1)
    with pytest.raises(DataError, match="have the label 1"):
        first.fingerprint()
    with pytest.raises(DataError, match="have the label 1"):
        later.identity.readings.recall(first.identity.readings.first)


def test_images_of_two_types_are_refused_in_whichever_splits_they_are():
    types = {}
    train, val = (
        CheckedSamples(Pairs([pair(image_type=kind, label=i) for i in range(2)]), INFO, split, types=types)
        for split, kind in (("train", np.uint8), ("val", np.uint16))
    )
    train.fingerprint()
    with pytest.raises(DataError) as raised:
        val[1]
    assert str(raised.value) == (
        "dataset Dataset: image 'photo1' of the split 'val' is uint16, but 'photo0' of the split 'train' uint8: save "
        "all images with the same number of bits"
    )


def test_labels_are_counted_over_all_samples():
    samples = of_labels(0, 1, IGNORE, 1)
    samples.fingerprint()
    assert samples.labels == {0: 24, 1: 48, IGNORE: 24}


@pytest.mark.parametrize(
    "mask", [np.zeros((0, 3)), np.arange(256).reshape(8, 32), np.arange(256).reshape(8, 32).T[::2]]
)
def test_counts_of_labels_are_those_of_numpy(mask):
    labels, counts = np.unique(mask, return_counts=True)
    assert label_counts(mask.astype(np.uint8)) == dict(zip(labels.tolist(), counts.tolist(), strict=True))


class Turning(Pairs):
    """Samples of which one is brighter each time it is read."""

    def __getitem__(self, index):
        image, mask = super().__getitem__(index)
        if index == 2:
            image += 1
        return image, mask


def test_samples_that_read_differently_again_are_known_and_the_fingerprint_is_of_the_first_reading():
    pairs = [pair(label=i % 2) for i in range(5)]
    samples = CheckedSamples(Turning(pairs), INFO, "train")
    before = samples.fingerprint()
    samples.read_again([0, 2])
    assert samples.identity.readings.different == {2}
    assert samples.fingerprint() == before


def test_only_samples_that_were_read_once_are_read_again():
    reads = []

    class Noted(Pairs):
        def __getitem__(self, index):
            reads.append(index)
            return super().__getitem__(index)

    samples = CheckedSamples(Noted([pair(label=i % 2) for i in range(5)]), INFO, "train")
    samples.fingerprint()
    samples[3]
    samples.read_again([1, 3])
    assert sorted(reads) == [0, 1, 1, 2, 3, 3, 4]
    assert Identity.of(samples).readings.different == set()


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
        CheckedSamples(samples, INFO, "val").fingerprint()
        for samples in (Pairs(base), Named(base), Pairs([base[0], turned(*base[1])]), Pairs([base[0], pair(label=0)]))
    ]
    assert len(set(prints)) == 4


def test_the_fingerprint_reads_only_what_was_not_read():
    class Counted(Pairs):
        reads = 0

        def __getitem__(self, index):
            type(self).reads += 1
            return super().__getitem__(index)

    samples = CheckedSamples(Counted([pair(), pair(), pair()]), INFO, "val")
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


@pytest.mark.parametrize(("length", "count", "indices"), [(5, 3, [0, 2, 4]), (2, 9, [0, 1]), (7, 1, [0]), (1, 1, [0])])
def test_samples_are_spread_from_the_first_to_the_last(length, count, indices):
    assert spread(length, count) == indices
