"""Pages: texts stay what they are, whatever signs they have."""

import re

from hypothesis import given
from hypothesis import strategies as st

from segzoo.reporting.pages import escaped


def cells_of(line):
    return re.split(r"(?<!\\)\|", line)


@given(st.text())
def test_escaped_text_is_one_cell_of_a_table(text):
    result = escaped(text)
    assert len(cells_of(f"| {result} |")) == 3
    assert "\n" not in result
    assert not re.search(r"(?<!\\)[*_`<>\[]", re.sub(r"\\\\", "", result))
