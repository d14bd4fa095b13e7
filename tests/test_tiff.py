import io
import struct
from itertools import product

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiffs import page, tags_of, written

from segzoo.data import tiff, tiff_planes
from segzoo.data.images import header, pages, palette, read_image, read_mask, read_masks, read_values
from segzoo.data.pixels import Pixels, open_pages
from segzoo.errors import DataError

H, W = 20, 18
RANDOM = np.random.default_rng(0)


def numbers(shape, dtype):
    """Whole numbers that are in range when they are read as pixels, whatever their type; from both ends of it."""
    largest = {"int8": 127, "int16": 32767}.get(dtype, 255 if dtype == "uint8" else 65535)
    values = RANDOM.integers(0, largest + 1, shape)
    values.flat[:2] = 0, largest
    return values.astype(dtype)


@pytest.fixture(autouse=True)
def _few_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(tiff, "AT_ONCE", 200)


@pytest.fixture
def put(tmp_path):
    """Writes a file."""

    def write(content, name="image.tif"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def same(path, expected, page=0):
    """Whether a page is read as an array (H, W, C), to the bit; the header says the same of it."""
    image = read_image(path, page=page)
    facts = header(path, page)
    assert (facts.size, facts.channels, facts.dtype) == (image.shape[:2], image.shape[2], expected.dtype)
    assert image.dtype == ("uint8" if expected.dtype.itemsize == 1 else "uint16")
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(by_rows(path, page), image)
    return True


def by_rows(path, page=0):
    """The pixels of a page, read a few rows at a time."""
    with open_pages(path, Pixels(header(path, page).channels)) as opened:
        return opened.rows(page).array()


DTYPES = ("uint8", "uint16", "int8", "int16", "float32")


def slow_unless(default, *values):
    """The case of these values, among the slow tests unless the condition holds."""
    return pytest.param(*values, marks=() if default else pytest.mark.slow, id="-".join(map(str, values)))


BYTE_ORDERS = list(product("<>", (False, True)))
UNCOMPRESSED = [
    slow_unless(number == index % len(BYTE_ORDERS), dtype, order, big)
    for index, dtype in enumerate(DTYPES)
    for number, (order, big) in enumerate(BYTE_ORDERS)
]
"""By default each type of numbers in one byte order and kind of TIFF, by the slow tests in all of them."""


@pytest.mark.parametrize(("dtype", "order", "big"), UNCOMPRESSED)
def test_what_was_written_byte_by_byte_is_read(put, dtype, order, big):
    for channels, planar, orientation, strips in product((1, 2, 3, 4, 5, 7), (1, 2), (1, 3, 6), (1, 3)):
        array = numbers((H, W, channels) if channels > 1 else (H, W), dtype)
        for photometric in (1, 2) if channels >= 3 else (1,):
            extra = [0] * (channels - (3 if photometric == 2 else 1))
            tags, data = page(
                array, order, photometric=photometric, planar=planar, extra=extra, t274=("H", [orientation])
            )
            if strips > 1:
                rows = -(-H // strips)
                each = [len(plane) // H * rows for plane in data]
                data = [plane[i : i + n] for plane, n in zip(data, each, strict=True) for i in range(0, len(plane), n)]
                tags[278] = ("I", [rows])
            path = put(written([(tags, data)], order, big))
            assert same(path, array.reshape(H, W, channels))
            assert header(path).turned is (orientation != 1)
            assert not header(path).alpha


COMPRESSIONS = (None, "zlib", "lzw", "packbits", "zstd")


FORMS = ("plain", "shaped", "imagej", "ome")
COMPRESSED = [
    slow_unless((k + f) % len(DTYPES) == d, compression, dtype, form)
    for k, compression in enumerate(COMPRESSIONS)
    for d, dtype in enumerate(DTYPES)
    for f, form in enumerate(FORMS)
    if form != "imagej" or dtype in ("uint8", "uint16", "float32")  # ImageJ has no other types
]
"""By default each compression in each form with one type of numbers, by the slow tests with all of them."""


@pytest.mark.parametrize(("compression", "dtype", "form"), COMPRESSED)
def test_what_was_written_compressed_and_in_tiles_is_read(put, tmp_path, compression, dtype, form):
    path, kind = tmp_path / "image.tif", {"imagej": form == "imagej", "ome": form == "ome"}
    layouts = product((1, 3, 5), ("contig", "separate"), (None, (16, 16)), "<>", (False, True), (1, 4))
    for channels, planar, tile, order, predictor, count in layouts:
        if form == "imagej" and (channels == 5 or planar == "separate" or (channels == 3 and dtype != "uint8")):
            continue
        if predictor and compression not in ("zlib", "lzw", "zstd"):
            continue
        inner = (H, W) if channels == 1 else (H, W, channels) if planar == "contig" else (channels, H, W)
        array = numbers((count, *inner), dtype)
        axes = "Z" + ("YX" if channels == 1 else "YXS" if planar == "contig" else "SYX")
        options = kind | {"compression": compression, "tile": tile, "predictor": predictor, "byteorder": order}
        options |= {"planarconfig": planar} if channels > 1 else {}
        options["photometric"] = "rgb" if channels == 3 else "minisblack"
        if form == "plain":
            options["metadata"] = None
        else:
            options["metadata"] = {"axes": axes}
        if form == "imagej" and order == "<":
            options["byteorder"] = ">"
        tifffile.imwrite(path, array, **options)
        expected = np.moveaxis(array, 1, -1) if planar == "separate" and channels > 1 else array
        assert pages(path) == count
        for index in range(count):
            assert same(path, expected[index].reshape(H, W, channels), index)


@pytest.mark.parametrize("form", ["imagej", "ome", "shaped"])
@pytest.mark.parametrize("axes", ["ZYX", "TYX", "CYX", "TZYX", "ZCYX", "TCYX", "TZCYX", "TZCYXS", "CZYX", "CTYX"])
@pytest.mark.parametrize("compression", [None, pytest.param("zlib", marks=pytest.mark.slow)])
def test_axes_tell_slices_from_channels(tmp_path, form, axes, compression):
    lengths = {"T": 2, "Z": 3, "C": 4, "Y": H, "X": W, "S": 3}
    if form == "imagej" and axes in ("CZYX", "CTYX"):
        pytest.skip("ImageJ has another order")
    array = numbers([lengths[axis] for axis in axes], "uint16" if "S" not in axes else "uint8")
    path = tmp_path / "image.tif"
    kind = {"imagej": form == "imagej", "ome": form == "ome"}
    photometric = "rgb" if "S" in axes else "minisblack"
    tifffile.imwrite(path, array, photometric=photometric, metadata={"axes": axes}, compression=compression, **kind)
    if "C" in axes and "S" in axes:
        with pytest.raises(DataError, match=r"image.tif: it has channels in pages, and in each page several again"):
            read_image(path)
        return
    order = [axes.index(axis) for axis in axes if axis in "TZ"] + [axes.index(axis) for axis in axes if axis in "YXCS"]
    samples = array.transpose(order)
    if "C" in axes:
        samples = np.moveaxis(samples, -3, -1)
    samples = samples.reshape(-1, H, W, 4 if "C" in axes else 1)
    assert pages(path) == len(samples)
    for index, sample in enumerate(samples):
        assert same(path, sample, index)


def contiguous(slices, description, count=1):
    """A file of one directory whose other slices follow the first."""
    tags, _ = page(slices[0], t270=("s", description.encode() + b"\0"))
    content = bytearray(written([(tags, [b"".join(each.tobytes() for each in slices)])]))
    start = struct.unpack_from("<I", content, 4)[0]
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", content, start)[0], 12):
        if struct.unpack_from("<H", content, entry)[0] == 279:  # as such programs write it
            struct.pack_into("<I", content, entry + 8, slices[0].nbytes)
    return bytes(content)


@pytest.mark.parametrize(
    "description",
    ["ImageJ=1.53t\nimages=8\nslices=8\nloop=false\n", "ImageJ=1.53t\nimages=8\n", '{"shape": [8, 20, 18]}'],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_slices_without_a_directory_are_samples(put, description, dtype):
    slices = numbers((8, H, W), dtype)
    path = put(contiguous(slices, description))
    assert pages(path) == 8
    for index in range(8):
        assert same(path, slices[index][..., None], index)
    np.testing.assert_array_equal(list(read_masks(path)), slices)


def test_slices_that_are_cut_off_are_refused(put):
    content = contiguous(numbers((8, H, W), "uint8"), "ImageJ=1.53t\nimages=9\nslices=9\n")
    with pytest.raises(DataError, match=r"cannot read .*image.tif: "):
        read_image(put(content))


def test_axes_that_leave_open_what_they_are_are_asked_for(tmp_path):
    path, array = tmp_path / "image.tif", numbers((2, 3, H, W), "uint8")
    tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": "AZYX"})
    with pytest.raises(
        DataError, match=r"image.tif: .* axes A \(2\) are samples or channels; .* dataset.stack=samples"
    ):
        header(path)
    assert pages(path, "samples") == 6
    np.testing.assert_array_equal(read_image(path, page=4, stack="samples")[..., 0], array[1, 1])
    assert pages(path, "channels") == 1
    np.testing.assert_array_equal(read_image(path, stack="channels"), np.moveaxis(array.reshape(6, H, W), 0, -1))


def test_pages_are_channels_where_that_is_said(put):
    bands = numbers((5, H, W), "uint16")
    path = put(written([page(band) for band in bands]))
    assert pages(path) == 5
    assert header(path, stack="channels")[1:3] == ((H, W), 5)
    np.testing.assert_array_equal(read_image(path, stack="channels"), np.moveaxis(bands, 0, -1))


def test_bands_of_different_sizes_are_not_stacked(put):
    path = put(written([page(numbers((H, W), "uint8")), page(numbers((H, W + 1), "uint8"))]))
    assert [header(path, index).size for index in range(2)] == [(H, W), (H, W + 1)]
    with pytest.raises(DataError, match=r"image.tif: its channels are of different sizes or types"):
        read_image(path, stack="channels")


VALID = (
    tags_of(np.zeros((H, W), np.uint8), photometric=4, t258=("H", [1]), t254=("I", [4])),
    [np.packbits(np.ones((H, W), bool), axis=1).tobytes()],
)


@pytest.mark.parametrize("channels", [1, 3])
def test_masks_of_valid_pixels_and_overviews_are_no_samples(put, channels):
    array = numbers((H, W, channels), "uint8")
    overview = page(array[::2, ::2].copy(), t254=("I", [1]))
    path = put(written([page(array), VALID, overview, page(array[::-1].copy()), VALID]))
    assert pages(path) == 2
    assert same(path, array)
    assert same(path, array[::-1], 1)


@pytest.mark.parametrize(("factors", "samples"), [((2, 4), 1), ((4, 16), 1), ((1, 1), 3), ((2, 1), 3)])
def test_levels_of_a_pyramid_are_no_samples_though_they_are_not_marked(put, factors, samples):
    array = numbers((101, 67, 3), "uint8")
    levels = [array, *(array[: 101 // factor, : -(-67 // factor)].copy() for factor in factors)]
    path = put(written([page(level) for level in levels]))
    assert pages(path) == samples
    assert same(path, array)


def test_of_a_whole_slide_the_slide_is_read(tmp_path):
    path, slide = tmp_path / "slide.tif", numbers((256, 320, 3), "uint8")
    with tifffile.TiffWriter(path) as file:
        named = "Aperio Image Library v11.2.1\n320x256 [0,0 320x256] (128x128) JPEG/RGB Q=70"
        options = {"metadata": None, "photometric": "rgb"}
        file.write(slide, tile=(128, 128), description=named, **options)
        file.write(slide[::4, ::4], description="Aperio Image Library v11.2.1\n320x256 -> 80x64", **options)
        file.write(slide[::2, ::2], tile=(128, 128), description=named, **options)
        file.write(slide[:50, :60], description="Aperio Image Library v11.2.1\nlabel 60x50", subfiletype=1, **options)
    assert pages(path) == 1
    assert same(path, slide)


@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_fourth_band_leaves_the_colours_as_they_are(put, extra, dtype):
    array = numbers((H, W, 4), dtype)
    path = put(written([page(array, extra=[extra])]))
    assert same(path, array)
    assert header(path).alpha is (extra > 0)
    if extra:
        np.testing.assert_array_equal(read_image(path, 3), array[..., :3])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_white_is_the_largest_number_in_all_images(put, dtype):
    array = numbers((H, W), dtype)
    path = put(written([page(array, photometric=0)]))
    assert same(path, (np.iinfo(dtype).max - array)[..., None])
    with pytest.raises(DataError, match=r"image.tif: .* from white to black .* not clear what they mean as labels"):
        read_mask(path)


@pytest.mark.parametrize("photometric", [0, 1])
def test_one_bit_is_black_and_white(put, photometric):
    bits = RANDOM.integers(0, 2, (H, W)).astype(bool)
    tags = tags_of(np.zeros((H, W), np.uint8), photometric=photometric, t258=("H", [1]))
    path = put(written([(tags, [np.packbits(bits, axis=1).tobytes()])]))
    seen = np.where(bits != (photometric == 0), 255, 0).astype(np.uint8)
    assert same(path, seen[..., None])
    np.testing.assert_array_equal(read_mask(path), seen)


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_are_stretched_in_images_and_labels_in_masks(put, bits):
    values = RANDOM.integers(0, 2**bits, (H, W)).astype(np.uint8)
    values[0, :2] = 0, 2**bits - 1
    spread = (values[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(H, W * bits)
    tags = tags_of(values, t258=("H", [bits]))
    path = put(written([(tags, [np.packbits(spread, axis=1).tobytes()])]))
    assert same(path, (values * np.uint8(255 // (2**bits - 1)))[..., None])
    np.testing.assert_array_equal(read_mask(path), values)


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("scale", [1, 257])
def test_a_palette_is_looked_up_in_images_only(put, bits, scale):
    colours = RANDOM.integers(0, 256, (2**bits, 3)).astype(np.uint16)
    colours[0] = 255
    labels = RANDOM.integers(0, 2**bits, (H, W)).astype(np.uint8)
    spread = (labels[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(H, W * bits)
    table = ("H", (colours * scale).T.ravel().tolist())
    tags = tags_of(labels, photometric=3, t258=("H", [bits]), t320=table)
    path = put(written([(tags, [np.packbits(spread, axis=1).tobytes()])]))
    assert same(path, colours[labels].astype(np.uint8))
    np.testing.assert_array_equal(read_mask(path), labels)
    np.testing.assert_array_equal(palette(path), colours)
    assert header(path).palette


@pytest.mark.parametrize(
    ("dtype", "wrong"),
    [("int8", -1), ("int16", -1), ("int32", -1), ("float32", -1.0), ("float32", 0.5), ("float32", "nan")],
)
@pytest.mark.parametrize("read", [read_image, read_mask])
def test_numbers_out_of_range_are_named_and_do_not_wrap(put, dtype, wrong, read):
    array = numbers((H, W), "int8").astype(dtype)
    array[3, 4] = float(wrong)
    path = put(written([page(array)]))
    with pytest.raises(
        DataError, match=rf"image.tif: .* {dtype}, such as {wrong}, and not all whole numbers from 0 to"
    ):
        read(path)
    np.testing.assert_array_equal(read_values(path)[..., 0], array)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({262: ("H", [6])}, "its colours are of a kind that is not read"),
        ({262: ("H", [8])}, "its colours are of a kind that is not read"),
        ({262: ("H", [32803])}, "its colours are of a kind that is not read"),
        ({262: None}, "the tag PhotometricInterpretation is missing"),
        ({258: ("H", [5, 6, 5])}, "its numbers are of a type that is not known"),
        ({339: ("H", [6] * 3), 258: ("H", [64] * 3), 256: ("I", [2])}, "its numbers are of a type that is not known"),
        ({32997: ("I", [2])}, ""),
        ({259: ("H", [34718])}, "newer versions may read it"),
        ({257: ("I", [H + 1]), 278: ("I", [H + 1])}, ""),
        ({256: ("I", [2**15]), 257: ("I", [2**15]), 278: ("I", [2**15])}, "of which more than 178,956,970 pixels"),
    ],
)
def test_what_nobody_can_say_is_refused_by_name(put, change, reason):
    tags, strips = page(numbers((H, W, 3), "uint8"))
    path = put(written([({tag: value for tag, value in (tags | change).items() if value}, strips)]))
    for read in (read_image, read_mask):
        with pytest.raises(DataError, match=rf"cannot read .*image.tif: .*{reason}"):
            read(path)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize("rows", [5, H])
def test_a_file_that_is_cut_off_is_never_filled_up(tmp_path, compression, rows):
    path, array = tmp_path / "image.tif", numbers((3, H, W), "uint8")
    tifffile.imwrite(path, array, compression=compression, rowsperstrip=rows, metadata=None, photometric="minisblack")
    content = path.read_bytes()
    for length in range(8, len(content), 7):
        path.write_bytes(content[:length])
        for index in range(3):
            try:
                image = read_image(path, page=index)
            except DataError as error:
                assert "image.tif" in str(error)  # noqa: PT017
            else:
                np.testing.assert_array_equal(image[..., 0], array[index])


def test_pages_that_go_round_in_a_circle_are_refused(put):
    content = bytearray(written([page(numbers((H, W), "uint8")) for _ in range(3)]))
    first = struct.unpack_from("<I", content, 4)[0]
    content[-4:] = struct.pack("<I", first)
    with pytest.raises(DataError, match=r"image.tif: its pages go round in a circle"):
        pages(put(bytes(content)))


def test_a_page_of_many_is_read_without_the_others(put, monkeypatch):
    stack = numbers((200, 4, 5), "uint8")
    path = put(written([page(each) for each in stack]))
    assert pages(path) == 200
    monkeypatch.setattr(tiff_planes, "_directories", None)  # walking from page to page again would fail
    for index in (0, 199, 57):
        np.testing.assert_array_equal(read_mask(path, index), stack[index])


def test_a_file_that_was_replaced_is_read_anew(put):
    path = put(written([page(numbers((H, W), "uint8"))]))
    assert pages(path) == 1
    assert pages(put(written([page(numbers((H, W), "uint8"))] * 2))) == 2


def test_pillow_reads_the_same_of_what_both_read(tmp_path):
    for mode, compression in product(
        ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"), (None, "tiff_lzw", "tiff_deflate")
    ):
        noise = RANDOM.integers(0, 255, (H, W, 3)).astype(np.uint8)
        image = Image.fromarray(noise)
        image = Image.fromarray(numbers((H, W), "uint16")) if mode == "I;16" else image.convert(mode)
        path = tmp_path / "image.tif"
        image.save(path, compression=compression)
        with Image.open(path) as there:
            expected = np.array(there.convert("RGB") if mode in ("P", "CMYK") else there)
        expected = expected * np.uint8(255) if mode == "1" else expected
        assert same(path, expected.reshape(H, W, -1))


def test_nothing_of_tifffile_is_printed(put, capfd, caplog):
    content = written([page(numbers((H, W), "uint8"), t42113=("s", b"no number\0"))])
    read_image(put(content))
    with pytest.raises(DataError):
        read_image(put(content[:-40]))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        assert len(file.pages) == 1
    assert caplog.records  # who uses tifffile besides hears it as ever
