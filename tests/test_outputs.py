"""What is written and measured of predictions, read again by other programs' readers and by our own."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from segzoo.data.images import palette, read_mask, read_masks, read_values
from segzoo.errors import DataError
from segzoo.inference import measurements, outputs
from segzoo.inference.measurements import Figures, Objects
from segzoo.inference.outputs import mask_file, masks, overlays, page_files, probabilities
from segzoo.inference.strips import Strip
from segzoo.networks.prediction import classify, softmax
from segzoo.reporting import overlays as overlay_pictures
from segzoo.reporting import pictures

CLASSES = ("background", "cell", "wall")


def page(size, seed=0, classes=3):
    """An image, and logits that make blobs of all classes."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(*size, classes))
    logits = np.float32(ndimage.gaussian_filter(noise, (3, 3, 0)) * 40)
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8), logits


def strips(pages, height=7):
    for number, (image, logits) in enumerate(pages):
        for top in range(0, len(image), height):
            rows = slice(top, top + height)
            yield Strip.of(number, image.shape[:2], top, image[rows], logits[rows])


def fill(output, pages, height=7):
    for strip in strips(pages, height):
        output.add(strip)
    return output


def sizes_of(pages):
    return [image.shape[:2] for image, _ in pages]


def test_labels_and_confidence_are_those_of_the_softmax():
    image, logits = page((20, 30), classes=5)
    logits[3, :, 2] = logits[3].max(-1)
    strip = Strip.of(0, (20, 30), 0, image, logits)
    np.testing.assert_array_equal(strip.labels, classify(logits))
    np.testing.assert_array_equal(strip.confidence, softmax(logits).max(-1))


@pytest.mark.parametrize("count", [1, 2, 255])
def test_any_number_of_classes(count):
    image, logits = page((5, 4), classes=count)
    np.testing.assert_array_equal(Strip.of(0, (5, 4), 0, image, logits).labels, classify(logits))


# Masks


def test_a_mask_is_a_png_of_indices_with_the_colours_of_the_classes(tmp_path):
    one = page((40, 50))
    path = mask_file(tmp_path / "masks", "a", sizes_of([one]))
    assert path == tmp_path / "masks/a.png"
    with masks(path, sizes_of([one]), 3) as output:
        fill(output, [one])
    expected = classify(one[1])
    np.testing.assert_array_equal(read_mask(path), expected)
    np.testing.assert_array_equal(palette(path)[:3], pictures.palette(3))
    with Image.open(path) as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(image.convert("RGB"), pictures.palette(3)[expected])


def test_the_masks_of_pages_are_pages_of_a_tiled_tiff(tmp_path):
    several = [page((40, 300), 1), page((300, 20), 2)]
    path = mask_file(tmp_path, "a", sizes_of(several))
    with masks(path, sizes_of(several), 3) as output:
        fill(output, several)
    for mask, (_, logits) in zip(read_masks(path), several, strict=True):
        np.testing.assert_array_equal(mask, classify(logits))
    with tifffile.TiffFile(path) as file:
        assert [page.is_tiled for page in file.pages] == [True, True]
        for stored, (_, logits) in zip(file.pages, several, strict=True):
            np.testing.assert_array_equal(stored.asarray(), classify(logits))
            np.testing.assert_array_equal((stored.colormap >> 8).T[:3], pictures.palette(3))


def test_the_mask_of_a_large_page_is_a_tiff(tmp_path):
    assert mask_file(tmp_path, "a", [(8192, 8192)]).suffix == ".png"
    assert mask_file(tmp_path, "a", [(8192, 8193)]).suffix == ".tif"


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_block_that_fails_has_begun_is_removed(tmp_path, count):
    several = [page((40, 50), seed) for seed in range(count)]
    sizes = sizes_of(several)
    path = mask_file(tmp_path / "masks", "a", sizes)
    drawn, stored = (page_files(tmp_path / kind, "a", ".x", sizes) for kind in ("overlays", "probabilities"))
    *all_but_last, _ = strips(several)
    with pytest.raises(KeyboardInterrupt), ExitStack() as stack:  # noqa: PT012
        opened = [masks(path, sizes, 3), overlays(drawn, CLASSES), probabilities(stored, CLASSES, "uint8")]
        written = [stack.enter_context(output) for output in opened]
        for strip in all_but_last:
            for output in written:
                output.add(strip)
        raise KeyboardInterrupt
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(left) == sorted([*drawn[: count - 1], *stored[: count - 1]])  # those of the page that is complete


# Probabilities


@pytest.mark.parametrize(("depth", "step"), [("uint8", 1 / 255), ("float16", 2**-10)])
def test_probabilities_are_a_page_for_each_class(tmp_path, depth, step):
    one = page((300, 270))
    (path,) = page_files(tmp_path, "a", ".tif", sizes_of([one]))
    with probabilities([path], CLASSES, depth) as output:
        fill(output, [one], 100)
    expected = softmax(one[1])
    values = read_values(path)
    assert values.dtype == depth
    shares = values / 255 if depth == "uint8" else values
    np.testing.assert_allclose(shares, expected, rtol=0, atol=step / 2 * 1.001)
    with tifffile.TiffFile(path) as file:
        assert (file.series[0].axes, len(file.series)) == ("CYX", 1)
        assert [page.tags["PageName"].value for page in file.pages] == list(CLASSES)
        np.testing.assert_array_equal(np.moveaxis(file.asarray(), 0, -1), values)


def test_several_pages_have_a_file_each(tmp_path):
    several = [page((40, 50), 1), page((20, 30), 2)]
    paths = page_files(tmp_path, "a", ".tif", sizes_of(several))
    assert paths == [tmp_path / "a/000.tif", tmp_path / "a/001.tif"]
    with probabilities(paths, CLASSES, "uint8") as output:
        fill(output, several)
    assert [read_values(path).shape for path in paths] == [(40, 50, 3), (20, 30, 3)]


# Overlays


def overlay_of(tmp_path, one, classes=CLASSES, height=7):
    path = tmp_path / "a.png"
    with overlays([path], classes) as output:
        fill(output, [one], height)
    with Image.open(path) as image:
        return np.array(image)


def test_an_overlay_shows_each_class_in_its_colour_over_the_image(tmp_path):
    image, logits = page((300, 320))
    picture = overlay_of(tmp_path, (image, logits))
    labels, shown = classify(logits), picture[:300, :320].astype(int)
    grey = np.asarray(Image.fromarray(image).convert("L")).astype(int)
    np.testing.assert_array_equal(shown[labels == 0], np.repeat(grey[labels == 0][:, None], 3, axis=1))
    edges = pictures.outlines(labels)
    for label, colour in enumerate(pictures.palette(3)[1:], start=1):
        assert (shown[edges & (labels == label)] == colour).all()
        inside = ~edges & (labels == label)
        assert np.ptp(shown[inside], axis=1).min() > 30
        assert np.corrcoef(shown[inside].sum(-1), grey[inside])[0, 1] > 0.99
    assert (picture[300:] == pictures.palette(3)[2]).all(-1).any()  # the legend


def test_a_narrow_image_leaves_room_for_the_legend(tmp_path):
    picture = overlay_of(tmp_path, page((300, 3)))
    assert picture.shape[1] == 240
    assert (picture[:300, 3:] == 255).all()


@pytest.mark.parametrize(("side", "factor"), [(1, 256), (64, 4), (170, 2), (171, 1)])
def test_a_small_image_is_enlarged_by_a_whole_factor(tmp_path, side, factor):
    image, logits = np.full((side, side, 3), 90, np.uint8), np.float32([5, 0, 0]) * np.ones((side, side, 1))
    picture = overlay_of(tmp_path, (image, np.float32(logits)))
    assert (picture[: side * factor, : side * factor] == 90).all()
    assert (picture[side * factor :, 0] == 255).all()  # the margin of the legend


def test_outlines_and_letters_grow_with_the_image(tmp_path):
    image, logits = np.zeros((10, 3000, 3), np.uint8), np.zeros((10, 3000, 2), np.float32)
    logits[:, 1500:, 1] = 1
    picture = overlay_of(tmp_path, (image, logits), ("cell", "wall"))
    full = (picture[5, :3000] == pictures.palette(2)[1]).all(-1)
    np.testing.assert_array_equal(np.flatnonzero(full), [1500, 1501, 1502])
    assert len(picture) > 10 + 3 * 16


@pytest.mark.parametrize("size", [(120, 200), (202, 130), (97, 53)])
@pytest.mark.parametrize("height", [1, 7, 64, 500])
def test_the_overlay_of_a_large_page_is_reduced_while_it_comes(tmp_path, monkeypatch, size, height):
    monkeypatch.setattr(outputs, "LARGEST", 100)
    monkeypatch.setattr(outputs, "SHOWN", 50)
    image, logits = page(size)
    drawn = []
    draw = outputs.OverlayWriter.add
    monkeypatch.setattr(outputs.OverlayWriter, "add", lambda writer, *rows: drawn.append(rows) or draw(writer, *rows))
    overlay_of(tmp_path, (image, logits), height=height)
    photo, labels = map(np.concatenate, zip(*drawn, strict=True))
    assert max(labels.shape) == 50
    expected = Image.fromarray(image).resize(labels.shape[::-1], Image.Resampling.BOX)
    np.testing.assert_allclose(photo, expected, rtol=0, atol=1)
    nearest = Image.fromarray(classify(logits)).resize(labels.shape[::-1], Image.Resampling.NEAREST)
    np.testing.assert_array_equal(labels, nearest)


@pytest.mark.parametrize("fine", [1000, 60])
def test_an_overlay_does_not_depend_on_the_strips(tmp_path, monkeypatch, fine):
    monkeypatch.setattr(overlay_pictures, "FINE", fine)  # outlines of one pixel, and of five
    one = page((300, 320))
    expected = overlay_of(tmp_path, one, height=300)
    for height in (1, 7, 299):
        np.testing.assert_array_equal(overlay_of(tmp_path, one, height=height), expected)


@pytest.mark.parametrize("opened", [masks, overlays])
def test_a_picture_that_lacks_rows_is_an_error_and_not_kept(tmp_path, opened):
    one = page((40, 50))
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="lacks rows"):  # noqa: SIM117
        with masks(path, [(40, 50)], 3) if opened is masks else overlays([path], CLASSES) as output:
            output.add(next(strips([one])))
    assert list(tmp_path.iterdir()) == []


# Figures


@pytest.mark.parametrize("height", [1, 7, 64])
def test_figures_do_not_depend_on_the_strips(height, monkeypatch):
    monkeypatch.setattr(measurements, "EXACT", 1000)
    several = [page((64, 50), 1), page((20, 30), 2)]
    rows = fill(Figures(CLASSES), several, height).rows
    assert rows == fill(Figures(CLASSES), several, 64).rows
    for number, (row, (_, logits)) in enumerate(zip(rows, several, strict=True)):
        labels, shares = classify(logits), softmax(logits).max(-1)
        assert (row["page"], row["height"], row["width"]) == (number, *labels.shape)
        assert [row[f"pixels_{name}"] for name in CLASSES] == np.bincount(labels.ravel(), minlength=3).tolist()
        assert [row[f"share_{name}"] for name in CLASSES] == [np.mean(labels == label) for label in range(3)]
        assert row["mean_confidence"] == pytest.approx(shares.mean(dtype=np.float64), rel=1e-12)


# Objects


def test_objects_are_connected_pixels_of_a_class():
    labels = np.uint8(
        [
            [1, 0, 0, 0, 2],
            [0, 1, 0, 0, 2],
            [0, 0, 0, 1, 1],
        ]
    )
    logits = np.float32(np.eye(3)[labels] * 5)
    logits[0, 0] = 0, 1, 0
    image = np.zeros((3, 5, 3), np.uint8)
    rows = list(fill(Objects("a.png", [(3, 5)], CLASSES), [(image, logits)], 2).rows())
    sure = softmax(logits).max(-1)
    assert [(row["class"], row["object"], row["pixels"]) for row in rows] == [
        ("cell", 1, 2),
        ("cell", 2, 2),
        ("wall", 1, 2),
    ]
    assert [tuple(row[side] for side in ("top", "left", "height", "width")) for row in rows] == [
        (0, 0, 2, 2),
        (2, 3, 1, 2),
        (0, 4, 2, 1),
    ]
    assert [(row["center_row"], row["center_column"]) for row in rows] == [(0.5, 0.5), (2, 3.5), (0.5, 4)]
    assert rows[0]["mean_confidence"] == pytest.approx((sure[0, 0] + sure[1, 1]) / 2)


def test_objects_of_many_rows_are_those_of_all_of_them(monkeypatch):
    several = [page((90, 80), 1), page((20, 30), 2)]
    monkeypatch.setattr(measurements, "BAND", 13)
    rows = list(fill(Objects("a.tif", sizes_of(several), CLASSES), several).rows())
    for number, (_, logits) in enumerate(several):
        labels = classify(logits)
        for label, name in enumerate(CLASSES[1:], start=1):
            numbers, count = ndimage.label(labels == label, np.ones((3, 3)))
            mine = [row for row in rows if (row["page"], row["class"]) == (number, name)]
            assert len(mine) == count > 1
            for place, row in enumerate(mine, start=1):
                assert row["pixels"] == (numbers == place).sum()
                centre = ndimage.center_of_mass(numbers == place)
                assert (row["center_row"], row["center_column"]) == pytest.approx(centre)
                assert row["mean_confidence"] == pytest.approx(softmax(logits).max(-1)[numbers == place].mean())


@pytest.mark.parametrize(
    ("classes", "listed"),
    [
        (("background", "cell", "wall"), ["cell", "wall"]),
        (("pet", "background", "border"), ["pet", "border"]),
        (("road", "tree", "sky"), ["road", "tree", "sky"]),
        (("membrane", "cell"), ["cell"]),
    ],
)
def test_the_background_is_no_object_wherever_it_stands(classes, listed):
    image, logits = np.zeros((1, len(classes), 3), np.uint8), np.eye(len(classes), dtype=np.float32)[None]
    rows = fill(Objects("a.png", [(1, len(classes))], classes), [(image, logits)]).rows()
    assert [row["class"] for row in rows] == listed


def test_objects_of_a_large_page_are_refused_at_once():
    with pytest.raises(DataError, match=r"a.tif has 8192x8193 pixels, .* leave out `--objects`"):
        Objects("a.tif", [(8, 8), (8192, 8193)], CLASSES)


LARGE = """
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from segzoo.data.pixels import Pixels, open_pages
from segzoo.data.tiled_tiff import TiledTiff
from segzoo.inference.measurements import Figures
from segzoo.inference.outputs import mask_file, masks, overlays, probabilities
from segzoo.inference.strips import Strip

folder, size = Path(sys.argv[1]), (16384, 4200)
image = np.random.default_rng(0).integers(0, 256, (128, 4200, 1), dtype=np.uint8)
logits = np.float32(np.eye(3)[image[..., 0] // 100] * 5)
with TiledTiff(folder / "image.tif") as tiff:
    page = tiff.page(size, "uint8")
    for _ in range(128):
        page.add(image[..., 0])
path = mask_file(folder, "mask", [size])
with open_pages(folder / "image.tif", Pixels(1)) as opened, ExitStack() as stack:
    outputs = [
        Figures("abc"),
        stack.enter_context(masks(path, [size], 3)),
        stack.enter_context(overlays([folder / "overlay.png"], "abc")),
        stack.enter_context(probabilities([folder / "probabilities.tif"], "abc", "float16")),
    ]
    for number, rows in enumerate(opened.rows(0).in_chunks(128)):
        strip = Strip.of(0, size, 128 * number, rows, logits)
        for output in outputs:
            output.add(strip)
status = Path("/proc/self/status").read_text()  # unlike getrusage, it does not count the process that started this one
print(next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured as Linux does")
def test_a_large_image_is_read_and_written_in_little_memory(tmp_path):
    done = subprocess.run([sys.executable, "-c", LARGE, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 500 * 2**20
    with Image.open(tmp_path / "overlay.png") as picture:
        assert picture.width == round(4096 * 4200 / 16384)
    first = tifffile.imread(tmp_path / "image.tif")[:128]
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif")[-128:], first // 100)
    assert read_values(tmp_path / "probabilities.tif").shape == (16384, 4200, 3)
