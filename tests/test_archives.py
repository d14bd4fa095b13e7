import io
import random
import tarfile

import pytest

from segzoo.archives import unpack
from segzoo.errors import DataError, SegzooError

CONTENT = random.Random(0).randbytes(10_000)


def beside(path):
    """What lies in the folder of a file, but for the lock."""
    return sorted(other.name for other in path.parent.iterdir() if other.name != ".lock")


def member(name, content=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info, content


def pack(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


IMAGES = (member("images/a.jpg", b"a"), member("images/deep/b.jpg", b"b"), member("other/c.jpg", b"c"))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_becomes_the_folder_it_holds(tmp_path, mode):
    (tmp_path / "images.part" / "images").mkdir(parents=True)
    (tmp_path / "images.part" / "images" / "of a process that was killed").touch()
    archive = pack(tmp_path / "images.tar.gz", *IMAGES, mode=mode)
    unpack(archive, tmp_path / "images")
    files = [path for path in (tmp_path / "images").rglob("*") if path.is_file()]
    assert {path.name: path.read_text() for path in files} == {"a.jpg": "a", "b.jpg": "b"}
    assert beside(archive) == ["images"]


@pytest.mark.parametrize(
    "evil",
    [
        member("../evil", b"evil"),
        member("images/../../evil", b"evil"),
        member("images/link", type=tarfile.SYMTYPE, linkname="../../evil"),
        member("images/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("images/link", type=tarfile.LNKTYPE, linkname="../evil"),
        member("images/device", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("images/pipe", type=tarfile.FIFOTYPE),
    ],
    ids=lambda evil: f"{evil[0].name} {evil[0].linkname}",
)
def test_an_unsafe_archive_is_refused_and_nothing_stays(tmp_path, evil):
    (tmp_path / "place").mkdir()
    archive = pack(tmp_path / "place" / "images.tar.gz", *IMAGES, evil)
    with pytest.raises(DataError) as error:
        unpack(archive, tmp_path / "place" / "images")
    assert str(archive) in str(error.value)
    assert f"'{evil[0].name}'" in str(error.value)
    assert beside(archive) == []
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_an_absolute_path_stays_inside(tmp_path):
    outside = tmp_path / "outside"
    archive = pack(tmp_path / "images.tar.gz", *IMAGES, member(str(outside), b"evil"))
    unpack(archive, tmp_path / "images")
    assert beside(archive) == ["images"]


@pytest.mark.parametrize("kind", ["plain", "gzip", "text"])
def test_a_damaged_archive_is_named_and_nothing_stays(tmp_path, kind):
    archive = pack(
        tmp_path / "images.tar.gz", *IMAGES, member("images/d.jpg", CONTENT), mode="w" if kind == "plain" else "w:gz"
    )
    archive.write_bytes(b"<html>" if kind == "text" else archive.read_bytes()[:6000])
    with pytest.raises(DataError, match=f"{archive} is damaged"):
        unpack(archive, tmp_path / "images")
    assert beside(archive) == []


def test_an_archive_without_the_folder_is_named(tmp_path):
    archive = pack(tmp_path / "masks.tar.gz", *IMAGES)
    with pytest.raises(DataError, match=f"{archive} holds no folder 'masks'"):
        unpack(archive, tmp_path / "masks")
    assert beside(archive) == []


@pytest.mark.parametrize(
    ("failure", "seen", "message"),
    [
        (OSError(28, "No space left on device"), SegzooError, "disk of .* is full"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ],
    ids=["disk full", "Ctrl-C"],
)
def test_an_unpacking_that_ends_early_leaves_only_the_archive(tmp_path, monkeypatch, failure, seen, message):
    archive = pack(tmp_path / "images.tar.gz", *IMAGES)
    whole_files = tarfile.TarFile.makefile

    def makefile(tar, info, target):
        if info.name == "images/deep/b.jpg":
            raise failure
        whole_files(tar, info, target)

    monkeypatch.setattr(tarfile.TarFile, "makefile", makefile)
    with pytest.raises(seen, match=message):
        unpack(archive, tmp_path / "images")
    assert beside(archive) == ["images.tar.gz"]
