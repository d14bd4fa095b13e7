"""Commands: what they print, and the one line for each mistake."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from segzoo import cli

ROOT = Path(__file__).parent.parent


def test_list_shows_every_kind_and_what_is_broken(command, install):
    install("segzoo-test-net", {"segzoo.models": "net = segzoo_test_net:Gone"})
    done = command("list")
    assert done.code == 0
    for word in ("models", "datasets", "trainers", "losses", "unet", "oxford_pets", "shapes", "keras", "focal"):
        assert word in done.out
    assert "BROKEN: module 'segzoo_test_net' has no class 'Gone'" in done.out


def test_list_aligns_long_names_and_shows_what_is_in_a_wrong_group(command, install):
    name, distribution = "net_" + 30 * "n", "segzoo-test-" + 30 * "d"
    install(distribution, {"segzoo.models": f"{name} = segzoo_test_net:Net", "segzoo.model": "x = segzoo_test_net:Net"})
    lines = command("list", "models").out.splitlines()
    columns = {
        line.index(word) for line in lines for word in (" segmentation-zoo 0", f" {distribution} 1") if word in line
    }
    assert columns == {2 + len(name) + 1}
    assert lines[-2] == "segzoo.model"
    assert "BROKEN: there is no group 'segzoo.model'; did you mean 'segzoo.models'?" in lines[-1]
    rows = json.loads(command("list", "--json").out)
    assert [row["kind"] for row in rows if row["name"] == "x"] == ["segzoo.model"]


def test_versions_are_printed_without_an_import_of_what_has_them():
    code = (
        "import sys; from segzoo.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'tensorflow', 'keras'} & {*sys.modules}"
    )
    lines = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    named = [f"{name} {version(name)}" for name in ("segmentation-zoo", "tensorflow", "keras")]
    assert lines == [*named, f"Python {platform.python_version()}"]


def test_beside_another_program_of_the_same_name_it_says_what_to_type(command, install):
    install("segzoo", {})
    done = command("list")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "the distribution 'segzoo' is another program, and its files replace files of this one" in done.err
    assert "pip uninstall segzoo segmentation-zoo; pip install segmentation-zoo\n" in done.err


def test_what_is_left_of_another_program_is_none(command, install):
    site = install("segzoo-test-net", {})
    (site / "segzoo-1.0.dist-info").mkdir()
    assert command("list").code == 0


def test_it_says_so_too_where_the_other_program_has_replaced_the_package(install):
    site = install("segzoo", {})
    shutil.copytree(ROOT / "segzoo", site / "segzoo")
    (site / "segzoo" / "__init__.py").write_text('__version__ = "1.2"\n')
    environment = {**os.environ, "PYTHONPATH": str(site)}
    program = [sys.executable, "-m", "segzoo", "list"]
    done = subprocess.run(program, cwd=site, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr[:24]) == (2, "segzoo: the distribution")


@pytest.mark.parametrize(
    ("words", "defaults"),
    [
        (("run",), ("keras", "cross_entropy", "0", "runs/MODEL-DATASET")),
        (("benchmark",), ("runs/FILE",)),
        (("compare",), ("the first RUN",)),
        (("data", "preview"), ("all",)),
    ],
)
def test_help_says_what_is_taken_where_an_option_is_left_out(words, defaults, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = command(*words, "--help").out
    assert [default for default in defaults if f"[default: {default}]" not in shown] == []


def test_list_as_json_and_of_one_kind(command):
    rows = json.loads(command("list", "models", "--json").out)
    assert {row["kind"] for row in rows} == {"model"}
    unet = next(row for row in rows if row["name"] == "unet")
    assert unet["distribution"] == "segmentation-zoo"
    assert unet["problem"] == ""


def test_listing_loads_neither_tensorflow_nor_a_plugin():
    code = (
        "import sys; from segzoo.cli import main\n"
        "try: main(['list'])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = [m for m in sys.modules if m in ('tensorflow', 'keras') or m.startswith('segzoo_')]\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_what_a_plugin_prints_when_it_is_imported_is_not_in_the_json(command, install):
    code = "print('hello')\nfrom segzoo_losses import CrossEntropy"
    install("segzoo-test-loss", {"segzoo.losses": "loud = segzoo_test_loss:CrossEntropy"}, code)
    done = command("show", "loud", "--json")
    assert json.loads(done.out)["name"] == "loud"
    assert done.err == "hello\n"


def test_show_a_network(command):
    arguments = ("show", "unet", "--set", "model.filters=4", "--image-size", "32x48", "--classes", "5", "--json")
    facts = json.loads(command(*arguments).out)
    assert facts["paper"].endswith("arXiv:1505.04597")
    assert facts["output_shape"] == [32, 48, 5]
    assert 0 < facts["trainable_parameters"] < facts["parameters"] < facts["flops"]
    filters = next(option for option in facts["options"] if option["name"] == "filters")
    assert (filters["type"], filters["default"], filters["range"], filters["value"]) == ("integer", 64, ">= 1", 4)
    assert filters["description"]


@pytest.mark.parametrize("name", ["keras", "shapes", "datasets/oxford_pets", "folder", "focal"])
def test_show_other_kinds_as_text(command, name):
    done = command("show", name)
    assert done.code == 0
    assert done.out.startswith(name.rpartition("/")[2])


def test_a_dry_run_prints_the_whole_configuration_and_makes_nothing(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("run", "unet", "shapes", "--set", "model.filters=4", "--epochs", "2", "--dry-run")
    config = tomllib.loads(done.out)
    assert config["model"]["filters"] == 4
    assert (config["epochs"], config["image_size"], config["view"]) == (2, [64, 64], "resize")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "printed.toml").write_text(done.out)
    assert command("run", "--config", "printed.toml", "--dry-run").out == done.out


SMALL = {"model.filters": 2, "model.depth": 1, "model.batch_norm": "false"}
SMALL |= {"dataset.size": 16, "dataset.train": 4, "dataset.test": 4}
QUICK = (*(word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")), "--epochs", "1")


def test_run_prints_a_table_and_nothing_of_tensorflow(tmp_path):
    arguments = [sys.executable, "-m", "segzoo", "run", "unet", "shapes", *QUICK, "--out", str(tmp_path / "run")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "triangle" in done.stdout
    assert "results in" in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 2, lines
    assert lines[0].startswith("epoch 1/1   loss ")
    assert lines[1].startswith("waited for data in ")


def test_run_as_json(command, tmp_path):
    done = command("run", "unet", "shapes", *QUICK, "--out", tmp_path / "run", "--json")
    assert json.loads(done.out)["mean_iou"] >= 0


PETS = ("run", "unet", "oxford_pets")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "uent", "shapes"), "no model 'uent'; did you mean 'unet'?"),
        (("run", "unet", "shape"), "no dataset 'shape'; did you mean 'shapes'?"),
        (("run", "unet", "shapes", "--loss", "dise"), "no loss 'dise'; did you mean 'dice'?"),
        (("run", "unet", "shapes", "--trainer", "kears"), "no trainer 'kears'; did you mean 'keras'?"),
        (("run", "unet", "shapes", "--set", "trainer.learning_rat=1"), "did you mean 'learning_rate'?"),
        (("run", "unet", "shapes", "--set", "model.filters=many"), "option 'filters': input should be a valid integer"),
        (("run", "unet", "shapes", "--set", "filters=3"), "--set filters: keys begin with model."),
        (("run", "unet", "shapes", "--set", "model.filters"), "write KEY=VALUE"),
        (("run", "unet", "shapes", "--image-size", "0"), "--image-size 0: write a side"),
        (("run", "unet", "shapes", "--view", "corp"), "key 'view': input should be 'resize' or 'crop', not 'corp'"),
        (("run", "unet", "shapes", "--image-size", "160x"), "--image-size 160x: write a side"),
        (("run", "unet"), "no dataset given"),
        (("run", "--config", "gone.toml"), "cannot read the configuration gone.toml"),
        (("list", "modles"), "did you mean 'models'?"),
        (("show", "uent"), "no plugin 'uent'; did you mean 'unet'?"),
        (("show", "unet", "--set", "dataset.size=3"), "'unet' is a model, so keys begin with model."),
    ],
)
def test_a_mistake_is_one_line_and_code_2(command, arguments, message):
    done = command(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert message in done.err
    assert done.err.startswith("segzoo: ")
    assert done.err.count("\n") == 1


def test_an_empty_folder_is_named(command, tmp_path):
    (tmp_path / "nothing").mkdir()
    done = command(*PETS, "--set", f"dataset.root={tmp_path / 'nothing'}", "--out", tmp_path / "run")
    assert done.code == 2
    assert str(tmp_path / "nothing") in done.err
    assert not (tmp_path / "run").exists()


def test_an_output_folder_that_cannot_be_written_is_named(command, tmp_path):
    (tmp_path / "file").write_text("")
    done = command("run", "unet", "shapes", *QUICK, "--out", tmp_path / "file" / "run")
    assert done.code == 2
    assert f"cannot write to {tmp_path / 'file' / 'run'}" in done.err
    assert done.err.count("\n") == 1


def test_two_plugins_of_one_name(command, install):
    for distribution in ("segzoo-test-one", "segzoo-test-two"):
        install(distribution, {"segzoo.models": "net = segzoo_test_net:Net"})
    done = command("run", "net", "shapes")
    assert done.code == 2
    assert "taken twice, by segzoo-test-one and segzoo-test-two" in done.err
    assert command("list").out.count("taken twice") == 2


def test_a_plugin_whose_import_fails(command, install):
    # The source is what is wrong.
    install("segzoo-test-net", {"segzoo.models": "net = segzoo_test_net:Net"}, "import gone\nclass Net: pass")
    done = command("run", "net", "shapes")
    assert done.code == 2
    assert "model 'net' of segzoo-test-net cannot be imported" in done.err


def test_a_name_in_two_groups(command, install):
    install("segzoo-test-net", {"segzoo.models": "shapes = segzoo_test_net:Net"})
    done = command("show", "shapes")
    assert done.code == 2
    assert "write models/shapes or datasets/shapes" in done.err


def test_an_interrupt_is_code_130_and_leaves_nothing(command, install, tmp_path):
    install("segzoo-test-interrupted", {"segzoo.trainers": "interrupted = segzoo_test_interrupted:Interrupted"})
    done = command("run", "unet", "shapes", "--trainer", "interrupted", "--out", tmp_path / "run")
    assert done.code == 130
    assert done.err == "segzoo: interrupted\n"
    assert not (tmp_path / "run").exists()


def test_every_command_has_help(command):
    for name in (info.name or info.callback.__name__ for info in cli.app.registered_commands):
        done = command(name, "--help")
        assert done.code == 0
        assert "Usage" in done.out


def test_show_draws_a_network(command, tmp_path):
    done = command("show", "unet", "--set", "model.depth=2", "--diagram", tmp_path / "unet.svg")
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "unet.svg").read_text().startswith("<svg")


def test_only_models_are_drawn(command, tmp_path):
    done = command("show", "shapes", "--diagram", tmp_path / "shapes.svg")
    assert done.code == 2
    assert "'shapes' is a dataset; only models have a diagram" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_check_that_fails_says_why_and_is_code_1(command, install):
    install("segzoo-test-sum", {"segzoo.losses": "sum = segzoo_test_sum:Sum"})
    done = command("check", "sum")
    assert done.code == 1
    assert "failed   check_one_value_an_image" in done.out
    assert "why: " in done.out
    assert {line.split()[0] for line in done.out.splitlines()} == {"passed", "failed", "skipped", "why:"}


def test_a_check_that_does_not_end_is_ended(command, install):
    code = (
        "import threading\nfrom segzoo.plugin import Dataset\nclass Waits(Dataset):\n    'Waits.'\n"
        "    def describe(self, cache): threading.Event().wait()\n    def open(self, cache, split): pass\n"
    )
    install("segzoo-test-waits", {"segzoo.datasets": "waits = segzoo_test_waits:Waits"}, code)
    done = command("check", "waits", "--limit", "3", "--json")
    assert done.code == 1
    rows = json.loads(done.out)
    ended = next(index for index, row in enumerate(rows) if row["result"] == "failed")
    assert rows[ended]["message"].startswith("it has not ended after 3 s")
    assert {row["result"] for row in rows[ended + 1 :]} == {"skipped"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("threading.Event().wait()", r"it has not ended after 1 s \(segzoo_test_stuck\.py:2\)"),
        ("os._exit(7)", "it ends its process, with code 7"),
    ],
)
def test_an_import_that_does_not_end_is_ended_too(command, install, line, message):
    code = f"import os, threading\n{line}\nclass Stuck: ...\n"
    install("segzoo-test-stuck", {"segzoo.losses": "stuck = segzoo_test_stuck:Stuck"}, code)
    done = command("check", "stuck", "--limit", "1")
    assert done.code == 2
    assert re.fullmatch(rf"segzoo: cannot import stuck: {message}\n", done.err), done.err


@pytest.mark.slow
def test_check_finds_a_class_in_the_current_folder_and_is_quiet_about_tensorflow(tmp_path):
    (tmp_path / "segzoo_here.py").write_text(
        "from segzoo.plugin import Loss\n\n"
        "class Nothing(Loss):\n"
        '    """Always zero."""\n\n'
        "    def __call__(self, labels, logits, weights):\n"
        "        from keras import ops\n"
        "        return ops.sum(logits * 0, axis=(1, 2, 3))\n"
    )
    program = Path(sys.executable).with_name("segzoo")
    done = subprocess.run([program, "check", "segzoo_here:Nothing"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    lines = [line.partition(":")[0] for line in done.stdout.splitlines()]
    assert "passed   check_one_value_an_image" in lines
    assert "passed   check_import_is_light" in lines  # which imports it in another process
    assert "failed   check_perfect_prediction_costs_nothing" in lines


def test_check_of_what_is_not_there(command):
    assert "no plugin 'uent'; did you mean 'unet'?" in command("check", "uent").err
    assert "cannot import nowhere:Net" in command("check", "nowhere:Net").err
    assert "keys begin with model." in command("check", "unet", "--set", "loss.x=1").err


@pytest.mark.parametrize("words", [("verify", "--json"), ("stats", "--json"), ("preview", "--count", "1")])
def test_commands_about_data_take_the_dataset_of_the_file_of_a_run(command, tmp_path, words):
    file = tmp_path / "run.toml"
    file.write_text(
        'epochs = 3\n[model]\nname = "unet"\n[dataset]\nname = "shapes"\nsize = 16\ntrain = 3\nval = 2\ntest = 1\n'
    )
    out = ("--out", tmp_path / "look") if words[0] == "preview" else ()
    done = command("data", *words, "--config", file, "--set", "dataset.val=4", *out)
    assert done.code == 0, done.err
    if out:
        assert "val: 1 of 4" in (tmp_path / "look/index.html").read_text()
        return
    facts = json.loads(done.out)
    assert facts["dataset"] == "shapes"
    counts = facts.get("samples") or {split: figures["images"] for split, figures in facts["splits"].items()}
    assert counts == {"train": 3, "val": 4, "test": 1}


def test_a_file_without_a_dataset_needs_one_on_the_line(command, tmp_path):
    (tmp_path / "run.toml").write_text('[model]\nname = "unet"\n')
    words = ("data", "verify", "--config", tmp_path / "run.toml")
    assert f"{tmp_path / 'run.toml'} names no dataset: name one" in command(*words).err
    assert command(*words, "shapes", "--set", "dataset.size=16", "--set", "dataset.train=3").code == 0
    assert "no dataset given: name one" in command("data", "stats").err


@pytest.mark.parametrize("words", [("show", "nosuch", "--traceback"), ("--traceback", "show", "nosuch")])
def test_the_traceback_of_an_error_is_shown_where_it_is_asked_for(words, command):
    outcome = command(*words)
    assert outcome.code == 2
    assert "Traceback (most recent call last)" in outcome.err
    assert "in locate" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("segzoo: no plugin 'nosuch'")
    assert "Traceback" not in command("show", "nosuch").err
