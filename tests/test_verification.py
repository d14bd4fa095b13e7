"""Whatever is wrong with a dataset is found and named, and what is right is left alone."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, features
from tiffs import page, written

import segzoo
from segzoo.cli import main
from segzoo.data import tiff_planes
from segzoo.errors import ConfigError
from segzoo.inspection.checks import check_header
from segzoo.inspection.findings import KINDS
from segzoo.inspection.leave_out import read_list
from segzoo.inspection.reading import create_dataset

NAMES = {split: [f"{split}_{number:02}" for number in range(count)] for split, count in (("trainval", 20), ("test", 6))}
IMAGES, TRIMAPS = "images", "annotations/trimaps"
WHOLE = {"dataset.size": 16, "dataset.train": 40, "dataset.val": 40, "dataset.test": 8}


def picture(seed, size=(24, 36)):
    blocks = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)
    return Image.fromarray(blocks).resize(size[::-1], Image.Resampling.BICUBIC)


@pytest.fixture
def root(tmp_path):
    """Twenty-six different pairs in the layout of the Oxford pets."""
    folder = tmp_path / "pets"
    (folder / IMAGES).mkdir(parents=True)
    (folder / TRIMAPS).mkdir(parents=True)
    for number, name in enumerate(name for names in NAMES.values() for name in names):
        picture(number).save(folder / IMAGES / f"{name}.jpg", quality=95)
        trimap = np.random.default_rng(number).integers(1, 4, (24, 36), np.uint8)
        Image.fromarray(trimap).save(folder / TRIMAPS / f"{name}.png")
    for split, names in NAMES.items():
        (folder / "annotations" / f"{split}.txt").write_text("".join(f"{name} 1 1 1\n" for name in names))
    return folder


def verify(root, processes=1, **options):
    settings = {f"dataset.{key}": value for key, value in options.items()}
    return segzoo.verify("oxford_pets", settings={"dataset.root": str(root), **settings}, processes=processes)


def findings_of(root, **options):
    """Severity, kind, split and id of all findings."""
    return [(finding.severity, finding.kind, finding.split, finding.id) for finding in verify(root, **options).findings]


def test_nothing_is_found_where_nothing_is_wrong(root):
    done = verify(root)
    assert done.findings == ()
    assert done.samples == {"train": 18, "val": 2, "test": 6}
    shapes = segzoo.verify("shapes", settings=WHOLE)
    assert (shapes.errors, shapes.samples) == ((), {"train": 40, "val": 40, "test": 8})


def needs(feature):
    return pytest.mark.skipif(not features.check(feature), reason=f"this Pillow has no {feature}")


def trimap(values, size=(24, 36)):
    return Image.fromarray(np.resize(np.array(values, np.uint8), size))


def lying(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def truncate(path):
    path.write_bytes(path.read_bytes()[:300])


MISTAKES = {
    "an image that breaks off": (
        lambda image, mask: truncate(image),
        [("error", "unreadable", "images/test_02.jpg: cannot read")],
    ),
    "a mask that is no image": (
        lambda image, mask: mask.write_bytes(b"no image"),
        [("error", "unreadable", "trimaps/test_02.png")],
    ),
    "an empty file": (lambda image, mask: image.write_bytes(b""), [("error", "unreadable", "test_02.jpg")]),
    "another size": (lambda image, mask: trimap([1, 2], (23, 36)).save(mask), [("error", "size", "is 23x36")]),
    "labels that are none": (
        lambda image, mask: trimap([1, 2, 7]).save(mask),
        [("error", "invalid", "it has the values [7]")],
    ),
    "one class": (
        lambda image, mask: trimap([2]).save(mask),
        [("warning", "one class", "the mask has one class only, background")],
    ),
    "a photo to be turned": (
        lambda image, mask: picture(99).save(image, exif=lying(6)),
        [("warning", "turned", "is to be turned when it is shown, and is not")],
    ),
    "a photo to be turned, with a mask as it is shown": (
        lambda image, mask: (picture(99, (36, 24)).save(image, exif=lying(8)), trimap([1, 2]).save(mask)),
        [("error", "size", "is 24x36"), ("warning", "turned", "is to be turned")],
    ),
    "a photo that stands": (lambda image, mask: picture(99).save(image, exif=lying(1)), []),
    "a GIF": (
        lambda image, mask: picture(99).save(image, "GIF"),
        [("warning", "extension", "is GIF inside, not JPEG")],
    ),
    "a PNG with transparency": (
        lambda image, mask: picture(99).convert("RGBA").save(image, "PNG"),
        [("warning", "extension", "is PNG inside, not JPEG")],
    ),
}


@pytest.mark.parametrize(("mistake", "expected"), MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_mistake_is_named(root, mistake, expected, processes):
    mistake(root / IMAGES / "test_02.jpg", root / TRIMAPS / "test_02.png")
    findings = verify(root, processes).findings
    assert [(finding.severity, finding.kind) for finding in findings] == [
        (severity, kind) for severity, kind, _ in expected
    ]
    for finding, (_, _, text) in zip(findings, expected, strict=True):
        assert (finding.split, finding.id) == ("test", "test_02")
        assert "test_02" in finding.file
        assert text in f"{finding.file}: {finding.what}"


def test_every_pixel_left_out_is_an_error(root):
    trimap([3]).save(root / TRIMAPS / "test_02.png")
    expected = [("error", "unlabelled", "test", "test_02")]
    assert findings_of(root, labels="binary_border_ignore") == expected


def copied(root, source, target, mask=True):
    (root / IMAGES / f"{target}.jpg").write_bytes((root / IMAGES / f"{source}.jpg").read_bytes())
    if mask:
        (root / TRIMAPS / f"{target}.png").write_bytes((root / TRIMAPS / f"{source}.png").read_bytes())


def test_the_same_image_in_two_splits_is_an_error_of_the_split_that_is_trained_on(root):
    train = (
        segzoo.inspection.reading.create_dataset("oxford_pets", {"dataset.root": str(root)})[1].open(root, "train").ids
    )
    copied(root, "test_00", train[3])
    (finding,) = verify(root).findings
    assert (finding.severity, finding.kind, finding.split, finding.id) == ("error", "duplicate", "train", train[3])
    assert finding.what == "the same image as 'test_00' of the split 'test'"


def test_the_same_image_in_one_split_is_a_warning_that_tells_of_another_mask(root):
    copied(root, "test_00", "test_01", mask=False)
    copied(root, "test_00", "test_02")
    assert [(finding.severity, finding.id, finding.what) for finding in verify(root).findings] == [
        ("warning", "test_01", "the same image as 'test_00' of the split 'test', with another mask"),
        ("warning", "test_02", "the same image as 'test_00' of the split 'test'"),
    ]


def test_an_image_that_looks_like_one_of_another_split_is_a_warning(root):
    val = create_dataset("oxford_pets", {"dataset.root": str(root)})[1].open(root, "val").ids
    with Image.open(root / IMAGES / "test_00.jpg") as image:
        image.resize((72, 48)).save(root / IMAGES / f"{val[0]}.jpg", quality=60)
    trimap([1, 2, 3], (48, 72)).save(root / TRIMAPS / f"{val[0]}.png")
    (finding,) = verify(root).findings
    assert (finding.severity, finding.kind, finding.split, finding.id) == ("warning", "near duplicate", "val", val[0])
    assert finding.what.startswith("looks like 'test_00' of the split 'test' (distance ")


def test_an_id_in_two_splits_is_an_error(root):
    (root / "annotations" / "test.txt").write_text("test_00\ntest_01\ntrainval_05\n")
    (finding,) = verify(root).findings
    assert (finding.severity, finding.kind, finding.id) == ("error", "overlap", "trainval_05")
    assert finding.what == "the id is in the split 'test' too"


def test_what_is_missing_is_found_though_the_dataset_cannot_be_opened(root):
    (root / IMAGES / "test_03.jpg").unlink()
    done = verify(root)
    assert done.samples == {"train": 18, "val": 2}
    assert [(finding.kind, finding.split) for finding in done.errors] == [("unopened", "test"), ("missing", None)]
    assert "1 of which lack the photo or the trimap" in done.errors[0].what
    assert done.errors[1].what == f"{root}/images/test_03.jpg is not there, but test.txt names it"
    assert findings_of(root, allow_missing=True) == [("error", "missing", None, "")]


def test_a_folder_that_is_not_there_is_a_finding(tmp_path):
    done = verify(tmp_path / "gone")
    assert {finding.kind for finding in done.findings} == {"unopened"}
    assert done.samples == {}


def test_options_that_do_not_fit_are_no_findings(root):
    with pytest.raises(ConfigError, match="unknown option; did you mean 'root'"):
        segzoo.verify("oxford_pets", settings={"dataset.rot": "x"})
    with pytest.raises(ConfigError, match=r"'model\.filters' is no setting of a dataset"):
        segzoo.verify("oxford_pets", settings={"model.filters": 3})
    with pytest.raises(ConfigError, match="leave none to train on"):
        verify(root, val_size=20)


@pytest.fixture
def data(install):
    """Verifies a dataset of drawn images with these options."""
    install("segzoo-test-data", {"segzoo.datasets": "data = segzoo_test_data:Data"})

    def verify_drawn(processes=1, **options):
        settings = {f"dataset.{key}": value for key, value in options.items()}
        return segzoo.verify("data", settings=settings, processes=processes)

    return verify_drawn


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        ("label", "labels", "the mask of 'val/7' has labels that are no class: 2"),
        ("rows", "size", "image 'val/7' is 12x14 pixels, its mask 11x14"),
        ("channels", "invalid", "image 'val/7' has 2 channels, the dataset says 1"),
        ("type", "invalid", "image 'val/7' is float64"),
        ("unlabelled", "unlabelled", "every pixel of the mask is left out"),
        ("error", "invalid", "FileNotFoundError: no disk"),
    ],
)
@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_samples_that_are_not_made_of_files_are_checked_as_well(data, fault, kind, text, processes):
    (finding,) = data(processes=processes, fault=fault).findings
    assert (finding.severity, finding.kind, finding.split, finding.id, finding.file) == (
        "error",
        kind,
        "val",
        "val/7",
        "",
    )
    assert text in finding.what


@pytest.fixture
def flawed(install):
    """Verifies a dataset that is wrong in one way, as text by kind."""
    install("segzoo-test-flawed", {"segzoo.datasets": "flawed = segzoo_test_flawed:Flawed"})

    def verify_flawed(fault, *splits):
        settings = {"dataset.fault": fault, "dataset.faulty": splits or ("train",)}
        return segzoo.verify("flawed", settings=settings, processes=1)

    return verify_flawed


@pytest.mark.parametrize(
    ("fault", "faulty", "kind", "text"),
    [
        ("shared ids", ("train", "val"), "overlap", "the id is in the split 'val' too"),
        ("repeated id", ("val",), "overlap", "the id is twice in its split"),
        ("few ids", ("train",), "unopened", "the split 'train' has 6 samples, but 5 ids"),
        ("many ids", ("test",), "unopened", "the split 'test' has 6 samples, but 7 ids"),
        ("ignored", ("val",), "nothing to learn", "every pixel of the split 'val' is left out"),
        (
            "single value",
            ("train",),
            "nothing to learn",
            "masks of the split 'train' have the label 0",
        ),
        (
            "foreground 255",
            ("train",),
            "nothing to learn",
            "split 'train' have the labels 0 and 255 only",
        ),
        ("None", ("train",), "invalid", "sample 'train-3' is None; it must be a pair"),
        ("triple", ("val",), "invalid", "sample 'val-3' is of the type tuple of ndarray, ndarray, str;"),
        ("lists", ("test",), "invalid", "sample 'test-3' is of the type tuple of list, list;"),
        (
            "two types",
            ("val",),
            "invalid",
            "'val-3' of the split 'val' is uint16, but 'train-0' of the split 'train'",
        ),
    ],
)
def test_all_that_a_run_refuses_is_an_error(flawed, fault, faulty, kind, text):
    errors = [finding for finding in flawed(fault, *faulty).errors if finding.kind != "unlabelled"]
    assert [finding.kind for finding in errors] == [kind]
    assert text in errors[0].what


def test_a_split_that_is_shifted_is_warned_of(flawed):
    assert [finding for finding in flawed("none").findings if finding.kind == "shifted"] == []
    (dark,) = [finding for finding in flawed("dark", "val").findings if finding.kind == "shifted"]
    assert (dark.severity, dark.split) == ("warning", "val")
    assert re.fullmatch("the images have a mean brightness of 1., those of 'train' of 1.., of 0 to 255", dark.what)
    shifted = [finding for finding in flawed("crowded", "val", "test").findings if finding.kind == "shifted"]
    assert [finding.split for finding in shifted] == ["val", "test"]
    assert re.search(
        r"the labelled pixels of a mask are in the mean 'middle' 100\.0 % \(of 'train' \d\d\.\d %\)", shifted[0].what
    )


def test_a_dataset_that_a_run_refuses_ends_with_exit_code_1(flawed, command):
    flawed("none")
    settings = ("--set", "dataset.fault=foreground 255")
    done = command("data", "verify", "flawed", *settings)
    assert done.code == 1
    assert "error, nothing to learn: " in done.out
    assert command("data", "verify", "flawed").code == 0


def test_pages_of_one_file_are_no_overlap_but_the_same_page_is(data, tmp_path):
    volume = str(tmp_path / "volume.tif")
    assert data(file=volume).findings == ()
    (finding,) = data(file=volume, fault="repeated").findings
    assert (finding.kind, finding.severity, finding.id) == ("overlap", "error", "train/2")
    assert finding.what == "the same file as 'val/4' of the split 'val'"


@pytest.mark.parametrize(
    ("format", "options"),
    [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), pytest.param("AVIF", {}, marks=needs("avif"))],
)
def test_frames_that_are_not_read_are_warned_of(tmp_path, format, options):
    first, *others = (picture(seed) for seed in range(3))
    for count in (0, 1, 2):
        path = tmp_path / f"{count}.{format.lower()}"
        first.save(path, format, save_all=True, append_images=others[:count], **options)
        kinds = [remark.kind for remark in check_header(path)]
        assert kinds == (["animated"] if count else []), count


def test_pages_of_a_tiff_and_previews_in_a_photo_are_no_frames(tmp_path):
    for name, format in (("pages.tif", "TIFF"), ("camera.jpg", "MPO")):
        picture(0).save(tmp_path / name, format, save_all=True, append_images=[picture(1)])
        assert list(check_header(tmp_path / name)) == []


def test_what_a_dataset_warns_of_as_a_whole_is_a_finding(data):
    done = data(warned=["too dark; brighten it", "too few"])
    assert [(finding.severity, finding.kind, finding.split, finding.id) for finding in done.findings] == [
        ("warning", "doubtful", None, "")
    ] * 2
    assert [finding.what for finding in done.findings] == ["too dark; brighten it", "too few"]


def test_files_for_some_samples_only_are_an_error_of_each_split(data):
    findings = data(file="x", pages=1).findings
    assert [(finding.kind, finding.split) for finding in findings] == [("unopened", "train"), ("unopened", "val")]
    assert "segzoo-test-data: the split 'train' has 10 samples, but files for 1" in findings[0].what


def test_the_samples_with_errors_are_written_for_a_run_to_leave_out(root, tmp_path):
    truncate(root / IMAGES / "test_02.jpg")
    trimap([7]).save(root / TRIMAPS / "test_04.png")
    trimap([2]).save(root / TRIMAPS / "test_05.png")
    settings = {"dataset.root": str(root)}
    done = segzoo.verify("oxford_pets", settings=settings, quarantine=tmp_path / "bad.csv")
    assert read_list(tmp_path / "bad.csv") == done.bad_ids == ("test_02", "test_04")
    small = {"model.filters": 2, "model.depth": 1, "model.batch_norm": False, **settings}
    run = {"settings": small, "epochs": 1, "image_size": (16, 16), "out": tmp_path / "run"}
    assert segzoo.run("unet", "oxford_pets", leave_out=done.bad_ids, **run).metrics["images"] == 4


def test_the_order_of_the_findings_does_not_depend_on_the_processes(root):
    for number in range(0, 20, 3):
        truncate(root / IMAGES / f"trainval_{number:02}.jpg")
        trimap([2]).save(root / TRIMAPS / f"trainval_{(number + 1) % 20:02}.png")
    assert verify(root, 2) == verify(root, 1)
    kinds = [list(KINDS).index(finding.kind) for finding in verify(root).findings]
    assert kinds == sorted(kinds)


def test_the_processes_that_read_load_no_tensorflow_and_die_with_ctrl_c(tmp_path, install):
    install("segzoo-test-data", {"segzoo.datasets": "data = segzoo_test_data:Data"})
    program = (
        f"import signal, sys; sys.path[:0] = {sys.path!r}\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "from segzoo.inspection import reading; reading.FEW = 1\n"
        "from segzoo.cli import main; main(['data', 'verify', 'data', '--set', 'dataset.fault=hang'])"
    )
    words = [sys.executable, "-c", program]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, start_new_session=True, **pipes) as process:
        assert process.stdout.readline() == "False\n"
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err == "segzoo: interrupted\n"


def test_the_command_prints_a_table_and_its_exit_code_tells(command, root):
    arguments = ("data", "verify", "oxford_pets", "--set", f"dataset.root={root}")
    done = command(*arguments)
    assert (done.code, done.out) == (0, "oxford_pets: 26 samples (train 18, val 2, test 6), 0 errors, 0 warnings\n")
    trimap([2]).save(root / TRIMAPS / "test_05.png")
    assert command(*arguments).code == 0
    truncate(root / IMAGES / "test_02.jpg")
    done = command(*arguments, "--quarantine", root.parent / "bad.csv")
    assert done.code == 1
    assert "findings in oxford_pets" in done.out
    assert f"error, unreadable: {KINDS['unreadable']}\n  test 'test_02': cannot read {root}/images/test_02" in done.out
    assert f"  test 'test_05': {root}/{TRIMAPS}/test_05.png: the mask has one class only, background\n" in done.out
    assert "1 errors, 1 warnings" in done.out
    assert f"1 sample is in {root.parent}/bad.csv; add `--leave-out {root.parent}/bad.csv` to" in done.out
    report = json.loads(command(*arguments, "--json").out)
    assert (report["errors"], report["warnings"], report["samples"]["train"]) == (1, 1, 18)
    assert report["findings"][0]["kind"] == "unreadable"
    assert command("data", "verify", "oxford_pet").code == 2


def test_a_list_of_no_samples_is_said_to_be_empty(command, root, tmp_path):
    (tmp_path / "bad.csv").write_text("id\nof_an_earlier_time\n")
    trimap([2]).save(root / TRIMAPS / "test_05.png")
    options = ("--set", f"dataset.root={root}", "--quarantine", tmp_path / "bad.csv")
    done = command("data", "verify", "oxford_pets", *options)
    assert done.code == 0
    assert done.out.endswith(f"no single sample has an error, so the list {tmp_path}/bad.csv is empty\n")
    assert read_list(tmp_path / "bad.csv") == ()


def test_the_command_prints_a_few_of_many(command, root):
    for name in NAMES["trainval"]:
        (root / IMAGES / f"{name}.jpg").unlink()
    done = command("data", "verify", "oxford_pets", "--set", f"dataset.root={root}")
    assert "… and" not in done.out
    for name in NAMES["test"]:
        (root / IMAGES / f"{name}.jpg").unlink()
    done = command("data", "verify", "oxford_pets", "--set", f"dataset.root={root}")
    assert "  … and 6 more; --json prints all" in done.out


@pytest.mark.parametrize("folder", ["oxford_pets", "oxford_pets_small"])
def test_the_real_photos(test_data, folder):
    done = verify(test_data / folder, processes=2, split="article", val_size=100, allow_missing=True)
    assert done.errors == ()
    odd = {
        (finding.kind, finding.id, finding.what.split(" (")[0])
        for finding in done.findings
        if finding.kind != "near duplicate"
    }
    if folder == "oxford_pets":
        assert ("extension", "Abyssinian_34", "is GIF inside, not JPEG") in odd
        assert ("extension", "Abyssinian_5", "is PNG inside, not JPEG") in odd
        assert ("one class", "Abyssinian_34", "the mask has one class only, background") in odd


# Files of strangers


@pytest.fixture
def strange(tmp_path):
    """Twenty pairs in a folder, and what writes another: `strange("name.tif", image, mask)`, pages or functions."""
    folder = tmp_path / "strange"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(20):
        picture(number).save(folder / "images" / f"img_{number}.png")
        trimap([0] * number + [255]).save(folder / "masks" / f"img_{number}.png")

    def put(name, image, mask):
        for kind, content in (("images", image), ("masks", mask)):
            path = folder / kind / name
            if callable(content):
                content(path)
            else:
                path.write_bytes(written([page(each) for each in content]))

    put.root = folder
    return put


def verified(folder, **options):
    settings = {f"dataset.{key}": value for key, value in options.items()}
    return segzoo.verify("folder", settings={"dataset.root": str(folder), **settings}, processes=1)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_named_pipe_is_a_row_and_no_endless_wait(strange, kind):
    other = trimap([0, 255]) if kind == "images" else picture(50)
    strange("pipe.png", *(os.mkfifo if kind == each else other.save for each in ("images", "masks")))
    done = verified(strange.root)
    assert [(finding.kind, finding.id, finding.file) for finding in done.errors] == [
        ("unreadable", "pipe", str(strange.root / kind / "pipe.png"))
    ]
    assert "it is a named pipe, not a file" in done.errors[0].what


def test_postscript_that_calls_itself_png_is_a_row_and_not_run(strange, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)  # as Ghostscript would be
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n{} loop\n%%EOF\n"
    strange("eps.png", lambda path: path.write_bytes(postscript), trimap([0, 255]).save)
    done = verified(strange.root)
    assert [(finding.kind, finding.id) for finding in done.errors] == [("unreadable", "eps")]
    assert "it is of no known kind" in done.errors[0].what


def test_a_stack_is_looked_at_once_for_what_its_header_tells(strange):
    slices = np.stack([np.array(picture(number).convert("L")) for number in range(20, 40)])
    tags = [page(each, t274=("H", [6])) for each in slices]
    masks = np.stack([np.array(trimap([0, 255, 0])) for _ in slices])
    strange("stack.tif", lambda path: path.write_bytes(written(tags)), masks)
    for path in strange.root.glob("*/img_*"):
        path.unlink()
    done = verified(strange.root, blocks=True)
    assert done.samples == {"train": 14, "val": 3, "test": 3}
    assert [finding.id for finding in done.findings if finding.kind == "turned"] == [
        "stack#006",
        "stack#003",
        "stack#000",
    ]


def test_pages_are_read_in_linear_time(strange, monkeypatch):
    """Each directory is walked over once in each process, however many pages there are."""
    slices = np.random.default_rng(0).integers(0, 255, (300, 4, 6)).astype(np.uint8)
    strange("stack.tif", slices, slices // 128 * np.uint8(255))
    for path in strange.root.glob("*/img_*"):
        path.unlink()
    walked, walk = [], tiff_planes._directories
    monkeypatch.setattr(tiff_planes, "_directories", lambda *of: walked.append(of) or walk(*of))
    done = verified(strange.root, blocks=True)
    assert sum(done.samples.values()) == 300
    assert len(walked) == 2  # the image and the mask


def test_nothing_of_the_libraries_reaches_the_terminal(strange, capfd):
    noisy = page(np.array(picture(3)), t42113=("s", b"no number\0"))  # tifffile warns of it
    strange("noisy.tif", lambda path: path.write_bytes(written([noisy])), trimap([0, 255]).save)
    strange("cut.tif", lambda path: path.write_bytes(written([noisy])[:-60]), trimap([0, 255]).save)
    with pytest.raises(SystemExit, match="1"):
        main(["data", "verify", "folder", "--set", f"dataset.root={strange.root}"])
    out, err = capfd.readouterr()
    assert "tifffile" not in out.replace("<tifffile", "") + err
    assert "GDAL" not in out + err
