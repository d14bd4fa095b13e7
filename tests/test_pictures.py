import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFont

from segzoo.plugin import IGNORE
from segzoo.reporting import pictures

CLASSES = ("background", "disc", "square")


def scene(height=64, width=64, channels=3, dtype=np.uint8):
    """A grey ramp with a disc and a square, and a prediction that is a little off."""
    y, x = np.indices((height, width))
    mask = np.zeros((height, width), np.uint8)
    mask[(y - height // 3) ** 2 + (x - width // 3) ** 2 < (height // 4) ** 2] = 1
    mask[2 * height // 3 :, width // 2 :] = 2
    ramp = np.linspace(0, np.iinfo(dtype).max, width)
    image = np.broadcast_to(ramp[None, :, None], (height, width, channels)).astype(dtype)
    return image, mask, np.roll(mask, 3, axis=1)


def has(picture, colour):
    return (np.asarray(picture) == colour).all(axis=-1).any()


def below_panels(picture, height):
    """The legend: what lies under a row of panels of a height, without a title."""
    return picture.crop((0, 24 + 26 + height + 2, *picture.size))


def test_small_images_are_enlarged_by_a_whole_factor():
    picture = pictures.comparison(*scene(), CLASSES)
    assert picture.mode == "RGB"
    assert picture.width == 3 * 258 + 2 * 16 + 2 * 24  # panels with their frames, gaps, margins
    assert 256 < picture.height < 400


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((64, 64), (256, 256)),
        ((100, 50), (300, 150)),
        ((300, 200), (300, 200)),
        ((512, 512), (512, 512)),
        ((2048, 1024), (512, 256)),
        ((375, 600), (320, 512)),
        ((5000, 1), (512, 1)),
        ((1, 1), (256, 256)),
    ],
)
def test_panels_keep_their_shape(size, shown):
    assert pictures.panel_size(*size) == shown


def test_the_image_is_shown_as_it_is():
    image, mask, prediction = scene()
    picture = pictures.comparison(image, mask, prediction, CLASSES)
    left, top = 24 + 1, 24 + 26 + 1
    panel = np.asarray(picture.crop((left, top, left + 256, top + 256)))
    np.testing.assert_array_equal(panel[2::4, 2::4], image)


@pytest.mark.parametrize("classes", [("pet", "fur", "border"), CLASSES, ("pet", "border", "BG")])
def test_masks_are_drawn_in_the_colours_of_their_classes_but_for_the_background(classes):
    _, mask, prediction = scene()
    flat = np.full((64, 64, 3), 77, np.uint8)
    picture = np.asarray(pictures.comparison(flat, mask, prediction, classes))
    shown = pictures.palette(3).astype(float)
    if (plain := pictures.uncoloured(classes)) is not None:
        shown[plain] = 77
    for panel, labels in ((1, mask), (2, prediction)):
        left, top = 24 + 1 + panel * (258 + 16), 24 + 26 + 1
        inside = picture[top : top + 256, left : left + 256][2::4, 2::4].astype(float)
        distances = [np.abs(inside - colour).sum(axis=-1) for colour in shown]
        np.testing.assert_array_equal(np.argmin(distances, axis=0), labels)
        if plain is not None:
            assert (inside[labels == plain] == 77).all()


@pytest.mark.parametrize(
    ("classes", "plain"),
    [
        (("background", "cell"), 0),
        (("pet", " Background ", "border"), 1),
        (("bg", "a", "b"), 0),
        (("cell", "membrane"), 0),
        (("membrane", "background"), 1),
        (("pet", "fur", "border"), None),
        (("all",), None),
    ],
)
def test_the_class_over_which_the_image_is_left_as_it_is(classes, plain):
    assert pictures.uncoloured(classes) == plain


def test_the_image_can_be_seen_through_the_colour_of_the_other_class():
    image, mask, _ = scene()
    photo = pictures.photograph(image)
    shown = np.asarray(pictures.drawn(photo, np.minimum(mask, 1), pictures.palette(2), plain=0)).astype(int)
    grey, labels = np.asarray(photo.convert("L")).astype(int), pictures.fitted(np.minimum(mask, 1), photo.size)
    np.testing.assert_array_equal(shown[labels == 0], np.repeat(grey[labels == 0][:, None], 3, axis=1))
    inside = (labels == 1) & ~pictures.outlines(labels)
    assert np.corrcoef(shown.sum(axis=-1)[inside], grey[inside])[0, 1] > 0.99
    assert np.ptp(shown[inside], axis=1).min() > 50  # which no grey has


def test_outlines_have_the_full_colour_of_their_class():
    image, mask, prediction = scene()
    picture = pictures.comparison(image, mask, prediction, CLASSES)
    masks = picture.crop((24 + 258 + 16, 0, picture.width, 24 + 26 + 258))
    assert [has(masks, colour) for colour in pictures.palette(3)] == [False, True, True]


def test_the_legend_says_which_class_is_not_coloured():
    image, mask, prediction = scene()
    legend = below_panels(pictures.comparison(image, mask, prediction, CLASSES), 256)
    assert [has(legend, colour) for colour in pictures.palette(3)] == [False, True, True]
    other = below_panels(pictures.comparison(image, mask, prediction, ("back", *CLASSES[1:])), 256)
    assert all(has(other, colour) for colour in pictures.palette(3))


@pytest.mark.parametrize("count", [1, 3, 8, 40])
def test_the_legend_has_every_class(count):
    image, mask, _ = scene()
    classes = [f"class number {i}" for i in range(count)]
    nothing = np.zeros_like(mask)
    legend = below_panels(pictures.comparison(image, nothing, nothing, classes), 256)
    assert all(has(legend, colour) for colour in pictures.palette(count))


def test_many_classes_and_long_names_wrap_within_the_width():
    image, mask, prediction = scene()
    few = pictures.comparison(image, mask, prediction, CLASSES)
    many = pictures.comparison(image, mask, prediction, [f"class number {i}" for i in range(40)])
    long = pictures.comparison(image, mask, prediction, ("many words " * 40, "onelongword" * 40, "short"))
    assert many.width == long.width == few.width
    assert many.height > few.height + 40
    assert long.height > few.height + 80
    for picture in (many, long):
        assert np.asarray(picture)[:, -20:].min() == 255  # nothing runs into the margin


def test_text_is_broken_between_words_and_else_within_them():
    font = ImageFont.load_default(14)
    lines = pictures.wrapped("some words and anextraordinarilylongone", font, 100)
    assert "".join(lines).replace(" ", "") == "somewordsandanextraordinarilylongone"
    assert lines[0] == "some words"
    assert len(lines) > 3
    assert all(font.getlength(line) <= 100 for line in lines)
    assert pictures.wrapped("", font, 100) == [""]


def test_ignored_pixels_are_hatched_and_named_only_where_they_occur():
    image, mask, prediction = scene()
    plain = pictures.comparison(image, mask, prediction, CLASSES)
    mask[:8] = IGNORE
    ignoring = pictures.comparison(image, mask, prediction, CLASSES)
    for stripe in (150, 225):
        before, after = (
            np.count_nonzero((np.asarray(below_panels(picture, 256)) == stripe).all(axis=-1))
            for picture in (plain, ignoring)
        )
        assert after > before + 100  # about half the swatch; the soft edges of letters hold a few such greys
    truth = ignoring.crop((24 + 258 + 16 + 1, 24 + 26 + 1, 24 + 258 + 16 + 257, 24 + 26 + 1 + 28))
    spread = np.ptp(np.asarray(truth).astype(int), axis=-1)
    assert spread.max() == 0  # grey all over


def test_a_title_is_written_above():
    case = scene()
    plain, titled = pictures.comparison(*case, CLASSES), pictures.comparison(*case, CLASSES, title="cat 17, IoU 0.9")
    extra = titled.height - plain.height
    assert extra > 20
    assert not ImageChops.difference(
        titled.crop((0, 24 + extra, *titled.size)), plain.crop((0, 24, *plain.size))
    ).getbbox()
    assert np.asarray(titled)[24 : 24 + extra].min() < 100


@pytest.mark.parametrize("channels", [1, 2])
def test_few_channels_are_shown_as_grey(channels):
    image, mask, prediction = scene(channels=channels)
    picture = pictures.comparison(image, mask, prediction, CLASSES)
    assert picture.tobytes() == pictures.comparison(image[..., [0, 0, 0]], mask, prediction, CLASSES).tobytes()


def test_of_many_channels_the_first_three_are_shown():
    image, mask, prediction = scene(channels=5)
    image = image // np.arange(1, 6, dtype=np.uint8)
    picture = pictures.comparison(image, mask, prediction, CLASSES)
    assert picture.tobytes() == pictures.comparison(image[..., :3], mask, prediction, CLASSES).tobytes()


def test_sixteen_bits_are_shown_as_dark_as_they_are():
    image = np.array([[[0], [257]], [[128 * 257 + 128], [65535]]], np.uint16)
    assert pictures.rgb(image)[..., 0].tolist() == [[0, 1], [128, 255]]
    assert pictures.rgb(np.full((2, 2, 1), 900, np.uint16)).max() == 4  # 10 bits in 16: nearly black


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_predictions_may_be_of_any_integer_type(dtype):
    image, mask, prediction = scene()
    picture = pictures.comparison(image, mask, prediction.astype(dtype), CLASSES)
    assert picture.tobytes() == pictures.comparison(image, mask, prediction, CLASSES).tobytes()


def test_large_images_are_shrunk():
    picture = pictures.comparison(*scene(1500, 3000), CLASSES)
    assert picture.width == 3 * 514 + 2 * 16 + 2 * 24


def test_very_narrow_images_leave_room_for_their_captions():
    picture = pictures.comparison(*scene(64, 4), CLASSES)
    assert picture.width > 300


@pytest.mark.parametrize("n", [0, 1, 3, 8, 9, 255])
def test_the_palette_is_distinct_and_grows(n):
    colours = pictures.palette(n)
    assert colours.shape == (n, 3)
    assert colours.dtype == np.uint8
    assert len(np.unique(colours, axis=0)) == n
    np.testing.assert_array_equal(colours, pictures.palette(255)[:n])


def test_no_two_of_thirty_colours_are_close():
    colours = pictures.palette(30).astype(int)
    gaps = np.abs(colours[:, None] - colours).max(axis=-1) + 255 * np.eye(30, dtype=int)
    assert gaps.min() > 50


def test_the_same_input_makes_the_same_picture():
    assert pictures.comparison(*scene(), CLASSES).tobytes() == pictures.comparison(*scene(), CLASSES).tobytes()


def test_inputs_are_left_alone():
    arrays = scene()
    copies = [array.copy() for array in arrays]
    pictures.comparison(*arrays, CLASSES)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_a_mask_of_another_size_is_refused():
    image, mask, prediction = scene()
    with pytest.raises(ValueError, match=r"the prediction has the shape \(32, 64\), the image \(64, 64, 3\)"):
        pictures.comparison(image, mask, prediction[:32], CLASSES)


@pytest.mark.parametrize("wrong", [3, -1, 300])
def test_labels_that_are_no_class_are_refused(wrong):
    image, mask, prediction = scene()
    prediction = prediction.astype(np.int64)
    prediction[5, 5] = wrong
    with pytest.raises(ValueError, match=rf"the prediction has the labels \[{wrong}\]"):
        pictures.comparison(image, mask, prediction, CLASSES)


def test_a_real_photo(test_data):
    photo = np.asarray(Image.open(test_data / "oxford_pets/images/Abyssinian_10.jpg").convert("RGB"))
    trimap = np.asarray(Image.open(test_data / "oxford_pets/annotations/trimaps/Abyssinian_10.png")) - 1
    picture = pictures.comparison(photo, trimap, trimap, ("pet", "background", "border"))
    height, width = trimap.shape
    assert picture.width == 3 * (width + 2) + 2 * 16 + 2 * 24
    assert picture.height > height
