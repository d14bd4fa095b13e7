"""The page of faults says what is printed when each of them is met."""

import os
import shlex
from pathlib import Path

from conftest import PLUGINS
from fault_cases import BROKEN, PLANTED, WRITTEN, page
from test_testing import FOUND, LACKING

from segzoo.testing.checks import outcomes

PAGE = Path(__file__).parent.parent / "docs/reference/faults.md"
WRITE = "SEGZOO_WRITE_PAGES=1 pytest tests/test_fault_cases.py"


def test_the_page_says_what_is_told(install, command, tmp_path, monkeypatch):
    # Checks in this process: what they say is the same in one of its own, whose start takes longer than they do.
    monkeypatch.setattr("segzoo.testing.bounded.bounded_outcomes", lambda plugin, chosen, _: outcomes(plugin, chosen))
    for name, points in PLANTED.items():
        # TensorFlow keeps its translation of a method, with the file of the first test; that of other lines is another.
        source = (PLUGINS / f"{name.replace('-', '_')}.py").read_text("utf-8")
        install(name, points, "\n" * 7 + source)
    for name, (target, code) in WRITTEN.items():
        short = name.rpartition("-")[2]
        install(name, {"segzoo.models": f"{short} = segzoo_test_{short}:{target}"}, code)
    for name, (points, requires) in BROKEN.items():
        install(name, points, requires=requires)
    printed = {}

    def typed(case, words):
        if words not in printed:
            folder = tmp_path / f"folder-{len(printed)}"
            folder.mkdir()
            monkeypatch.chdir(folder)
            done = command(*shlex.split(words)[1:])
            printed[words] = done.code, done.out + done.err
        return printed[words]

    text = page(typed, FOUND | {cls: {check} for cls, (check, _) in LACKING.items()})
    if os.environ.get("SEGZOO_WRITE_PAGES"):
        PAGE.write_text(text, "utf-8")
    assert PAGE.read_text("utf-8") == text, f"something else is told; if that is better, write the page anew: {WRITE}"
