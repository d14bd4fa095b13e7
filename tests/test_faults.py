"""Disks that fill up and processes that are killed, on the way from a server to prepared images."""

import contextlib
import hashlib
import io
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from serving import Server, ranged

from segzoo.data.samples import CheckedSamples, Identity
from segzoo.errors import SegzooError
from segzoo.files import download
from segzoo.files.archives import unpack
from segzoo.files.download import fetch
from segzoo.networks.frame import Frame
from segzoo.plugin import Info
from segzoo.training.pipeline import decode

INFO = Info(("a", "b", "c"), 3, ("train", "val"))
FILES = {f"deep/{i}/{i}.bin": random.Random(i).randbytes(6000) for i in range(40)}


def packed(files):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return archive.getvalue()


ARCHIVE = packed(FILES)
DIGEST = hashlib.sha256(ARCHIVE).hexdigest()


def files_in(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def disk(tmp_path):
    """A disk of 400 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True)
    if not made or made.returncode:
        pytest.skip(f"cannot mount a small disk: {made.stderr.decode().strip() if made else 'no program mount'}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk):
    """Leave 8 KB of it."""
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 8192))


def test_a_disk_that_fills_while_a_file_comes_is_said_and_the_same_call_works_then(disk, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 4096)

    def report(done):
        if done >= 100_000 and not (disk / "filler").exists():
            fill(disk)

    with Server(ARCHIVE, ranged) as server:
        with pytest.raises(
            SegzooError, match=f"the disk of {disk / 'cache'} is full: {len(ARCHIVE):,} bytes are needed"
        ):
            fetch([server.url], disk / "cache" / "a.tar", DIGEST, len(ARCHIVE), report)
        assert {path.name for path in (disk / "cache").iterdir()} <= {".lock"}
        (disk / "filler").write_bytes(b"")
        fetch([server.url], disk / "cache" / "a.tar", DIGEST, len(ARCHIVE), lambda done: None)
    assert (disk / "cache" / "a.tar").read_bytes() == ARCHIVE


def test_a_disk_that_fills_while_an_archive_unpacks_is_said_and_the_same_call_works_then(disk, tmp_path):
    zeros = {f"{i}.bin": bytes(100_000) for i in range(3)}
    (tmp_path / "a.tar").write_bytes(packed(zeros))  # is small, so there seems to be room
    (disk / "filler").write_bytes(bytes(250_000))
    with pytest.raises(SegzooError, match=f"the disk of {disk} is full"):
        unpack(tmp_path / "a.tar", disk / "all")
    assert {path.name for path in disk.iterdir()} - {".lock"} == {"filler"}
    (disk / "filler").unlink()
    unpack(tmp_path / "a.tar", disk / "all")
    assert files_in(disk / "all") == zeros


class Numbered:
    """Samples whose pixels tell their number and a version of them."""

    def __init__(self, version, count=30):
        self.version, self.ids = version, [str(i) for i in range(count)]

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        mask = np.full((40, 40), (index + self.version) % 3, np.uint8)
        return np.full((40, 40, 3), 7 * index + self.version, np.uint8), mask


def prepared(cache, version):
    """Prepares images on the disk, and compares all of them."""
    samples = CheckedSamples(Numbered(version), INFO, "train", Identity("numbered", lambda: f"version {version}"))
    data = decode(samples, Frame((32, 32)), None, cache)
    assert not data.kept.in_memory
    for index, (image, mask) in enumerate(data.kept):
        assert (image == 7 * index + version).all()
        assert (mask == (index + version) % 3).all()


def test_a_disk_that_fills_while_images_are_prepared_is_said_and_the_same_call_works_then(disk, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10))
    fill(disk)
    usage = shutil.disk_usage(disk)
    with monkeypatch.context() as patch:  # there was room a moment ago
        patch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=10**6))
        with pytest.raises(SegzooError, match=r"the disk of .* is full: [0-9,]+ bytes are needed"):
            prepared(disk / "cache", 0)
    assert not [path for path in (disk / "cache").rglob("*") if path.suffix in (".npy", ".part", ".json")]
    (disk / "filler").unlink()
    prepared(disk / "cache", 0)


class Forks:
    """Processes that are there at once: forks of one that has everything imported and no threads."""

    CODE = """
import os, sys
import psutil
from types import SimpleNamespace
import test_faults
from segzoo.files import archives, download
psutil.virtual_memory = lambda: SimpleNamespace(available=10)
download.CHUNK = archives.CHUNK = 2048  # as slow as a large archive
for line in sys.stdin:
    child = os.fork()
    if not child:
        status = 1
        try:
            eval(line, vars(test_faults))
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""

    def __enter__(self):
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
        pipe = subprocess.PIPE
        self.parent = subprocess.Popen(
            [sys.executable, "-c", self.CODE], stdin=pipe, stdout=pipe, bufsize=0, env=environment
        )
        self.run("None")
        return self

    def __exit__(self, *error):
        self.parent.communicate()

    def run(self, code, seconds=None):
        """Whether a process is through with some code, unless it is killed after some seconds."""
        self.parent.stdin.write(f"{code}\n".encode())
        child = int(self.parent.stdout.readline())
        if seconds is not None and not select.select([self.parent.stdout], [], [], seconds)[0]:
            with contextlib.suppress(ProcessLookupError):  # it has ended at this very moment
                os.kill(child, signal.SIGKILL)
        status = int(self.parent.stdout.readline())
        assert status in (0, signal.SIGKILL), "it failed by itself; see standard error"
        return status == 0

    def kill_often(self, code, kills, rng, seen=lambda: None, again=lambda: None):
        """Kill it that often at random moments, in between let it end, and tell how often `seen` is asked."""
        start = perf_counter()
        assert self.run(code())
        seconds, killed = perf_counter() - start, 0
        again()
        while killed < kills:
            done = self.run(code(), rng.uniform(0, 1.1) * seconds)
            seen()
            killed += not done
            if done or rng.random() < 0.2:
                assert self.run(code())
                seen()
                again()
        assert self.run(code())
        seen()


KILLS = [12, pytest.param(150, marks=pytest.mark.slow)]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


@needs_fork
@pytest.mark.parametrize("kills", KILLS)
def test_killed_at_any_moment_a_download_is_whole_in_the_end_and_never_wrong_before(tmp_path, kills):
    folder = tmp_path / "cache" / "all"

    def seen():
        assert not folder.exists() or files_in(folder) == FILES
        archive = folder.with_name("a.tar.gz")
        assert not archive.exists() or archive.read_bytes() == ARCHIVE

    with Server(ARCHIVE, ranged, name="a.tar.gz") as server, Forks() as forks:
        code = f"download.fetch_folder([{server.url!r}], Path({str(folder)!r}), {DIGEST!r}, {len(ARCHIVE)})"
        forks.kill_often(lambda: code, kills, random.Random(0), seen, lambda: shutil.rmtree(folder))
    assert {path.name for path in folder.parent.iterdir()} - {".lock"} == {"all"}
    assert files_in(folder) == FILES


@needs_fork
@pytest.mark.parametrize("kills", KILLS)
def test_killed_at_any_moment_an_unpacking_is_whole_in_the_end_and_never_wrong_before(tmp_path, kills):
    folder = tmp_path / "cache" / "all"
    (tmp_path / "a.tar.gz").write_bytes(ARCHIVE)

    def seen():
        assert not folder.exists() or files_in(folder) == FILES

    with Forks() as forks:
        code = f"Path({str(folder)!r}).exists() or unpack(Path({str(tmp_path / 'a.tar.gz')!r}), Path({str(folder)!r}))"
        forks.kill_often(lambda: code, kills, random.Random(1), seen, lambda: shutil.rmtree(folder))
    assert {path.name for path in folder.parent.iterdir()} - {".lock"} == {"all"}


@needs_fork
@pytest.mark.parametrize("kills", KILLS)
def test_killed_at_any_moment_the_building_of_a_cache_never_gives_wrong_pixels(tmp_path, kills):
    version = [0]

    def change():
        version[0] = (version[0] + 1) % 40  # the files of the dataset have become others

    with Forks() as forks:
        forks.kill_often(
            lambda: f"prepared(Path({str(tmp_path)!r}), {version[0]})", kills, random.Random(2), again=change
        )
    assert not list(tmp_path.rglob("*.part"))
