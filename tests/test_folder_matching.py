"""Which images and masks belong together by their names, also where each image has several masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import SQUARE, classes, ids, most_held, opened, pages, photo, refusal, save, write

import segzoo
from segzoo.errors import ConfigError
from segzoo_folder import ImageFolder
from segzoo_folder import pairs as segzoo_pairs
from segzoo_folder.masks import border
from segzoo_folder.matching import group_masks, matches

NUMBERS = [f"{number:02}" for number in range(10)]


def encode(names):
    return np.array(sorted(name.encode() for name in names), np.bytes_)


def paired(images, masks):
    """The names that were put together."""
    result = matches(encode(images), encode(masks))
    left, right = (
        [name.decode() for name in encode(names)[places]]
        for names, places in ((images, result.images), (masks, result.masks))
    )
    assert left == sorted(left)
    return dict(zip(left, right, strict=True))


def expected(image, mask, numbers=NUMBERS):
    return {image.format(number): mask.format(number) for number in numbers}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{}", "{}"),
        ("IMG_{}", "img_{}"),
        ("a/Ä{}", "A/ä{}"),
        ("{}", "{}_mask"),
        ("{}", "{}.jpg"),
        ("x/y{}", "x/y{}-seg map"),
        ("Image_{}L", "Image_{}L_1stHO"),
        ("im{}", "im{}.ah"),
        ("image_{}", "mask_{}"),
        ("Image_{}", "MASK_{}"),
        ("img{}", "label{}"),
        ("{}", "mask_{}"),
        ("scan-{}", "{}"),
        ("frame-{}", "{}_gt"),
        ("{}_leftImg8bit", "{}_gtFine_labelIds"),
        ("{}_sat", "{}_mask"),
        ("{}_training", "{}_manual1"),
        ("patient {}/image", "patient {}/mask"),
        ("a/photo ({})", "a/label ({})"),
        ("IMG_{}A", "img_{}a_mask"),
        ("{}", "mask_ring_{}"),
    ],
)
def test_names_that_differ_by_case_or_by_a_word_that_all_have(image, mask):
    pairs = expected(image, mask)
    assert paired(pairs, pairs.values()) == pairs


def test_case_may_differ_behind_a_word_as_well():
    assert paired(["image_A", "image_b"], ["mask_a", "mask_B"]) == {"image_A": "mask_a", "image_b": "mask_B"}


def test_where_a_word_says_what_it_is_some_partners_may_be_missing():
    pairs = expected("image_{}", "mask_{}")
    result = paired([*pairs, "image_a"], [*pairs.values(), "mask_b"])
    assert result == pairs
    names = matches(encode(pairs), encode([*pairs.values()][1:]))
    assert (names.mask_of("x/image_00"), names.image_of("x/mask_17")) == ("x/mask_00", "x/image_17")


@pytest.mark.parametrize(
    ("images", "masks", "pairs"),
    [
        (["a", "b"], ["a_mask", "b_label"], {}),
        (["a", "b", "a_mask"], ["a_mask", "b_mask"], {"a_mask": "a_mask"}),
        (["1", "2"], ["1_0", "2_0"], {}),
        (["1", "2"], ["10", "20"], {}),
        (["1", "2", "3"], ["1_contour", "2_contour", "4_contour"], {}),
        (["left_1", "left_2"], ["right_1", "right_2"], {}),
        (["image_1", "image_2"], ["mask_3", "mask_4"], {}),
        (["image_7"], ["mask_8"], {}),
        (["image_cat"], ["mask_dog"], {}),
        (["image_cat_1", "image_cat_2"], ["mask_dog_1", "mask_dog_2"], {}),
        (["1_cat_image", "2_cat_image"], ["1_dog_mask", "2_dog_mask"], {}),
        (["IMG_1", "img_1"], ["Img_1"], {}),
        (["IMG_1"], ["img_1", "Img_1"], {}),
        (["A", "a"], ["a", "A"], {"A": "A", "a": "a"}),
        (["A", "a"], ["a"], {"a": "a"}),
        (["1"], [], {}),
        ([], ["1"], {}),
    ],
)
def test_what_leaves_a_doubt_is_left_alone(images, masks, pairs):
    assert paired(images, masks) == pairs


def test_words_that_could_be_taken_off_in_two_ways_are_left_alone():
    assert paired(["1_mask", "mask_1"], ["mask_1_mask"]) == {}
    assert paired(["1_mask"], ["mask_1_mask"]) == {"1_mask": "mask_1_mask"}


@given(st.lists(st.text("abAB_1", min_size=1, max_size=4), unique=True, max_size=8))
def test_names_that_are_equal_are_always_put_together(names):
    assert paired(names, names) == {name: name for name in names}


def test_partners_that_differ_in_case_or_in_a_word_are_samples(tmp_path, cache):
    for number in NUMBERS:
        save(tmp_path / f"case/images/IMG_{number}.JPG", photo())
        save(tmp_path / f"case/masks/img_{number}.png", SQUARE)
        save(tmp_path / f"word/images/image_{number}.png", photo())
        save(tmp_path / f"word/masks/mask_{number}.png", SQUARE)
    for folder, start in (("case", "IMG_"), ("word", "image_")):
        result = opened(tmp_path / folder, cache, test=0.3, val=0.3, split_seed=1)
        assert sorted(name for samples in result.values() for name in samples.ids) == [f"{start}{n}" for n in NUMBERS]
        for samples in result.values():
            for image, mask in samples.files:
                assert image.stem[-2:] == mask.stem[-2:]
    (tmp_path / "word/masks/mask_03.png").unlink()
    assert "images/image_03.png has no mask masks/mask_03.*" in refusal(tmp_path / "word", cache)
    (tmp_path / "word/images/image_04.png").unlink()
    assert "masks/mask_04.png has no image images/image_04.*" in refusal(tmp_path / "word", cache)
    assert "image_05" in str(ids(tmp_path / "word", cache, allow_missing=True, test=0.3, val=0.3, split_seed=1))


NAMES = [f"im{number}" for number in range(9)]
DRAWN = [np.roll(SQUARE, 3 * number, 1) * np.uint8(255) for number in range(3)]
"""Three objects of which two overlap."""


def sorted_names(*names):
    return np.array(sorted(name.encode() for name in names), np.bytes_)


def grouped(images, masks):
    """The name of the group of each mask."""
    names = sorted_names(*masks)
    groups = group_masks(sorted_names(*images), names)
    return {mask.decode(): title.decode() for mask, title in zip(names, groups.names, strict=True)}


# Which belong together


def test_masks_in_a_folder_with_the_name_of_an_image():
    assert grouped(["a", "b", "x/c"], ["a/0", "a/1", "b/0", "x/c/7"]) == {
        "a/0": "a",
        "a/1": "a",
        "b/0": "b",
        "x/c/7": "x/c",
    }
    assert grouped(["a", "b"], ["a/0", "b", "gone/1"]) == {"a/0": "a", "b": "b", "gone/1": "gone"}
    assert grouped(["a", "x/c"], ["a/0", "x/c", "x/gone"]) == {"a/0": "a", "x/c": "x/c", "x/gone": "x/gone"}


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["a (1)", "a (2)"], ["a (1)_mask", "a (1)_mask_1", "a (1)_mask_2", "a (2)_mask"]),
        (["a", "b"], ["a_mask_0", "a_mask_1", "b_mask_0", "b_mask_11"]),
        (["a", "b"], ["a-seg-1", "a-seg-2", "b-seg-1"]),
        (["x/a", "x/b"], ["x/a_mask (2)", "x/a_mask", "x/b_mask"]),
        (["image_01", "image_02"], ["mask_01", "mask_01_1", "mask_02"]),
    ],
)
def test_masks_with_a_number_behind_the_name_that_masks_of_an_image_share(images, masks):
    result = grouped(images, masks)
    assert len(set(result.values())) == 2
    assert all(mask.startswith(title) for mask, title in result.items())


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["a/x", "a/y", "b/x"], ["a/x", "a/y", "b/x"]),  # folders, as ever
        (["a", "a/x"], ["a", "a/x"]),
        (["a", "a/x"], ["a", "a/x", "a/y"]),
        (["a"], ["a", "a/x"]),
        (["a", "a_1"], ["a_mask", "a_1_mask"]),
        (["a", "a_1"], ["a_mask", "a_mask_1"]),  # of the image a_1, or another of a
        (["a", "b"], ["a", "a_1", "b"]),  # the image a_1 may be missing
        (["a", "b"], ["a_0", "a_1", "b_0"]),
        (["mask_1", "mask_2"], ["mask_1", "mask_2"]),
        (["1", "2"], ["mask_1", "mask_2"]),
        (["1", "2"], ["1_mask_1", "2_mask_1"]),
        (["x", "y"], ["img_mask_1", "img_mask_2"]),
        (["a"], []),
        ([], ["a", "a/x", "a_mask_1"]),
    ],
)
def test_other_names_are_left_as_they_are(images, masks):
    assert grouped(images, masks) == {mask: mask for mask in masks}


# In a folder


def in_folders(root):
    for number, name in enumerate(NAMES):
        save(root / f"images/{name}.png", photo(number))
        for index, drawn in enumerate(DRAWN):
            save(root / f"masks/{name}/{index:08x}.png", drawn)


def in_folders_of_splits(root):
    for split, names in {"train": NAMES[:5], "val": NAMES[5:7], "test": NAMES[7:]}.items():
        for number, name in enumerate(names):
            save(root / f"{split}/images/{name}.png", photo(number))
            for index, drawn in enumerate(DRAWN):
                save(root / f"{split}/masks/{name}/{index}.png", drawn)


def in_folders_of_each_image(root):
    for number, name in enumerate(NAMES):
        save(root / f"{name}/images/{name}.png", photo(number))
        for index, drawn in enumerate(DRAWN):
            save(root / f"{name}/masks/{index}{name}.png", drawn)


def in_folders_of_each_image_of_splits(root):
    for split, names in {"Training": NAMES[:5], "val": NAMES[5:7], "test": NAMES[7:]}.items():
        for number, name in enumerate(names):
            save(root / f"{split}/{name}/images/photo.jpg", photo(number))
            for index, drawn in enumerate(DRAWN):
                save(root / f"{split}/{name}/masks/{index}.png", drawn)


def by_number(root):
    for number, name in enumerate(NAMES):
        save(root / f"images/{name}.png", photo(number))
        for index, drawn in enumerate(DRAWN):
            save(root / f"masks/{name}_mask{f'_{index}' if index else ''}.png", drawn)


LAYOUTS = [in_folders, in_folders_of_splits, in_folders_of_each_image, in_folders_of_each_image_of_splits, by_number]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_several_masks_are_the_objects_of_an_image(tmp_path, cache, layout):
    layout(tmp_path)
    numbers = np.array([drawn > 0 for drawn in DRAWN]) * np.arange(1, 4)[:, None, None]
    lowest = np.where(numbers == 0, 9, numbers).min(axis=0)
    between = border(np.where(lowest == 9, 0, lowest), numbers.max(axis=0))
    inside = np.any(DRAWN, axis=0)
    assert classes(tmp_path, cache) == ("background", "foreground")
    for options, expected in {(): inside, ("border",): np.where(between, 2, inside)}.items():
        result = opened(tmp_path, cache, split_seed=4, instances=next(iter(options), None))
        assert sorted(name[-3:] for samples in result.values() for name in samples.ids) == NAMES
        for samples in result.values():
            for (image, mask), paths in zip(samples, samples.files, strict=True):
                np.testing.assert_array_equal(mask, expected)
                assert image.shape == (6, 8, 3)
                assert [path.exists() for path in paths] == [True] * 4
                assert "images" in paths[0].parts
                assert len({path for path in paths[1:] if "masks" in path.parts}) == 3


def test_ids_of_folders_are_their_names(tmp_path, cache):
    in_folders_of_each_image(tmp_path / "a")
    assert {name for samples in ids(tmp_path / "a", cache, split_seed=4).values() for name in samples} == set(NAMES)
    in_folders_of_each_image_of_splits(tmp_path / "b")
    assert ids(tmp_path / "b", cache)["train"] == [f"Training/{name}" for name in NAMES[:5]]


def test_images_with_one_mask_each_are_read_as_ever(tmp_path, cache):
    for number, name in enumerate(NAMES):
        save(tmp_path / f"{name}/images/x.png", photo(number))
        save(tmp_path / f"{name}/masks/y.png", np.resize(np.arange(3, dtype=np.uint8), (6, 8)))
    assert classes(tmp_path, cache, split_seed=4) == ("class0", "class1", "class2")


def test_what_is_missing_is_named(tmp_path, cache):
    in_folders_of_each_image(tmp_path / "each")
    (tmp_path / "each/im3/images/im3.png").unlink()
    for path in (tmp_path / "each/im4/masks").iterdir():
        path.unlink()
    lines = ImageFolder(root=tmp_path / "each").missing(cache)
    assert f"{tmp_path / 'each/im4/images/im4.png'} has no mask im4/masks/*" in lines
    assert f"{tmp_path / 'each/im3/masks/0im3.png'} has no image im3/images/*" in lines
    assert len(lines) == 2
    in_folders(tmp_path / "masks")
    (tmp_path / "masks/images/im3.png").unlink()
    lines = ImageFolder(root=tmp_path / "masks").missing(cache)
    assert lines == [f"{tmp_path / 'masks/masks/im3/00000000.png'} has no image images/im3.*"]
    result = ids(tmp_path / "masks", cache, allow_missing=True, split_seed=4)
    assert sum(map(len, result.values())) == 8


@pytest.mark.parametrize("layout", [in_folders, in_folders_of_each_image])
def test_objects_in_files_that_cannot_be_read_are_named(tmp_path, cache, layout):
    layout(tmp_path)
    folder = tmp_path / ("masks/im1" if layout == in_folders else "im1/masks")
    for name in ("8.psd", "9.psd"):
        (folder / name).write_bytes(b"8BPS")
    message = refusal(tmp_path, cache)
    assert "has 2 files of kinds that cannot be read" in message
    assert f"{folder / '9.psd'} is Photoshop, which is not read" in message


def test_folders_with_several_images_in_each_are_refused(tmp_path, cache):
    for name in NAMES:
        write(tmp_path / name, "ab")
    message = refusal(tmp_path, cache)
    assert (
        f"{tmp_path / 'im0/images/a.png'} and {tmp_path / 'im0/images/b.png'} are two images of one sample" in message
    )
    assert "columns image, mask and group" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": (0, 255)}, "each of which is read as one object, but values takes them for classes: leave it out"),
        ({"classes": ("a", "b", "c")}, "classes has 3 entries, where 'foreground' makes 2"),
    ],
)
def test_options_that_do_not_go_with_several_masks(tmp_path, cache, options, message):
    in_folders(tmp_path)
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path, cache, **options)


def test_an_object_of_another_size_is_a_finding(tmp_path):
    in_folders_of_splits(tmp_path)
    path = save(tmp_path / "train/masks/im1/1.png", np.zeros((8, 6), np.uint8))
    result = segzoo.verify("folder", settings={"dataset.root": str(tmp_path)}, processes=1)
    (error,) = (finding for finding in result.errors if finding.kind != "duplicate")
    assert (error.kind, error.id) == ("size", "train/im1")
    assert f"the mask {path} is 8x6 pixels, that of {path.with_name('0.png')} 6x8" in error.what


def test_a_mask_that_is_added_changes_stamp_and_sample(tmp_path, cache):
    in_folders(tmp_path)
    dataset = ImageFolder(root=tmp_path, split_seed=4)
    name, before = dataset.open(cache, "train").ids[0], dataset.stamp(cache, "train")
    save(tmp_path / f"masks/{name}/more.png", np.full((6, 8), 255, np.uint8))
    assert dataset.stamp(cache, "train") != before
    assert dataset.open(cache, "train")[0][1].all()
    assert len(dataset.files(cache, "train")[0]) == 5


def test_pages_of_several_masks_are_read_together(tmp_path, cache):
    for name in NAMES:
        pages(tmp_path / f"images/{name}.tif", [photo(number, (6, 8)) for number in range(2)])
        for index, drawn in enumerate(DRAWN):
            pages(tmp_path / f"masks/{name}/{index}.tif", [drawn, np.zeros_like(drawn)])
    result = {
        name: mask
        for samples in opened(tmp_path, cache, split_seed=4).values()
        for name, (_, mask) in zip(samples.ids, samples, strict=True)
    }
    assert len(result) == 18
    np.testing.assert_array_equal(result["im2#000"], np.any(DRAWN, axis=0))
    assert not result["im2#001"].any()


# What may not be meant


def warnings_about(root, **options):
    return list(ImageFolder(root=root, split_seed=4, **options).warnings(root.parent / "cache"))


def test_several_masks_may_be_of_several_classes(tmp_path):
    in_folders(tmp_path / "root")
    save(tmp_path / "root/masks/im1/0.png", np.zeros((6, 8), np.uint8))
    (line,) = warnings_about(tmp_path / "root")
    assert "9 of 9 images have several masks, such as images/im0.png: each is read as one object" in line
    assert "`--set dataset.instances=foreground`" in line
    assert warnings_about(tmp_path / "root", instances="foreground") == []
    save(tmp_path / "root/masks/im2/1.png", SQUARE * 255 + np.eye(6, 8, dtype=np.uint8) * 7)
    (line,) = warnings_about(tmp_path / "root", instances="border")
    assert "1 masks, such as masks/im2/1.png, hold more than one value besides 0" in line


def test_masks_that_number_nothing_have_no_border(tmp_path):
    write(tmp_path / "root", NAMES)
    save(tmp_path / "root/masks/im1.png", np.zeros((6, 8), np.uint8))
    (line,) = warnings_about(tmp_path / "root", instances="border")
    assert "no mask holds the numbers of two objects" in line
    assert warnings_about(tmp_path / "root", instances="foreground") == []


@pytest.mark.parametrize("folder", [".", "benign"])
@pytest.mark.parametrize(
    ("image", "mask"), [("x ({}).png", "x ({})_mask.png"), ("{}.png", "{}_cp_masks_1.tif"), ("{}.jpg", "{}.png")]
)
def test_images_and_masks_in_one_folder_are_told_apart_in_words(tmp_path, cache, folder, image, mask):
    for number in range(6):
        save(tmp_path / folder / image.format(number), photo(number))
        save(tmp_path / folder / mask.format(number), SQUARE)
    message = refusal(tmp_path, cache)
    assert f"{image.format(0)} and {mask.format(0)} seem to be an image and its mask, in the same folder" in message
    assert (
        f"move all images of it into images/{'' if folder == '.' else 'benign/'} and all masks into masks/" in message
    )


def test_files_of_other_names_in_one_folder_are_not_called_masks(tmp_path, cache):
    for number in range(6):
        save(tmp_path / f"photos/{number}.png", photo(number))
    assert "seem to be an image and its mask" not in refusal(tmp_path, cache)


# Many


@pytest.mark.slow
def test_images_with_folders_of_their_own_take_few_bytes_however_many_there_are(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(segzoo_pairs, "CHUNK", 32)
    peaks = []
    for count in (100, 500):
        root = tmp_path / str(count)
        first = save(root / "0000/images/a.png", photo()), save(root / "0000/masks/0.png", DRAWN[0])
        for number in range(count):
            for path, source in zip((f"{number:04}/images/a.png", f"{number:04}/masks/0.png"), first, strict=True):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                if number:
                    (root / path).hardlink_to(source)
            (root / f"{number:04}/masks/1.png").hardlink_to(first[1])
        peaks.append(most_held(root, cache))
    assert peaks[1] - peaks[0] < 700 * 400, peaks
