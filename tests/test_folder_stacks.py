"""Own images in TIFF files of several pages: what is a sample, and what is a channel."""

import numpy as np
import pytest
import tifffile
from own_folders import SQUARE, opened, photo, save
from tiffs import page, written

from segzoo.errors import DataError

BANDS = 5
H, W = SQUARE.shape


def bands(number):
    return np.random.default_rng(number).integers(0, 256, (BANDS, H, W)).astype(np.uint8)


@pytest.fixture
def paged(tmp_path):
    """Twenty images whose bands are pages, with masks of one page."""
    for number in range(20):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / f"images/img_{number}.tif").write_bytes(written([page(band) for band in bands(number)]))
        save(tmp_path / f"masks/img_{number}.png", SQUARE)
    return tmp_path


def test_pages_are_channels_where_the_user_says_so(paged, own_cache):
    with pytest.raises(DataError, match=r"dataset\.stack=channels"):
        opened(paged, own_cache)["train"][0]
    samples = opened(paged, own_cache, stack="channels")["train"]
    image, mask = samples[0]
    np.testing.assert_array_equal(image, np.moveaxis(bands(int(samples.ids[0][4:])), 0, -1))
    np.testing.assert_array_equal(mask, SQUARE)


def test_what_was_looked_up_is_of_the_stack_that_was_asked_for(paged, own_cache):
    channels = opened(paged, own_cache, stack="channels")["train"][0][0].shape[2]
    assert channels == BANDS
    with pytest.raises(DataError, match=r"dataset\.stack=channels"):
        opened(paged, own_cache, stack="samples")["train"][0]
    assert opened(paged, own_cache, stack="channels")["train"][0][0].shape[2] == BANDS


@pytest.mark.parametrize("form", ["imagej", "ome"])
def test_slices_are_samples_and_channels_are_channels(tmp_path, own_cache, form):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    volume = np.random.default_rng(0).integers(0, 256, (20, 2, H, W)).astype(np.uint8)
    labels = np.stack([np.roll(SQUARE, number, 0) for number in range(20)])
    kind = {form: True, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "images/v.tif", volume, metadata={"axes": "ZCYX"}, **kind)
    tifffile.imwrite(tmp_path / "masks/v.tif", labels, metadata={"axes": "ZYX"}, **kind)
    samples = opened(tmp_path, own_cache, blocks=True)
    assert sorted(name for split in samples.values() for name in split.ids) == [f"v#{i:03}" for i in range(20)]
    for split in samples.values():
        for name, (image, mask) in zip(split.ids, split, strict=True):
            np.testing.assert_array_equal(image, np.moveaxis(volume[int(name[2:])], 0, -1))
            np.testing.assert_array_equal(mask, labels[int(name[2:])])


def test_stacks_without_directories_are_read_as_those_with_them(tmp_path, own_cache):
    """Images as ImageJ saves them, masks in plain pages."""
    (tmp_path / "images").mkdir()
    volume = np.stack([photo(number)[..., 0] for number in range(20)])
    tags, _ = page(volume[0], t270=("s", b"ImageJ=1.53t\nimages=20\nslices=20\n\0"))
    (tmp_path / "images/v.tif").write_bytes(written([(tags, [volume.tobytes()])]))
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/v.tif").write_bytes(written([page(SQUARE)] * 20))
    samples = opened(tmp_path, own_cache, blocks=True)["train"]
    for name, (image, _) in zip(samples.ids, samples, strict=True):
        np.testing.assert_array_equal(image[..., 0], volume[int(name[2:])])
