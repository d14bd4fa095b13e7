"""Splits that do not fit in memory: where their pixels lie, and when they are found again."""

import errno
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from segzoo.data.resizing import resize_image
from segzoo.data.samples import CheckedSamples, Identity
from segzoo.errors import SegzooError
from segzoo.files.stamps import stamp_of
from segzoo.networks.frame import Frame
from segzoo.networks.prediction import as_seen
from segzoo.plugin import Info, Loss
from segzoo.training import disk_cache, store
from segzoo.training.pipeline import decode, prepare_for_scoring

INFO = Info(("a", "b", "c"), 3, ("train", "val"))
FRAME = Frame((6, 5))
CROPS = Frame((6, 5), view="crop")
FIRST = {FRAME: 1, CROPS: store.PROBES}
"""Samples that are decoded to know what is coming."""


class Numbered:
    """Samples of noise of their own, which count how often each is decoded."""

    def __init__(self, count=20, add=0):
        self.ids = [str(i) for i in range(count)]
        self.add, self.decoded = add, [0] * count

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        self.decoded[index] += 1
        rng = np.random.default_rng(index)
        return rng.integers(0, 200, (9, 8, 3), np.uint8) + np.uint8(self.add), rng.integers(0, 3, (9, 8), np.uint8)


class Weighted(Loss):
    """Twice the weight on class 1."""

    def __call__(self, labels, logits, weights):
        raise NotImplementedError

    def weight_map(self, mask):
        return np.where(mask == 1, np.float32(2), np.float32(1))


@pytest.fixture(autouse=True)
def no_memory(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10))


def checked(source, stamp="one", label="numbered-train"):
    return CheckedSamples(source, INFO, "train", Identity(label, lambda: stamp))


def decoded(cache, add=0, count=20, frame=FRAME, **facts):
    """What a new process would read: the pixels, and how many samples it decodes for them."""
    source = Numbered(count, add)
    samples = checked(source, **facts)
    data = decode(samples, frame, None, cache)
    expected = decode(Numbered(count, add), frame)
    for found, right in zip(data.kept, expected.kept, strict=True):
        for array, expected_array in zip(found, right, strict=True):
            np.testing.assert_array_equal(array, expected_array)
    assert data.fingerprint == expected.fingerprint
    before = sum(source.decoded)
    anew = CheckedSamples(Numbered(count, add), INFO, "train")
    assert samples.fingerprint() == anew.fingerprint()
    assert (samples.labels, samples.types.keys()) == (anew.labels, {"uint8"})
    assert sum(source.decoded) == before  # whoever asks for the fingerprint and the labels later need not decode either
    return before


@pytest.mark.parametrize(("frame", "name"), [(FRAME, "6x5"), (CROPS, "native")])
def test_what_was_decoded_once_is_found_again(tmp_path, frame, name):
    assert decoded(tmp_path, frame=frame) == 20 + FIRST[frame]
    assert decoded(tmp_path, frame=frame) <= FIRST[frame] + disk_cache.PROBES
    (folder,) = (tmp_path / "prepared").iterdir()
    assert folder.name == f"numbered-train-{name}"
    assert {path.name for path in folder.iterdir()} - {".lock"} == {"facts.json", "images.raw", "masks.raw"}


def test_the_pixels_lie_in_a_file(tmp_path):
    data = decode(checked(Numbered()), FRAME, None, tmp_path)
    assert isinstance(data.kept.images.flat, np.memmap)
    assert isinstance(data.kept.masks.flat, np.memmap)


def test_crops_of_any_size_are_of_the_same_files(tmp_path):
    decoded(tmp_path, frame=CROPS)
    samples = checked(Numbered())
    decode(samples, Frame((4, 4), view="crop"), None, tmp_path)
    assert sum(samples.source.decoded) <= FIRST[CROPS] + disk_cache.PROBES
    assert len(list((tmp_path / "prepared").iterdir())) == 1


@pytest.mark.parametrize("frame", [FRAME, CROPS])
@pytest.mark.parametrize(
    "change",
    [{"stamp": "two"}, {"count": 19}, {"label": "other-train"}, {"add": 1}],
    ids=lambda change: next(iter(change)),
)
def test_other_samples_are_prepared_anew(tmp_path, change, frame):
    decoded(tmp_path, frame=frame)
    assert decoded(tmp_path, frame=frame, **change) >= 19
    assert decoded(tmp_path, frame=frame, **change) <= FIRST[frame] + disk_cache.PROBES


class Brighter:
    """Samples as a trainer might change them, with the identity that it is told."""

    def __init__(self, samples, by, identity):
        self.samples, self.by, self.ids, self.identity = samples, by, samples.ids, identity

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        image, mask = self.samples[index]
        return image + np.uint8(self.by), mask


@pytest.mark.parametrize("frame", [FRAME, CROPS])
def test_what_a_trainer_makes_of_samples_is_found_again_beside_the_samples(tmp_path, frame):
    def brighter(by):
        samples = checked(Numbered())
        data = decode(Brighter(samples, by, Identity.of(samples).changed(f"brighter-{by}")), frame, None, tmp_path)
        for index, (image, _) in enumerate(data.kept):
            expected = Numbered()[index][0] + np.uint8(by)
            np.testing.assert_array_equal(image, resize_image(expected, frame.resized_to or expected.shape[:2]))
        before = sum(samples.source.decoded)
        assert samples.fingerprint() == checked(Numbered()).fingerprint()
        assert sum(samples.source.decoded) == before
        return before

    plain = decoded(tmp_path, frame=frame)
    assert [brighter(1), brighter(2)] == [plain, plain]
    assert max(decoded(tmp_path, frame=frame), brighter(1), brighter(2)) <= FIRST[frame] + disk_cache.PROBES
    assert len(list((tmp_path / "prepared").iterdir())) == 3


@pytest.mark.parametrize("frame", [FRAME, CROPS])
def test_changed_samples_that_pretend_to_be_the_same_are_not_mixed_up_with_them(tmp_path, frame):
    decoded(tmp_path, frame=frame)
    samples = checked(Numbered())
    data = decode(Brighter(samples, 1, samples.identity), frame, None, tmp_path)
    assert data.fingerprint == decode(Brighter(Numbered(), 1, None), frame).fingerprint


def test_changed_samples_without_an_identity_are_prepared_into_files_without_a_name(tmp_path):
    data = decode(Brighter(checked(Numbered()), 1, None), FRAME, None, tmp_path)
    assert isinstance(data.kept.images.flat, np.memmap)
    assert not list((tmp_path / "prepared").iterdir())


@pytest.mark.parametrize(("frame", "name"), [(FRAME, "6x5-native"), (CROPS, "native")])
def test_samples_to_be_scored_are_found_again_with_masks_at_their_original_size(tmp_path, frame, name):
    counts = []
    for _ in range(2):
        samples = checked(Numbered())
        kept = prepare_for_scoring(samples, frame, tmp_path)
        for index, (image, mask) in enumerate(kept):
            np.testing.assert_array_equal(image, as_seen(frame, Numbered()[index][0]))
            np.testing.assert_array_equal(mask, Numbered()[index][1])
        counts.append(sum(samples.source.decoded))
        assert samples.fingerprint() == checked(Numbered()).fingerprint()
        assert sum(samples.source.decoded) == counts[-1]
    assert counts[0] == 20 + store.PROBES
    assert counts[1] <= store.PROBES + disk_cache.PROBES
    (folder,) = (tmp_path / "prepared").iterdir()
    assert folder.name == f"numbered-train-{name}"


@pytest.mark.parametrize("frame", [FRAME, CROPS])
def test_a_label_that_is_no_class_is_found_before_anything_is_kept(tmp_path, frame):
    source = Numbered()
    samples = CheckedSamples(
        source, Info(("a", "b"), 3, ("train",)), "train", Identity("numbered-train", lambda: "one")
    )
    with pytest.raises(SegzooError, match="labels that are no class: 2"):
        decode(samples, frame, None, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".raw", ".part", ".json")]


def test_what_an_earlier_run_has_noted_of_a_split_is_checked_too(tmp_path):
    decoded(tmp_path)
    (path,) = tmp_path.glob("prepared/*/facts.json")
    facts = json.loads(path.read_text())
    facts["read"]["1"][1] = "uint16"  # of a sample that is not among those that are decoded again
    path.write_text(json.dumps(facts))
    with pytest.raises(
        SegzooError, match="image '1' of the split 'train' is uint16, but '0' of the split 'train' uint8"
    ):
        decode(checked(Numbered()), FRAME, None, tmp_path)


@pytest.mark.parametrize("name", ["facts.json", "images.raw", "masks.raw"])
@pytest.mark.parametrize("size", [None, 0, 150])
@pytest.mark.parametrize("frame", [FRAME, CROPS])
def test_files_that_are_missing_or_cut_are_made_again(tmp_path, name, size, frame):
    decoded(tmp_path, frame=frame)
    (path,) = tmp_path.glob(f"prepared/*/{name}")
    path.unlink() if size is None else os.truncate(path, size)
    assert decoded(tmp_path, frame=frame) == 20 + FIRST[frame]


def test_who_reads_the_old_files_keeps_them(tmp_path):
    old = decode(checked(Numbered()), FRAME, None, tmp_path)
    before = old.kept.images.flat.tolist()
    decode(checked(Numbered(add=9), stamp="two"), FRAME, None, tmp_path)
    assert old.kept.images.flat.tolist() == before


@pytest.mark.parametrize("stamped", [True, False])
def test_maps_of_a_loss_and_samples_without_a_stamp_leave_no_file(tmp_path, stamped):
    samples = checked(Numbered(), stamp="one" if stamped else "")
    data = decode(samples, FRAME, Weighted(), tmp_path)
    np.testing.assert_array_equal(list(data.maps), list(decode(Numbered(), FRAME, Weighted()).maps))
    assert isinstance(data.maps.flat, np.memmap)
    arrays = [path.name for path in tmp_path.rglob("*.raw")]
    assert sorted(arrays) == (["images.raw", "masks.raw"] if stamped else [])


@pytest.mark.parametrize("stamp", ["one", ""])
def test_a_disk_that_fills_with_images_of_unknown_sizes_is_one_message(tmp_path, monkeypatch, stamp):
    def filling(store, images, masks):
        images.write(b"some")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.Store, "write", filling)
    with pytest.raises(SegzooError, match=r"the disk of .*prepared.* is full: make room"):
        decode(checked(Numbered(), stamp), CROPS, None, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".raw", ".part", ".json")]


@pytest.mark.parametrize("stamp", ["one", ""])
def test_a_disk_without_room_is_one_message_before_images_are_read(tmp_path, monkeypatch, stamp):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=100))
    samples = checked(Numbered(), stamp)
    with pytest.raises(
        SegzooError, match=r"the disk of .*prepared.* is too full: 2,400 bytes are needed, 100 are free"
    ):
        decode(samples, FRAME, None, tmp_path)
    assert sum(samples.source.decoded) == FIRST[FRAME]
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".raw", ".part", ".json")]


def test_a_disk_that_is_full_for_the_weights_of_a_loss_is_one_message(tmp_path, monkeypatch):
    def full(descriptor, start, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(SegzooError, match=r"the disk of .*prepared.* is full: 2,400 bytes are needed"):
        decode(checked(Numbered()), FRAME, Weighted(), tmp_path)


def test_a_file_system_that_cannot_reserve_room_will_do(tmp_path, monkeypatch):
    def unsupported(descriptor, start, size):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported, raising=False)
    data = decode(checked(Numbered()), FRAME, Weighted(), tmp_path)
    np.testing.assert_array_equal(data.maps[19], Weighted().weight_map(data.kept.masks[19]))


def test_a_stamp_of_files_shows_every_change(tmp_path):
    paths = [tmp_path / name for name in ("a.jpg", "b.png")]
    for path in paths:
        path.write_bytes(b"pixels")
    before = stamp_of(paths)
    assert stamp_of(paths) == before
    assert stamp_of(paths[:1]) != before
    facts = paths[0].stat()
    paths[0].write_bytes(b"PIXELS")
    os.utime(paths[0], ns=(facts.st_atime_ns, facts.st_mtime_ns))  # as tools that copy files do
    assert stamp_of(paths) != before


BUILDER = """
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil

from segzoo.networks.frame import Frame
from segzoo.training.pipeline import decode
from segzoo.plugin import Info
from segzoo.data.samples import CheckedSamples, Identity

psutil.virtual_memory = lambda: SimpleNamespace(available=10)
decoded, turns = [], count()


class Samples:
    ids = [str(i) for i in range(40)]

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        decoded.append(index)
        if next(turns) == 8:  # in one of the threads; the other process is to find this one at work
            print("building", flush=True)
            sys.stdin.readline()
        return np.full((9, 8, 3), index, np.uint8), np.full((9, 8), index % 3, np.uint8)


identity = Identity("numbered-train", lambda: "one")
samples = CheckedSamples(Samples(), Info(("a", "b", "c"), 3, ("train",)), "train", identity)
data = decode(samples, Frame((6, 5)), None, Path(sys.argv[1]))
assert [int(image[0, 0, 0]) for image in data.kept.images] == list(range(40))
print(len(decoded), data.fingerprint)
"""


def start(cache):
    arguments = [sys.executable, "-c", BUILDER, str(cache)]
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_of_two_processes_one_builds_and_the_other_waits_for_it(tmp_path):
    first = start(tmp_path)
    assert first.stdout.readline() == "building\n"
    second = start(tmp_path)
    assert second.stderr.readline().startswith("waiting for another process to fill")
    built = first.communicate("\n")[0].split()
    found = second.communicate("\n")[0].replace("building\n", "").split()
    assert built[0] == "41"
    assert int(found[0]) <= 9
    assert built[1] == found[1]


def test_after_a_process_that_was_killed_while_it_built_the_next_builds(tmp_path):
    first = start(tmp_path)
    assert first.stdout.readline() == "building\n"
    first.kill()
    first.communicate()
    assert list(tmp_path.rglob("*.part"))
    second = start(tmp_path)
    assert second.stdout.readline() == "building\n"
    assert second.communicate("\n")[0].split()[0] == "41"
    assert not list(tmp_path.rglob("*.part"))
