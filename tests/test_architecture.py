"""Rules that the source keeps, read from the source and from everything registered."""

import ast
import inspect
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from segzoo import registry
from segzoo.defaults import DEFAULTS, EARLIER, EXAMPLES, TRAINED_ON
from segzoo.errors import DISTRIBUTION
from segzoo.plugin import Plugin

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "segzoo").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").iterdir())
SHIPPED = {entry.name for entry in registry.entries(*registry.KINDS) if entry.distribution == DISTRIBUTION}
REGISTERED = [(kind, entry.name) for kind in registry.KINDS for entry in registry.entries(kind)]
ROOMS = (
    "errors",
    "defaults",
    "files",
    "processes",
    "plugin_errors",
    "plugin",
    "registry",
    "reporting",
    "data",
    "networks",
    "scoring",
    "training",
    "runs",
    "inference",
    "inspection",
    "benchmarking",
    "testing",
    "cli",
)
"""The modules and packages of the core, from the lowest on: each imports only those before it."""
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


def imported_modules(path):
    """The modules of segzoo that a file imports when it runs, as names without `segzoo.`; with their lines."""
    tree = ast.parse(path.read_text("utf-8"))
    types_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in types_only:
            base = (node.module or "").split(".")
            for alias in node.names if base[0] == "segzoo" else ():
                name = ".".join([*base[1:], alias.name])
                yield name if module_file(name) else ".".join(base[1:]), node.lineno


def module_file(name):
    """The file of a module or package of segzoo; None if there is none."""
    place = ROOT / "segzoo" / name.replace(".", "/")
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()), None)


def test_every_entry_of_the_core_is_known():
    entries = {
        path.stem for path in (ROOT / "segzoo").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert entries == {*ROOMS, "__init__", "__main__"}
    taken = {"run", "predict", "export", "report", "evaluate", "preview"}  # by functions of the package
    assert not taken & {path.stem for path in CORE}


def test_the_map_of_the_core_is_that_of_its_folders():
    page = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")
    assert tuple(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == ROOMS


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT / "segzoo")))
def test_imports_go_down(path):
    room = path.relative_to(ROOT / "segzoo").parts[0].removesuffix(".py")
    if room in ("__init__", "__main__"):
        return
    for name, line in imported_modules(path):
        other = name.partition(".")[0]
        assert ROOMS.index(other) <= ROOMS.index(room), f"{path}:{line} imports {other}, which is above {room}"


@pytest.mark.parametrize("room", [room for room in ROOMS if (ROOT / "segzoo" / room).is_dir()])
def test_the_modules_of_a_room_import_each_other_without_circles(room):
    graph = {
        f"{room}.{path.stem}": {name for name, _ in imported_modules(path) if name.startswith(f"{room}.")}
        for path in (ROOT / "segzoo" / room).glob("*.py")
        if path.stem != "__init__"
    }
    assert [*TopologicalSorter(graph).static_order()]


COVERED_BY = {
    "benchmarking/runs": "comparison",
    "cli/__init__": "cli",
    "cli/benchmark": "benchmark",
    "cli/compare": "comparison",
    "cli/data": "cli",
    "cli/evaluation": "evaluations",
    "cli/facts": "cli",
    "cli/scores": "experiment",
    "cli/shared": "cli",
    "data/faults": "samples",
    "data/image_files": "images",
    "data/single_images": "images",
    "data/stored": "images",
    "data/tiff_planes": "tiff",
    "data/tiff_rows": "tiff",
    "defaults": "architecture",
    "files/png": "outputs",
    "files/tables": "run_tables",
    "inference/measurements": "outputs",
    "inference/reduction": "outputs",
    "inference/strips": "outputs",
    "cli/prediction": "predictions",
    "inference/ensemble": "predictions",
    "inference/pipeline": "predictions",
    "inference/results": "predictions",
    "inference/class_names": "evaluations",
    "inference/mask_files": "evaluations",
    "inference/target": "evaluations",
    "inspection/checks": "verification",
    "inspection/chunks": "verification",
    "inspection/counts": "statistics",
    "inspection/duplicates": "verification",
    "inspection/findings": "verification",
    "inspection/reading": "verification",
    "networks/build": "experiment",
    "networks/drawing": "diagram",
    "networks/graph": "diagram",
    "networks/prediction": "evaluation",
    "plugin": "plugin_errors",
    "processes/processors": "threads",
    "registry/installed": "registry",
    "registry/source": "registry",
    "reporting/overlays": "outputs",
    "runs/evaluation": "evaluations",
    "runs/events": "run_events",
    "runs/folder": "run_tables",
    "runs/manifest": "experiment",
    "runs/opening": "experiment",
    "runs/planning": "experiment",
    "runs/progress": "run_progress",
    "runs/results": "experiment",
    "runs/tables": "run_tables",
    "scoring/segmentation": "scores",
    "segzoo_folder/inspection": "folder_images",
    "segzoo_keras/__init__": "keras_trainer",
    "segzoo_keras/checkpoint": "resume",
    "segzoo_keras/convolution": "stand_ins",
    "segzoo_keras/engine": "keras_trainer",
    "segzoo_keras/precision": "precision",
    "segzoo_losses/border": "border_weights",
} | {f"testing/{path.stem}": "testing" for path in (ROOT / "segzoo/testing").glob("*.py")}
"""The test files, less `test_`, of modules without a file that is called like them."""
SEVERAL = ("segzoo_folder", "segzoo_keras", "segzoo_losses")
"""Plugins each of whose modules has its test file; the others have one for all of their modules."""


def modules():
    """The modules whose behaviour is tested, by their places below `segzoo/` or `plugins/`, with their test files."""
    for path in CORE:
        place = str(path.relative_to(ROOT / "segzoo").with_suffix(""))
        if path.stem not in ("__init__", "__main__") or place in COVERED_BY:
            yield place, COVERED_BY.get(place, path.stem)
    for folder in PLUGINS:
        name = folder.name.removeprefix("segzoo_")
        yield f"{folder.name}/__init__", COVERED_BY.get(f"{folder.name}/__init__", name)
        for path in folder.glob("*.py") if folder.name in SEVERAL else ():
            place = f"{folder.name}/{path.stem}"
            default = f"{name}_{path.stem}" if folder.name == "segzoo_folder" else path.stem
            if path.stem != "__init__":
                yield place, COVERED_BY.get(place, default)


def test_every_module_has_its_test_file():
    files = dict(modules())
    missing = {place: file for place, file in files.items() if not (ROOT / "tests" / f"test_{file}.py").exists()}
    assert missing == {}, "write the test file, or name in COVERED_BY the one that covers the module"
    assert COVERED_BY.keys() <= files.keys(), "modules that are gone"


def test_modules_of_one_name_do_not_pass_for_tested_by_one_file():
    named = [file for place, file in modules() if place not in COVERED_BY]
    assert sorted(named) == sorted(set(named)), "name in COVERED_BY the test files of those that are there twice"


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_no_plugin(path):
    assert not [name for name in imports(path) if name.startswith("segzoo_")]


def texts(path):
    """The strings of a file with their lines, but for docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value, node.lineno


def values_of_kinds(path):
    """The strings that a file gives to what is called `model`, `dataset` and so on, with their lines."""
    kinds = {kind.kind for kind in registry.KINDS}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        pairs = []
        if isinstance(node, ast.Dict):
            pairs = [(getattr(key, "value", None), value) for key, value in zip(node.keys, node.values, strict=True)]
        elif isinstance(node, ast.keyword):
            pairs = [(node.arg, node.value)]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("create", "load"):
            pairs = [("model", value) for value in node.args]
        for key, value in pairs:
            if key in kinds and isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value, value.lineno


OF_A_RUN = ("config.toml", "splits.csv", "history.csv", "model.keras", "metrics.json", "manifest.json", "checkpoints")
"""Names of files in the folder of a run; those that are names of other files, too, are not among them."""


@pytest.mark.parametrize("path", [*CORE, *(ROOT / "plugins").rglob("*.py")], ids=lambda path: path.name)
def test_the_files_of_a_run_are_named_in_a_single_place(path):
    named = {text for text, _ in texts(path)} & set(OF_A_RUN)
    assert named == (set(OF_A_RUN) if path == ROOT / "segzoo" / "runs" / "folder.py" else set())


AMBIGUOUS = {"dice", "folder", "keras", "none", "standard"}
"""Names of plugins that are other words, too: a score, folders, a library; as such the core may use them."""


def named_plugins(path):
    """The plugins that ship with segzoo and are named in a file, with the lines."""
    for text, line in texts(path):
        words = {word for word in re.findall(r"\w+", text) if word not in AMBIGUOUS}
        words |= set(
            re.findall(r"(?:\b(?:model|dataset|augmentation|trainer|loss|tracker) |default: )['`]?(\w+)", text)
        )
        yield from ((name, line) for name in words & SHIPPED)
    yield from ((name, line) for name, line in values_of_kinds(path) if name in SHIPPED)


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT / "segzoo")))
def test_the_core_names_plugins_only_in_its_table_of_defaults(path):
    named = sorted(set(named_plugins(path)))
    if path == ROOT / "segzoo" / "defaults.py":
        tables = (DEFAULTS, EARLIER, EXAMPLES)
        assert {name for name, _ in named} == {TRAINED_ON}.union(*(table.values() for table in tables))
    else:
        assert named == []


@pytest.mark.parametrize(
    "line",
    [
        'TRAINER = "unet"',
        'print(f"{x}: type `segzoo run unet shapes`")',
        'DEFAULTS = {"trainer": "keras"}',
        'run(loss="dice")',
        'registry.create(Dataset, "folder", {})',
        'HELP = "Name of a trainer.  [default: keras]"',
        "HINT = \"as the dataset 'folder' can\"",
    ],
)
def test_a_plugin_that_is_named_is_seen(line, tmp_path):
    (tmp_path / "module.py").write_text(f'"""As `segzoo run unet shapes` does."""\n\n{line}\n')
    assert {line for _, line in named_plugins(tmp_path / "module.py")} == {3}


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_tensorflow_only_when_it_is_used(path):
    assert not {"tensorflow", "keras"} & set(imports(path, top_only=True))


PUBLIC = re.findall(r"^### `(segzoo[\w.]+)`$", (ROOT / "docs/reference/interfaces.md").read_text("utf-8"), re.MULTILINE)
"""What a plugin may import."""


def imported_names(path):
    """The names of segzoo, such as `segzoo.plugin.Model`, that a file imports, types too, with their lines."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "segzoo":
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name.partition(".")[0] == "segzoo")


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_only_what_is_public(folder):
    imported = [(path, *name) for path in folder.rglob("*.py") for name in imported_names(path)]
    assert imported
    for path, name, line in imported:
        assert name in PUBLIC, f"{path}:{line} imports {name}, which docs/reference/interfaces.md does not list"


@pytest.mark.parametrize(
    "line", ["import segzoo.registry", "from segzoo import registry", "from segzoo.plugin import _x"]
)
def test_an_import_of_what_is_not_public_is_seen(line, tmp_path):
    (tmp_path / "module.py").write_text(f"def build():\n    {line}\n")
    ((name, _),) = imported_names(tmp_path / "module.py")
    assert name not in PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_can_be_imported(name):
    module, _, attribute = name.rpartition(".")
    assert hasattr(import_module(module), attribute)


def test_trainers_find_all_in_one_place_and_pay_only_for_what_they_use():
    assert {f"segzoo.training.{name}" for name in import_module("segzoo.training").__all__} <= set(PUBLIC)
    code = "import sys, segzoo.training; assert not {'numpy', 'rich', 'psutil'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


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


def test_public_names_exist():
    for name in ("segzoo", "segzoo.plugin", "segzoo.training"):
        module = import_module(name)
        for public in module.__all__:
            assert getattr(module, public) is not None
