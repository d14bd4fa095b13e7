"""Where datasets and prepared data are kept."""

from pathlib import Path

import pytest
from platformdirs import user_cache_path

from segzoo.files.cache import cache_folder


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_it_is_the_folder_of_the_platform(monkeypatch, value):
    monkeypatch.delenv("SEGZOO_CACHE")
    if value is not None:
        monkeypatch.setenv("SEGZOO_CACHE", value)
    assert cache_folder() == user_cache_path("segzoo")


def test_the_variable_names_another_folder_of_which_the_path_is_complete(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for value, folder in (
        ("data", tmp_path / "data"),
        ("~/data", tmp_path / "home" / "data"),
        ("/data", Path("/data")),
    ):
        monkeypatch.setenv("SEGZOO_CACHE", value)
        assert cache_folder() == folder
