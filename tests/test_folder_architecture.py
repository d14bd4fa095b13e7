"""The modules of the dataset `folder` follow the order of its work, from the names of files to samples."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "plugins/segzoo_folder"
ORDER = {
    "find which files belong together": ("pairs", "files", "matching", "layout", "listing", "scan"),
    "look what the files hold": ("index", "inspection"),
    "decide what that means": ("images", "masks", "labels", "splits"),
    "serve the samples": ("collection", "warnings"),
}
MODULES = [module for modules in ORDER.values() for module in modules]


def imported(path):
    """The modules of the package that a file imports, for types only, too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("segzoo_folder."):
            yield node.module.removeprefix("segzoo_folder.")


def test_every_module_has_its_place():
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", *MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_those_before_it(module):
    assert set(imported(PACKAGE / f"{module}.py")) <= set(MODULES[: MODULES.index(module)])
