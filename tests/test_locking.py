"""Who may be in a folder, who waits, and what becomes of the lock of one that is killed."""

import errno
import fcntl
import os
import subprocess
import sys
import threading

import pytest

from segzoo.errors import ConfigError, SegzooError
from segzoo.files import locking
from segzoo.files.locking import alone, holding, wait_until_free


def test_who_must_wait_is_told_so(tmp_path, monkeypatch):
    told, entered, lines = threading.Event(), [], []

    class Terminal:
        def __init__(self, stderr):
            assert stderr

        def print(self, text, **how):
            lines.append(text)
            told.set()

    def other():
        with holding(tmp_path):
            entered.append(True)

    monkeypatch.setattr(locking, "Console", Terminal)
    thread = threading.Thread(target=other)
    with holding(tmp_path), holding(tmp_path):
        thread.start()
        told.wait()
        assert not entered
    thread.join()
    assert lines == [f"waiting for another process to fill {tmp_path}"]
    assert entered


HOLDER = """
import errno, sys
from pathlib import Path
from segzoo.files.locking import holding

def lockless(file, operation):
    raise OSError(errno.ENOSYS, "Function not implemented")

if sys.argv[2] == "lockless":
    import fcntl
    fcntl.flock = lockless
with holding(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("system", ["usual", "lockless"])
def test_who_waits_for_a_process_that_is_killed_comes_in(tmp_path, system):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    words = [sys.executable, "-W", "ignore", "-c", HOLDER, str(tmp_path), system]
    first = subprocess.Popen(words, text=True, **pipes)
    assert first.stdout.readline() == "in\n"
    second = subprocess.Popen(words, text=True, **pipes)
    assert second.stderr.readline().startswith("waiting for another process to fill")
    first.kill()
    first.communicate()
    assert second.stdout.readline() == "in\n"
    second.communicate("\n")
    assert second.returncode == 0


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_that_cannot_lock_is_said(tmp_path, monkeypatch, code):
    def refuse(file, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(SegzooError, match=f"file system of {tmp_path} cannot lock files .*SEGZOO_CACHE"),
        holding(tmp_path),
    ):
        pytest.fail("came in")


def test_a_folder_that_another_works_in_is_refused_and_no_lock_file_stays(tmp_path):
    with alone(tmp_path):
        with pytest.raises(ConfigError, match=f"another process is at work in {tmp_path}"), alone(tmp_path):
            pytest.fail("came in")
        wait_until_free(tmp_path, seconds=0)  # which ends though it is not free
    assert not list(tmp_path.iterdir())
    with alone(tmp_path):
        pass


def test_who_waits_until_a_folder_is_free_comes_after_its_holder(tmp_path):
    waited, inside = threading.Event(), []

    def other():
        wait_until_free(tmp_path, seconds=60)
        waited.set()

    with holding(tmp_path):
        thread = threading.Thread(target=other)
        thread.start()
        inside.append(waited.is_set())
    thread.join()
    assert (inside, waited.is_set()) == ([False], True)
