import bz2
import gzip
import io
import lzma
import os
import random
import stat
import struct
import tarfile
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import pytest
from damage import damaged
from hypothesis import given, settings
from hypothesis import strategies as st

from segzoo.errors import DataError, SegzooError
from segzoo.files import archives
from segzoo.files.archives import Limit, unpack

CONTENT = random.Random(0).randbytes(10_000)


def lying_in(folder):
    """What lies in a folder, but for the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def files_in(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


def entry(name, content=b"", kind=0, **attributes):
    info = zipfile.ZipInfo(name)
    info.external_attr = kind << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info, content


def pack_zip(path, *entries):
    with zipfile.ZipFile(path, "w") as file:
        for info, content in entries:
            file.writestr(info, content)
    return path


FILES = {"images/a.jpg": b"a", "images/deep/b.jpg": CONTENT, "other/c.jpg": b"c"}
IMAGES = [member("images", type=tarfile.DIRTYPE), *(member(*file) for file in FILES.items())]
ENTRIES = [entry("images/", kind=stat.S_IFDIR | 0o755), *(entry(*file) for file in FILES.items())]


@pytest.fixture
def place(tmp_path):
    """A folder with nothing beside it."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture(params=["w", "w:gz", "w:bz2", "w:xz", "zip"])
def archive(request, place):
    """Of each kind, under a name that says nothing of it."""
    path = place / "archive"
    return pack_zip(path, *ENTRIES) if request.param == "zip" else pack(path, *IMAGES, mode=request.param)


def test_an_archive_becomes_a_folder(archive, place):
    (place / "all.part").mkdir()
    (place / "all.part" / "of a process that was killed").touch()
    unpack(archive, place / "all")
    assert files_in(place / "all") == FILES
    assert lying_in(place) == ["all", "archive"]


def test_a_folder_inside_of_an_archive_becomes_one(archive, place):
    unpack(archive, place / "photos", inside="images")
    assert files_in(place / "photos") == {"a.jpg": b"a", "deep/b.jpg": CONTENT}
    assert lying_in(place) == ["archive", "photos"]


def test_an_archive_without_the_folder_is_named(archive, place):
    for inside in ("masks", "images/a.jpg"):
        with pytest.raises(DataError, match=f"{archive} holds no folder '{inside}'"):
            unpack(archive, place / "all", inside)
    assert lying_in(place) == ["archive"]


OUTSIDE = ["../evil", "images/../../evil", "/tmp/evil", "images/../../place/evil", ".."]
TAR_LINKS = [
    member("images/link", type=tarfile.SYMTYPE, linkname="../../evil"),
    member("images/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    member("images/link", type=tarfile.SYMTYPE, linkname="a.jpg"),
    member("images/link", type=tarfile.LNKTYPE, linkname="../evil"),
    member("images/link", type=tarfile.LNKTYPE, linkname="images/a.jpg"),
    member("images/device", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    member("images/device", type=tarfile.BLKTYPE, devmajor=8),
    member("images/pipe", type=tarfile.FIFOTYPE),
]
ZIP_LINKS = [
    entry("images/link", b"/etc/passwd", stat.S_IFLNK | 0o777),
    entry("images/device", b"", stat.S_IFCHR | 0o666),
    entry("images/pipe", b"", stat.S_IFIFO | 0o666),
]
MISFITS = ["images/a.jpg", "images", "images/a.jpg/inside", "images/" + 300 * "n"]
EVIL = [
    *((pack, IMAGES, member(name, b"evil"), "leads out of the folder") for name in OUTSIDE),
    *((pack_zip, ENTRIES, entry(name, b"evil"), "leads out of the folder") for name in OUTSIDE),
    *((pack, IMAGES, link, "is neither file nor folder") for link in TAR_LINKS),
    *((pack_zip, ENTRIES, link, "is neither file nor folder") for link in ZIP_LINKS),
    *((pack, IMAGES, member(name, b"evil"), "has no place: ") for name in MISFITS),
    *((pack_zip, ENTRIES, entry(name, b"evil"), "has no place: ") for name in MISFITS),
    (pack, IMAGES, member("d/" * 40 + "file", b"evil"), "lies too deep"),
    (pack_zip, ENTRIES, entry("d/" * 40 + "file", b"evil"), "lies too deep"),
]


@pytest.mark.parametrize(("make", "good", "evil", "why"), EVIL, ids=range(len(EVIL)))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_unsafe_archive_is_refused_and_nothing_stays(place, make, good, evil, why):
    archive = make(place / "archive", *good, evil)
    with pytest.raises(DataError, match=f"{archive} is refused: its member .* {why}") as error:
        unpack(archive, place / "all")
    assert repr(evil[0].name if make is pack else evil[0].filename) in str(error.value)
    assert lying_in(place) == ["archive"]
    assert lying_in(place.parent) == ["place"]


def test_an_encrypted_zip_is_refused(place):
    archive = pack_zip(place / "archive", entry("a.jpg", b"secret"))
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # in the header of the file
    content[content.index(b"PK\1\2") + 8] |= 1  # and in the directory
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"its member 'a.jpg' is encrypted"):
        unpack(archive, place / "all")


def test_zip_members_that_share_their_bytes_count_each(place):
    """As in a bomb, where thousands of members are made of the same bytes; newer versions of Python refuse them."""
    inner = pack_zip(place / "inner", entry("b", CONTENT))
    with zipfile.ZipFile(place / "archive", "w") as file, zipfile.ZipFile(inner) as other:
        held = inner.read_bytes()[: other.start_dir]
        file.writestr(zipfile.ZipInfo("a"), held)
        shared = other.getinfo("b")
        shared.header_offset = len(file.getinfo("a").FileHeader())
        file.filelist.append(shared)
    inner.unlink()
    with pytest.raises(DataError, match=r"it unpacks to more than|is damaged.*Overlapped"):
        unpack(place / "archive", place / "all", limit=Limit(size=len(held) + len(CONTENT) - 1))
    assert lying_in(place) == ["archive"]


def test_files_and_folders_have_the_rights_of_any_new_one(place):
    before = os.umask(0o022)
    try:
        members = [member("d", type=tarfile.DIRTYPE, mode=0), member("d/tool", b"rm", mode=0o6777, uid=12345)]
        unpack(pack(place / "archive", *members), place / "all")
    finally:
        os.umask(before)
    assert (place / "all" / "d").stat().st_mode & 0o7777 == 0o755
    assert (place / "all" / "d" / "tool").stat().st_mode & 0o7777 == 0o644
    assert (place / "all" / "d" / "tool").stat().st_uid == os.getuid()


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused_before_it_is_written(archive, place):
    total = sum(map(len, FILES.values()))
    with pytest.raises(DataError, match=f"it unpacks to more than {total - 1:,} bytes"):
        unpack(archive, place / "all", limit=Limit(size=total - 1))
    assert lying_in(place) == ["archive"]
    unpack(archive, place / "all", limit=Limit(size=total))
    assert files_in(place / "all") == FILES


def test_an_archive_of_too_many_members_is_refused(archive, place):
    with pytest.raises(DataError, match="it has more than 3 members"):
        unpack(archive, place / "all", limit=Limit(members=3))
    unpack(archive, place / "all", limit=Limit(members=4))


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_nothing_is_written_of_a_file_beyond_the_limit(place, monkeypatch, kind):
    monkeypatch.setattr(archives, "LEAST", 10**6)
    zeros = bytes(2 * 10**7)
    bomb = (
        pack(place / "archive", member("zeros", zeros))
        if kind == "tar"
        else pack_zip(place / "archive", entry("zeros", zeros))
    )
    limit, written = max(100 * bomb.stat().st_size, 10**6), []
    monkeypatch.setattr(archives, "_write", lambda member, folder: written.append(member))
    with pytest.raises(DataError, match=f"it unpacks to more than {limit:,} bytes"):
        unpack(bomb, place / "all")
    assert not written
    assert lying_in(place) == ["archive"]


def test_what_a_zip_claims_of_its_size_does_not_matter(place):
    archive = pack_zip(place / "archive", entry("zeros", bytes(10**6)))
    content = bytearray(archive.read_bytes())
    directory = content.index(b"PK\1\2")
    content[directory + 24 : directory + 28] = struct.pack("<I", 10)
    archive.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        unpack(archive, place / "all", limit=Limit(size=10**5))


@pytest.mark.parametrize("type", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_claims_gigabytes_is_refused_unread(place, type):
    info = tarfile.TarInfo("x")
    info.type, info.size = type, 2**32
    (place / "archive").write_bytes(gzip.compress(info.tobuf() + bytes(2**22)))
    with pytest.raises(DataError, match=r"is damaged.*a header claims more than there can be"):
        unpack(place / "archive", place / "all")


def test_a_damaged_archive_is_named_and_nothing_stays(archive, place):
    whole = archive.read_bytes()
    for length in range(0, len(whole.rstrip(b"\0")) - 100, 501):  # of what comes last nothing is lost
        archive.write_bytes(whole[:length])
        with pytest.raises(DataError, match=f"{archive} is damaged, or neither tar nor zip: "):
            unpack(archive, place / "all")
        assert lying_in(place) == ["archive"]


def test_a_tar_with_a_header_that_cannot_be_read_is_damaged(place):
    archive = pack(place / "archive", *IMAGES, mode="w")
    content = bytearray(archive.read_bytes())
    content[content.index(b"other/c.jpg") + 3] ^= 1  # its checksum no longer fits
    archive.write_bytes(content)
    with pytest.raises(DataError, match="the mark of its end is missing"):
        unpack(archive, place / "all")


def test_a_zip_that_says_that_its_bytes_are_before_it_is_damaged(place):
    archive = pack_zip(place / "archive", *ENTRIES[1:])
    content = archive.read_bytes()
    archive.write_bytes(content[:2] + content[3:])  # so its first file begins at -1
    with pytest.raises(DataError, match="is damaged"):
        unpack(archive, place / "all")


def test_what_is_no_archive_is_named(place):
    (place / "archive").write_bytes(b"<html>" * 1000)
    with pytest.raises(DataError, match=f"{place / 'archive'} is damaged, or neither tar nor zip"):
        unpack(place / "archive", place / "all")


@pytest.mark.parametrize(
    ("failure", "seen", "message"),
    [
        (OSError(28, "No space left on device"), SegzooError, "disk of .* is full"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ],
    ids=["disk full", "Ctrl-C"],
)
def test_an_unpacking_that_ends_early_leaves_only_the_archive(archive, place, monkeypatch, failure, seen, message):
    whole = archives._write

    def write(member, *given):
        if member.name == "images/deep/b.jpg":
            raise failure
        return whole(member, *given)

    monkeypatch.setattr(archives, "_write", write)
    with pytest.raises(seen, match=message):
        unpack(archive, place / "all")
    assert lying_in(place) == ["archive"]


def in_holes(kind):
    """A file of 5,000 bytes as GNU tar keeps those with holes: five bytes, and where they are."""
    if kind == "pax":
        facts = {"GNU.sparse.map": "100,3,4000,2", "GNU.sparse.size": "5000"}
        return content_of(partial(pack, mode="w"), [member("sparse", b"abcde", pax_headers=facts)])
    tar = bytearray(content_of(partial(pack, mode="w"), [member("sparse", b"abcde", type=tarfile.GNUTYPE_SPARSE)]))
    tar[257:265] = b"ustar  \0"
    for place, number in zip((386, 398, 410, 422, 483), (100, 3, 4000, 2, 5000), strict=True):
        tar[place : place + 12] = b"%011o\0" % number
    return repaired(tar)


@pytest.mark.parametrize("kind", ["pax", "gnu"])
def test_a_file_with_holes_is_whole_and_counts_with_them(place, kind):
    archive = place / "archive"
    archive.write_bytes(in_holes(kind))
    with pytest.raises(DataError, match="it unpacks to more than 4,999 bytes"):
        unpack(archive, place / "all", limit=Limit(size=4999))
    unpack(archive, place / "all", limit=Limit(size=5000))
    assert (place / "all" / "sparse").read_bytes() == bytes(100) + b"abc" + bytes(3897) + b"de" + bytes(998)


def test_names_that_differ_in_case_are_two_files_where_the_disk_tells_them_apart(place):
    pair = {"images/a.jpg": b"small", "images/A.jpg": b"large"}
    archive = pack(place / "archive", *map(member, pair, pair.values()))
    (place / "probe").touch()
    if (place / "PROBE").exists():
        with pytest.raises(DataError, match=r"'images/A.jpg' has no place"):
            unpack(archive, place / "all")
    else:
        unpack(archive, place / "all")
        assert files_in(place / "all") == pair


def repaired(tar):
    """A tar with the checksums of what is in its headers, so that what is wrong with them is believed."""
    tar = bytearray(tar)
    for start in range(0, len(tar) - tarfile.BLOCKSIZE + 1, tarfile.BLOCKSIZE):
        block = tar[start : start + tarfile.BLOCKSIZE]
        if block[257:262] == b"ustar":
            tar[start + 148 : start + 156] = b"%06o\0 " % (256 + sum(block[:148]) + sum(block[156:]))
    return bytes(tar)


def content_of(make, members):
    with tempfile.TemporaryDirectory() as folder:
        return make(Path(folder) / "archive", *members).read_bytes()


SMALL = {"images/a.jpg": b"a" * 600, "images/deep/b.jpg": b"b", "other/c.jpg": b"c", "n" * 120: b"long"}
SMALL_TAR = content_of(partial(pack, mode="w"), [IMAGES[0], *map(member, SMALL, SMALL.values())])
SMALL_TAR = SMALL_TAR[: len(SMALL_TAR.rstrip(b"\0")) + 1500]  # what fills up its last record says nothing
SMALL_ZIP = content_of(pack_zip, list(map(entry, SMALL, SMALL.values())))
FUZZED = {
    "tar": damaged(SMALL_TAR),
    "tar that adds up": damaged(SMALL_TAR).map(repaired),
    "tar of a file with holes": st.sampled_from([in_holes("pax"), in_holes("gnu")]).flatmap(damaged).map(repaired),
    "tar.gz of one that adds up": damaged(SMALL_TAR).map(repaired).map(partial(gzip.compress, compresslevel=1)),
    "tar.gz": damaged(gzip.compress(SMALL_TAR)),
    "tar.xz": damaged(lzma.compress(SMALL_TAR)),
    "tar.bz2": damaged(bz2.compress(SMALL_TAR)),
    "zip": damaged(SMALL_ZIP),
}


@pytest.mark.parametrize("kind", FUZZED)
@settings(max_examples=50)
@given(data=st.data())
def test_a_damaged_archive_is_refused_or_unpacked_inside_of_the_folder(kind, data):
    with tempfile.TemporaryDirectory() as outside:
        place = Path(outside) / "place"
        place.mkdir()
        (place / "archive").write_bytes(data.draw(FUZZED[kind]))
        try:
            unpack(place / "archive", place / "all", limit=Limit(10**6, 100))
        except DataError as error:
            assert str(place / "archive") in str(error)  # noqa: PT017
        else:
            assert sum(path.stat().st_size for path in (place / "all").rglob("*")) <= 10**6 + 2**20  # folders too
            assert not any(path.is_symlink() for path in (place / "all").rglob("*"))
        assert set(lying_in(place)) <= {"archive", "all"}
        assert lying_in(Path(outside)) == ["place"]
