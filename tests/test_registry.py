"""Finding plugins without importing them, and importing the one that is asked for."""

import subprocess
import sys

import pytest

from segzoo import registry
from segzoo.errors import ConfigError, PluginError
from segzoo.plugin import Dataset, Loss, Model

MODELS = "segzoo.models"


def entry(name, kind=Model):
    return next(entry for entry in registry.entries(kind) if entry.name == name)


def test_an_installed_plugin_is_listed_with_its_distribution_and_summary(install):
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"})
    found = entry("net")
    assert (found.distribution, found.version) == ("segzoo-test-net", "1.2")
    assert (found.summary, found.problem) == ("A network for tests.", "")
    assert found.target == "segzoo_test_net:Net"


def test_listing_imports_no_plugin(install):
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"}, "raise SystemExit('imported')")
    registry.entries(Model)
    assert "segzoo_test_net" not in sys.modules


def test_a_distribution_is_asked_once_for_what_it_needs_however_many_plugins_it_brings(install, monkeypatch):
    points = "".join(f"{name} = segzoo_test_net:Net\n" for name in "abc")
    groups = {kind.group: points for kind in registry.KINDS}
    install("segzoo-test-needed", {})
    install("segzoo-test-net", groups, requires=("segzoo-test-needed",))
    asked, version = [], registry.version
    monkeypatch.setattr(registry, "version", lambda name: asked.append(name) or version(name))
    found = [entry for entry in registry.entries(*registry.KINDS) if entry.distribution == "segzoo-test-net"]
    assert len(found) == 3 * len(registry.KINDS)
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
    ],
)
def test_what_is_broken_is_a_row_with_the_reason(install, entry_point, code, requires, reason):
    install("segzoo-test-net", {MODELS: entry_point}, code, requires)
    assert reason in entry("net").problem
    assert entry("unet").problem == ""
    with pytest.raises(PluginError, match="cannot be used"):
        registry.load(Model, "net")


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


# Where `code` is given, the source itself is what is wrong.
@pytest.mark.parametrize("code", ["class Net: pass", "Net = 3", "from segzoo.plugin import Model as Net"])
def test_what_is_no_complete_subclass_is_refused(install, code):
    install("segzoo-test-net", {MODELS: "net = segzoo_test_net:Net"}, code)
    with pytest.raises(PluginError, match="is not a complete subclass of Model"):
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
