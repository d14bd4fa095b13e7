"""What is read to be predicted is, to the bit, what was trained on; by rows, whatever the size."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import imagecodecs
import numpy as np
import pytest
import tifffile
from image_folders import photo, save
from PIL import Image
from pydantic import TypeAdapter
from tiffs import page, tags_of, written

from segzoo.data import tiff
from segzoo.data.images import read_values
from segzoo.data.pixels import Pixels, open_pages
from segzoo.errors import DataError
from segzoo.plugin import FileReading, Info
from segzoo_folder import ImageFolder

H, W = 40, 36


@pytest.fixture(autouse=True)
def _few_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(tiff, "AT_ONCE", 1000)


def remembered(info):
    """What is left of a dataset in the manifest of a run."""
    return TypeAdapter(Info).validate_python(json.loads(json.dumps(asdict(info), allow_nan=False)))


def trained_and_read(root, cache, **options):
    """Each training image, and what is read of its file afterwards."""
    dataset = ImageFolder(root=root, val=0.2, test=0, **options)
    info = dataset.describe(cache)
    pixels, samples = Pixels.of(remembered(info)), dataset.open(cache, "train")
    assert len(samples) > 2
    for name, files, (image, _) in zip(samples.ids, samples.files, samples, strict=True):
        number = int(name.partition("#")[2] or 0)
        with open_pages(files[0], pixels) as opened:
            yield image, opened.rows(number).array()


def ramps(dtype, low, high, count=5):
    return [np.linspace(low + n, high - n, H * W).reshape(H, W).astype(dtype) for n in range(count)]


FLOATS = ramps(np.float32, -1.5, 70)
DEEP = ramps(np.uint16, 200, 4000)
FOLDERS = {
    "rgb": ([photo(n, (H, W, 3)) for n in range(5)], ".png", {}),
    "grey": ([photo(n, (H, W)) for n in range(5)], ".png", {}),
    "grey as rgb": ([photo(0, (H, W, 3)), *(photo(n, (H, W)) for n in range(4))], ".png", {}),
    "alpha": ([photo(0, (H, W, 3)), *(photo(n, (H, W, 4)) for n in range(4))], ".png", {}),
    "16 bits": (DEEP, ".png", {}),
    "16 bits, range of the type": (DEEP, ".png", {"range": "type"}),
    "8 and 16 bits": ([*DEEP, *ramps(np.uint8, 0, 200)], ".png", {}),
    "8 and 16 bits, given range": ([*DEEP, *ramps(np.uint8, 0, 200)], ".png", {"range": (300, 3000)}),
    "8 bits, given range": (ramps(np.uint8, 0, 200), ".png", {"range": (10, 90)}),
    "signed": (ramps(np.int32, 0, 60000), ".npy", {}),
    "floats": (FLOATS, ".npy", {"range": (-1, 50.5)}),
    "float TIFFs": (FLOATS, ".tif", {"range": (-1, 50.5)}),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_is_read_as_in_the_training(tmp_path, cache, name):
    images, suffix, options = FOLDERS[name]
    for number, image in enumerate(images):
        save(tmp_path / f"images/{number}{suffix}", image)
        save(tmp_path / f"masks/{number}.png", np.tile(np.uint8([0, 255]), (H, W // 2)))
    for trained, read in trained_and_read(tmp_path, cache, **options):
        assert read.dtype == trained.dtype
        np.testing.assert_array_equal(read, trained)


@pytest.mark.parametrize("mode", ["P", "CMYK"])
def test_colours_are_looked_up_and_converted_as_in_the_training(tmp_path, cache, mode):
    (tmp_path / "images").mkdir()
    for number in range(5):
        image = Image.fromarray(photo(number, (H, W, 3))).convert(mode)
        image.save(tmp_path / f"images/{number}.tif", compression="tiff_lzw")
        save(tmp_path / f"masks/{number}.png", np.tile(np.uint8([0, 255]), (H, W // 2)))
    for trained, read in trained_and_read(tmp_path, cache):
        np.testing.assert_array_equal(read, trained)


@pytest.mark.parametrize("stack", [None, "channels"])
def test_pages_are_samples_or_channels_as_in_the_training(tmp_path, cache, stack):
    (tmp_path / "images").mkdir()
    for number in range(6):
        (tmp_path / f"images/{number}.tif").write_bytes(written([page(ramp) for ramp in ramps(np.uint16, number, 900)]))
        masks = [np.tile(np.uint8([0, 255]), (H, W // 2))] * (1 if stack else 5)
        (tmp_path / "masks").mkdir(exist_ok=True)
        (tmp_path / f"masks/{number}.tif").write_bytes(written([page(mask) for mask in masks]))
    pairs = list(trained_and_read(tmp_path, cache, stack=stack))
    assert pairs[0][0].shape[2] == (5 if stack else 1)
    for trained, read in pairs:
        np.testing.assert_array_equal(read, trained)


def test_what_was_not_trained_on_is_refused_by_name(tmp_path):
    path = save(tmp_path / "a.png", DEEP[0])
    with pytest.raises(DataError, match=r"a.png is uint16, and the images of the training are uint8: save it alike"):
        Pixels(1, None, FileReading("uint8")).read(path, 0)
    path = save(tmp_path / "a.npy", FLOATS[0])
    with pytest.raises(DataError, match=r"a.npy: its pixels are float32.*the training images hold 3 to 900.5$"):
        Pixels(1, None, FileReading("uint16", spread=(3, 900.5))).read(path, 0)
    path = save(tmp_path / "a.npy", np.zeros((H, W, 2), np.uint8))
    with pytest.raises(DataError, match=r"a.npy has 2 channels, not 3"), open_pages(path, Pixels(3)) as opened:
        opened.rows(0).array()


def test_of_a_dataset_that_tells_no_more_images_are_read_as_they_are(tmp_path):
    for name, image in {"a.png": DEEP[0], "b.png": photo(0, (H, W))}.items():
        np.testing.assert_array_equal(Pixels(1).read(save(tmp_path / name, image), 0)[..., 0], image)
    scaled = Pixels(1, (200, 4000)).read(tmp_path / "a.png", 0)[..., 0]
    np.testing.assert_array_equal(scaled, np.rint((DEEP[0] - 200.0) / 3800 * 65535))


LAYOUTS = {
    "strips": ({"compression": "zlib", "rowsperstrip": 7}, 7),
    "strips of a row": ({"compression": "lzw", "rowsperstrip": 1}, 2),
    "stored strips": ({"rowsperstrip": 7}, 2),
    "tiles": ({"compression": "zlib", "tile": (16, 32), "predictor": True}, 16),
    "stored tiles": ({"tile": (16, 16)}, 16),
    "stored tiles as wide as the image": ({"tile": (16, 48)}, 3),
    "BigTIFF": ({"compression": "zstd", "tile": (32, 16), "bigtiff": True}, 32),
}
"""Options to write a file, and the rows that are then read at once."""


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tiff_comes_by_rows_of_tiles_or_strips(tmp_path, layout, order, planar):
    size = (96, 48) if "wide" in layout else (101, 83)
    values = photo(0, (*size, 3)).astype(np.uint16) * 200
    stored = values if planar == "contig" else np.moveaxis(values, -1, 0)
    path, (options, height) = tmp_path / "a.tif", LAYOUTS[layout]
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planar, byteorder=order, **options)
    with open_pages(path, Pixels(3)) as opened:
        rows = list(opened.rows(0))
        assert opened.sizes == [size]
    np.testing.assert_array_equal(np.concatenate(rows), values)
    assert {len(part) for part in rows[:-1]} == {height}
    whole = read_values(path)
    np.testing.assert_array_equal(whole, values)


def test_channels_in_pages_of_different_strips_come_together(tmp_path):
    several = [photo(n, (50, 30)) for n in range(3)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for rows, values in zip((7, 50, 20), several, strict=True):
            options = {"compression": "zlib", "rowsperstrip": rows, "metadata": None}
            file.write(values, photometric="minisblack", contiguous=False, **options)
    with open_pages(tmp_path / "a.tif", Pixels(3, None, FileReading("uint8", stack="channels"))) as opened:
        np.testing.assert_array_equal(opened.rows(0).array(), np.stack(several, -1))


def test_pages_are_read_in_any_order_and_size(tmp_path):
    several = [photo(n, size) for n, size in enumerate([(30, 40), (70, 20), (5, 5)])]
    (tmp_path / "a.tif").write_bytes(written([page(values) for values in several]))
    with open_pages(tmp_path / "a.tif", Pixels(1)) as opened:
        assert opened.sizes == [(30, 40), (70, 20), (5, 5)]
        for number in (2, 0, 1):
            np.testing.assert_array_equal(opened.rows(number).array()[..., 0], several[number])


@pytest.mark.parametrize("name", ["a.png", "a.npy", "stored.tif", "deflated.tif"])
def test_threads_read_the_pages_of_a_file_at_once(tmp_path, name):
    path, values = tmp_path / name, photo(0, (200, 100, 3))
    if path.suffix == ".tif":
        compression = None if name == "stored.tif" else "zlib"
        tifffile.imwrite(path, values, photometric="rgb", compression=compression, rowsperstrip=3)
    else:
        save(path, values)
    with open_pages(path, Pixels(3)) as opened, ThreadPoolExecutor(4) as pool:
        for read in pool.map(lambda _: opened.rows(0).array(), range(12)):
            np.testing.assert_array_equal(read, values)


def test_errors_of_other_work_are_not_taken_for_those_of_the_file(tmp_path):
    path = save(tmp_path / "a.png", photo(0, (H, W)))
    with pytest.raises(KeyError, match="mine"), open_pages(path, Pixels(1)) as opened:  # noqa: PT012
        for _ in opened.rows(0):
            raise KeyError("mine")


# Files that claim much, or hold little


def huge(tile=256, across=2**15, size=None, count=None, content=b"x\x9cc\0\0\0\1\0\1", compression=8):
    """A small TIFF that tells of tiles, all of which are the same few bytes."""
    tags = tags_of(np.zeros((1, 1), np.uint8))
    height, width = size or (tile * across, tile * across)
    del tags[278]
    tags |= {256: ("I", [width]), 257: ("I", [height]), 259: ("H", [compression])}
    tags |= {322: ("I", [tile]), 323: ("I", [tile])}
    return written([(tags, [content] * (count or 1))])


CLAIMS = {
    "tiles that are not there": huge(),
    "a row of tiles": huge(across=2**21, size=(256, 2**29)),
    "large tiles": huge(tile=2**15, size=(2**17, 2**17), count=16),
    "tiles larger than the image": huge(tile=2**20, size=(300, 300)),
    "rows without end": huge(size=(2**32 - 1, 1), count=3),
    "all": huge(tile=2**16, size=(2**32 - 1, 2**32 - 1)),
    "a picture in a tile": huge(16, 2, count=4, content=imagecodecs.jpeg_encode(photo(0, (500, 500))), compression=7),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_file_that_claims_much_is_refused_by_name(tmp_path, name):
    (tmp_path / "a.tif").write_bytes(CLAIMS[name])
    with pytest.raises(DataError, match=r"a\.tif"), open_pages(tmp_path / "a.tif", Pixels(1)) as opened:
        for _ in opened.rows(0):
            pass
    with pytest.raises(DataError, match=r"a\.tif"):
        read_values(tmp_path / "a.tif")
