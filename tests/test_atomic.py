import os
from pathlib import Path

import pytest

from segzoo.errors import ConfigError, SegzooError
from segzoo.files import atomic
from segzoo.files.atomic import atomic_file, atomic_folder, leftovers, remove_folder, remove_leftovers, write_text


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_gets_its_name_only_when_it_is_whole(tmp_path):
    path = tmp_path / "model.weights.h5"
    with atomic_file(path) as temporary:
        temporary.write_bytes(b"all of it")
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".weights.h5")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert names(tmp_path) == ["model.weights.h5"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_the_earlier_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "scores.json"
    path.write_text("earlier")

    def fail(temporary):
        temporary.write_text("half")
        raise failure

    with pytest.raises(failure), atomic_file(path) as temporary:
        fail(temporary)
    assert path.read_text() == "earlier"
    assert names(tmp_path) == ["scores.json"]


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_folder_that_cannot_be_written_is_named_before_the_block_runs(tmp_path, folder):
    (tmp_path / "file").touch()
    reached = False
    with pytest.raises(SegzooError, match=str(tmp_path / folder)), atomic_file(tmp_path / folder / "a.txt"):
        reached = True
    assert not reached


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SegzooError, match=f"cannot write in {tmp_path}"):
        write_text(tmp_path / "a.txt", "text")
    tmp_path.chmod(0o700)


def test_a_name_that_is_taken_by_a_folder_is_an_error(tmp_path):
    (tmp_path / "a.txt" / "inside").mkdir(parents=True)
    with pytest.raises(SegzooError, match="cannot write in"):
        write_text(tmp_path / "a.txt", "text")
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to stand for a full disk")
def test_a_full_disk_is_said_with_its_folder(tmp_path):
    with pytest.raises(SegzooError, match=f"disk of {tmp_path} is full"), atomic_file(tmp_path / "a.txt"):
        Path("/dev/full").write_text("text")
    assert not names(tmp_path)


def test_an_error_of_the_block_itself_is_not_taken_for_one_of_writing(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_file(tmp_path / "a.txt"):
        (tmp_path / "elsewhere").read_text()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_others_may_read_what_the_umask_lets_them(tmp_path):
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "a.txt", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


def test_text_is_the_same_bytes_on_every_system(tmp_path):
    write_text(tmp_path / "a.txt", "naïve\nsecond\n")
    assert (tmp_path / "a.txt").read_bytes() == b"na\xc3\xafve\nsecond\n"


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_gets_its_name_when_it_is_whole(tmp_path, there):
    out = tmp_path / "deep" / "out"
    if there:
        out.mkdir(parents=True)
    with atomic_folder(out) as folder:
        (folder / "a").write_text("1")
        assert not out.exists() or not any(out.iterdir())
    assert (out / "a").read_text() == "1"
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ConfigError])
def test_of_a_folder_that_fails_nothing_is_left(tmp_path, error):
    def fail(folder):
        (folder / "a").write_text("1")
        raise error

    with pytest.raises(error), atomic_folder(tmp_path / "out") as folder:
        fail(folder)
    assert not any(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "mine").write_text("1")
    for path in (tmp_path, tmp_path / "mine"):
        with pytest.raises(ConfigError, match="not empty; choose another --out"), atomic_folder(path):
            pytest.fail("not reached")
    assert (tmp_path / "mine").read_text() == "1"


def test_a_folder_that_is_removed_loses_its_name_first(tmp_path, monkeypatch):
    (tmp_path / "all" / "deep").mkdir(parents=True)
    (tmp_path / "all" / "deep" / "a.txt").touch()

    def killed(path):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(atomic.shutil, "rmtree", killed)
        with pytest.raises(SystemExit):
            remove_folder(tmp_path / "all")
    assert not (tmp_path / "all").exists()
    (tmp_path / ".0123abcd-b.txt").touch()
    assert len(leftovers(tmp_path)) == 2
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_a_folder_is_removed_with_what_it_holds_and_may_be_gone_already(tmp_path):
    (tmp_path / "all" / "deep").mkdir(parents=True)
    for _ in range(2):
        remove_folder(tmp_path / "all")
        assert names(tmp_path) == []
