"""The reference of interfaces says in its text what the source says, so that it can be read without building pages."""

import ast
import os
from pathlib import Path

import pytest
from interfaces import entry, page_of, paragraphs

PAGE = Path(__file__).parent.parent / "docs/reference/interfaces.md"


WRITE = "SEGZOO_WRITE_PAGES=1 pytest tests/test_interfaces.py"


def test_the_page_says_what_the_source_says():
    text = PAGE.read_text("utf-8")
    if os.environ.get("SEGZOO_WRITE_PAGES"):
        PAGE.write_text(page_of(text), "utf-8")
    assert PAGE.read_text("utf-8") == page_of(text), f"the source has changed; write the page anew: {WRITE}"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("Loss", ["`__call__(labels: Any, logits: Any, weights: Any) -> Any`", "- `labels`: int32 (B, H, W)"]),
        ("Samples", ["`__getitem__(index: int, /)", "`__len__() -> int`", "`ids: Sequence[str]` (property)"]),
        ("Model", ["`offset: int` (property)", '`group: ClassVar[str] = "segzoo.models"`', "(to be implemented)"]),
        ("Job", ["@dataclass(frozen=True)\nclass Job\n", "- `steps: int | None = None`: Training steps"]),
        ("IGNORE", ["`IGNORE = 255`", "count neither in a loss nor in a score"]),
    ],
)
def test_an_entry_has_all_that_an_author_needs(name, facts):
    text = entry(f"segzoo.plugin.{name}")
    for fact in facts:
        assert fact in text, fact


def test_private_members_are_not_in_it():
    assert "`_" not in entry("segzoo.training.Arrays").replace("`__", "")


def test_a_name_that_is_imported_elsewhere_is_described_where_it_is_defined():
    assert "class Frame\n" in entry("segzoo.training.Frame")
    assert "Decode all samples" in entry("segzoo.training.prepare")


def test_long_signatures_have_a_line_for_each_parameter():
    assert "\n    *,\n    augmentation: str | None = None,\n" in entry("segzoo.runs.experiment.run")


def test_the_parts_of_a_docstring_become_lists():
    docstring = ast.get_docstring(ast.parse('"""Do.\n\nArgs:\n    a: what\n        it is.\n    b: more.\n"""'))
    assert paragraphs(docstring) == "Do.\n\nArgs:\n\n- `a`: what it is.\n- `b`: more."
