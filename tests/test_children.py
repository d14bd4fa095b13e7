"""Processes of their own: what they take, when they end, and that none is left behind."""

import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import psutil
import pytest

from segzoo.processes.children import run_child

WORK = """
import os, signal, subprocess, sys, threading, time
from pathlib import Path

what, file = sys.argv[1:]
if what == "hoard":
    hoard = bytearray(300_000_000)
    hoard[::4096] = b"x" * len(hoard[::4096])
    Path(file).touch()
    while not Path(file + "-seen").exists():
        time.sleep(0.02)
elif what == "fail":
    sys.exit("segzoo: it does not work")
elif what == "die":
    os.kill(os.getpid(), signal.SIGSEGV)
elif what == "wait":
    other = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
    Path(file + "-part").write_text(f"{os.getpid()} {other.pid}")
    Path(file + "-part").replace(file)
    threading.Event().wait()
"""
PARENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from segzoo.processes.children import run_child
run_child("work", ["wait", sys.argv[1]])
"""


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    (tmp_path / "work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def waiting(tmp_path):
    return tmp_path / "waiting"


def work_of(file):
    """The ids of the processes of a child that waits, as soon as it does."""
    while not file.exists():
        time.sleep(0.02)
    return [int(pid) for pid in file.read_text().split()]


def assert_gone(pids):
    """None of the processes is there any more, or only as one that nobody has waited for."""
    deadline = time.monotonic() + 120
    while living := [pid for pid in pids if is_living(pid)]:
        assert time.monotonic() < deadline, living
        time.sleep(0.02)


def is_living(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_child_ends_with_its_code_and_what_it_says_is_in_the_log(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("before\n")
    assert run_child("work", ["nothing", ""], log=log).code == 0
    failed = run_child("work", ["fail", ""], log=log)
    assert (failed.code, failed.overdue, log.read_text()) == (1, False, "before\nsegzoo: it does not work\n")
    assert run_child("work", ["die", ""]).code == -signal.SIGSEGV


def test_the_memory_is_that_of_the_child_alone(waiting):
    ballast = bytearray(500_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])
    times = count()

    def look():
        if waiting.exists() and next(times):  # since the first time, the child has been looked at once more
            waiting.with_name("waiting-seen").touch()

    large = run_child("work", ["hoard", str(waiting)], meanwhile=look).peak_memory_bytes
    assert 2e8 < large < 4e8
    assert run_child("work", ["nothing", ""]).peak_memory_bytes < 1e8


def test_variables_are_those_of_the_parent_and_those_given(tmp_path, monkeypatch):
    (tmp_path / "work.py").write_text("import os\nprint(os.environ['ONE'], os.environ['OTHER'], flush=True)")
    monkeypatch.setenv("ONE", "1")
    run_child("work", [], {"OTHER": "2"}, tmp_path / "log.txt")
    assert (tmp_path / "log.txt").read_text() == "1 2\n"


def test_at_its_limit_a_child_ends_with_all_that_it_has_started(waiting):
    limit = 2
    while not waiting.exists():  # a busy machine may need longer than that until the child has begun
        limit *= 2
        ended = run_child("work", ["wait", str(waiting)], limit=limit)
        assert (ended.code, ended.overdue) == (-signal.SIGKILL, True)
        assert ended.seconds >= limit
    assert_gone(work_of(waiting))


def test_what_is_raised_meanwhile_ends_the_child(waiting):
    def wanted():
        if waiting.exists():
            raise RuntimeError("no longer")

    with pytest.raises(RuntimeError, match="no longer"):
        run_child("work", ["wait", str(waiting)], meanwhile=wanted)
    assert_gone(work_of(waiting))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_child_outlives_its_parent_however_that_ends(waiting, how):
    path = os.pathsep.join(filter(None, sys.path))
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(waiting)], env={**os.environ, "PYTHONPATH": path})
    pids = work_of(waiting)
    assert all(map(is_living, pids))
    parent.send_signal(how)
    parent.wait()
    assert_gone(pids)


def test_a_module_runs_as_with_python(tmp_path):
    (tmp_path / "work.py").write_text("import sys\nprint(__name__, sys.argv, flush=True)")
    run_child("work", ["--one", "2"], log=tmp_path / "log.txt")
    assert (tmp_path / "log.txt").read_text() == f"__main__ {[str(Path(tmp_path, 'work.py')), '--one', '2']}\n"


def test_a_module_of_the_current_folder_does_not_hide_one_of_python(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "dataclasses.py").write_text("raise RuntimeError")
    monkeypatch.chdir(tmp_path / "here")
    assert run_child("work", ["nothing", ""]).code == 0


def test_where_python_looks_in_the_current_folder_a_child_does_too(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "near.py").write_text("print('near', flush=True)")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend("")
    assert run_child("near", [], log=tmp_path / "log.txt").code == 0
    assert (tmp_path / "log.txt").read_text() == "near\n"
