import functools
import hashlib
import pickle
import random
import shutil
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import segzoo_oxford_pets
from segzoo.errors import ConfigError, DataError, SegzooError
from segzoo.files import download
from segzoo.plugin import IGNORE
from segzoo_oxford_pets import Archive, OxfordPets
from segzoo_oxford_pets.files import divide

NOWHERE = Path("/nowhere")
TRIMAP = "annotations/trimaps/pug_1.png"
TRAINVAL = [f"Birman_{number}" for number in range(1, 16)]
TEST = [f"pug_{number}" for number in range(1, 6)]


def ids(dataset, split, cache=NOWHERE):
    return list(dataset.open(cache, split).ids)


def sample(root, name="Birman_1", **options):
    """Image and mask of one of the trainval images."""
    dataset = OxfordPets(root=root, **options)
    for split in ("train", "val"):
        samples = dataset.open(NOWHERE, split)
        if name in samples.ids:
            return samples[list(samples.ids).index(name)]
    raise KeyError(name)


@pytest.fixture
def root(tmp_path):
    """Twenty small pairs in the official layout, with the hidden files that macOS put among the official ones."""
    folder = tmp_path / "pets"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations" / "trimaps").mkdir(parents=True)
    for number, name in enumerate(TRAINVAL + TEST):
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 256, (8, 12, 3), np.uint8)).save(folder / "images" / f"{name}.jpg")
        Image.fromarray(rng.integers(1, 4, (8, 12), np.uint8)).save(folder / "annotations" / "trimaps" / f"{name}.png")
        (folder / "annotations" / "trimaps" / f"._{name}.png").write_bytes(b"Mac OS X")
    (folder / "images" / "._Birman_1.jpg").write_bytes(b"Mac OS X")
    (folder / "images" / "notes.mat").write_bytes(b"MATLAB")
    for file, names in (("trainval", TRAINVAL), ("test", TEST)):
        (folder / "annotations" / f"{file}.txt").write_text("#Image\n" + "".join(f"{name} 1 1 1\n" for name in names))
    return folder


@pytest.fixture
def server(tmp_path, root, monkeypatch):
    """A server of both archives, one plain and one compressed, in place of the official ones."""
    site, archives, asked = tmp_path / "site", [], []
    site.mkdir()
    for folder, mode in (("annotations", "w:gz"), ("images", "w")):
        with tarfile.open(site / f"{folder}.tar.gz", mode) as tar:
            tar.add(root / folder, folder)
        content = (site / f"{folder}.tar.gz").read_bytes()
        archives.append(Archive(folder, len(content), hashlib.sha256(content).hexdigest()))

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code=None, size=None):
            asked.append(self.path)

        def log_error(self, *arguments):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSES", ())
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=site)) as running:
        running.site, running.asked = site, asked
        running.url = f"http://127.0.0.1:{running.server_port}"
        monkeypatch.setattr(segzoo_oxford_pets, "ARCHIVES", tuple(archives))
        monkeypatch.setattr(segzoo_oxford_pets, "SERVERS", (f"{running.url}/none", running.url))
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield running
        running.shutdown()


@pytest.fixture
def offline(server, monkeypatch):
    """Addresses where nothing listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as closed:
        monkeypatch.setattr(segzoo_oxford_pets, "SERVERS", (f"http://127.0.0.1:{closed.server_port}",))


def lying_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_it_is_downloaded_unpacked_and_found_again(server, cache):
    OxfordPets().prepare(cache)
    assert lying_in(cache) == ["oxford_pets"]
    assert lying_in(cache / "oxford_pets") == ["annotations", "images"]
    assert sorted(ids(OxfordPets(), "test", cache)) == TEST
    once = list(server.asked)
    assert sorted(once) == ["/annotations.tar.gz", "/images.tar.gz", "/none/annotations.tar.gz", "/none/images.tar.gz"]
    OxfordPets(labels="binary_border_fg").prepare(cache)
    assert server.asked == once


def test_a_mirror_of_the_user_is_asked_first(server, cache):
    (server.site / "pets").mkdir()
    for archive in server.site.glob("*.tar.gz"):
        archive.rename(server.site / "pets" / archive.name)
    OxfordPets(mirror=f"{server.url}/pets/").prepare(cache)
    assert sorted(server.asked) == ["/pets/annotations.tar.gz", "/pets/images.tar.gz"]
    with pytest.raises(ValueError, match="mirror"):
        OxfordPets(mirror="ftp://example.org")


def test_archives_put_there_by_hand_are_used(server, offline, cache):
    folder = cache / "oxford_pets"
    folder.mkdir(parents=True)
    for name in ("annotations.tar.gz", "images.tar.gz"):
        (folder / name).write_bytes((server.site / name).read_bytes())
    OxfordPets().prepare(cache)
    assert lying_in(folder) == ["annotations", "images"]


def test_an_archive_put_there_by_hand_that_is_another_is_named(server, cache):
    folder = cache / "oxford_pets"
    folder.mkdir(parents=True)
    (folder / "images.tar.gz").write_bytes(b"another")
    with pytest.raises(DataError, match=f"{folder / 'images.tar.gz'} is not the file wanted"):
        OxfordPets().prepare(cache)


def test_without_a_network_the_message_says_what_to_do(server, offline, cache):
    with pytest.raises(DataError) as error:
        OxfordPets().prepare(cache)
    for word in (
        "no connection",
        *(f"{archive.file} ({archive.size:,} bytes)" for archive in segzoo_oxford_pets.ARCHIVES),
        f"into {cache / 'oxford_pets'}",
        "segzoo run unet shapes",
    ):
        assert word in str(error.value)
    assert lying_in(cache / "oxford_pets") == []


def test_what_was_unpacked_before_the_failure_is_not_downloaded_again(server, cache):
    images = (server.site / "images.tar.gz").read_bytes()
    (server.site / "images.tar.gz").write_bytes(bytes(len(images)))
    with pytest.raises(DataError, match="SHA-256") as error:
        OxfordPets().prepare(cache)
    assert "put images.tar.gz" in str(error.value)
    assert lying_in(cache / "oxford_pets") == ["annotations"]
    (server.site / "images.tar.gz").write_bytes(images)
    server.asked.clear()
    OxfordPets(mirror=server.url).prepare(cache)
    assert server.asked == ["/images.tar.gz"]


def test_room_for_an_archive_and_its_content_is_checked_first(server, cache, monkeypatch):
    images = segzoo_oxford_pets.ARCHIVES[1]
    usage = shutil.disk_usage(cache.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=2 * images.size - 1))
    with pytest.raises(SegzooError, match=f"{2 * images.size:,} bytes are needed"):
        OxfordPets().prepare(cache)
    assert "/images.tar.gz" not in server.asked


def test_a_folder_of_the_user_needs_no_download(server, root, cache):
    OxfordPets(root=root).prepare(cache)
    assert not cache.exists()
    assert not server.asked


@pytest.mark.parametrize("labels", ["trimap", "binary_border_fg", "binary_border_ignore"])
@pytest.mark.parametrize("split", ["official", "article"])
def test_it_describes_itself_without_files(labels, split):
    info = OxfordPets(labels=labels, split=split).describe(NOWHERE)
    assert info.classes == (("pet", "background", "border") if labels == "trimap" else ("background", "pet"))
    assert info.splits == (("train", "val", "test") if split == "official" else ("train", "val"))
    assert (info.channels, info.image_size, info.epochs) == (3, (160, 160), 15)


def test_the_official_split_follows_the_lists(root):
    dataset = OxfordPets(root=root, val_size=4)
    train, val, test = (ids(dataset, split) for split in ("train", "val", "test"))
    assert (len(train), len(val)) == (11, 4)
    assert sorted(train + val) == sorted(TRAINVAL)
    assert sorted(test) == TEST
    assert ids(dataset, "train") == train
    assert len(ids(OxfordPets(root=root), "val")) == 1


def test_the_articles_split_takes_all_pairs(root):
    dataset = OxfordPets(root=root, split="article", val_size=5, allow_missing=True)
    expected = sorted(TRAINVAL + TEST)
    random.Random(1337).shuffle(expected)
    assert ids(dataset, "train") == expected[:-5]
    assert ids(dataset, "val") == expected[-5:]
    with pytest.raises(ConfigError, match="no split 'test' with the option split = 'article'"):
        dataset.open(NOWHERE, "test")


def test_the_articles_split_leaves_out_what_has_no_partner(root):
    (root / "images" / "Birman_3.jpg").unlink()
    (root / "annotations" / "trimaps" / "pug_2.png").unlink()
    dataset = OxfordPets(root=root, split="article", val_size=5, allow_missing=True)
    names = ids(dataset, "train") + ids(dataset, "val")
    assert sorted(names) == sorted({*TRAINVAL, *TEST} - {"Birman_3", "pug_2"})


def test_a_part_of_the_articles_pairs_is_taken_only_on_demand(root):
    with pytest.raises(DataError, match=r"holds 20 of the 7,390 pairs .*--set dataset\.allow_missing=true"):
        OxfordPets(root=root, split="article", val_size=5).open(NOWHERE, "train")


@given(names=st.sets(st.text("ab1_", min_size=1), min_size=2).map(sorted), data=st.data())
def test_a_division_is_complete_disjoint_and_repeatable(names, data):
    val_size = data.draw(st.integers(1, len(names) - 1))
    train, val = divide(names, val_size)
    assert len(val) == val_size
    assert sorted(train + val) == names
    assert divide(names, val_size) == (train, val)


@pytest.mark.parametrize("val_size", [15, 1000])
def test_a_val_size_that_leaves_nothing_to_train_on_is_an_error(root, val_size):
    with pytest.raises(ConfigError, match=r"'val_size'.* of 15 images leave none .*--set dataset.val_size=1"):
        OxfordPets(root=root, val_size=val_size).open(NOWHERE, "train")


def test_missing_files_are_counted_and_named_or_left_out_on_demand(root):
    for name in ("Birman_2", "Birman_5", "Birman_6", "Birman_7"):
        (root / "images" / f"{name}.jpg").unlink()
    (root / "annotations" / "trimaps" / "Birman_10.png").unlink()
    with pytest.raises(DataError) as error:
        OxfordPets(root=root).open(NOWHERE, "train")
    for word in (
        f"{root / 'annotations' / 'trainval.txt'} names 15 images, 5 of which",
        "annotations/trimaps/Birman_10.png, images/Birman_2.jpg, images/Birman_5.jpg and more are not there",
        "--set dataset.allow_missing=true",
    ):
        assert word in str(error.value)
    assert len(ids(OxfordPets(root=root), "test")) == 5
    dataset = OxfordPets(root=root, allow_missing=True, val_size=3)
    assert len(ids(dataset, "train") + ids(dataset, "val")) == 10


@pytest.mark.parametrize("split", ["official", "article"])
def test_a_folder_of_another_layout_is_named_with_what_was_expected(tmp_path, split):
    with pytest.raises(DataError) as error:
        OxfordPets(root=tmp_path, split=split).open(NOWHERE, "train")
    for word in (str(tmp_path), "images/*.jpg", "annotations/trimaps/*.png"):
        assert word in str(error.value)
    assert ("trainval.txt" in str(error.value)) == (split == "official")


def test_folders_without_pairs_are_an_error(root):
    for path in (root / "images").iterdir():
        path.unlink()
    for split in ("official", "article"):
        with pytest.raises(DataError, match="holds no pairs"):
            OxfordPets(root=root, split=split, allow_missing=True).open(NOWHERE, "train")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [("trimap", [0, 1, 2]), ("binary_border_fg", [1, 0, 1]), ("binary_border_ignore", [1, 0, IGNORE])],
)
def test_a_trimap_becomes_labels_by_the_policy(root, labels, expected):
    path = root / "annotations" / "trimaps" / "Birman_1.png"
    trimap = np.asarray(Image.open(path))
    mask = sample(root, labels=labels)[1]
    assert mask.dtype == np.uint8
    assert set(trimap.flat) == {1, 2, 3}
    for value, label in zip((1, 2, 3), expected, strict=True):
        assert (mask[trimap == value] == label).all()


def test_a_trimap_with_other_values_is_named_with_them(root):
    path = root / "annotations" / "trimaps" / "Birman_1.png"
    Image.fromarray(np.array([[0, 1, 2, 3, 255]], np.uint8)).save(path)
    with pytest.raises(DataError, match=rf"{path} is no trimap: it has the values \[0, 255\]"):
        sample(root)


def test_a_trimap_in_colour_is_named(root):
    path = root / "annotations" / "trimaps" / "Birman_1.png"
    Image.new("RGB", (12, 8)).save(path)
    with pytest.raises(DataError, match=f"{path} is no trimap: it has the mode RGB"):
        sample(root)


def test_an_image_and_a_trimap_of_different_size_are_both_named(root):
    path = root / "images" / "Birman_1.jpg"
    Image.new("RGB", (8, 12)).save(path)
    with pytest.raises(DataError, match=f"{path} is 12x8 pixels, but .*trimaps/Birman_1.png is 8x12"):
        sample(root)


RED, BLUE = (250, 0, 0), (0, 0, 250)


def odd(kind, path):
    """A red image whose kind is not that of its suffix."""
    image = Image.new("RGB", (12, 8), RED)
    if kind == "gif":
        image.save(path, "GIF", save_all=True, append_images=[Image.new("RGB", (12, 8), BLUE)])
    elif kind == "rgba":
        image.putalpha(7)
        image.save(path, "PNG")
    elif kind == "palette":
        image.quantize(4).save(path, "PNG", transparency=bytes([0, 9]))
    elif kind == "cmyk":
        image.convert("CMYK").save(path, "JPEG")
    elif kind == "exif":
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by a quarter for display
        image.save(path, "JPEG", exif=exif)
    else:
        image.save(path, kind)


@pytest.mark.parametrize("kind", ["png", "bmp", "webp", "gif", "rgba", "palette", "cmyk", "exif"])
@pytest.mark.filterwarnings("error")
def test_an_image_is_decoded_by_its_content_to_the_pixels_as_stored(root, kind):
    odd(kind, root / "images" / "Birman_1.jpg")
    image, mask = sample(root)
    assert (image.dtype, image.shape, mask.shape) == (np.uint8, (8, 12, 3), (8, 12))
    assert np.abs(image.astype(int) - RED).max() < 25


def test_a_grey_image_gets_three_equal_channels(root):
    Image.new("L", (12, 8), 100).save(root / "images" / "Birman_1.jpg")
    assert (sample(root)[0] == 100).all()


@pytest.mark.parametrize("file", ["images/Birman_1.jpg", "annotations/trimaps/Birman_1.png"])
@pytest.mark.parametrize("kept", [0, 0.1, 0.7])
def test_a_file_that_cannot_be_read_is_named(root, file, kept):
    content = (root / file).read_bytes()
    (root / file).write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=f"cannot read {root / file}"):
        sample(root)


def test_a_change_of_any_file_of_a_split_changes_its_stamp(root):
    dataset = OxfordPets(root=root)
    before = {split: dataset.stamp(NOWHERE, split) for split in ("train", "val", "test")}
    assert before == {split: dataset.stamp(NOWHERE, split) for split in before}
    changed = dataset.open(NOWHERE, "train").files(ids(dataset, "train")[0])[1]
    changed.write_bytes(changed.read_bytes() + b"more")
    assert [split for split in before if dataset.stamp(NOWHERE, split) != before[split]] == ["train"]


def test_the_files_of_each_sample_are_named_in_the_order_of_the_ids(root):
    dataset = OxfordPets(root=root)
    for split in ("train", "val", "test"):
        files = dataset.files(NOWHERE, split)
        assert [(image.stem, trimap.stem) for image, trimap in files] == [(name, name) for name in ids(dataset, split)]
        assert all(path.is_file() for paths in files for path in paths)


def test_what_is_missing_is_named_even_where_the_dataset_cannot_be_opened(root):
    (root / "images" / "Birman_2.jpg").unlink()
    for folder, suffix in (("images", "jpg"), ("annotations/trimaps", "png")):
        (root / folder / f"pug_1.{suffix}").unlink()
    half = [f"{root}/images/Birman_2.jpg is not there, but its fellow is there"]
    whole = [f"{root}/{file} is not there, but test.txt names it" for file in ("images/pug_1.jpg", TRIMAP)]
    listed = [f"{root}/images/Birman_2.jpg is not there, but trainval.txt names it", *whole]
    assert OxfordPets(root=root).missing(NOWHERE) == listed
    for options in ({"allow_missing": True}, {"split": "article"}):
        assert OxfordPets(root=root, **options).missing(NOWHERE) == half
    with pytest.raises(DataError, match="lack the photo or the trimap"):
        OxfordPets(root=root).open(NOWHERE, "train")


def test_nothing_is_missing_of_a_whole_dataset_nor_of_a_folder_that_is_not_there(root):
    assert OxfordPets(root=root).missing(NOWHERE) == []
    assert OxfordPets(root=root / "gone").missing(NOWHERE) == []


def test_samples_can_be_pickled_and_read_from_many_threads(root):
    samples = OxfordPets(root=root).open(NOWHERE, "train")
    copy = pickle.loads(pickle.dumps(samples))
    assert list(copy.ids) == list(samples.ids)
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(copy.__getitem__, range(len(copy))))
    for (image, mask), (other_image, other_mask) in zip(samples, many, strict=True):
        np.testing.assert_array_equal(image, other_image)
        np.testing.assert_array_equal(mask, other_mask)


@pytest.mark.parametrize(("folder", "trainval", "test"), [("oxford_pets", 372, 342), ("oxford_pets_small", 653, 610)])
def test_the_real_official_split_takes_what_is_there(test_data, folder, trainval, test):
    dataset = OxfordPets(root=test_data / folder, allow_missing=True)
    splits = {split: ids(dataset, split) for split in ("train", "val", "test")}
    assert len(splits["train"] + splits["val"]) == trainval
    assert len(splits["val"]) == trainval // 10
    assert len(splits["test"]) == test
    assert len({name for names in splits.values() for name in names}) == trainval + test
    with pytest.raises(DataError, match=f"names 3,680 images, {3680 - trainval:,} of which"):
        OxfordPets(root=test_data / folder).open(NOWHERE, "train")


@pytest.mark.parametrize(("folder", "count"), [("oxford_pets", 716), ("oxford_pets_small", 1264)])
def test_the_real_article_split_is_that_of_the_article(test_data, folder, count):
    paths = sorted(str(path) for path in (test_data / folder / "images").glob("*.jpg"))
    assert len(paths) == count
    random.Random(1337).shuffle(paths)
    dataset = OxfordPets(root=test_data / folder, split="article", val_size=200, allow_missing=True)
    assert ids(dataset, "train") == [Path(path).stem for path in paths[:-200]]
    assert ids(dataset, "val") == [Path(path).stem for path in paths[-200:]]


@pytest.mark.parametrize(("name", "shape"), [("Abyssinian_34", (202, 250)), ("Abyssinian_5", (150, 200))])
def test_the_real_odd_files_are_decoded(test_data, name, shape):
    image, mask = sample(test_data / "oxford_pets", name, split="article", val_size=1, allow_missing=True)
    assert image.shape == (*shape, 3)
    assert mask.shape == shape
    assert image.std() > 20
    assert set(mask.flat) == ({1} if name == "Abyssinian_34" else {0, 1, 2})
