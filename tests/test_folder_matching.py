"""Which images and masks of own folders belong together by their names, and what is left alone where that is open."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_folders import SQUARE, ids, opened, photo, refusal, save

from segzoo_folder.matching import matches

NUMBERS = [f"{number:02}" for number in range(10)]


def encode(names):
    return np.array(sorted(name.encode() for name in names), np.bytes_)


def paired(images, masks):
    """The names that were put together."""
    found = matches(encode(images), encode(masks))
    left, right = (
        [name.decode() for name in encode(names)[places]]
        for names, places in ((images, found.images), (masks, found.masks))
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
    found = paired([*pairs, "image_a"], [*pairs.values(), "mask_b"])
    assert found == pairs
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


def test_partners_that_differ_in_case_or_in_a_word_are_samples(tmp_path, own_cache):
    for number in NUMBERS:
        save(tmp_path / f"case/images/IMG_{number}.JPG", photo())
        save(tmp_path / f"case/masks/img_{number}.png", SQUARE)
        save(tmp_path / f"word/images/image_{number}.png", photo())
        save(tmp_path / f"word/masks/mask_{number}.png", SQUARE)
    for folder, start in (("case", "IMG_"), ("word", "image_")):
        found = opened(tmp_path / folder, own_cache, test=0.3, val=0.3, split_seed=1)
        assert sorted(name for samples in found.values() for name in samples.ids) == [f"{start}{n}" for n in NUMBERS]
        for samples in found.values():
            for image, mask in samples.files:
                assert image.stem[-2:] == mask.stem[-2:]
    (tmp_path / "word/masks/mask_03.png").unlink()
    assert "images/image_03.png has no mask masks/mask_03.*" in refusal(tmp_path / "word", own_cache)
    (tmp_path / "word/images/image_04.png").unlink()
    assert "masks/mask_04.png has no image images/image_04.*" in refusal(tmp_path / "word", own_cache)
    assert "image_05" in str(ids(tmp_path / "word", own_cache, allow_missing=True, test=0.3, val=0.3, split_seed=1))
