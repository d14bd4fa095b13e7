"""Files of formats that cannot be read: which are reported, and what is said."""

import os

import pytest
from image_folders import (
    SQUARE,
    ids,
    photo,
    refusal,
    save,
    write,
)

from segzoo.data.image_files import FORMATS
from segzoo_folder import ImageFolder, files
from segzoo_folder.files import NO_IMAGE, READABLE, UNKNOWN, UNSUPPORTED, stem_and_kind, why_unsupported

NAMES = [f"s{number:02}" for number in range(10)]


@pytest.fixture
def root(tmp_path):
    return write(tmp_path / "data", NAMES)


def rename(root, kind, names, suffix):
    for name in names:
        (root / kind / f"{name}.png").rename(root / kind / f"{name}{suffix}")


def kept(root, cache):
    """How many samples there are where what is not complete is left out."""
    return sum(map(len, ids(root, cache, allow_missing=True, val=0.3, test=0, split_seed=2).values()))


@pytest.mark.parametrize(
    ("name", "stem", "kind"),
    [
        *((f"a/b{suffix.upper()}", "a/b", READABLE) for suffixes in FORMATS.values() for suffix in suffixes),
        ("a/b.HEIC", "a/b", UNSUPPORTED),
        ("a/b.nii", "a/b", UNSUPPORTED),
        ("a/b.c.nii.gz", "a/b.c", UNSUPPORTED),
        ("a/b.tif.gz", "a/b", UNSUPPORTED),
        ("a/IMG_1.CR2", "a/IMG_1", UNSUPPORTED),
        ("a/b.dcm", "a/b", UNSUPPORTED),
        ("a/b.gz", "a/b", UNKNOWN),
        ("a/b.foo", "a/b", UNKNOWN),
        ("a.png/b", "a.png/b", UNKNOWN),
        ("a/1.2.840.10", "a/1.2.840.10", UNKNOWN),
        ("a/Thumbs.db", "a/Thumbs", NO_IMAGE),
        ("a/b.json", "a/b", NO_IMAGE),
        ("a/README", "a/README", NO_IMAGE),
        ("a/readme.md", "a/readme", NO_IMAGE),
    ],
)
def test_the_name_tells_what_a_file_is(name, stem, kind):
    assert stem_and_kind(name) == (stem, kind)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("a.heif", "is HEIC, which is not read: save it as PNG or TIFF"),
        ("a.nii.gz", "is NIfTI, which is not read: save its slices as PNG, or as the pages of a TIFF"),
        ("a.h5", "is HDF5, which is not read: save the array as .npy"),
        ("a.mp4", "is a video, which is not read: save its frames as PNG"),
        ("a.bmp.xz", "is packed: unpack it"),
        ("a.foo", "has the suffix .foo, which is not known: save it as PNG or TIFF"),
        ("a.b/c", "has no suffix: give it that of what it is, such as .png"),
    ],
)
def test_what_to_do_is_said_of_each_kind(name, what):
    assert why_unsupported(name).startswith(what)


def test_images_that_cannot_be_read_are_named_and_not_their_masks(root, cache):
    rename(root, "images", NAMES[:2], ".HEIC")
    message = refusal(root, cache)
    assert "has 2 files of kinds that cannot be read" in message
    assert f"{root / 'images/s00.HEIC'}, the image of masks/s00.png, is HEIC, which is not read: save it as" in message
    assert "lacks" not in message
    assert message.endswith("add `--set dataset.allow_missing=true`")
    assert kept(root, cache) == 8


def test_a_pair_neither_of_which_can_be_read_is_not_passed_over(root, cache):
    rename(root, "images", NAMES[:2], ".HEIC")
    rename(root, "masks", NAMES[:2], ".nii.gz")
    message = refusal(root, cache)
    assert "has 4 files of kinds that cannot be read" in message
    assert f"{root / 'masks/s00.nii.gz'}, the mask of images/s00.HEIC, is NIfTI" in message
    assert len(ImageFolder(root=root).missing(cache)) == 4
    left_out = ImageFolder(root=root, allow_missing=True)
    assert left_out.missing(cache) == []
    warning = left_out.warnings(cache)[0]
    assert warning.startswith("files that cannot be read are left out, 4 in number: ")
    assert str(root / "images/s00.HEIC") in warning
    assert "cannot be read" not in str(ImageFolder(root=write(root / "other", NAMES)).warnings(cache))


@pytest.mark.parametrize(
    ("suffix", "mask_suffix", "count", "what"),
    [
        (".HEIC", ".png", 10, "images/s00.HEIC, the image of masks/s00.png, is HEIC"),
        (".nii.gz", ".nii.gz", 20, "masks/s00.nii.gz, the mask of images/s00.nii.gz, is NIfTI"),
        ("", ".png", 10, "images/s00, the image of masks/s00.png, has no suffix: give it that of what it is"),
        ("", "", 20, "masks/s00, the mask of images/s00, has no suffix"),
        (".foo", ".png", 10, "images/s00.foo, the image of masks/s00.png, has the suffix .foo, which is not known"),
        (".dcm", "_mask.png", 10, "images/s00.dcm, the image of masks/s00_mask.png, is DICOM"),
    ],
)
def test_a_folder_of_which_nothing_can_be_read_says_why(root, cache, suffix, mask_suffix, count, what):
    rename(root, "images", NAMES, suffix)
    rename(root, "masks", NAMES, mask_suffix)
    for options in ({}, {"allow_missing": True}):
        message = refusal(root, cache, **options)
        assert f"has {count} files of kinds that cannot be read" in message
        assert what in message
        assert "allow_missing" not in message
    assert len(ImageFolder(root=root).missing(cache)) == count


def test_what_cannot_be_read_and_what_is_lacking_are_told_apart(root, cache):
    rename(root, "images", NAMES[:1], ".jxl")
    (root / "images/s10.dng").touch()
    (root / "masks/s03.png").unlink()
    message = refusal(root, cache)
    assert "has 2 files of kinds that cannot be read" in message
    assert f"{root / 'images/s10.dng'} is camera raw, which is not read" in message
    assert "It lacks 1 file: " in message
    assert f"{root / 'images/s03.png'} has no mask masks/s03.*" in message
    assert len(ImageFolder(root=root).missing(cache)) == 3
    assert kept(root, cache) == 8


def test_texts_and_second_files_of_a_sample_are_of_no_concern(root, cache):
    for name in ("s00.json", "s00.txt", "s00.CR2", "s00.tfw", "README", "LICENSE", "list.csv", "data.zip", "s01.psd"):
        (root / "images" / name).touch()
        (root / "masks" / name).touch()
    (root / "masks/data.zip").unlink()
    assert ImageFolder(root=root).missing(cache) == []
    assert kept(root, cache) == 10


def test_a_file_without_suffix_is_told_of_where_a_mask_lacks_its_image(tmp_path, cache):
    root = tmp_path / "data"
    for name in NAMES:
        save(root / f"images/image_{name}.png", photo())
        save(root / f"masks/mask_{name}.png", SQUARE)
    (root / "images/image_s04.png").rename(root / "images/image_s04")
    (root / "images/notes").touch()
    (line,) = ImageFolder(root=root).missing(cache)
    assert f"{root / 'images/image_s04'}, the image of masks/mask_s04.png, has no suffix" in line
    assert kept(root, cache) == 9


def test_a_folder_without_images_says_what_it_holds(tmp_path, cache):
    write(tmp_path, [])
    for name in ("images/a.dat", "masks/b.dat"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert "found are images (the file a.dat), masks (the file b.dat)" in refusal(tmp_path, cache)


def test_a_file_that_is_gone_has_no_stamp(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert files.stamp_of(tmp_path / "link") == files.ABSENT
    with os.scandir(tmp_path) as entries:
        assert [files.stamp_of(entry) for entry in entries] == [files.ABSENT]
