"""Stamps of files change whenever the files do, and only then."""

import os
import shutil

import pytest

from segzoo.files.stamps import stamp_of


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        path.write_bytes(b"pixels")
    return paths


def test_files_that_stay_keep_their_stamp(files):
    before = stamp_of(files)
    files[0].read_bytes()
    assert stamp_of(files) == before


def test_another_size_another_name_and_another_order_are_another_stamp(files):
    stamps = {stamp_of(files), stamp_of(files[::-1]), stamp_of(files[:1]), stamp_of([])}
    files[1].write_bytes(b"more pixels")
    stamps.add(stamp_of(files))
    stamps.add(stamp_of([files[0], files[1].rename(files[1].with_name("c.png"))]))
    assert len(stamps) == 6


def test_a_file_that_is_replaced_by_one_of_the_same_size_and_time_is_another(files, tmp_path):
    before, facts = stamp_of(files), files[0].stat()
    other = tmp_path / "other"
    other.write_bytes(b"slexip")
    shutil.move(other, files[0])
    os.utime(files[0], ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert files[0].stat().st_mtime_ns == facts.st_mtime_ns
    assert stamp_of(files) != before


def test_a_file_that_is_not_there_has_no_stamp(tmp_path):
    with pytest.raises(FileNotFoundError):
        stamp_of([tmp_path / "gone"])
