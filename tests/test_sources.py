"""The files that are predicted, by the paths that are named, and what is made of them is called."""

import os
from pathlib import Path

import pytest

from segzoo.errors import ConfigError
from segzoo.inference.sources import find_sources


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Makes empty files in the current folder."""
    monkeypatch.chdir(tmp_path)

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def names(paths, out="out"):
    return {str(source.path): source.name for source in find_sources([*map(Path, paths)], Path(out)).files}


def test_folders_are_searched_and_files_are_taken_as_they_are(place):
    place("photos/b.JPG", "photos/a.tif", "photos/deep/c.png", "photos/notes.txt", "photos/deep/x.xml", "odd.dat")
    found = find_sources([place() / "odd.dat", place() / "photos"], place() / "out")
    assert [source.path.name for source in found.files] == ["odd.dat", "a.tif", "b.JPG", "c.png"]
    assert [source.name for source in found.files] == ["odd", "a", "b", "deep-c"]
    assert found.passed_over == 2


def test_hidden_files_and_the_results_are_no_images(place):
    place("photos/a.png", "photos/.b.png", "photos/.cache/c.png", "photos/out/masks/a.png")
    assert names(["photos"], "photos/out") == {"photos/a.png": "a"}
    assert names(["photos"], "photos/../photos/out") == {"photos/a.png": "a"}


def test_each_file_is_taken_once(place):
    place("photos/a.png", "photos/b.png")
    assert names(["photos/b.png", "photos", "./photos/a.png"]) == {"photos/b.png": "b", "photos/a.png": "a"}


def test_a_link_of_another_name_is_an_image_of_that_name(place):
    place("photos/a.png")
    (place() / "photos/first.png").symlink_to("a.png")
    assert names(["photos"]) == {"photos/a.png": "a", "photos/first.png": "first"}


def test_the_folder_of_the_images_is_not_that_of_the_results(place):
    place("photos/a.png")
    with pytest.raises(ConfigError, match="photos holds the images, and cannot be that of the results; choose another"):
        names(["photos"], "photos/../photos")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anywhere")
@pytest.mark.parametrize("mode", [0o000, 0o400])
def test_a_folder_that_may_not_be_read_is_named(place, mode):
    place("photos/closed/a.png")
    (place() / "photos/closed").chmod(mode)
    with pytest.raises(ConfigError, match=r"cannot read the folder photos/closed \(Permission denied\)"):
        names(["photos"])
    (place() / "photos/closed").chmod(0o700)


def test_links_to_folders_are_followed_but_not_in_circles(place):
    place("photos/a.png", "more/b.png")
    (place() / "photos/more").symlink_to(place() / "more")
    (place() / "more/back").symlink_to(place() / "photos")
    assert names(["photos"]) == {"photos/a.png": "a", "photos/more/b.png": "more-b"}


@pytest.mark.parametrize(
    ("files", "paths", "expected"),
    [
        (["a.jpg", "a.png", "b.png"], ["a.jpg", "a.png", "b.png"], ["a.jpg", "a.png", "b"]),
        (["cats/x.jpg", "dogs/x.jpg"], ["cats", "dogs"], ["cats-x.jpg", "dogs-x.jpg"]),
        (["a/x.v1.jpg", "a/x.v2.jpg"], ["a"], ["x.v1", "x.v2"]),
        (["a/b.png", "a-b.png"], ["."], ["a-b-c14cddc0", "a-b-d44362d6"]),
    ],
)
def test_names_tell_files_apart(place, files, paths, expected):
    place(*files)
    assert sorted(names(paths).values()) == expected


def test_names_that_differ_by_case_only_are_told_apart(place):
    place("photos/Cat.png", "photos/cat.png")
    first, second = names(["photos"]).values()
    assert first.lower() != second.lower()


def test_a_file_that_is_not_there_is_left_to_its_reader_and_an_empty_folder_is_not(place):
    place("photos/notes.txt")
    assert names(["cat.png"]) == {"cat.png": "cat"}
    with pytest.raises(ConfigError, match=r"no images below photos; those that can be read end in \.apng, "):
        names(["photos"])
