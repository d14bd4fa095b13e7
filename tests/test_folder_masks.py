"""How masks become labels: values that are ignored, objects, and regions of interest."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from image_folders import (
    classes,
    first_sample,
    grid,
    labels,
    opened,
    pages,
    photo,
    refusal,
    save,
    warnings_of,
    with_masks,
    write,
    write_table,
)
from PIL import Image
from pydantic import ValidationError
from scipy.ndimage import distance_transform_edt

import segzoo
from segzoo.errors import DataError, LabelError
from segzoo.plugin import IGNORE
from segzoo_folder import ImageFolder
from segzoo_folder.masks import Instances, Labels, apply_region, border, marked_values


def wide(*values, dtype=np.int16):
    """A mask that holds these values, of any type."""
    return np.resize(np.array(values, dtype), (6, 8))


def test_a_label_that_is_left_out_is_no_class(tmp_path, cache):
    root = with_masks(tmp_path, grid(*range(12)))
    assert len(classes(root, cache)) == 12
    assert classes(root, cache, ignore=(11,)) == tuple(f"class{label}" for label in range(11))
    assert labels(root, cache, ignore=(11,)) == [*range(11), IGNORE]
    _, mask = first_sample(root, cache, ignore=(11,))
    np.testing.assert_array_equal(mask == IGNORE, grid(*range(12)) == 11)
    assert len(classes(root, cache, ignore=(11, 10))) == 10


@pytest.mark.parametrize(
    ("held", "options", "expected"),
    [
        ((0, 128, 255), {"ignore": (128,)}, [0, 1, IGNORE]),
        ((0, 1, 255), {"ignore": (255,)}, [0, 1, IGNORE]),
        ((0, 1, 2, 3), {"ignore": (0,), "values": (1, 2, 3)}, [0, 1, 2, IGNORE]),
        ((0, 1, 7), {"ignore": (7,), "classes": ("a", "b")}, [0, 1, IGNORE]),
        ((0, 7, 255), {"ignore": (7,), "values": (0, 255)}, [0, 1, IGNORE]),
        ((0, 7, 255), {"ignore": (255,), "values": (7, 0)}, [0, 1, IGNORE]),
        ((0, 3, 100, 130, 250), {"ignore": (128,), "values": (0, 249), "nearest": True}, [0, 1, IGNORE]),
        ((0, 1, 2), {"ignore": (9,)}, [0, 1, 2]),
    ],
)
def test_values_are_left_out_beside_all_other_options(tmp_path, cache, held, options, expected):
    assert labels(with_masks(tmp_path, grid(*held)), cache, **options) == expected


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.float32, np.float64])
def test_negative_labels_are_read_where_they_are_left_out(tmp_path, cache, dtype):
    root = with_masks(tmp_path, wide(-1, 0, 1, 2, dtype=dtype), wide(0, 1, dtype=np.uint8), suffix=".npy")
    message = refusal(root, cache)
    assert "hold -1 (in 5 masks, such as masks/0.npy), but labels are whole numbers from 0 to 65535" in message
    assert "`--set 'dataset.ignore=[-1]'`" in message
    assert classes(root, cache, ignore=(-1,)) == ("class0", "class1", "class2")
    assert labels(root, cache, ignore=(-1,)) == [0, 1, 2, IGNORE]
    with pytest.raises(LabelError, match=r"0.npy has the values -1, which are no class; .*ignore=\[1, -1\]'`"):
        labels(root, cache, ignore=(1,), values=(0, 2))


@pytest.mark.parametrize(
    ("void", "number"), [(-9999, -9999), (70_000, 70_000), (np.nan, "nan"), (2**32 - 1, 2**32 - 1)]
)
def test_what_other_programs_write_for_nothing_is_left_out(tmp_path, cache, void, number):
    root = with_masks(tmp_path, wide(void, 0, 1, dtype=np.float64), suffix=".npy")
    assert f"hold {number} (in 9 masks" in refusal(root, cache)
    assert f"add `--set 'dataset.ignore=[{number}]'`" in refusal(root, cache)
    for _, mask in opened(root, cache, ignore=(number,))["train"]:
        np.testing.assert_array_equal(mask, grid(IGNORE, 0, 1))


def test_without_being_left_out_gaps_and_negative_labels_are_not_taken_for_the_nearest(tmp_path, cache):
    root = with_masks(tmp_path, wide(0, 3, 250, 255, dtype=np.float64), suffix=".npy")
    for void, text in ((np.nan, "nan"), (-1, "-1")):
        save(root / "masks/4.npy", wide(void, 3, 250, 255, dtype=np.float64))
        with pytest.raises(LabelError, match=rf"4.npy has the values {text}, which are no class"):
            labels(root, cache, values=(0, 255), nearest=True)
        assert labels(root, cache, values=(0, 255), nearest=True, ignore=(text if text == "nan" else -1,))[:2] == [
            0,
            1,
        ]


def test_a_file_with_fractions_or_numbers_beyond_all_bounds_is_named(tmp_path, cache):
    root = with_masks(tmp_path, wide(0, 1), suffix=".npy")
    for value in (0.5, np.inf, -3.4e38):
        save(root / "masks/4.npy", wide(value, 0, 1, dtype=np.float64))
        with pytest.raises(DataError, match=rf"4.npy: its values are float64, such as {re.escape(str(value))}, and"):
            labels(root, cache, ignore=(-1,))


def test_a_void_label_among_named_classes_is_a_finding_that_says_how_to_leave_it_out(tmp_path, cache):
    root = with_masks(tmp_path, grid(0, 1, 2))
    for option in ({"classes": ["a", "b"]}, {"values": [0, 1]}):
        settings = {"dataset.root": str(root)} | {f"dataset.{name}": value for name, value in option.items()}
        result = segzoo.verify("folder", settings=settings, processes=1)
        assert {finding.kind for finding in result.errors} == {"labels"}
        assert len(result.errors) == 9
        assert all("add `--set 'dataset.ignore=[2]'`" in finding.what for finding in result.errors)
        assert segzoo.verify("folder", settings=settings | {"dataset.ignore": [2]}, processes=1).errors == ()


def test_masks_that_hold_nothing_but_what_is_left_out(tmp_path, cache):
    root = with_masks(tmp_path, grid(0, 1, 4), grid(4))
    assert classes(root, cache, ignore=(4,)) == ("background", "foreground")
    root = with_masks(tmp_path / "all", grid(4, 0))
    assert "there is nothing to tell apart" in refusal(root, cache, ignore=(4,))


def test_what_is_left_out_is_said_in_a_file_or_on_the_command_line(tmp_path, cache, command):
    root = with_masks(tmp_path / "data", wide(np.nan, -1, 0, 1, dtype=np.float32), suffix=".npy")
    words = ("data", "verify", "folder", "--set", f"dataset.root={root}")
    assert command(*words).code == 1
    for value in ("[nan, -1]", '["nan", -1]'):
        assert command(*words, "--set", f"dataset.ignore={value}").code == 0
    settings = {"dataset.root": str(root), "dataset.ignore": [float("nan"), -1]}
    small = settings | {"model.filters": 2, "model.depth": 1, "model.batch_norm": False}
    run = segzoo.run("unet", "folder", settings=small, epochs=1, image_size=(8, 8), out=tmp_path / "run")
    again = segzoo.run(config=run.folder / "config.toml", out=tmp_path / "again")
    assert again.metrics == run.metrics


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore": [1.5]}, "a whole number, or nan"),
        ({"ignore": ["void"]}, "a whole number, or nan"),
        ({"ignore": [True]}, "a whole number, or nan"),
        ({"ignore": [1], "values": [0, 1]}, "values and ignore both have 1"),
        ({"ignore": [1], "colors": {"a": "#000000", "b": "#ffffff"}}, "name what is left out `ignore` in colors"),
    ],
)
def test_what_cannot_be_left_out(options, message):
    with pytest.raises(ValidationError, match=message):
        ImageFolder(**options)


@given(st.data())
def test_each_pixel_is_its_class_or_left_out_or_refused(tmp_path_factory, data):
    known = data.draw(st.lists(st.integers(-5, 300), min_size=3, max_size=12, unique=True))
    count = data.draw(st.integers(1, len(known) - 1))
    values, left_out = [value for value in known[:count] if value >= 0], known[count:]
    pixels = data.draw(st.lists(st.sampled_from([*known, 255]), min_size=6, max_size=6))
    path = save(tmp_path_factory.mktemp("mask") / "m.npy", np.array(pixels, np.int32).reshape(2, 3))
    meaning = Labels(tuple(map(str, values)), tuple(values), left_out=tuple(left_out))
    expected = [values.index(p) if p in values else IGNORE if p in (*left_out, 255) else None for p in pixels]
    if None in expected:
        with pytest.raises(LabelError):
            meaning.read([path], 0)
    else:
        assert meaning.read([path], 0).ravel().tolist() == expected


SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=12)
NUMBERS = arrays(np.int64, SHAPES, elements=st.sampled_from([0] * 12 + [1, 1, 2, 2, 3, 255, 256, 2**53]))
DRAWN = SHAPES.flatmap(lambda shape: st.lists(arrays(bool, shape), min_size=1, max_size=4))


def second_nearest(objects):
    """Distance (H, W) to the second nearest of objects (N, H, W), each measured across the image."""
    distances = [distance_transform_edt(~pixels) for pixels in objects if pixels.any()]
    if len(distances) < 2:
        return np.full(objects[0].shape, np.inf)
    return np.sort(distances, axis=0)[1]


def masks_of(root, cache, **options):
    return {
        name: mask
        for samples in opened(root, cache, **options).values()
        for name, (_, mask) in zip(samples.ids, samples, strict=True)
    }


@given(NUMBERS)
def test_the_border_is_what_is_at_most_two_pixels_from_the_second_nearest_object(numbers):
    objects = [numbers == number for number in np.unique(numbers) if number] or [numbers > 0]
    np.testing.assert_array_equal(border(numbers, numbers), second_nearest(objects) <= 2)


@given(DRAWN)
def test_objects_may_overlap_in_files_of_their_own(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("masks")
    paths = [save(folder / f"{number}.png", pixels * np.uint8(255)) for number, pixels in enumerate(drawn)]
    labels = Instances(("background", "cell", "border"), separate=True).read(paths, 0)
    expected = np.where(second_nearest(drawn) <= 2, 2, np.any(drawn, axis=0))
    np.testing.assert_array_equal(labels, expected)
    labels = Instances(("background", "cell"), separate=True).read(paths, 0)
    np.testing.assert_array_equal(labels, np.any(drawn, axis=0))


def test_objects_that_touch_are_kept_apart_and_all_others_left_whole(tmp_path):
    row = [1, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0, 3, 3, 3, 0, 0, 0, 0, 3, 0, 4, 4, 4, 4]
    read = Instances(("background", "cell", "border"), separate=False).read
    labels = read([save(tmp_path / "row.png", np.array([row], np.uint8))], 0)
    assert labels.tolist() == [[1, 1, 1, 2, 2, 2, 2, 1, 1, 0, 2, 0, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 1, 1, 1]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_any_number_is_an_object(tmp_path, cache, dtype, suffix):
    numbers = np.resize(np.array([0, 1, 7, 254, 255, 256, 512, 65280, 65535]), (6, 8)).astype(dtype)
    root = with_masks(tmp_path, numbers, suffix=suffix)
    assert classes(root, cache, instances="foreground") == ("background", "foreground")
    for mask in masks_of(root, cache, instances="foreground").values():
        np.testing.assert_array_equal(mask, numbers > 0)


@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.int64, np.float32])
def test_arrays_of_any_type_hold_numbers(tmp_path, cache, dtype):
    numbers = np.resize(np.array([0, 1, 0, 3, 40_000]), (6, 8)).astype(dtype)
    for mask in masks_of(with_masks(tmp_path, numbers, suffix=".npy"), cache, instances="foreground").values():
        np.testing.assert_array_equal(mask, numbers > 0)


def test_what_is_ignored_is_no_object(tmp_path, cache):
    numbers = np.resize(np.array([0, 1, 255, 3]), (6, 8))
    for suffix, void in ((".png", 255), (".npy", -1), (".npy", 2**40)):
        drawn = np.where(numbers == 255, void, numbers).astype(np.uint8 if suffix == ".png" else np.int64)
        root = with_masks(tmp_path / f"{suffix}{void}", drawn, suffix=suffix)
        for mask in masks_of(root, cache, instances="foreground", ignore=(void,)).values():
            np.testing.assert_array_equal(mask, np.where(numbers == 255, IGNORE, numbers > 0))
        if void < 0:
            with pytest.raises(DataError, match=r"has the value -1.*`--set 'dataset\.ignore=\[-1\]'`"):
                masks_of(root, cache, instances="foreground")


def test_a_value_that_is_ignored_is_no_colour(tmp_path, cache):
    numbers = np.resize(np.array([0, 255]), (6, 8))
    colors = np.stack([numbers * 0, numbers * 0, numbers], -1).astype(np.uint8)
    for mask in masks_of(with_masks(tmp_path, colors), cache, instances="foreground", ignore=(255,)).values():
        np.testing.assert_array_equal(mask, numbers > 0)


def test_two_blobs_of_one_number_are_one_object(tmp_path, cache):
    numbers = np.zeros((6, 8), np.uint8)
    numbers[:, :3] = numbers[:, 4:] = 9
    for mask in masks_of(with_masks(tmp_path, numbers), cache, instances="border").values():
        np.testing.assert_array_equal(mask, numbers > 0)


def test_objects_may_have_colours(tmp_path, cache):
    numbers = np.zeros((6, 8), np.int64)
    numbers[1:4, :4], numbers[1:4, 4:] = 1, 2
    colors = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0]], np.uint8)
    for mask in masks_of(with_masks(tmp_path, colors[numbers]), cache, instances="border").values():
        np.testing.assert_array_equal(mask, np.where(border(numbers, numbers), 2, numbers > 0))


def test_objects_may_be_given_other_names(tmp_path, cache):
    root = with_masks(tmp_path, np.arange(48, dtype=np.uint8).reshape(6, 8))
    assert classes(root, cache, instances="border") == ("background", "foreground", "border")
    names = ("rest", "cell", "wall")
    assert classes(root, cache, instances="border", classes=names) == names
    assert classes(root, cache, instances="foreground", classes=names[:2]) == names[:2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": [0, 1]}, "values takes them for classes: leave it out"),
        ({"colors": {"a": "#000000", "b": "#ffffff"}}, "colors takes them for classes: leave it out"),
        ({"classes": ["a", "b", "c"]}, "classes has 3 entries, where 'foreground' makes 2: background, foreground"),
        ({"classes": ["a", "b"], "instances": "border"}, "classes has 2 entries, where 'border' makes 3"),
        ({"instances": "objects"}, "'foreground' or 'border'"),
    ],
)
def test_options_that_do_not_go_with_objects_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        ImageFolder(**({"instances": "foreground"} | options))


def test_how_objects_are_read_is_in_the_stamp(tmp_path, cache):
    root = with_masks(tmp_path, np.resize(np.array([0, 1], np.uint8), (6, 8)))
    stamps = {way: ImageFolder(root=root, instances=way).stamp(cache, "val") for way in ("foreground", "border")}
    assert stamps["foreground"] != stamps["border"]


# What is not clear


def test_numbers_in_a_format_for_photos_are_refused(tmp_path, cache):
    numbers = np.resize(np.array([0, 1, 2, 3], np.uint8), (6, 8))
    with pytest.raises(DataError, match=r"0\.jpg may not hold what was drawn, since formats for photos, such as JPEG"):
        masks_of(with_masks(tmp_path, numbers, suffix=".jpg"), cache, instances="foreground")


def indexed(path, indices, colors):
    image = Image.fromarray(np.array(indices, np.uint8))
    image.putpalette(np.array(colors, np.uint8).tobytes())
    image.save(path)
    return path


def test_a_palette_may_not_say_otherwise_than_the_numbers(tmp_path):
    numbers = [[0, 1, 2]]
    white, red, black = [255, 255, 255], [255, 0, 0], [0, 0, 0]
    for colors in ([black, red, white], [white, red, red], [black, black, black]):
        assert marked_values(indexed(tmp_path / "numbers.png", numbers, colors), 0).tolist() == numbers
    with pytest.raises(DataError, match=r"0, which marks nothing, is #ffffff, and 2 is black: it is not clear"):
        marked_values(indexed(tmp_path / "swapped.png", numbers, [white, red, black]), 0)


# Masks that look like objects, though nobody has said so


def numbered(root, count):
    """Masks of which the first has `count` objects, and others fewer."""
    for number in range(9):
        save(root / f"images/{number}.png", photo(number, (16, 20)))
        objects = np.arange(320).reshape(16, 20) % (count + 1 if number == 0 else 3)
        save(root / f"masks/{number}.png", objects.astype(np.uint16))
    return root


def warnings_about(root):
    result = segzoo.verify("folder", settings={"dataset.root": str(root)}, processes=1)
    return [finding.what for finding in result.findings if finding.kind == "doubtful"]


def test_more_than_ten_values_are_likelier_objects_than_classes(tmp_path):
    assert warnings_about(numbered(tmp_path / "few", 10)) == []
    (line,) = warnings_about(numbered(tmp_path / "more", 11))
    assert "hold 12 values without gaps, which are read as classes. If they number objects, as is likelier, add" in line
    assert "`--set dataset.instances=foreground`" in line


def test_classes_that_are_named_are_not_doubted(tmp_path, cache):
    root = numbered(tmp_path, 11)
    names = tuple("abcdefghijkl")
    for options in ({"classes": names}, {"values": tuple(range(12))}, {"instances": "border"}):
        assert list(ImageFolder(root=root, **options).warnings(cache)) == []


def test_too_many_values_for_classes_are_likeliest_objects(tmp_path, cache):
    message = refusal(numbered(tmp_path / "objects", 200), cache)
    assert (
        "more than 64 values. If they number objects, add `--set dataset.instances=foreground`, or `border`" in message
    )
    smooth = with_masks(tmp_path / "smooth", *(np.linspace(0, 255, 48 + n).astype(np.uint8)[None] for n in range(40)))
    message = refusal(smooth, cache)
    assert message.index("dataset.nearest=true") < message.index("dataset.instances")


def test_numbers_with_gaps_may_be_objects_too(tmp_path, cache):
    root = with_masks(tmp_path, np.resize(np.arange(3, 60, 4, dtype=np.uint8), (6, 8)))
    assert "if they number objects, add `--set dataset.instances=foreground`" in refusal(root, cache)


def test_many_colours_may_be_objects(tmp_path, cache):
    colors = np.zeros((6, 16, 3), np.uint8)
    colors[..., 0], colors[..., 1] = np.arange(96).reshape(6, 16), 9
    message = refusal(with_masks(tmp_path, colors), cache)
    assert (
        "If each object has a colour, and the background is black, add `--set dataset.instances=foreground`" in message
    )


NAMES = [f"im{number}" for number in range(9)]
GRID = np.resize(np.arange(3, dtype=np.uint8), (6, 8))
VIEW = np.zeros((6, 8), np.uint8)
VIEW[1:5, 2:7] = 255
SEEN = np.where(VIEW == 0, IGNORE, GRID)


def flat(root):
    write(root, NAMES, mask=GRID)
    for name in NAMES:
        save(root / f"fov/{name}.png", VIEW)


def by_word(root):
    write(root, NAMES, mask=GRID)
    for name in NAMES:
        save(root / f"fov/{name}_mask.gif", VIEW)


def splits_above(root):
    for split, names in {"train": NAMES[:6], "val": NAMES[6:]}.items():
        write(root / split, names, mask=GRID)
        for name in names:
            save(root / f"{split}/fov/{name}.png", VIEW)


def splits_below(root):
    for split, names in {"train": NAMES[:6], "val": NAMES[6:]}.items():
        write(root, [f"{split}/{name}" for name in names], mask=GRID)
        for name in names:
            save(root / f"fov/{split}/{name}.png", VIEW)


def folders_of_each_image(root):
    for number, name in enumerate(NAMES):
        save(root / f"{name}/images/photo.png", photo(number))
        save(root / f"{name}/masks/drawn.png", GRID)
        save(root / f"{name}/fov/seen.png", VIEW)


LAYOUTS = [flat, by_word, splits_above, splits_below, folders_of_each_image]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_outside_a_region_is_left_out(tmp_path, cache, layout):
    layout(tmp_path)
    result = opened(tmp_path, cache, regions="fov")
    assert sum(map(len, result.values())) == 9
    for samples in result.values():
        for (_, mask), (image, drawn, region) in zip(samples, samples.files, strict=True):
            np.testing.assert_array_equal(mask, SEEN)
            assert ("images" in image.parts, "masks" in drawn.parts, "fov" in region.parts) == (True,) * 3
    for samples in opened(tmp_path, cache).values():
        for (_, mask), paths in zip(samples, samples.files, strict=True):
            np.testing.assert_array_equal(mask, GRID)
            assert len(paths) == 2


def test_a_table_has_a_column_of_regions_which_images_may_share(tmp_path, cache):
    write(tmp_path, NAMES, mask=GRID)
    save(tmp_path / "view.png", VIEW)
    rows = [(f"images/{name}.png", f"masks/{name}.png", "view.png") for name in NAMES]
    write_table(tmp_path, [("image", "mask", "region"), *rows])
    for samples in opened(tmp_path, cache, listing="list.csv").values():
        for (_, mask), paths in zip(samples, samples.files, strict=True):
            np.testing.assert_array_equal(mask, SEEN)
            assert paths[2] == tmp_path / "view.png"
    verification = segzoo.verify("folder", settings={"dataset.root": str(tmp_path), "dataset.listing": "list.csv"})
    assert not [finding for finding in verification.findings if finding.kind != "doubtful"]


def test_a_table_must_have_a_region_for_each_image(tmp_path, cache):
    write(tmp_path, NAMES, mask=GRID)
    rows = [(f"images/{name}.png", f"masks/{name}.png", "" if name == "im4" else "view.png") for name in NAMES]
    write_table(tmp_path, [("image", "mask", "region"), *rows])
    message = refusal(tmp_path, cache, listing="list.csv")
    assert "some rows have a region, but not that of images/im4.png" in message
    write_table(tmp_path, [("image", "mask", "region"), *(row for row in rows if row[2])])
    for allowed in (False, True):
        message = refusal(tmp_path, cache, listing="list.csv", allow_missing=allowed)
        assert f"lacks the regions of interest of 8 images: {tmp_path / 'images/im0.png'} has no region" in message


@pytest.mark.parametrize("layout", LAYOUTS)
def test_regions_that_are_missing_are_named_whatever_is_allowed(tmp_path, cache, layout):
    layout(tmp_path)
    region = next(tmp_path.rglob("*fov/**/*im3*" if layout != folders_of_each_image else "im3/fov/*"))
    region.unlink()
    for allowed in (False, True):
        message = refusal(tmp_path, cache, regions="fov", allow_missing=allowed)
        assert "lacks the regions of interest of 1 images" in message
        assert f"has no region {region.relative_to(tmp_path).parent.as_posix()}/" in message
    dataset = ImageFolder(root=tmp_path, regions="fov", allow_missing=True)
    assert [line.partition(" has no region ")[0] for line in dataset.missing(cache)] == [
        str(next(path for path in tmp_path.rglob("images/**/*.png") if "im3" in str(path)))
    ]


def test_images_without_a_mask_need_no_region(tmp_path, cache):
    flat(tmp_path)
    for folder in ("masks", "fov"):
        (tmp_path / f"{folder}/im3.png").unlink()
    save(tmp_path / "fov/other.png", VIEW)
    result = opened(tmp_path, cache, regions="fov", allow_missing=True)
    assert sum(map(len, result.values())) == 8


def test_a_region_of_another_size_is_a_finding_of_its_sample(tmp_path):
    flat(tmp_path)
    region = save(tmp_path / "fov/im3.png", np.ones((8, 6), np.uint8))
    settings = {"dataset.root": str(tmp_path), "dataset.regions": "fov"}
    result = segzoo.verify("folder", settings=settings, processes=1)
    (error,) = result.errors
    assert (error.kind, error.id, error.file) == ("size", "im3", str(region))
    assert f"the region {region} is 8x6 pixels, its mask 6x8" in error.what


def test_a_region_that_leaves_nothing_is_a_finding_of_its_mask(tmp_path):
    flat(tmp_path)
    save(tmp_path / "fov/im3.png", np.zeros((6, 8), np.uint8))
    settings = {"dataset.root": str(tmp_path), "dataset.regions": "fov"}
    result = segzoo.verify("folder", settings=settings, processes=1)
    (finding,) = (finding for finding in result.findings if finding.kind == "unlabelled")
    assert (finding.id, finding.file) == ("im3", str(tmp_path / "masks/im3.png"))


def test_stamp_and_sample_change_with_a_region(tmp_path, cache):
    flat(tmp_path)
    dataset = ImageFolder(root=tmp_path, regions="fov")
    before = dataset.stamp(cache, "train")
    assert before != ImageFolder(root=tmp_path).stamp(cache, "train")
    for path in (tmp_path / "fov").iterdir():
        save(path, np.ones((6, 8), np.uint8))
    dataset.describe(cache)
    assert dataset.stamp(cache, "train") != before
    np.testing.assert_array_equal(dataset.open(cache, "train")[0][1], GRID)


def test_regions_go_with_objects(tmp_path, cache):
    flat(tmp_path)
    for samples in opened(tmp_path, cache, regions="fov", instances="foreground").values():
        for _, mask in samples:
            np.testing.assert_array_equal(mask, np.where(VIEW == 0, IGNORE, GRID > 0))


def test_one_region_may_be_that_of_all_pages(tmp_path, cache):
    views = [VIEW, 255 - VIEW]
    for name in NAMES:
        pages(tmp_path / f"images/{name}.tif", [photo(number, (6, 8)) for number in range(2)])
        pages(tmp_path / f"masks/{name}.tif", [GRID, GRID])
        pages(tmp_path / f"each/{name}.tif", views)
        save(tmp_path / f"all/{name}.png", VIEW)
    for regions, expected in {"each": views, "all": [VIEW, VIEW]}.items():
        for samples in opened(tmp_path, cache, regions=regions).values():
            for name, (_, mask) in zip(samples.ids, samples, strict=True):
                np.testing.assert_array_equal(mask, np.where(expected[int(name[-1])] == 0, IGNORE, GRID))


# What a file marks


@pytest.mark.parametrize(
    "stored",
    [
        VIEW,
        VIEW // 255,
        VIEW > 0,
        VIEW.astype(np.uint16) * 257,
        np.stack([VIEW] * 3, -1),
        np.stack([VIEW, VIEW * 0, VIEW // 5], -1),
    ],
    ids=["255", "1", "bits", "16 bits", "grey as colour", "colour"],
)
def test_a_region_is_what_is_not_0(tmp_path, stored):
    np.testing.assert_array_equal(apply_region(GRID, save(tmp_path / "view.png", stored), 0), SEEN)


def test_a_region_as_jpeg_is_refused(tmp_path):
    path = save(tmp_path / "view.jpg", np.roll(VIEW, 1, 1))
    with pytest.raises(DataError, match=r"view\.jpg may not hold what was drawn"):
        marked_values(path, 0)


def test_a_palette_that_swaps_black_and_white_is_refused(tmp_path):
    image = Image.fromarray(VIEW // 255)
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / "view.png")
    with pytest.raises(DataError, match="it is not clear what is marked"):
        apply_region(GRID, tmp_path / "view.png", 0)


# Options and messages


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": "/fov"}, "no folder beside images and masks"),
        ({"regions": "../fov"}, "no folder beside images and masks"),
        ({"regions": ""}, "no folder beside images and masks"),
        ({"regions": "masks/"}, "no folder beside images and masks"),
        ({"regions": "fov", "listing": "list.csv"}, "with a listing, give each image its own in the column region"),
    ],
)
def test_options_that_do_not_do(options, message):
    with pytest.raises(ValidationError, match=message):
        ImageFolder(**options)


@pytest.mark.parametrize("split", ["", "training/"])
def test_nobody_is_told_to_rename_a_folder_of_regions(tmp_path, cache, split):
    for name in NAMES:
        save(tmp_path / f"{split}images/{name}.png", photo())
        save(tmp_path / f"{split}mask/{name}.png", VIEW)
    message = refusal(tmp_path, cache)
    assert f"{tmp_path / split} has a folder images, but no masks with what is to be learnt" in message
    assert "beside it is mask. Fields of view and other regions of interest are not that" in message


def test_regions_that_are_taken_for_masks_are_doubted(tmp_path, cache):
    write(tmp_path, NAMES, mask=VIEW)
    (line,) = ImageFolder(root=tmp_path).warnings(cache)
    assert "`--set dataset.regions=FOLDER`" in line


@pytest.mark.parametrize("layout", [flat, splits_above, splits_below])
def test_regions_that_nobody_asks_for_are_told_of(tmp_path, cache, layout):
    layout(tmp_path)
    warnings = [line for line in warnings_of(tmp_path, cache) if "regions" in line and "not looked at" in line]
    assert len(warnings) == 1
    assert "`--set dataset.regions=fov`" in warnings[0]
    assert not [line for line in warnings_of(tmp_path, cache, regions="fov") if "not looked at" in line]
