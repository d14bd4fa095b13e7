"""Rules that the source keeps, read from the source and from everything registered."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from segzoo import registry
from segzoo.errors import SegzooError
from segzoo.plugin import Plugin

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "segzoo").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").iterdir())
REGISTERED = [(kind, entry.name) for kind in registry.KINDS for entry in registry.entries(kind)]
ALLOWED = set(sys.stdlib_module_names) | {"pydantic", "segzoo"}


def imports(path, top_only=False):
    """The packages that a file imports, anywhere or at its top only (where TYPE_CHECKING does not count)."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_no_plugin(path):
    assert not [name for name in imports(path) if name.startswith("segzoo_")]


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_tensorflow_only_when_it_is_used(path):
    assert not {"tensorflow", "keras"} & set(imports(path, top_only=True))


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_the_module_of_a_plugin_imports_nothing_heavy(folder):
    assert set(imports(folder / "__init__.py", top_only=True)) <= ALLOWED
    assert (folder / "py.typed").exists()


def test_looking_at_every_class_loads_no_tensorflow():
    code = (
        "import sys; from segzoo import registry\n"
        "for kind in registry.KINDS:\n"
        "    for entry in registry.entries(kind): registry.load(kind, entry.name)\n"
        "assert not {'tensorflow', 'keras', 'numpy', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("kind", "name"), REGISTERED)
def test_a_plugin_is_documented_and_so_are_its_options(kind, name):
    cls = registry.load(kind, name)
    assert cls.__doc__
    for option, field in cls.model_fields.items():
        assert field.description, option


@pytest.mark.parametrize(("kind", "name"), REGISTERED)
def test_a_plugin_is_frozen_and_complete_by_default(kind, name):
    plugin = registry.load(kind, name).example()
    assert type(plugin).model_validate_json(plugin.model_dump_json()) == plugin
    for option, value in plugin:
        with pytest.raises(ValueError, match="frozen"):
            setattr(plugin, option, value)


@pytest.mark.parametrize(("kind", "name"), REGISTERED)
def test_a_class_is_abstract_or_final(kind, name):
    cls = registry.load(kind, name)
    assert not cls.__subclasses__()
    for base in cls.__mro__[1 : cls.__mro__.index(Plugin)]:
        assert inspect.isabstract(base), base


def test_errors_are_one_family():
    module = import_module("segzoo.errors")
    found = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if issubclass(cls, Exception)]
    assert all(issubclass(cls, SegzooError) for cls in found)


def test_public_names_exist():
    for name in ("segzoo", "segzoo.plugin"):
        module = import_module(name)
        for public in module.__all__:
            assert getattr(module, public) is not None
