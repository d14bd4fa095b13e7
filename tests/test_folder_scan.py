"""Which files of a folder are images and masks, and what is said of the others."""

import os
import sys
from unicodedata import normalize

import pytest
from image_folders import (
    ids,
    opened,
    photo,
    refusal,
    save,
    write,
)

import segzoo
from segzoo.data.image_files import FORMATS
from segzoo_folder import ImageFolder


@pytest.fixture
def root(tmp_path):
    """Twenty photos with masks of 0 and 255."""
    return write(tmp_path / "data", [f"img_{number}" for number in range(20)])


def test_letters_that_a_mac_has_taken_apart(tmp_path, cache):
    root = write(tmp_path, [f"größe {number}" for number in range(20)])
    expected = ids(root, cache)
    for path in list((root / "masks").iterdir()):
        path.rename(path.with_name(normalize("NFD", path.name)))
    assert ids(root, cache) == expected


@pytest.mark.skipif(sys.platform == "darwin", reason="there all names are text")
def test_a_name_that_is_no_text_is_refused(root, cache):
    (root / "images" / os.fsdecode(b"gr\xf6\xdfe.png")).write_bytes(b"")
    assert r"gr\xf6\xdfe.png is not in UTF-8" in refusal(root, cache)


def test_a_folder_that_must_not_be_read_is_named(root, cache):
    (root / "masks").chmod(0)
    try:
        if os.access(root / "masks", os.R_OK):
            pytest.skip("from this user no rights can be taken away")
        assert f"cannot look through {root / 'masks'}: Permission denied" in refusal(root, cache)
    finally:
        (root / "masks").chmod(0o700)


def test_images_without_mask_and_masks_without_image_are_counted_and_named(root, cache):
    (root / "images/img_3.png").unlink()
    (root / "masks/img_4.png").unlink()
    message = refusal(root, cache)
    assert "lacks 2 files" in message
    assert f"{root / 'images/img_4.png'} has no mask masks/img_4.*" in message
    assert "`--set dataset.allow_missing=true`" in message
    assert len(ImageFolder(root=root).missing(cache)) == 2
    result = ids(root, cache, allow_missing=True)
    assert sum(map(len, result.values())) == 18
    assert ImageFolder(root=root, allow_missing=True).missing(cache) == []


def test_two_files_of_one_name_are_refused_whatever_is_allowed(root, cache):
    save(root / "images/img_3.bmp", photo())
    message = refusal(root, cache, allow_missing=True)
    assert f"{root / 'images/img_3.bmp'} and {root / 'images/img_3.png'} are both img_3" in message
    assert len(ImageFolder(root=root, allow_missing=True).missing(cache)) == 1


def test_hidden_files_and_files_of_other_kinds_do_not_count(root, cache):
    for name in ("images/._img_1.png", "images/.DS_Store", "images/Thumbs.db", "masks/README"):
        (root / name).write_bytes(b"")
    for name in ("images/@eaDir/img_1.png", "__MACOSX/images/img_2.png", "masks/.ipynb_checkpoints/img_3.png"):
        save(root / name, photo())
    assert sum(map(len, ids(root, cache).values())) == 20


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_is_no_file_is_a_finding_that_says_what_it_is(root):
    for name, target in {"img_0": "/nowhere/x.png", "img_1": "img_1.png", "img_2": "/dev/null"}.items():
        (root / f"images/{name}.png").unlink()
        (root / f"images/{name}.png").symlink_to(target)
    (root / "masks/img_3.png").unlink()
    os.mkfifo(root / "masks/img_3.png")
    result = {
        finding.id: finding.what for finding in segzoo.verify("folder", settings={"dataset.root": str(root)}).errors
    }
    assert result == {
        "img_0": f"cannot read {root / 'images/img_0.png'}: it is a link to /nowhere/x.png, which is not there",
        "img_1": f"cannot read {root / 'images/img_1.png'}: it is a link to img_1.png, which is not there",
        "img_2": f"cannot read {root / 'images/img_2.png'}: it is a device, not a file",
        "img_3": f"cannot read {root / 'masks/img_3.png'}: it is a named pipe, not a file",
    }


def test_a_link_in_a_circle_ends(root, cache):
    (root / "images/again").symlink_to(root / "images", target_is_directory=True)
    assert sum(map(len, ids(root, cache).values())) == 20


@pytest.mark.parametrize("suffix", sorted({suffixes[0] for name, suffixes in FORMATS.items()} - {".avif"}))
def test_every_format_is_read(tmp_path, cache, suffix):
    if suffix == ".qoi":
        pytest.importorskip("PIL", minversion="11.3")  # which writes them since then
    write(tmp_path, ["a"], suffix=suffix)
    write(tmp_path, ["b", "c"])
    image = next(
        image
        for samples in opened(tmp_path, cache, test=0).values()
        for name, (image, _) in zip(samples.ids, samples, strict=True)
        if name == "a"
    )
    assert image.shape == (6, 8, 3)
