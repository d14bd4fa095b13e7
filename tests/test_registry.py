"""Finding plugins without importing them, and importing the one that is asked for."""

import shutil
import subprocess
import sys

import numpy
import pytest

from segzoo import registry
from segzoo.errors import ConfigError, PluginError
from segzoo.plugin import Dataset, Loss, Model
from segzoo.registry.installed import Installed, versions

MODELS = "segzoo.models"


def entry(name, kind=Model):
    return next(entry for entry in registry.entries(kind) if entry.name == name)


def test_an_installed_plugin_is_listed_with_its_distribution_and_summary(install):
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"})
    listed = entry("net")
    assert (listed.distribution, listed.version) == ("segzoo-test-net", "1.2")
    assert (listed.summary, listed.problem) == ("A network for tests.", "")
    assert listed.target == "segzoo_test_net:Net"


def test_listing_imports_no_plugin(install):
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"}, "raise SystemExit('imported')")
    registry.entries(Model)
    assert "segzoo_test_net" not in sys.modules


def test_a_distribution_is_asked_once_for_what_it_needs_however_many_plugins_it_brings(install, monkeypatch):
    points = "".join(f"{name} = segzoo_test_net:Net\n" for name in "abc")
    groups = {kind.group: points for kind in registry.KINDS}
    install("segzoo-test-needed", {})
    install("segzoo-test-net", groups, requires=("segzoo-test-needed",))
    asked, version = [], Installed.version
    monkeypatch.setattr(Installed, "version", lambda self, name: asked.append(name) or version(self, name))
    listed = [entry for entry in registry.entries(*registry.KINDS) if entry.distribution == "segzoo-test-net"]
    assert len(listed) == 3 * len(registry.KINDS)
    assert asked.count("segzoo-test-needed") == 1


@pytest.mark.parametrize(
    ("entry_point", "code", "requires", "reason"),
    [
        ("net = segzoo_test_gone:Net", None, (), "there is no module 'segzoo_test_gone'"),
        ("net = segzoo_test_net.deeper:Net", None, (), "there is no module 'segzoo_test_net.deeper'"),
        ("net = segzoo_test_net:Nett", None, (), "has no class 'Nett'"),
        ("net = segzoo_test_net:Net", "class Net(:\n", (), "syntax error in segzoo_test_net, line 1"),
        ("net = segzoo_test_net:Net", None, ("no-such-distribution",), "needs no-such-distribution, which is not inst"),
        ("net = segzoo_test_net:Net", None, ("numpy<1",), "needs numpy<1, but "),
        ("net = segzoo_test_net:Net", None, ("segzoo>=0.1",), "is another program; its author means segmentation-zoo"),
        ("net = segzoo_test_net:Net", None, ("numpy >== 1.0",), "require 'numpy >== 1.0', which is no requirement"),
        ("net = just some words", None, (), "its entry point is 'just some words', where there should be module:Class"),
        ("net = segzoo_test_net", None, (), "its entry point is 'segzoo_test_net', where there should be module:Class"),
        ("net =", None, (), "its entry point is '', where there should be module:Class"),
        ("net = segzoo_test_net:Net", "class Net: pass\0", (), "syntax error in segzoo_test_net: "),
        ("net = segzoo_test_net:Net", f"x = {500 * '('}{500 * ')'}", (), "syntax error in segzoo_test_net"),
        ("net = segzoo_test_net:Net", f"x = {10**5 * '-'}1", (), "syntax error in segzoo_test_net"),
    ],
)
def test_what_is_broken_is_a_row_with_the_reason(install, entry_point, code, requires, reason):
    install("segzoo-test-net", {MODELS: entry_point}, code, requires)
    assert reason in entry("net").problem
    assert entry("unet").problem == ""
    with pytest.raises(PluginError, match="cannot be used"):
        registry.load(Model, "net")


def test_a_source_text_of_another_encoding_is_a_row_with_the_reason(install):
    site = install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"})
    (site / "segzoo_test_net.py").write_bytes(b"# caf\xe9\nclass Net: pass\n")
    assert "syntax error in segzoo_test_net: " in entry("net").problem
    (site / "segzoo_test_net.py").write_bytes(b"# -*- coding: latin-1 -*-\n# caf\xe9\nclass Net: pass\n")
    assert entry("net").problem == ""


def test_an_entry_point_with_extras_or_of_a_nested_class_is_as_any_other(install):
    code = "class Outer:\n    class Net: pass\n"
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Outer.Net [gpu]"}, code, ("gone; extra == 'gpu'",))
    assert (entry("net").problem, entry("net").target) == ("", "segzoo_test_net:Outer.Net")


INFO = "segzoo_test_net-1.2.dist-info"


@pytest.mark.parametrize("metadata", [None, b"", b"Metadata-Version: 2.1\n", b"Name: caf\xe9\nVersion: 1\n"])
def test_a_distribution_without_name_and_version_is_a_row_with_the_reason(install, metadata):
    site = install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"})
    if metadata is None:
        (site / INFO / "METADATA").unlink()
    else:
        (site / INFO / "METADATA").write_bytes(metadata)
    row = entry("net")
    assert (row.distribution, row.version) == ("segzoo_test_net", "")
    assert row.problem.startswith("its metadata have no name or version")
    assert "pip install --force-reinstall segzoo_test_net" in row.problem
    assert entry("unet").problem == ""
    assert "segzoo_test_net" not in versions()


@pytest.mark.parametrize("name", ["~egzoo_test_net-1.2.dist-info", "segzoo_test_net-1.1.dist-info"])
def test_what_an_interrupted_pip_leaves_takes_no_names(install, name):
    site = install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"})
    shutil.copytree(site / INFO, site / name)
    if name[0] != "~":
        (site / name / "METADATA").unlink()
    assert entry("net").problem == ""
    registry.load(Model, "net")


def test_empty_folders_of_metadata_hide_nothing_that_is_installed(install):
    site = install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"}, requires=("numpy>=1.26",))
    for name in ("numpy-1.2", "segmentation_zoo-0.1.0", "segzoo_test_net-1.0"):
        (site / f"{name}.dist-info").mkdir()
    assert entry("net").problem == ""
    assert entry("unet").problem == ""
    assert registry.locate("unet") == (Model, "unet")
    assert versions()["numpy"] == numpy.__version__


def test_what_is_left_of_a_distribution_is_not_installed(install):
    site = install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"}, requires=("segzoo-test-gone>=1",))
    (site / "segzoo_test_gone-1.0.dist-info").mkdir()
    assert entry("net").problem == "it needs segzoo-test-gone, which is not installed"


@pytest.mark.parametrize("group", ["segzoo.model", "segzoo_models", "Segzoo.Models", "segzoo"])
def test_a_group_that_looks_like_one_of_segzoo_is_a_row_of_the_listing(install, group):
    install("segzoo-test-net", {group: "net = segzoo_test_net:Net"})
    assert "net" not in [row.name for row in registry.entries(Model)]
    (row,) = [row for row in registry.listing(Model) if row.kind == group]
    assert (row.name, row.distribution, row.target) == ("net", "segzoo-test-net", "segzoo_test_net:Net")
    assert row.problem.startswith(f"there is no group '{group}'; ")
    assert "segzoo.models" in row.problem
    for ask in (lambda: registry.load(Model, "net"), lambda: registry.locate("net")):
        with pytest.raises(ConfigError, match="'net', but segzoo-test-net has it in a wrong place: there is no group"):
            ask()


@pytest.mark.parametrize("line", [b"a line without a sign", b"net = segzoo_test_net:Net # caf\xe9"])
def test_entry_points_that_cannot_be_read_are_a_row_of_the_listing_and_hide_no_others(install, line):
    site = install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"})
    (site / INFO / "entry_points.txt").write_bytes(b"[segzoo.models]\n" + line)
    row = registry.listing(Model)[-1]
    assert row.distribution == "segzoo-test-net"
    assert "its entry_points.txt cannot be read: " in row.problem
    assert entry("unet").problem == ""
    (site / INFO / "entry_points.txt").write_bytes(b"[other.tools]\n" + line.replace(b"segzoo", b"other"))
    assert registry.listing(Model) == registry.entries(Model)


def test_a_name_twice_in_one_distribution_names_it_once(install):
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net\nnet = segzoo_test_net:Other"})
    assert entry("net").problem == "the name 'net' is twice in the entry points of segzoo-test-net"


def test_requirements_of_other_platforms_and_of_extras_are_not_missing(install):
    requires = ("nothing-there; extra == 'gpu'", "nor-here; sys_platform == 'none'")
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"}, requires=requires)
    assert entry("net").problem == ""


def test_a_class_that_is_only_imported_there_is_found(install):
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:UNet"}, "from segzoo_unet import UNet")
    assert entry("net").problem == ""
    assert registry.create(Model, "net", {"filters": 3}).filters == 3


def test_a_name_taken_twice_names_both_and_neither_is_used(install):
    install("segzoo-test-one", {MODELS: "net = segzoo_test_net:Net"})
    install("segzoo-test-two", {MODELS: "net = segzoo_test_net:Net"})
    rows = [row for row in registry.entries(Model) if row.name == "net"]
    assert len(rows) == 2
    for row in rows:
        assert "segzoo-test-one and segzoo-test-two" in row.problem
    with pytest.raises(PluginError, match="taken twice, by segzoo-test-one and segzoo-test-two"):
        registry.create(Model, "net", {})


def test_a_failing_import_shows_where_the_plugin_is_used(install):
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"}, "import no_such_module\nclass Net: pass")
    assert entry("net").problem == ""
    with pytest.raises(PluginError, match=r"segzoo-test-net cannot be imported .*No module named 'no_such_module'"):
        registry.load(Model, "net")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os\nimport no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys\nsys.exit('set LICENCE')", "SystemExit: set LICENCE"),
    ],
)
def test_a_failing_import_names_the_line(install, code, reason):
    source = f"{code}\nclass Net: pass\n"
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"}, source)
    with pytest.raises(PluginError, match=rf"\(segzoo_test_net:Net, segzoo_test_net.py:2\): {reason}"):
        registry.load(Model, "net")
    site = install("segzoo-test-deep", {MODELS: "deep = segzoo_test_deep:Net"})
    (site / "segzoo_test_deep").mkdir()
    (site / "segzoo_test_deep" / "__init__.py").write_text("from segzoo_test_deep.network import Net\n")
    (site / "segzoo_test_deep" / "network.py").write_text(source)
    with pytest.raises(PluginError, match=rf"\(segzoo_test_deep:Net, segzoo_test_deep/network.py:2\): {reason}"):
        registry.load(Model, "deep")


# Where `code` is given, the source itself is what is wrong.
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("class Net: pass", "it is no child of Model"),
        ("Net = 3", "it is an object of the type int, not a class"),
        ("from segzoo.plugin import Model as Net", "it lacks `build`"),
        ("from segzoo.plugin import Loss as Net", "it is a Loss, for the group segzoo.losses"),
    ],
)
def test_what_is_no_complete_subclass_is_refused_with_the_reason(install, code, reason):
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"}, code)
    with pytest.raises(PluginError, match=f"is not a complete subclass of Model: {reason}"):
        registry.load(Model, "net")


def test_a_plugin_reinstalled_with_another_name_is_seen_at_once(install):
    site = install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"})
    registry.load(Model, "net")
    points = site / "segzoo_test_net-1.2.dist-info" / "entry_points.txt"
    points.write_text(f"[{MODELS}]\nother = segzoo_test_net:Net\n")
    assert issubclass(registry.load(Model, "other"), Model)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ConfigError, match="no model 'uent'; did you mean 'unet'"):
        registry.load(Model, "uent")


@pytest.mark.parametrize(
    ("kind", "name", "options", "message"),
    [
        (Model, "unet", {"fliters": 3}, "model 'unet', option 'fliters': unknown option; did you mean 'filters'?"),
        (Model, "unet", {"filters": "many"}, "model 'unet', option 'filters': input should be a valid integer"),
        (Model, "unet", {"filters": 0}, "option 'filters': input should be greater than or equal to 1, not 0"),
        (Dataset, "shapes", {"zzz": 1}, "dataset 'shapes', option 'zzz': unknown option; there are: "),
        (Loss, "dice", {"level": 1}, "loss 'dice', option 'level': unknown option; it has no options"),
        (Loss, "focal", {"gamma": []}, "loss 'focal', option 'gamma'"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(kind, name, options, message):
    with pytest.raises(ConfigError) as caught:
        registry.create(kind, name, options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_wrong_options_are_a_line_each():
    with pytest.raises(ConfigError) as caught:
        registry.create(Model, "unet", {"filters": 0, "dept": 3})
    assert str(caught.value).count("\n") == 1


def test_locate_finds_short_and_full_names():
    assert registry.locate("unet") == (Model, "unet")
    assert registry.locate("models/unet") == (Model, "unet")
    with pytest.raises(ConfigError, match="no plugin 'uent'; did you mean 'unet'"):
        registry.locate("uent")
    with pytest.raises(ConfigError, match="no plugins called 'model'; did you mean 'models'"):
        registry.locate("model/unet")


def test_a_name_in_two_groups_must_be_said_in_full(install):
    install("segzoo-test-net", {MODELS: "shapes = segzoo_test_net:Net"})
    with pytest.raises(ConfigError, match="write models/shapes or datasets/shapes"):
        registry.locate("shapes")
    assert registry.locate("datasets/shapes") == (Dataset, "shapes")


def test_looking_at_everything_imports_neither_tensorflow_nor_a_plugin():
    code = (
        "import sys; from segzoo import registry\n"
        "for kind in registry.KINDS: registry.entries(kind)\n"
        "print([m for m in sys.modules if m in ('tensorflow', 'keras', 'numpy') or m.startswith('segzoo_')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_class_that_its_package_takes_from_another_module_has_its_registered_name(install):
    site = install(
        "segzoo-test-outer",
        {"segzoo.losses": "inner = segzoo_test_outer:Inner"},
        code="from segzoo_test_inner import Inner\n",
    )
    (site / "segzoo_test_inner.py").write_text(
        "from segzoo.plugin import Loss\nclass Inner(Loss):\n    'A loss.'\n    def __call__(self, *_): ...\n"
    )
    assert registry.name_of(registry.load(Loss, "inner")) == "inner"
    assert registry.name_of(registry.load(Model, "unet")) == "unet"
