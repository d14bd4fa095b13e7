"""TIFF files in tiles, read again by tifffile, by Pillow and by our own reader."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from segzoo.data import tiled_tiff
from segzoo.data.images import header, palette, read_mask, read_values
from segzoo.data.tiled_tiff import TILE, TiledTiff

COLOURS = np.uint8([[1, 2, 3], [40, 50, 60], [255, 0, 254]])


def numbers(size, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random(size).astype(dtype) if np.dtype(dtype).kind == "f" else rng.integers(0, 3, size).astype(dtype)


def store(path, pages, height=50, **options):
    """Write the rows of all pages in turns."""
    with TiledTiff(path) as tiff:
        opened = [tiff.page(values.shape, values.dtype, **options) for values in pages]
        for top in range(0, max(map(len, pages)), height):
            for page, values in zip(opened, pages, strict=True):
                page.add(values[top : top + height])
    return path


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("size", [(1, 1), (300, 700), (TILE, TILE), (TILE + 1, 2 * TILE), (700, 3)])
@pytest.mark.parametrize("height", [1, TILE, 1000])
def test_rows_of_any_number_are_read_as_they_were_written(tmp_path, dtype, size, height):
    values = numbers(size, dtype)
    path = store(tmp_path / "a.tif", [values], height)
    np.testing.assert_array_equal(read_values(path)[..., 0], values)
    with tifffile.TiffFile(path) as file:
        (page,) = file.pages
        assert (page.dtype, page.is_tiled, page.compression.name) == (dtype, True, "ADOBE_DEFLATE")
        np.testing.assert_array_equal(page.asarray(), values)


@pytest.mark.parametrize("big", [False, True])
def test_pages_grow_beside_each_other(tmp_path, monkeypatch, big):
    if big:
        monkeypatch.setattr(tiled_tiff, "LAST_OFFSET", 2000)
    several = [numbers((300, 400), "uint8", 1), numbers((20, 30), "uint8", 2), numbers((600, 260), "uint8", 3)]
    path = store(tmp_path / "a.tif", several, colours=COLOURS)
    assert tifffile.TiffFile(path).is_bigtiff == big
    np.testing.assert_array_equal(palette(path, 1)[:3], COLOURS)
    with Image.open(path) as image:
        assert image.n_frames == 3
        for page, values in enumerate(several):
            np.testing.assert_array_equal(read_mask(path, page), values)
            image.seek(page)
            np.testing.assert_array_equal(image, values)
            np.testing.assert_array_equal(image.convert("RGB"), COLOURS[values])


def test_offsets_have_64_bits_only_where_that_is_needed(tmp_path, monkeypatch):
    values = numbers((300, 400), "uint8")
    whole = store(tmp_path / "a.tif", [values]).stat().st_size
    for limit, big in ((whole // 2, True), (2 * whole, False)):
        monkeypatch.setattr(tiled_tiff, "LAST_OFFSET", limit)
        with tifffile.TiffFile(store(tmp_path / "b.tif", [values])) as file:
            assert file.is_bigtiff == big
            np.testing.assert_array_equal(file.asarray(), values)


@pytest.mark.slow
def test_a_file_of_more_than_4_gb(tmp_path):
    values = numbers((300, 400), "uint8")
    with TiledTiff(tmp_path / "a.tif") as tiff:
        first, second = tiff.page(values.shape, "uint8"), tiff.page(values.shape, "uint8")
        first.add(values)
        tiff.append(bytes(1))
        tiff._file.seek(2**32)  # a hole, which takes no room on the disk
        second.add(values)
    for page in range(2):
        np.testing.assert_array_equal(read_mask(tmp_path / "a.tif", page), values)


def test_names_and_axes_are_told(tmp_path):
    values = numbers((20, 30), "float16")
    with TiledTiff(tmp_path / "a.tif") as tiff:
        texts = json.dumps({"axes": "CYX", "shape": [2, 20, 30]})
        for name, description in (("Zellwände", texts), ("", "")):
            tiff.page(values.shape, values.dtype, name=name, description=description).add(values)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.tags["PageName"].value == "Zellwände"
        assert "PageName" not in file.pages[1].tags
    assert header(tmp_path / "a.tif").channels == 2


def test_a_page_that_lacks_rows_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="page 0 of a TIFF lacks rows"), TiledTiff(tmp_path / "a.tif") as tiff:
        tiff.page((3, 4), "uint8").add(np.zeros((2, 4), np.uint8))


def test_an_error_in_the_block_is_the_one_that_is_told(tmp_path):
    with pytest.raises(KeyError), TiledTiff(tmp_path / "a.tif") as tiff:  # noqa: PT012
        tiff.page((3, 4), "uint8")
        raise KeyError
