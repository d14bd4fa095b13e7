"""Errors for people, and what they suggest."""

import inspect

import pytest

from segzoo import errors
from segzoo.errors import SegzooError, suggestion, with_article


@pytest.mark.parametrize(
    ("word", "known", "text"),
    [
        ("uent", ["resunet", "unet"], "; did you mean 'unet'?"),
        ("zzz", ["unet", "canet"], "; there are: canet, unet"),
        ("unet", [], ""),
    ],
)
def test_the_nearest_word_is_suggested_or_all_of_them(word, known, text):
    assert suggestion(word, known) == text


def test_a_noun_has_its_article():
    assert [with_article(noun) for noun in ("model", "augmentation", "Augmentation")] == [
        "a model",
        "an augmentation",
        "an Augmentation",
    ]


def test_errors_are_one_family():
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)]
    assert all(issubclass(cls, SegzooError) for cls in classes)
