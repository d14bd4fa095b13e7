"""States of a training on disk: read back as written, or the one before."""

import errno
import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.errors import SegzooError
from segzoo.training import checkpoints
from segzoo.training.checkpoints import Checkpoints

ARRAYS = {
    "model": [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64), np.zeros((0, 4), np.float32)],
    "optimizer": [np.array([[1e-30, np.nan]], np.float32), np.array([3, 2**63], np.uint64)],
    "best": [],
}


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(tmp_path, said):
    return Checkpoints(tmp_path / "run" / "checkpoints", said.append)


def save(store, number):
    store.save({"number": number}, ARRAYS | {"best": [np.full(3, number)]})


def bits(array):
    return array.dtype, array.shape, array.tobytes()


def names(store):
    return sorted(path.name for path in store.folder.iterdir())


def test_arrays_come_back_to_the_bit(store):
    store.save({}, ARRAYS)
    _, loaded = store.load()
    assert list(loaded) == list(ARRAYS)
    for name, arrays in ARRAYS.items():
        assert [(a.dtype, a.shape, a.tobytes()) for a in loaded[name]] == [
            (a.dtype, a.shape, a.tobytes()) for a in arrays
        ]


def test_arrays_that_are_no_contiguous_block_come_back(store):
    store.save({}, {"model": iter([np.arange(12).reshape(3, 4).T[::2]])})
    np.testing.assert_array_equal(store.load()[1]["model"][0], np.arange(12).reshape(3, 4).T[::2])


@given(st.dictionaries(st.text(), st.floats() | st.integers() | st.text() | st.none() | st.lists(st.floats())))
def test_facts_come_back_exactly(tmp_path_factory, facts):
    store = Checkpoints(tmp_path_factory.mktemp("run"), print)
    store.save(facts, {})
    assert repr(store.load()[0]) == repr(facts)


def test_nothing_saved_is_nothing_found(store, said):
    assert store.load() is None
    assert said == []


def test_the_newest_is_loaded_and_the_one_before_is_kept(store):
    for number in range(12):
        save(store, number)
    assert names(store) == ["000011", "000012"]
    assert store.load()[0] == {"number": 11}
    store.keep(1)
    assert names(store) == ["000012"]


def damage_by_cutting(path):
    os.truncate(path, path.stat().st_size // 2)


def damage_by_emptying(path):
    os.truncate(path, 0)


def damage_by_flipping_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def damage_by_deleting(path):
    path.unlink()


@pytest.mark.parametrize("file", ["model.bin", "optimizer.bin", "best.bin", "state.json"])
@pytest.mark.parametrize(
    "damage", [damage_by_cutting, damage_by_emptying, damage_by_flipping_a_bit, damage_by_deleting]
)
def test_a_damaged_file_is_named_and_the_one_before_is_loaded(store, said, file, damage):
    for number in (1, 2, 3):
        save(store, number)
    damage(store.folder / "000003" / file)
    facts, arrays = store.load()
    assert (facts, arrays["best"][0].tolist()) == ({"number": 2}, [2, 2, 2])
    assert len(said) == 1
    assert str(store.folder / "000003") in said[0]
    assert file in said[0]
    save(store, 4)  # beside the whole one, not in place of it
    assert names(store) == ["000002", "000003"]


def test_every_bit_of_the_facts_is_guarded(store):
    for position in range(40):
        save(store, 1)
        save(store, 2)
        path = store.folder / names(store)[-1] / "state.json"
        data = bytearray(path.read_bytes())
        data[position * len(data) // 40] ^= 1
        path.write_bytes(data)
        assert store.load()[0] == {"number": 1}
        store.keep(0)


def test_with_both_damaged_nothing_is_found(store, said):
    save(store, 1)
    save(store, 2)
    for folder in store.folder.iterdir():
        damage_by_cutting(folder / "model.bin")
    assert store.load() is None
    assert len(said) == 2


@pytest.mark.parametrize("calls", range(1, 7))
def test_a_full_disk_is_one_message_and_loses_nothing(store, monkeypatch, calls):
    save(store, 1)
    save(store, 2)
    left, fsync = [calls], os.fsync

    def full(descriptor):
        left[0] -= 1
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(checkpoints.os, "fsync", full)
    with pytest.raises(SegzooError, match=f"the disk of {store.folder} is full: make room.*--resume goes on from"):
        save(store, 3)
    monkeypatch.undo()
    assert "part" not in names(store)
    assert store.load()[0]["number"] in ({2} if calls < 6 else {3})  # the 6th comes after the name is given
    save(store, 4)
    assert store.load()[0] == {"number": 4}


def test_an_interrupt_while_writing_leaves_the_earlier_ones(store):
    save(store, 1)

    def interrupted():
        yield np.zeros(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.save({}, {"model": interrupted()})
    assert names(store) == ["000001"]
    assert store.load()[0] == {"number": 1}


def test_what_a_killed_process_left_is_no_state_and_in_nobodys_way(store):
    save(store, 1)
    (store.folder / "part").mkdir()
    (store.folder / "part" / "model.bin").write_bytes(b"half")
    assert store.load()[0] == {"number": 1}
    save(store, 2)
    assert names(store) == ["000001", "000002"]


def test_another_format_is_refused_and_kept(store):
    save(store, 1)
    path = store.folder / "000001" / "state.json"
    content = json.loads(path.read_bytes())["content"] | {"format": 99}
    path.write_text(json.dumps({"sha256": checkpoints._digest(content), "content": content}))
    with pytest.raises(SegzooError, match="another version of segzoo wrote the checkpoint"):
        store.load()
    assert names(store) == ["000001"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "checkpoints").touch()
    with pytest.raises(SegzooError, match=f"cannot write in {tmp_path}"):
        save(Checkpoints(tmp_path / "checkpoints", print), 1)
