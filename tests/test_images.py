import io
import os
import re
import socket
import struct
import subprocess
import sys
import warnings
import zlib
from importlib.metadata import version

import numpy as np
import pytest
import tifffile
from damage import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin, features

from segzoo.data import single_images
from segzoo.data import tiff as tiff_reader
from segzoo.data.image_files import FORMATS, held_pages
from segzoo.data.images import (
    NOT_A_NUMBER,
    header,
    pages,
    palette,
    read_image,
    read_mask,
    read_masks,
    read_pages,
    read_values,
    value_rows,
)
from segzoo.errors import DataError
from segzoo.processes.terminal import quiet

H, W = 5, 7
FAX = version("tifffile") >= "2026.3.3" and version("imagecodecs") >= "2026.3.6"  # the first that read Group 4
GREY = np.arange(H * W, dtype=np.uint8).reshape(H, W) * 7
DEEP = GREY.astype(np.uint16) * 250
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)
LABELS = (GREY // 7 % 4).astype(np.uint8)


def saved(image, format, **options):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def array(values):
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def indexed():
    """A palette image of LABELS, whose colours say nothing of the labels."""
    image = Image.fromarray(LABELS, "P")
    image.putpalette([9, 9, 9, 250, 0, 0, 0, 250, 0, 0, 0, 250])
    return image


def png(values, colour_type, bits=16, width=None):
    """A PNG as Pillow does not write it: 16 bits in several channels, or fewer than 8 in one."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    size = struct.pack(">IIBBBBB", width or values.shape[1], values.shape[0], bits, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + (row.astype(">u2") if bits == 16 else row).tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(values, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, values, **{"photometric": "minisblack"} | options)
    return file.getvalue()


def jpeg_with_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter for display
    return saved(COLOUR, "JPEG", exif=exif)


FRAMES = [Image.fromarray(frame) for frame in (GREY, GREY[::-1].copy(), np.zeros_like(GREY))]
IMAGES = {
    "grey.png": (saved(GREY, "PNG"), GREY[..., None]),
    "rgb.png": (saved(COLOUR, "PNG"), COLOUR),
    "rgba.png": (saved(np.dstack([COLOUR, GREY]), "PNG"), np.dstack([COLOUR, GREY])),
    "la.png": (saved(Image.merge("LA", [FRAMES[0], FRAMES[1]]), "PNG"), np.dstack([GREY, GREY[::-1]])),
    "bit.png": (saved(Image.fromarray(LABELS > 1), "PNG"), ((LABELS > 1) * np.uint8(255))[..., None]),
    "palette.png": (saved(indexed(), "PNG"), np.array(indexed().convert("RGB"))),
    "deep.png": (saved(DEEP, "PNG"), DEEP[..., None]),
    "rgb.jpg": (saved(COLOUR, "JPEG"), None),
    "grey.jpg": (saved(GREY, "JPEG"), None),
    "cmyk.jpg": (saved(Image.fromarray(COLOUR).convert("CMYK"), "JPEG"), None),
    "turned.jpg": (jpeg_with_orientation(), None),
    "animated.gif": (saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), np.dstack([GREY] * 3)),
    "animated.png": (saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), GREY[..., None]),
    "rgb.bmp": (saved(COLOUR, "BMP"), COLOUR),
    "grey.bmp": (saved(GREY, "BMP"), GREY[..., None]),
    "grey.tif": (saved(GREY, "TIFF"), GREY[..., None]),
    "rgb.tif": (saved(COLOUR, "TIFF"), COLOUR),
    "deep.tif": (saved(DEEP, "TIFF"), DEEP[..., None]),
    "big_endian.tif": (
        saved(Image.frombytes("I;16B", (W, H), DEEP.astype(">u2").tobytes()), "TIFF"),
        DEEP[..., None],
    ),
    "signed.tif": (saved(Image.fromarray(DEEP.astype(np.int32)), "TIFF"), DEEP[..., None]),
    "deflated.tif": (saved(DEEP, "TIFF", compression="tiff_adobe_deflate"), DEEP[..., None]),
    "lzw.tif": (saved(COLOUR, "TIFF", compression="tiff_lzw"), COLOUR),
    "packbits.tif": (saved(GREY, "TIFF", compression="packbits"), GREY[..., None]),
    "jpeg.tif": (saved(COLOUR, "TIFF", compression="jpeg"), None),
    "cmyk.tif": (saved(Image.fromarray(COLOUR).convert("CMYK"), "TIFF"), None),
    "pages.tif": (saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), GREY[..., None]),
    "packed_pages.tif": (
        saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:], compression="tiff_lzw"),
        GREY[..., None],
    ),
    "slices.tif": (tiff(np.stack([GREY] * 3), imagej=True, metadata={"axes": "ZYX"}), GREY[..., None]),
    "channels.tif": (tiff(np.moveaxis(COLOUR, -1, 0), ome=True, metadata={"axes": "CYX"}), COLOUR),
    "planes.tif": (
        tiff(np.moveaxis(COLOUR, -1, 0), bigtiff=True, photometric="rgb", planarconfig="separate"),
        COLOUR,
    ),
    "tiles.tif": (tiff(DEEP, tile=(16, 16), compression="zstd", predictor=True), DEEP[..., None]),
    "jpeg2000.tif": (tiff(COLOUR, photometric="rgb", compression="jpeg2000"), COLOUR),
    "lossless.webp": (saved(COLOUR, "WEBP", lossless=True), COLOUR),
    "rgb.webp": (saved(COLOUR, "WEBP"), None),
    "grey.jp2": (saved(GREY, "JPEG2000"), GREY[..., None]),
    "rgb.jp2": (saved(COLOUR, "JPEG2000"), COLOUR),
    "grey.pgm": (saved(GREY, "PPM"), GREY[..., None]),
    "deep.pgm": (b"P5 7 5 65535\n" + DEEP.astype(">u2").tobytes(), DEEP[..., None]),
    "rgb.ppm": (saved(COLOUR, "PPM"), COLOUR),
    "rgb.tga": (saved(COLOUR, "TGA"), COLOUR),
    "rgb.sgi": (saved(COLOUR, "SGI"), COLOUR),
    "grey.pcx": (saved(GREY, "PCX"), GREY[..., None]),
    "rgb.qoi": (b"qoif" + struct.pack(">IIBB", 1, 1, 3, 0) + b"\xfe\x01\x02\x03" + bytes(7) + b"\1", None),
    "grey.npy": (array(GREY), GREY[..., None]),
    "six.npy": (array(np.stack([DEEP] * 6, axis=-1)), np.stack([DEEP] * 6, axis=-1)),
}
if features.check("avif"):
    IMAGES["rgb.avif"] = (saved(COLOUR, "AVIF"), None)


@pytest.fixture
def put(tmp_path):
    """Writes a file of that name and content."""

    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def rows_of(path):
    """The rows of all pages of a file, of each a list."""
    with held_pages(path) as opened:
        return [list(value_rows(image, image.channels, path)) for image in opened]


@pytest.fixture
def _few_rows_at_a_time(monkeypatch):
    for module in (single_images, tiff_reader):
        monkeypatch.setattr(module, "AT_ONCE", 30)


@pytest.mark.usefixtures("_few_rows_at_a_time")
@pytest.mark.parametrize("name", IMAGES)
def test_the_rows_of_a_file_are_those_of_all_of_it(put, name):
    path = put(name, IMAGES[name][0])
    several = rows_of(path)
    assert len(several) == pages(path)
    for page, rows in enumerate(several):
        np.testing.assert_array_equal(np.concatenate(rows), read_values(path, page=page))
    whole = len(several[0][0]) == header(path).size[0]
    in_one_piece = ("deflated", "lzw", "packbits", "jpeg", "packed_pages", "tiles", "jpeg2000")  # tiles are larger
    assert whole == (path.suffix not in (".npy", ".tif") or path.stem in in_one_piece)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_of_each_kind_has_the_pixels_that_were_saved(put, name):
    content, expected = IMAGES[name]
    path = put(name, content)
    image = read_image(path)
    if expected is not None:
        assert image.dtype == expected.dtype
        np.testing.assert_array_equal(image, expected)
    facts = header(path)
    assert (*facts.size, facts.channels) == image.shape
    assert facts.dtype == ("int32" if name == "signed.tif" else image.dtype)
    assert path.suffix in FORMATS[facts.format]


def test_every_format_is_tried():
    assert {FORMATS_OF[name.rpartition(".")[2]] for name in IMAGES} >= set(FORMATS) - {"AVIF"}


FORMATS_OF = {suffix[1:]: format for format, suffixes in FORMATS.items() for suffix in suffixes}


def test_the_content_tells_the_kind_and_not_the_suffix(put):
    for name in ("rgb.png", "rgb.bmp", "lossless.webp", "rgb.tif"):
        path = put("photo.jpg", IMAGES[name][0])
        np.testing.assert_array_equal(read_image(path), COLOUR)


def test_the_pixels_of_a_photo_are_not_turned(put):
    image = read_image(put("photo.jpg", jpeg_with_orientation()))
    assert np.abs(image.astype(int) - read_image(put("flat.jpg", saved(COLOUR, "JPEG")))).max() == 0


@pytest.mark.parametrize(
    ("name", "channels", "expected"),
    [
        ("grey.png", 3, np.dstack([GREY] * 3)),
        ("deep.png", 3, np.dstack([DEEP] * 3)),
        ("rgba.png", 3, COLOUR),
        ("la.png", 1, GREY[..., None]),
        ("la.png", 3, np.dstack([GREY] * 3)),
    ],
)
def test_channels_are_made_as_asked_for(put, name, channels, expected):
    image = read_image(put(name, IMAGES[name][0]), channels)
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(("name", "channels"), [("rgb.png", 1), ("rgb.png", 4), ("six.npy", 3), ("grey.png", 2)])
def test_channels_that_are_not_there_are_not_made_up(put, name, channels):
    path = put(name, IMAGES[name][0])
    with pytest.raises(DataError, match=rf"{name} has \d channels, not {channels}"):
        read_image(path, channels)


def test_a_photo_in_print_colours_looks_the_same(put):
    plain = np.full((8, 8, 3), (200, 60, 30), np.uint8)
    for format in ("JPEG", "TIFF"):
        image = read_image(put("photo", saved(Image.fromarray(plain).convert("CMYK"), format)))
        assert np.abs(image.astype(int) - plain).max() < 8


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("grey.png", saved(LABELS, "PNG"), LABELS),
        ("palette.png", saved(indexed(), "PNG"), LABELS),
        ("transparent.png", saved(indexed(), "PNG", transparency=bytes([0, 9])), LABELS),
        ("palette.bmp", saved(indexed(), "BMP"), LABELS),
        ("palette.tif", saved(indexed(), "TIFF"), LABELS),
        ("bit.png", saved(Image.fromarray(LABELS > 1), "PNG"), (LABELS > 1) * np.uint8(255)),
        pytest.param(
            "bit.tif",
            saved(Image.fromarray(LABELS > 1), "TIFF", compression="group4"),
            (LABELS > 1) * np.uint8(255),
            marks=pytest.mark.skipif(not FAX, reason="this tifffile or imagecodecs does not read Group 4"),
        ),
        ("deep.png", saved(DEEP, "PNG"), DEEP),
        ("la.png", IMAGES["la.png"][0], GREY),
        ("colour.png", saved(COLOUR, "PNG"), COLOUR),
        ("rgba.png", IMAGES["rgba.png"][0], COLOUR),
        ("int.npy", array(LABELS.astype(np.int64)), LABELS),
        ("bool.npy", array(LABELS > 1), (LABELS > 1) * np.uint8(255)),
        ("one.npy", array(LABELS[..., None]), LABELS),
        ("float.tif", saved(Image.fromarray(LABELS.astype(np.float32)), "TIFF"), LABELS),
        ("two_bits.png", png(np.uint8([[0b00011011]]), 0, 2, width=4), np.uint8([[0, 85, 170, 255]])),
    ],
)
def test_a_mask_of_each_kind_has_the_labels_that_were_saved(put, name, content, expected):
    mask = read_mask(put(name, content))
    assert mask.dtype == expected.dtype
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("colours", "opacity", "refused"),
    [
        (np.zeros_like(LABELS), LABELS > 1, True),
        (LABELS, LABELS > 1, False),
        (LABELS, np.zeros_like(LABELS), False),
        (LABELS % 2, LABELS > 1, True),
    ],
    ids=["drawn by it", "as labelled", "hidden", "across labels"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_labels_that_may_be_in_the_transparency_are_refused(put, colours, opacity, refused, channels):
    pixels = np.stack([colours] * channels + [opacity * np.uint8(200)], -1)
    path = put("mask.png", saved(pixels, "PNG"))
    if refused:
        with pytest.raises(DataError, match=r"mask.png has a colour that is transparent here and seen there"):
            read_mask(path)
    else:
        np.testing.assert_array_equal(read_mask(path).reshape(*LABELS.shape, -1)[..., 0], colours)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "GIF", "PCX"])
def test_what_indices_stand_for(put, format):
    path = put(f"palette.{format}", saved(indexed(), format))
    np.testing.assert_array_equal(palette(path)[read_mask(path)], read_image(path, 3))
    assert palette(put("grey.png", saved(LABELS, "PNG"))).shape == (0, 3)
    assert palette(put("grey.npy", array(LABELS))).shape == (0, 3)


@pytest.mark.parametrize(
    "values",
    [LABELS - 1.5, LABELS.astype(np.int32) - 1, LABELS + 65535.0, np.full((2, 2), np.nan), LABELS * 1j],
    ids=["fraction", "negative", "large", "nan", "complex"],
)
def test_labels_that_are_no_whole_numbers_of_16_bits_are_refused(put, values):
    with pytest.raises(
        DataError, match=rf"mask.npy: its values are {values.dtype}, (such as|and no labels or pixels)"
    ) as caught:
        read_mask(put("mask.npy", array(values)))
    named = re.search("such as ([^,]+),", str(caught.value))
    assert named is None or not 0 <= float(named[1]) <= 65535 or float(named[1]) % 1


def test_other_whole_numbers_and_gaps_are_read_where_they_may_be(put):
    far = LABELS.astype(np.int64) * 2**52 - 2**53
    for values in (LABELS.astype(np.int8) - 1, LABELS.astype(np.float32) - 1, LABELS.astype(np.uint32) + 65535, far):
        mask = read_mask(put("mask.npy", array(values)), wide=True)
        assert mask.dtype == np.int64
        np.testing.assert_array_equal(mask, values)
    gaps = np.where(LABELS == 3, np.nan, LABELS)
    np.testing.assert_array_equal(
        read_mask(put("mask.npy", array(gaps)), wide=True),
        np.where(LABELS == 3, NOT_A_NUMBER, LABELS.astype(np.int64)),
    )
    for type in (np.float16, np.float64, np.int64):
        assert read_mask(put("mask.npy", array(LABELS.astype(type))), wide=True).dtype == np.uint8
    for values in (LABELS - 1.5, LABELS * 2.0**54, LABELS * np.uint64(2**62), np.where(LABELS == 3, np.inf, LABELS)):
        with pytest.raises(DataError, match="not all whole numbers"):
            read_mask(put("mask.npy", array(values)), wide=True)


@pytest.mark.parametrize("type", ["int8", "int16", "uint32", "float16", "float32", "float64", "uint8", "uint16"])
def test_values_are_those_of_the_file_whatever_numbers_they_are(put, type):
    values = (COLOUR.astype(np.float64) / 4 - (0 if type[0] == "u" else 20)).astype(type)
    read = read_values(put("image.npy", array(values)))
    assert read.dtype == type
    np.testing.assert_array_equal(read, values)
    np.testing.assert_array_equal(read_values(put("image.npy", array(values[..., 0])), 3)[..., 2], values[..., 0])


def test_values_of_other_kinds_are_refused(put):
    for values in (COLOUR * 1j, COLOUR.astype(str)):
        with pytest.raises(DataError, match="no labels or pixels"):
            read_values(put("image.npy", array(values)))


def test_pages_are_told_apart(put):
    for name in ("pages.tif", "packed_pages.tif"):
        path = put(name, IMAGES[name][0])
        assert pages(path) == 3
        for page, frame in enumerate(FRAMES):
            np.testing.assert_array_equal(read_image(path, page=page)[..., 0], np.array(frame))
            np.testing.assert_array_equal(read_mask(path, page), np.array(frame))
        np.testing.assert_array_equal(list(read_masks(path)), [np.array(frame) for frame in FRAMES])
        np.testing.assert_array_equal(list(read_pages(path)), [np.array(frame)[..., None] for frame in FRAMES])
        for page in (3, -1):
            with pytest.raises(DataError, match=f"{name} has no page {page}, counted from 0"):
                read_image(path, page=page)


@pytest.mark.parametrize("name", ["animated.gif", "animated.png", "grey.png", "grey.npy"])
def test_only_a_tiff_has_pages(put, name):
    path = put(name, IMAGES[name][0])
    assert pages(path) == 1
    with pytest.raises(DataError, match=f"{name} has no page 1"):
        read_mask(path, 1)


def test_a_smaller_copy_of_a_page_is_no_page(put):
    file = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file) as writer:
        for frame, reduced in [(FRAMES[0], 0), (FRAMES[0].resize((3, 2)), 1), (FRAMES[1], 0)]:
            frame.save(writer, "TIFF", tiffinfo={254: reduced})
            writer.newFrame()
    path = put("pyramid.tif", file.getvalue())
    assert pages(path) == 2
    np.testing.assert_array_equal(read_image(path, page=1)[..., 0], np.array(FRAMES[1]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rgb.png", png(np.dstack([DEEP] * 3), 2)),
        ("rgba.png", png(np.dstack([DEEP] * 4), 6)),
        ("la.png", png(np.dstack([DEEP] * 2), 4)),
        ("rgb.ppm", b"P6 7 5 65535\n" + np.dstack([DEEP] * 3).astype(">u2").tobytes()),
    ],
)
def test_what_pillow_would_silently_reduce_is_refused(put, name, content):
    path = put(name, content)
    assert Image.open(path).mode in ("RGB", "RGBA")  # else there is nothing to refuse
    for read in (read_image, read_mask, header):
        with pytest.raises(DataError, match=rf"{name}: Pillow would keep 8 of its 16 bits; save"):
            read(path)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int64", "uint32"])
def test_an_image_of_other_numbers_is_read_where_all_are_whole_and_in_range(put, dtype):
    path = put("image.npy", array(DEEP[..., None].astype(dtype) if dtype != "int16" else GREY[..., None].astype(dtype)))
    image = read_image(path)
    assert (image.dtype, header(path).dtype) == ("uint16", dtype)
    np.testing.assert_array_equal(image, np.load(path))


def test_an_image_of_signed_bytes_does_not_wrap(put):
    image = read_image(put("image.npy", array((GREY // 2).astype(np.int8))))
    np.testing.assert_array_equal(image[..., 0], GREY // 2)
    with pytest.raises(DataError, match=r"image.npy: its pixels are int8, such as -1, .* from 0 to 255;"):
        read_image(put("image.npy", array(GREY.astype(np.int16).clip(0, 3).astype(np.int8) - 1)))


@pytest.mark.parametrize(
    ("values", "wrong"), [(GREY / 255, 0.027), (GREY - 1.0, -1.0), (GREY * 1e6, 7e6), (GREY * np.nan, "nan")]
)
def test_an_image_of_numbers_that_are_not_whole_or_out_of_range_is_refused(put, values, wrong):
    path = put("image.npy", array(values.astype(np.float32)))
    with pytest.raises(
        DataError, match=rf"image.npy: .* such as {wrong}.*, and not .*; convert them .*dataset.range=\[LOW, HIGH\]"
    ):
        read_image(path)
    np.testing.assert_array_equal(read_values(path)[..., 0], values.astype(np.float32))


def test_an_image_that_would_fill_the_memory_is_refused(put):
    huge = png(np.zeros((1, 1), np.uint8), 0, 8)
    size = b"IHDR" + struct.pack(">IIBBBBB", 2**15, 2**15, 8, 0, 0, 0, 0)
    huge = huge[:12] + size + struct.pack(">I", zlib.crc32(size)) + huge[33:]
    path = put("bomb.png", huge)
    for read in (read_image, read_mask, header, pages):
        with pytest.raises(DataError, match=r"bomb.png: it has more than 178,956,970 pixels; cut it into parts"):
            read(path)


def test_an_array_that_claims_more_than_it_holds_is_refused(put):
    content = array(np.zeros((2, 2), np.uint8))
    for shape in (b"(9999999, 9999999), }", b"(9, 9), }"):
        path = put("bomb.npy", content.replace(b"(2, 2), }".ljust(len(shape)), shape))
        with pytest.raises(DataError, match=r"cannot read .*bomb.npy: "):
            read_image(path)


@pytest.mark.parametrize("header", [rb"'\descr'", rb"5or'descr'"])
@pytest.mark.filterwarnings("error")
def test_python_does_not_warn_of_a_damaged_header(put, header):
    path = put("mask.npy", array(GREY).replace(b"'descr'", header))
    with pytest.raises(DataError, match=r"cannot read .*mask.npy: "):
        read_mask(path)


def test_objects_are_not_unpickled(put):
    file = io.BytesIO()
    np.save(file, np.array([[{}]]), allow_pickle=True)
    with pytest.raises(DataError, match=r"cannot read .*objects.npy"):
        read_mask(put("objects.npy", file.getvalue()))


@pytest.mark.parametrize("read", [read_image, read_mask, header, pages, palette])
def test_what_is_no_image_is_named(put, tmp_path, read):
    with pytest.raises(
        DataError, match=r"cannot read .*text.png: it is of no known kind, or of one that cannot be read"
    ):
        read(put("text.png", b"this is no image at all"))
    with pytest.raises(DataError, match=r"cannot read .*absent.png: there is no such file"):
        read(tmp_path / "absent.png")
    for name in ("empty.npy", "empty.png", "empty.tif"):
        with pytest.raises(DataError, match=rf"cannot read .*{name}: it is empty$"):
            read(put(name, b""))


@pytest.mark.parametrize("read", [read_image, read_mask, header, pages, palette])
@pytest.mark.skipif(os.name != "posix", reason="pipes and devices of POSIX")
def test_what_is_no_regular_file_is_not_opened(tmp_path, monkeypatch, read):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "elsewhere.png")
    (tmp_path / "device.npy").symlink_to("/dev/zero")
    server = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(tmp_path)  # the path of a socket may not be long
    server.bind("socket.png")
    server.close()
    for name, what in {
        "pipe.png": "it is a named pipe, not a file",
        "gone.png": f"it is a link to {tmp_path / 'elsewhere.png'}, which is not there",
        "device.npy": "it is a device, not a file",
        "socket.png": "it is a socket, not a file",
        ".": "it is a folder, not a file",
    }.items():
        with pytest.raises(DataError, match=re.escape(f"cannot read {tmp_path / name}: {what}")):
            read(tmp_path / name)


def test_postscript_that_calls_itself_png_is_not_run(put):
    path = put("s00.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n{} loop\n%%EOF\n")
    for read in (read_image, read_mask, header):
        with pytest.raises(DataError, match=r"s00.png: it is of no known kind"):
            read(path)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_told_and_never_applied(put, format, orientation):
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain = header(put(f"plain.{format}", saved(COLOUR, format)))
    path = put(f"photo.{format}", saved(COLOUR, format, **({"tiffinfo": exif} if format == "TIFF" else {"exif": exif})))
    assert header(path).turned is (orientation != 1)
    assert plain.turned is False
    assert header(path).size == plain.size == (H, W)
    np.testing.assert_array_equal(read_image(path), read_image(put(f"plain.{format}", saved(COLOUR, format))))


@pytest.mark.parametrize("name", ["animated.gif", "animated.png"])
def test_lost_frames_are_told_of(put, name):
    assert header(put(name, IMAGES[name][0])).animated
    assert not header(put("grey.png", IMAGES["grey.png"][0])).animated


@pytest.mark.usefixtures("_few_rows_at_a_time")
@pytest.mark.parametrize("name", IMAGES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_decodes_or_is_named_and_nothing_is_printed(put, capfd, name, data):
    path = put(name, data.draw(damaged(IMAGES[name][0])))
    with quiet(), warnings.catch_warnings(record=True) as caught:  # quiet, since libtiff writes to descriptor 2
        warnings.simplefilter("always")
        for read in (read_image, read_mask, rows_of, header, pages, palette):
            try:
                read(path)
            except DataError as error:
                assert name in str(error)  # noqa: PT017
    assert [str(warning.message) for warning in caught] == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", IMAGES)
def test_every_part_of_a_file_decodes_or_is_named(put, name):
    content = IMAGES[name][0]
    for length in range(0, len(content), max(1, len(content) // 50)):
        path = put(name, content[:length])
        for read in (read_image, read_mask, rows_of):
            try:
                read(path)
            except DataError as error:
                assert name in str(error)  # noqa: PT017


READER = """
import random, resource, sys
from pathlib import Path

from segzoo.errors import DataError
from segzoo.data.image_files import held_pages
from segzoo.data.images import header, pages, read_image, read_mask, value_rows

def read_rows(path):
    with held_pages(path) as opened:
        for image in opened:
            for rows in value_rows(image, image.channels, path):
                pass

resource.setrlimit(resource.RLIMIT_CPU, (300, 300))  # it takes some twenty seconds
resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
for path in sorted(Path(sys.argv[1]).iterdir()):
    content, rng = path.read_bytes(), random.Random(path.name)
    for number in range(250):
        print(path.name, number, file=sys.stderr)
        bad = bytearray(content)
        for _ in range(rng.randint(0, 4)):
            area = min(len(bad), rng.choice([64, 256, len(bad)]))
            bad[rng.randrange(area)] = rng.choice([0, 1, 2, 127, 128, 255, rng.randrange(256)])
        path.write_bytes(bad[: rng.randrange(len(bad)) if rng.random() < 0.3 else None])
        for read in (read_image, read_mask, read_rows, header, pages):
            try:
                read(path)
            except DataError:
                pass
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_thousands_of_damaged_files_neither_crash_nor_hang_a_process(put, tmp_path):
    for name, (content, _) in IMAGES.items():
        put(name, content)
    done = subprocess.run([sys.executable, "-c", READER, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (LABELS[None], r"\(1, 5, 7\) seems to be \(channels, height, width\): .* `array\[0\]`$"),
        (np.stack([LABELS] * 2), r"\(2, 5, 7\) seems to be \(channels, height, width\): .* `array.argmax\(0\)`$"),
        (np.stack([LABELS] * 4, -1), r"it has 4 channels of uint8.* a channel for each class.* `array.argmax\(-1\)`$"),
        (COLOUR.astype(np.float32), r"it has 3 channels of float32.* a channel for each class"),
    ],
)
def test_an_array_that_is_no_mask_says_what_it_may_be(put, values, hint):
    with pytest.raises(DataError, match=f"mask.npy is no mask: .*{hint}"):
        read_mask(put("mask.npy", array(values)))


def test_an_array_with_the_channels_first_is_named_where_others_are_asked_for(put):
    path = put("image.npy", array(np.zeros((3, 6, 7), np.uint8)))
    with pytest.raises(DataError, match=r"has 7 channels, not 3. An array of the shape \(3, 6, 7\) seems to be \(chan"):
        read_image(path, 3)
    with pytest.raises(DataError, match=r"has 6 channels, not 3$"):
        read_image(put("image.npy", array(np.stack([GREY] * 6, -1))), 3)


@pytest.mark.parametrize("behind", [False, True])
def test_the_orientation_of_a_png_is_found_wherever_it_stands_and_nothing_is_decoded(put, monkeypatch, behind):
    content = saved(COLOUR, "PNG")
    exif = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, 6, 0)
    chunk = struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))
    place = content.index(b"IEND" if behind else b"IDAT") - 4
    path = put("turned.png", content[:place] + chunk + content[place:])
    np.testing.assert_array_equal(read_image(path), COLOUR)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)
    assert header(path).turned
    assert not header(put("upright.png", content)).turned
    assert not header(put("cut.png", content[:-30])).turned
