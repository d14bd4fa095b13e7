"""File names of ids: legal, short and different everywhere, and the id itself where that does."""

from hashlib import sha256
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segzoo.files.filenames import LONGEST, file_names

ORDINARY = st.from_regex(r"[S-Zs-z0-9_][A-Za-z0-9_# .]{0,30}[a-z0-9]", fullmatch=True)
NEAR = st.text("aAbB/-\\.é\u0301eﬀ\u200d\u017fsK:", max_size=6)
"""Letters of which many make the same name."""
ODD = st.sampled_from(["con", "NUL.x", "..", "a ", "lpt9.b"])
IDS = st.lists(st.one_of(ORDINARY, NEAR, ODD, st.text(), st.text(min_size=60)), max_size=12)


def digest(name):
    return sha256(name.encode()).hexdigest()[:8]


def named(name):
    return file_names([name])[name]


@given(IDS)
def test_names_are_legal_short_and_different_whatever_the_ids(ids):
    names = file_names(ids)
    assert set(names) == set(ids)
    for name in names.values():
        assert 0 < len(name.encode("utf-8")) <= LONGEST
        assert not set(name) & {*'<>:"/\\|?*', *map(chr, range(32)), "\x7f"}
        assert name[-1] not in ". "
        assert name.split(".")[0].rstrip(" ").upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
    for form in ("NFC", "NFD"):
        for case in (str.upper, str.lower, str.casefold):
            assert len({case(normalize(form, name)) for name in names.values()}) == len(names)


@given(st.data(), IDS)
def test_names_do_not_depend_on_the_order_and_hardly_on_the_others(data, ids):
    names = file_names(ids)
    assert file_names(data.draw(st.permutations(ids))) == names
    some = data.draw(st.lists(st.sampled_from(ids)) if ids else st.just([]))
    for name, other in file_names(some).items():
        # Without the others there may be no conflict any more, and so no digest.
        assert names[name] == other or names[name].endswith(f"-{digest(name)}")


@given(ORDINARY)
def test_ordinary_ids_are_their_names(name):
    assert named(name) == name
    assert named(f"{name}/b") == f"{name}-b"


@given(st.text(min_size=81))
def test_long_ids_are_cut_between_letters_and_have_a_digest(name):
    file_name = named(name)
    start, dash, end = file_name.rpartition("-")
    assert (dash, end) == ("-", digest(name))
    assert len(start.encode()) <= 60


def test_a_long_name_is_cut_at_60_bytes():
    name = "患" * 82
    assert named(name) == f"{'患' * 20}-{digest(name)}"
    assert named("x" * 80) == "x" * 80
    assert named("x" * 81) == f"{'x' * 60}-{digest('x' * 81)}"
    assert named("é" * 41) == f"{'é' * 30}-{digest('é' * 41)}"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a:b", "a-b"),
        ("a\\b", "a-b"),
        ("a\nb", "a-b"),
        ("a.", "a."),
        ("a ", "a "),
        ("con", "con"),
        ("Aux.left", "Aux-left"),
        ("nul .x.y", "nul -x-y"),
        ("COM¹", "COM¹"),
        ("..", ".."),
        ("", ""),
        ("\udcff", "-"),
        ("a\u0378", "a-"),
    ],
)
def test_what_cannot_be_a_name_has_a_digest(name, start):
    beginning, dash, end = named(name).rpartition("-")
    assert (beginning, dash) == (start, "-")
    assert end == sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]


@pytest.mark.parametrize("name", ["console", "a.con", "COM", "COM10", ".hidden", "a#003", "größe 1", "näm\u0301e"])
def test_what_only_looks_like_it_is_kept(name):
    assert named(name) == name


@pytest.mark.parametrize(
    "ids",
    [
        ("a/b", "a-b"),
        ("A", "a"),
        ("é", "e\u0301"),
        ("straße", "STRASSE"),
        ("a", "a\u200b"),
        ("K", "k", "\u212a"),
    ],
)
def test_ids_of_one_name_have_their_digests(ids):
    assert file_names([*ids, "other"]) == {
        **{name: f"{name.replace('/', '-')}-{digest(name)}" for name in ids},
        "other": "other",
    }


def test_an_id_that_is_the_digested_name_of_others_is_another_file():
    taken = f"a-b-{digest('a/b')}"
    names = file_names(["a/b", "a-b", taken])
    assert len(set(names.values())) == 3
    assert names[taken] == f"{taken}-{digest(taken)}"
    assert names["a-b"] == f"a-b-{digest('a-b')}"
