"""The index: each file is opened once, and again when it has changed."""

import pickle
from hashlib import sha256

import numpy as np
import pytest
from image_folders import SQUARE, classes, forget, grid, ids, most_held, opened, refusal, save, with_masks, write

import segzoo
from segzoo.errors import DataError
from segzoo_folder import ImageFolder, inspection, pairs


@pytest.fixture
def root(tmp_path):
    """Twenty photos with masks of 0 and 255."""
    return write(tmp_path / "data", [f"img_{number}" for number in range(20)])


@pytest.fixture
def looked(monkeypatch):
    """The names of the files that are opened."""
    names = []

    def counted(look):
        return lambda path, *stack: names.append(path.name) or look(path, *stack)

    for name in ("inspect_image", "inspect_mask"):
        monkeypatch.setattr(inspection, name, counted(getattr(inspection, name)))
    forget()
    return names


def again(root, cache, **options):
    """As a new process opens it."""
    forget()
    return ids(root, cache, **options)


def test_only_new_and_changed_files_are_opened(root, cache, looked):
    first = again(root, cache)
    assert sorted(looked) == sorted([f"img_{number}.png" for number in range(20)] * 2)
    looked.clear()
    assert again(root, cache) == first
    assert looked == []
    write(root, ["new"])
    save(root / "masks/img_4.png", grid(0, 1, 2))
    assert "leave open what 255 means" in attempt_classes(root, cache)
    assert sorted(set(looked)) == ["img_4.png", "new.png"]
    looked.clear()
    (root / "images/img_3.png").unlink()
    (root / "masks/img_3.png").unlink()
    save(root / "masks/img_4.png", SQUARE * 255)
    again(root, cache)
    assert looked == ["img_4.png"]


def attempt_classes(root, cache):
    forget()
    try:
        return str(ImageFolder(root=root).describe(cache).classes)
    except DataError as error:
        return str(error)


def test_a_file_that_changes_while_a_process_lives_is_looked_at_anew(root, cache):
    assert classes(root, cache) == ("background", "foreground")
    before = ImageFolder(root=root).stamp(cache, "train")
    assert ImageFolder(root=root).stamp(cache, "train") == before
    for path in (root / "masks").iterdir():
        save(path, grid(0, 1, 2))
    assert classes(root, cache) == ("class0", "class1", "class2")
    assert ImageFolder(root=root).stamp(cache, "train") != before


def test_the_stamp_changes_with_what_masks_mean_even_if_their_files_do_not(tmp_path, cache):
    with_masks(tmp_path, grid(0, 1, 255))
    dataset = ImageFolder(root=tmp_path)
    before = dataset.stamp(cache, "val")
    write(tmp_path, ["new"], mask=grid(0, 1, 2, 255))
    assert "val" in dataset.describe(cache).splits
    assert dataset.stamp(cache, "val") != before


@pytest.mark.parametrize(
    "damage",
    [
        lambda index: b"",
        lambda index: index[:-9],
        lambda index: index[:-9] + b"\7" * 9,
        lambda index: index.replace(b"img_6", b"img_7", 1),
        lambda index: b"\xff\xfe" + index,
        lambda index: sha256(b"1\n" + index[65:]).hexdigest().encode() + index[64:],
    ],
    ids=["empty", "cut off", "another end", "of another name", "not text", "of another version"],
)
def test_a_damaged_index_is_made_anew(root, cache, looked, damage):
    first = again(root, cache)
    (path,) = cache.glob("folder/*/index")
    intact = path.read_bytes()
    path.write_bytes(damage(intact))
    looked.clear()
    assert again(root, cache) == first
    assert len(looked) == 40
    assert path.read_bytes() == intact


def test_a_file_that_cannot_be_read_is_a_finding_and_spoils_no_other(root, cache, looked):
    (root / "masks/img_4.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    result = segzoo.verify("folder", settings={"dataset.root": str(root)}, processes=1)
    assert [(finding.kind, finding.id) for finding in result.errors] == [("unreadable", "img_4")]
    assert sum(result.samples.values()) == 20
    (root / "images/img_5.png").write_bytes(b"")
    assert len(segzoo.verify("folder", settings={"dataset.root": str(root)}, processes=1).errors) == 2


def test_images_none_of_which_can_be_read(tmp_path, cache):
    write(tmp_path, "a")
    (tmp_path / "images/a.png").write_bytes(b"no image")
    assert "a.png: it is of no known kind" in refusal(tmp_path, cache)


def test_masks_none_of_which_can_be_read(tmp_path, cache):
    write(tmp_path, "a")
    save(tmp_path / "masks/a.npy", SQUARE.astype(np.int32) - 1)
    (tmp_path / "masks/a.png").unlink()
    assert "hold -1 (in masks/a.npy), but labels are whole numbers from 0 to 65535" in refusal(tmp_path, cache)
    save(tmp_path / "masks/a.npy", SQUARE / 2)
    assert "a.npy: its values are float64, such as 0.5, and not all whole numbers" in refusal(tmp_path, cache)


def test_many_files_are_looked_at_by_several_processes(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(inspection, "FEW", 8)
    monkeypatch.setattr(inspection, "PIECE", 3)
    monkeypatch.setattr(inspection, "threads", lambda: 2)
    write(tmp_path, [f"n{number}" for number in range(20)])
    assert sum(map(len, ids(tmp_path, cache).values())) == 20


@pytest.mark.slow
def test_a_pair_takes_few_bytes_however_many_there_are(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(pairs, "CHUNK", 32)
    peaks = []
    for count in (100, 1_000):
        root = write(tmp_path / str(count), ["0000"])
        for kind in ("images", "masks"):
            for number in range(1, count):
                (root / kind / f"{number:04}.png").hardlink_to(root / kind / "0000.png")
        peaks.append(most_held(root, cache))
    assert peaks[1] - peaks[0] < 300 * 900, peaks


def test_samples_are_sent_to_another_process_as_the_name_of_their_index(root, cache):
    write(root, [f"more_{number}" for number in range(200)])
    samples = opened(root, cache)["train"]
    sent = pickle.dumps(samples)
    assert len(sent) < 1_500 + 8 * len(samples)
    assert list(pickle.loads(sent).ids) == list(samples.ids)
    write(root, ["new"])
    again(root, cache)
    assert len(list(samples.ids)) == len(samples)  # what is open stays as it is
    with pytest.raises(DataError, match="have changed meanwhile"):
        pickle.loads(sent)


def test_a_cache_that_cannot_be_written_says_so(root, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write in" in refusal(root, tmp_path / "file")
