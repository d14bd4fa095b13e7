"""Sheets and pages that show a dataset: the right samples, the right colours, and no name can break the page."""

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segzoo
from segzoo.errors import ConfigError
from segzoo.inspection import contact_sheets
from segzoo.reporting.pictures import palette

SETTINGS = {"dataset.size": 32, "dataset.train": 30, "dataset.val": 3, "dataset.test": 5}


class Page(HTMLParser):
    """The texts, the pictures and the tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.images, self.tags = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "img":
            self.images.append(dict(attributes))

    def handle_data(self, text):
        if text.strip() and not text.strip().startswith("body {"):
            self.texts.append(text.strip())


def shown(image):
    kind, _, data = image["src"].partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_every_split_has_a_sheet_and_all_are_on_one_page_without_other_files(tmp_path):
    path = segzoo.preview("shapes", tmp_path / "look", settings=SETTINGS, count=4)
    assert path == tmp_path / "look" / "index.html"
    assert {file.name for file in path.parent.iterdir()} == {"train.png", "val.png", "test.png", "index.html"}
    page = Page(path.read_text("utf-8"))
    indices = {"train": (0, 10, 19, 29), "val": (0, 1, 2), "test": (0, 1, 3, 4)}
    ids = [f"{split}/{index:04}" for split, some in indices.items() for index in some]
    assert [text for text in page.texts if "/" in text] == ids
    assert {"train: 4 of 30", "val: 3 of 3", "background (not coloured in the overlay)", "circle"} <= set(page.texts)
    assert len(page.images) == 3 * 11
    assert page.images[1]["alt"] == "mask of train/0000"
    assert not page.tags & {"script", "link", "iframe"}
    with Image.open(path.parent / "train.png") as sheet:
        assert min(sheet.size) > 2 * 224


def test_the_mask_has_the_colours_of_its_classes_and_the_photo_its_own(tmp_path):
    path = segzoo.preview("shapes", tmp_path / "look", settings=SETTINGS, split="val", count=1)
    assert not (tmp_path / "look" / "train.png").exists()
    image, mask = segzoo.inspection.reading.create_dataset("shapes", SETTINGS)[1].open(tmp_path, "val")[0]
    photo, painted, overlay = map(shown, Page(path.read_text("utf-8")).images)
    factor = photo.shape[0] // 32
    np.testing.assert_array_equal(photo[::factor, ::factor], image)
    np.testing.assert_array_equal(painted[::factor, ::factor], palette(4)[mask])
    assert overlay.shape == photo.shape
    assert (np.ptp(overlay[::factor, ::factor], axis=-1) == 0)[mask == 0].all()  # there it is the photo in greys


def test_with_an_augmentation_training_samples_are_shown_as_they_are_trained_on(tmp_path):
    mirrored = {"flips": "both", "scale": [1, 1], "aspect": 0, "rotation": 0}
    mirrored |= {"brightness": 0, "contrast": 0, "saturation": 0, "blur": 0, "noise": 0}
    settings = SETTINGS | {f"augmentation.{part}": strength for part, strength in mirrored.items()}
    config = tmp_path / "run.toml"
    config.write_text('image_size = [32, 32]\n[dataset]\nname = "shapes"\n[augmentation]\nname = "standard"\n')
    path = segzoo.preview(None, tmp_path / "look", settings=settings, config=config, count=2)
    images = {image["alt"]: image for image in Page(path.read_text("utf-8")).images}
    assert len(images) == 2 * 4 * 3 + 2 * 2 * 3  # only those of `train`
    for name in ("train/0000", "train/0029"):
        for kind in ("image", "mask"):
            plain = shown(images[f"{kind} of {name}"])
            forms = [plain[::down, ::right] for down in (1, -1) for right in (1, -1)]
            for number in (1, 2, 3):
                seen = shown(images[f"{kind} {number} of {name}"])
                assert any(np.array_equal(seen, form) for form in forms)
    assert path.parent.joinpath("train.png").exists()


def test_a_preview_shows_crops_where_training_sees_crops(tmp_path):
    settings = SETTINGS | {"augmentation.level": "light"}
    config = tmp_path / "run.toml"
    config.write_text('image_size = [8, 16]\nview = "crop"\n[augmentation]\nname = "standard"\n')
    path = segzoo.preview("shapes", tmp_path / "look", settings=settings, config=config, split="train", count=1)
    image = shown(Page(path.read_text("utf-8")).images[3])
    assert image.shape[1] == 2 * image.shape[0]


def test_an_augmentation_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no augmentation 'standrad'; did you mean 'standard'"):
        segzoo.preview("shapes", tmp_path / "look", settings=SETTINGS, augmentation="standrad")
    assert not (tmp_path / "look").exists()


def test_names_do_not_break_the_page_and_wrong_samples_say_why(tmp_path, install):
    install("segzoo-test-odd", {"segzoo.datasets": "markup = segzoo_test_odd:Markup"})
    path = segzoo.preview("markup", tmp_path / "look", split="train")
    page = Page(path.read_text("utf-8"))
    first = "sky & sea (not coloured in the overlay)"
    for text in ("<script>alert(1)</script>", """a&b "c" 'd'.""", first, "<land>", "ignored"):
        assert text in page.texts
    assert any("' raised OSError: cannot read <wrong> & broken (segzoo_test_odd.py:" in text for text in page.texts)
    assert any("labels that are no class: 9" in text for text in page.texts)
    assert "script" not in page.tags
    assert page.images[0]["alt"] == "image of <script>alert(1)</script>"
    assert "40x900, 2 channels, uint16; sky & sea 55.6 %, ignored 44.4 %" in page.texts
    assert (tmp_path / "look" / "train.png").exists()


def test_a_folder_with_something_in_it_and_a_split_that_is_none_are_refused(tmp_path, command):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already and is not empty; choose another --out"):
        segzoo.preview("shapes", tmp_path, settings=SETTINGS)
    done = command("data", "preview", "shapes", "--out", tmp_path / "look", "--split", "trian")
    assert done.code == 2
    assert "dataset 'shapes' has no split 'trian'; did you mean 'train'?" in done.err
    assert not (tmp_path / "look").exists()


def test_sheets_that_are_not_all_drawn_leave_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(contact_sheets, "html", lambda *_: "\udcff")  # which cannot be written
    with pytest.raises(UnicodeEncodeError):
        segzoo.preview("shapes", tmp_path / "look", settings=SETTINGS)
    assert not list(tmp_path.rglob("*.png"))
    assert not (tmp_path / "look").exists()


def test_sheets_go_into_the_current_folder_if_it_is_empty(tmp_path, monkeypatch):
    (tmp_path / "look").mkdir()
    monkeypatch.chdir(tmp_path / "look")
    assert segzoo.preview("shapes", Path(), settings=SETTINGS) == Path("index.html")
    assert Path("index.html").exists()


def test_the_command_says_where_the_pictures_are(tmp_path, command):
    words = ("--set", "dataset.size=16", "--set", "dataset.train=3", "--count", "2")
    done = command("data", "preview", "shapes", "--out", tmp_path / "look", "--split", "train", *words)
    assert (done.code, done.out) == (0, f"train.png and index.html are in {tmp_path / 'look'}\n")
