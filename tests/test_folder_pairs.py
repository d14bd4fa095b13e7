"""The columns that hold many pairs, some of which have several masks."""

from dataclasses import fields, replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segzoo_folder.pairs import UNSPLIT, Pairs, encode, merged

MASKS = st.lists(st.text("abé/", min_size=1, max_size=5), min_size=1, max_size=4).map(tuple)
ROWS = st.lists(MASKS, max_size=6)


def of(masks_of_each):
    """Pairs with these masks, numbered."""
    count, masks = len(masks_of_each), [encode(path) for masks in masks_of_each for path in masks]
    numbers = np.arange(count)
    names = np.array([b"%d" % number for number in numbers], np.bytes_)
    return Pairs(
        names,
        np.char.add(b"images/", names) if count else names,
        np.array(masks, np.bytes_),
        np.cumsum([len(masks) for masks in masks_of_each], dtype=np.int64),
        np.zeros(count, "S1"),
        np.char.add(b"regions/", names) if count else names,
        np.full(count, UNSPLIT, np.uint8),
        numbers,
        np.arange(len(masks)),
        numbers,
    )


@given(ROWS, st.data())
def test_pairs_keep_their_masks_wherever_they_are_taken(rows, data):
    pairs = of(rows)
    assert [pair.masks for pair in pairs] == rows
    assert pairs.owners.tolist() == [row for row, masks in enumerate(rows) for _ in masks]
    assert pairs.several == any(len(masks) > 1 for masks in rows)
    order = data.draw(st.lists(st.sampled_from(range(len(rows))), max_size=8) if rows else st.just([]))
    taken = pairs.take(np.array(order, int))
    assert [(pair.id, pair.image, pair.masks, pair.region) for pair in taken] == [
        (str(row), f"images/{row}", rows[row], f"regions/{row}") for row in order
    ]
    stamps = np.split(pairs.mask_stamps, pairs.ends[:-1]) if rows else []
    assert taken.mask_stamps.tolist() == [stamp for row in order for stamp in stamps[row]]


@given(ROWS, ROWS)
def test_pairs_of_several_folders_are_one_after_the_other(first, second):
    together = merged([of(first), of(second)])
    assert [pair.masks for pair in together] == first + second
    assert len(together) == len(first) + len(second)


def test_pairs_are_equal_if_every_column_is():
    pairs = of([("a",), ("b", "c")])
    assert pairs.equal(of([("a",), ("b", "c")]))
    assert not pairs.equal(of([("a", "b"), ("c",)]))  # the same masks, of other images
    for field in fields(pairs):
        column = getattr(pairs, field.name)
        column = np.char.add(column, b"x") if column.dtype.kind == "S" else column + 1
        assert not pairs.equal(replace(pairs, **{field.name: column})), field.name
