import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from segzoo.errors import ConfigError, DataError
from segzoo.networks.frame import Frame
from segzoo.runs.config import compose
from segzoo.runs.planning import resolve
from segzoo.training.batches import crops_of
from segzoo_isbi_em import SLICES, IsbiEM

SPLITS = ("train", "val", "test")


@pytest.fixture
def stacks():
    """Thirty small slices, the first pixel of each its number, and their labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (SLICES, 8, 10), np.uint8)
    images[:, 0, 0] = range(SLICES)
    return images, np.where(rng.random(images.shape) < 0.2, 0, 255).astype(np.uint8)


def write_volume(path, stack):
    first, *others = map(Image.fromarray, stack)
    first.save(path, save_all=True, append_images=others, compression="tiff_deflate")


@pytest.fixture
def volumes(tmp_path, stacks):
    """The challenge's volumes, that of its test slices as well."""
    folder = tmp_path / "volumes"
    folder.mkdir()
    for name, stack in zip(("train-volume", "train-labels", "test-volume"), (*stacks, stacks[0]), strict=True):
        write_volume(folder / f"{name}.tif", stack)
    return folder


@pytest.fixture
def files(tmp_path, stacks):
    """The same slices in single files."""
    folder = tmp_path / "files"
    for name, stack in zip(("train/image", "train/label", "test"), (*stacks, stacks[0]), strict=True):
        (folder / name).mkdir(parents=True)
        for number, pixels in enumerate(stack):
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(params=["volumes", "files"])
def root(request):
    return request.getfixturevalue(request.param)


def numbers(**options):
    dataset = IsbiEM(**options)
    return [dataset.numbers(split) for split in SPLITS]


def test_slices_are_read_in_the_order_of_their_numbers(root, stacks, cache):
    dataset = IsbiEM(root=root)
    dataset.prepare(cache)
    samples = [sample for split in SPLITS for sample in dataset.open(cache, split)]
    np.testing.assert_array_equal([image[..., 0] for image, _ in samples], stacks[0])
    np.testing.assert_array_equal([mask for _, mask in samples], stacks[1] == 255)
    assert {(image.dtype, image.shape, mask.dtype) for image, mask in samples} == {
        (np.dtype(np.uint8), (8, 10, 1), np.dtype(np.uint8))
    }


def test_ids_are_the_same_of_volumes_and_of_files(root, cache):
    samples = IsbiEM(root=root).open(cache, "val")
    assert samples.ids == ["slice-20", "slice-21", "slice-22", "slice-23", "slice-24"]
    assert samples[1][0][0, 0] == 21


def test_each_sample_has_its_files(files, volumes, cache):
    pair = (files / "train/image/25.png", files / "train/label/25.png")
    assert IsbiEM(root=files).files(cache, "test")[0] == pair
    paths = (volumes / "train-volume.tif", volumes / "train-labels.tif")
    assert list(IsbiEM(root=volumes).files(cache, "val")) == [paths] * 5


def test_in_the_suggested_epochs_each_pixel_is_seen_30_times_on_average(cache):
    info = IsbiEM().describe(cache)
    slices = np.array([[512, 512]])
    assert (info.view, crops_of(slices, info.image_size).tolist(), info.epochs) == ("crop", [4], 30)


def test_splits_are_blocks_and_training_does_not_touch_the_test():
    assert numbers() == [list(range(20)), list(range(20, 25)), list(range(25, 30))]
    assert numbers(val_size=2, test_size=3) == [list(range(25)), [25, 26], [27, 28, 29]]
    assert numbers(test_size=0) == [list(range(25)), list(range(25, 30)), []]


def test_a_fold_is_tested_and_the_next_one_validates():
    assert numbers(folds=6, fold=1) == [[*range(5), *range(15, 30)], list(range(10, 15)), list(range(5, 10))]
    assert numbers(folds=6, fold=5)[1:] == [list(range(5)), list(range(25, 30))]


@given(st.integers(3, SLICES))
def test_each_slice_is_tested_in_one_fold_and_validated_in_one(folds):
    splits = [numbers(folds=folds, fold=fold) for fold in range(folds)]
    for train, val, test in splits:
        assert sorted(train + val + test) == list(range(SLICES))
        assert val == list(range(val[0], val[-1] + 1))
        assert test == list(range(test[0], test[-1] + 1))
        assert {len(val), len(test)} <= {SLICES // folds, -(-SLICES // folds)}
    for position in (1, 2):
        assert sorted(number for split in splits for number in split[position]) == list(range(SLICES))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_size": 20, "test_size": 10}, "leave none of the 30 slices"),
        ({"val_size": 40}, "leave none of the 30 slices"),
        ({"fold": 1}, "fold needs folds"),
        ({"folds": 5, "fold": 5}, "numbered 0 to 4"),
        ({"folds": 5, "val_size": 3}, "do not go with folds"),
        ({"folds": 2}, "folds"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        IsbiEM(**options)


def test_without_test_slices_there_is_no_such_split(files, cache):
    dataset = IsbiEM(root=files, test_size=0)
    assert dataset.describe(cache).splits == ("train", "val")
    with pytest.raises(ConfigError, match="no split 'test'"):
        dataset.open(cache, "test")


def test_without_a_folder_the_message_says_where_to_get_it_and_what_to_type(command):
    done = command("run", "unet", "isbi_em")
    assert done.code == 2
    for word in ("brainiac2.mit.edu/isbi_challenge", "train-volume.tif and train-labels.tif", "--set dataset.root="):
        assert word in done.err.replace("\n", " ")


def test_a_page_is_read_without_those_before_it(volumes, cache):
    path = volumes / "train-volume.tif"
    with Image.open(path) as image:
        start, length = image.tag_v2[273][0], image.tag_v2[279][0]  # of the pixels of the first page
    content = bytearray(path.read_bytes())
    content[start : start + length] = b"\xff" * length
    path.write_bytes(content)
    samples = IsbiEM(root=volumes).open(cache, "train")
    assert samples[19][0][0, 0] == 19
    with pytest.raises(DataError, match=r"train-volume\.tif"):
        samples[0]


def test_volumes_of_different_page_counts_are_named(volumes, stacks, cache):
    write_volume(volumes / "train-labels.tif", stacks[1][:29])
    with pytest.raises(DataError, match=r"train-volume\.tif has 30 pages and .*train-labels\.tif has 29 pages"):
        IsbiEM(root=volumes).prepare(cache)


def test_other_volumes_are_refused(volumes, stacks, cache):
    for name, stack in zip(("train-volume", "train-labels"), stacks, strict=True):
        write_volume(volumes / f"{name}.tif", stack[:20])
    with pytest.raises(DataError, match="the challenge's volumes have 30"):
        IsbiEM(root=volumes).prepare(cache)


def test_a_volume_alone_is_not_enough(volumes, cache):
    (volumes / "train-labels.tif").unlink()
    dataset = IsbiEM(root=volumes)
    assert dataset.missing(cache) == [f"{volumes / 'train-labels.tif'} is not there"]
    with pytest.raises(DataError, match=r"lacks train-labels\.tif"):
        dataset.prepare(cache)


def test_slices_that_are_not_there_are_named(files, cache):
    dataset = IsbiEM(root=files)
    assert list(dataset.missing(cache)) == []
    for name in ("image/3.png", "label/3.png", "image/11.png", "label/29.png"):
        (files / "train" / name).unlink()
    with pytest.raises(DataError, match=r"lacks train/image/3\.png, train/label/3\.png, .* and 1 more"):
        dataset.prepare(cache)
    assert len(dataset.missing(cache)) == 4


def test_another_folder_is_told_what_it_should_be(tmp_path, cache):
    with pytest.raises(DataError, match=r"neither train-volume\.tif and train-labels\.tif nor train/image/0\.png"):
        IsbiEM(root=tmp_path).prepare(cache)


def test_labels_other_than_black_and_white_are_named(root, stacks, cache):
    labels = stacks[1].copy()
    labels[4, 2, 3:5] = 254, 1
    if (root / "train-labels.tif").exists():
        write_volume(root / "train-labels.tif", labels)
        culprit = rf"page 4 of {root / 'train-labels.tif'}"
    else:
        Image.fromarray(labels[4]).save(root / "train/label/4.png")
        culprit = str(root / "train/label/4.png")
    samples = IsbiEM(root=root).open(cache, "train")
    with pytest.raises(DataError, match=f"^{culprit}.* has the labels 1, 254, besides 0 for membrane"):
        samples[4]
    samples[3]


def test_pictures_in_colour_are_refused(files, cache):
    for kind in ("image", "label"):
        Image.fromarray(np.zeros((8, 10, 3), np.uint8)).save(files / "train" / kind / "0.png")
        with pytest.raises(DataError, match=rf"{kind}/0\.png"):
            IsbiEM(root=files).open(cache, "train")[0]
        Image.fromarray(np.zeros((8, 10), np.uint8)).save(files / "train" / kind / "0.png")


def test_the_volumes_are_taken_where_both_are(files, volumes, stacks, cache):
    for kind in ("volume", "labels"):
        (volumes / f"train-{kind}.tif").rename(files / f"train-{kind}.tif")
    Image.fromarray(np.zeros((8, 10), np.uint8)).save(files / "train/image/1.png")
    assert IsbiEM(root=files).open(cache, "train")[1][0][0, 0] == 1


def test_slices_are_seen_in_crops_unless_the_user_wants_them_resized():
    words = {"model": "unet", "dataset": "isbi_em"}
    assert resolve(compose(words=words)).frame == Frame((256, 256), 16, view="crop")
    assert resolve(compose(words=words | {"view": "resize"})).frame.view == "resize"


def test_the_real_slices(test_data, cache):
    dataset = IsbiEM(root=test_data / "isbi2012")
    dataset.prepare(cache)
    assert [len(dataset.open(cache, split)) for split in SPLITS] == [20, 5, 5]
    image, mask = dataset.open(cache, "test")[4]
    assert (image.shape, mask.shape) == ((512, 512, 1), (512, 512))
    assert 0.7 < mask.mean() < 0.9
    assert image[mask == 0].mean() < image[mask == 1].mean() - 30  # membranes are dark
