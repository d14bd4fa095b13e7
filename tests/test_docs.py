"""The README and the documentation: their code runs, their commands and links are valid, and nothing is missing."""

import ast
import hashlib
import inspect
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from contextlib import redirect_stdout
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from serving import Server, plain
from stored_runs import write_benchmark, write_cell, write_run, write_timing

import segzoo
import segzoo.benchmarking.result_files
from segzoo import cli, errors, plugin, registry
from segzoo.benchmarking.definition import read_definition
from segzoo.benchmarking.plan import decide
from segzoo.cli import facts
from segzoo.errors import DISTRIBUTION
from segzoo.files.tables import csv_text
from segzoo.inspection import findings
from segzoo.networks.prediction import predict
from segzoo.runs.config import compose
from segzoo.runs.planning import resolve
from segzoo.testing import checks_for

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted(DOCS.rglob("*.md")))
}
PLUGIN_PAGE = "docs/how-to/write-a-plugin.md"
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
WORDS = {"pip", "pytest", "python", ".", "mkdocs"}
"""Commands of others that the pages use."""
PLACEHOLDERS = {"MODEL": "unet", "DATASET": "shapes", "RUN": "runs/unet-shapes", "IMAGES": "DIR/images"}
"""What words of the pages stand for."""
SMALL = {"model.filters": 2, "model.depth": 1, "model.batch_norm": False}
SMALL |= {"dataset.size": 16, "dataset.train": 8, "dataset.val": 4, "dataset.test": 4}
SHIPPED = [
    (kind, entry.name)
    for kind in registry.KINDS
    for entry in registry.entries(kind)
    if entry.distribution == DISTRIBUTION
]
COMMANDS = {
    f"{group} {name}".strip(): command
    for group, commands in {
        "": typer.main.get_command(cli.app).commands,
        "data": typer.main.get_command(cli.data.app).commands,
    }.items()
    for name, command in commands.items()
    if name != "data"
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; one with a title is a file. `output` is what a block of text right after it shows."""

    page: str
    language: str
    title: str
    text: str
    output: str

    def __str__(self) -> str:
        return f"{self.page}:{self.text.splitlines()[0][:30]}"


def blocks_of(page):
    matches = [*FENCE.finditer(PAGES[page]), None]
    for match, after in pairwise(matches):
        language, title, text = match.groups()
        if text.startswith("--8<--"):
            text = (ROOT / text.split('"')[1]).read_text("utf-8")
        shows = after and after[1] == "text" and not PAGES[page][match.end() : after.start()].strip()
        yield Block(page, language, title or "", text, after[3] if shows else "")


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def pages_with(language):
    return sorted({block.page for block in BLOCKS if block.language == language and not block.title})


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    settings = SMALL | {"trainer.schedule": "constant", "trainer.warmup": 0, "trainer.half_size": 0}
    return segzoo.run("unet", "shapes", settings=settings, epochs=2, keep_checkpoint=True, out=out).folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Where the package that a page describes is installed, for each page that describes one."""
    sites = {}
    for page in sorted({block.page for block in BLOCKS if block.title == "pyproject.toml"}):
        source, sites[page] = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
        write_files(page, source)
        offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
        install = [sys.executable, "-m", "pip", "install", *offline, "--target", str(sites[page]), "."]
        done = subprocess.run(install, cwd=source, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return sites


@pytest.fixture
def workplace(tmp_path, monkeypatch, finished_run, packages):
    """Makes a folder the current one in which the text of a page holds: files, finished runs, images, plugins."""

    def enter(page):
        for name in ("unet-shapes", "unet-folder"):
            shutil.copytree(finished_run, tmp_path / "runs" / name)
        write_images(tmp_path / "DIR")
        names = sorted(path.stem for path in (tmp_path / "DIR/images").iterdir())
        rows = [{"id": name, "split": "test" if name[:2] == "p1" else "val"} for name in names[4:]]
        (tmp_path / "runs/unet-folder/splits.csv").write_text(csv_text(rows), "utf-8")
        shutil.copytree(ROOT / "benchmarks" / "recipes", tmp_path / "benchmarks" / "recipes")
        for seed, luck in enumerate((0.0, 0.02, 0.01)):
            images = [0.5 + 0.04 * i + luck for i in range(9)]
            write_run(tmp_path / "runs" / f"unet-{seed}", images, seed=seed)
            images = [0.56 + 0.05 * i - 0.01 * (i % 3) - luck * 0.7 for i in range(9)]
            write_run(tmp_path / "runs" / f"canet-{seed}", images, seed=seed, model="canet")
        plain = next(block.text for block in BLOCKS if block.title == "segzoo_plainnet.py")
        (tmp_path / "segzoo_mynet.py").write_text(plain.replace("PlainNet", "MyNet"), "utf-8")
        write_files(page, tmp_path)
        if page in packages:
            monkeypatch.syspath_prepend(packages[page])
        monkeypatch.chdir(tmp_path)

    return enter


def write_images(folder):
    """Images and masks as the dataset `folder` takes them."""
    for index in range(24):
        rng = np.random.default_rng(index)
        pixels = {"images": rng.integers(0, 256, (16, 18, 3)), "masks": rng.integers(0, 2, (16, 18)) * 255}
        for kind, values in pixels.items():
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.astype(np.uint8)).save(folder / kind / f"p{index // 2}_{index % 2}.png")


def write_files(page, folder):
    for block in BLOCKS:
        if block.page == page and block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text, "utf-8")


def test_every_block_is_of_a_language_that_is_checked():
    assert {block.language for block in BLOCKS} == {"python", "toml", "sh", "text"}
    for page, text in PAGES.items():
        assert text.count("```") == 2 * len([block for block in BLOCKS if block.page == page]), page


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_runs_and_prints_what_the_page_says(page, workplace):
    workplace(page)
    namespace = {}
    for block in BLOCKS:
        if (block.page, block.language, block.title) == (page, "python", ""):
            with redirect_stdout(io.StringIO()) as printed:
                exec(compile(block.text, str(block), "exec"), namespace)
            if block.output:
                assert printed.getvalue() == block.output


@pytest.mark.parametrize("page", pages_with("sh"))
def test_commands_are_accepted_and_print_what_the_page_says(page, workplace, command, monkeypatch):
    workplace(page)
    for block in BLOCKS:
        if (block.page, block.language) == (page, "sh"):
            lines = block.text.replace("\\\n", "").splitlines()
            printed = "".join(typed(line, command, monkeypatch) for line in lines)
            runs = "segzoo run" in block.text and "--dry-run" not in block.text
            expected = [] if runs else [line for line in block.output.splitlines() if line != "..."]
            assert [line for line in expected if line not in printed] == []


def typed(line, command, monkeypatch):
    """What a line prints that is typed into a terminal; nothing is trained or checked, and only segzoo runs."""
    printed = ""
    for part in line.split(" && "):
        words = shlex.split(part)
        while "=" in words[0]:
            monkeypatch.setenv(*words.pop(0).split("=", 1))
        if words[0] != "segzoo":
            assert words[0] in WORDS, line
            assert set(re.findall(r"\[(\w+)\]", part)) <= set(project()["optional-dependencies"])
            continue
        words = [PLACEHOLDERS.get(word, word) for word in words[1:]]
        words = [one for word in words for one in (sorted(map(str, Path().glob(word))) if "?" in word else [word])]
        if words[0] in ("benchmark", "check"):
            COMMANDS[words[0]].make_context(words[0], words[1:])  # accepted, and not run
            continue
        done = command(*words, *(["--dry-run"] if words[0] == "run" and "--dry-run" not in words else []))
        assert done.code == 0, (line, done.err)
        printed += done.out
    return printed


CHECKS = [
    (block.page, line)
    for block in BLOCKS
    if block.language == "sh"
    for line in block.text.splitlines()
    if line.startswith("segzoo check ")
]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "line"), CHECKS)
def test_what_the_pages_check_passes(page, line, workplace, command):
    workplace(page)
    done = command(*shlex.split(line)[1:])
    assert done.code == 0, done.out + done.err


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_what_is_installed_goes_by_the_name_of_the_distribution():
    assert project()["name"] == DISTRIBUTION
    extras = {extra for text in PAGES.values() for extra in re.findall(re.escape(DISTRIBUTION) + r"\[(\w+)\]", text)}
    assert extras
    assert extras <= set(project()["optional-dependencies"])


OTHER_PROGRAM = re.compile(
    r"""pip install [^\n&;`]*(?<![\w-])segzoo(?![\w-])"""  # `pip install segzoo`, not `pip install . && segzoo list`
    r"""|(?<![\w.-])segzoo(\[\w+\]|[=~><]=)"""  # `segzoo[dask]`, `segzoo>=0.1`
    r"""|dependencies = \[[^\]]*"segzoo\""""
)
"""Advice to install the distribution `segzoo`, which is another program."""


def test_nothing_tells_to_install_another_program_of_the_same_name():
    sources = [path for folder in ("segzoo", "plugins", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    texts = PAGES | {str(path): path.read_text("utf-8") for path in sources}
    assert [(name, matches[0]) for name, text in texts.items() for matches in OTHER_PROGRAM.finditer(text)] == []
    for advice in ("pip install segzoo", "pip install -U 'segzoo[dask]'", "segzoo>=0.1", 'dependencies = ["segzoo"]'):
        assert OTHER_PROGRAM.search(advice)


@pytest.fixture
def environment(tmp_path):
    """The Python of an environment that has all that this one has but segzoo."""
    venv.create(tmp_path / "environment")
    site = next(tmp_path.glob("environment/lib/python*/site-packages"))
    for path in {path for name in ("purelib", "platlib") for path in Path(sysconfig.get_path(name)).iterdir()}:
        if not re.match("_?(segzoo|segmentation_zoo)", path.name):
            site.joinpath(path.name).symlink_to(path)
    return tmp_path / "environment" / "bin" / "python"


@pytest.mark.slow
def test_a_package_that_depends_on_the_distribution_gets_segzoo(environment, tmp_path):
    def program(*words):
        alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        words = [str(environment), "-m", *map(str, words)]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=alone)
        assert done.returncode == 0, done.stderr
        return done.stdout

    write_files("README.md", tmp_path / "plainnet")
    wheels, offline = tmp_path / "wheels", ("--no-index", "--no-build-isolation")
    program("pip", "wheel", *offline, "--no-deps", "--wheel-dir", wheels, ROOT)
    program("pip", "install", *offline, "--find-links", wheels, tmp_path / "plainnet")
    listed = {row["name"]: row for row in json.loads(program("segzoo", "list", "models", "--json"))}
    assert (listed["plainnet"]["distribution"], listed["plainnet"]["problem"]) == ("segzoo-plainnet", "")
    assert (listed["unet"]["distribution"], listed["unet"]["problem"]) == (DISTRIBUTION, "")
    assert "Filters of each convolution." in program("segzoo", "show", "plainnet", "--image-size", "16")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "toml"], ids=str)
def test_toml_is_a_package_or_a_configuration(block, tmp_path, monkeypatch):
    if block.title == "pyproject.toml":
        package = tomllib.loads(block.text)["project"]
        assert package["name"].startswith("segzoo-")
        assert DISTRIBUTION in package["dependencies"]
        return
    write_images(tmp_path / "DIR")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(block.text, "utf-8")
    if "models" in tomllib.loads(block.text):
        decide(read_definition(tmp_path / "config.toml"))
    else:
        resolve(compose(tmp_path / "config.toml"))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGES[page]):
        if not target.startswith("https://"):
            assert (ROOT / page).parent.joinpath(target).exists(), target


def test_every_page_is_in_the_navigation_and_named_in_the_readme():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    for path in sorted(DOCS.rglob("*.md")):
        name = path.relative_to(DOCS).as_posix()
        assert f": {name}\n" in navigation
        assert name in ("index.md", "changelog.md") or f"(docs/{name})" in PAGES["README.md"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_is_in_the_reference(name):
    page = PAGES["docs/reference/command-line.md"]
    assert f"## segzoo {name}\n" in page
    section = page.partition(f"## segzoo {name}\n")[2].partition("\n## ")[0]
    rows = "".join(line for line in section.splitlines() if line.startswith("|"))
    for parameter in COMMANDS[name].params:
        written = parameter.opts[0] if parameter.opts[0].startswith("--") else parameter.metavar
        for word in re.findall(r"[\w-]+", written):
            assert f"`{word}" in rows, word


def section(kind, name):
    """What the reference says of a plugin."""
    cls = registry.load(kind, name)
    paper = [f"From: {cls.paper}.", ""] if cls.paper else []
    lines = [f"### {name}", "", inspect.getdoc(cls), "", *paper]
    rows = [
        f"| `{option['name']}` | {kinds(option['type'])} | {value(option['default'])} | {option['range']} "
        f"| {option['description']} |"
        for option in facts.option_table(cls())
    ]
    heading = ["| Option | Type | Default | Range | Meaning |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *([*heading, *rows] if rows else ["No options."])]) + "\n"


def kinds(text):
    return text.replace(" | null", "").replace('"', "`").replace("` | `", "`, `").replace(" | ", ", ")


def value(default):
    return "unset" if default is None else f"`{default if isinstance(default, str) else json.dumps(default)}`"


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_every_plugin_that_ships_is_in_the_reference_with_its_options(kind, name):
    assert section(kind, name) in PAGES["docs/reference/plugins.md"]
    assert f"| {kind.kind} | `{name}` |" in PAGES["README.md"]


def test_every_interface_and_every_error_is_in_the_reference():
    page = PAGES["docs/reference/interfaces.md"]
    for name in plugin.__all__:
        assert f"### `segzoo.plugin.{name}`\n" in page
    for name, cls in inspect.getmembers(errors, inspect.isclass):
        assert f"### `segzoo.errors.{name}`\n" in page or not issubclass(cls, errors.SegzooError)
    for name in segzoo.__all__:
        assert f"### `{getattr(segzoo, name).__module__}.{name}`\n" in page


def test_every_field_of_a_job_is_explained():
    (body,) = [node.body for node in ast.parse(inspect.getsource(plugin.Job)).body]
    pairs = [(field.target.id, after) for field, after in pairwise(body) if isinstance(field, ast.AnnAssign)]
    explained = [name for name, after in pairs if isinstance(after, ast.Expr)]
    assert explained == [field.name for field in fields(plugin.Job)]


def test_every_finding_is_on_the_page_that_tells_of_them():
    page = PAGES["docs/how-to/check-your-data.md"]
    for kind, meaning in findings.KINDS.items():
        assert re.search(rf"^\| `{kind}` \| (error|warning|error, warning) \| {re.escape(meaning)} \|$", page, re.M)


def test_every_file_and_key_of_a_run_is_in_the_reference(finished_run):
    page = PAGES["docs/reference/run-folder.md"]
    names = {f"{path.name}/" if path.is_dir() else path.name for path in finished_run.iterdir()}
    for table in finished_run.glob("*.csv"):
        columns = table.read_text().splitlines()[0].split(",")
        names |= {re.sub("_(background|circle|square|triangle)$", "_CLASS", name) for name in columns}
    for file in finished_run.glob("*.json"):
        names |= set(json.loads(file.read_text()))
    names |= set(json.loads((finished_run / "manifest.json").read_text())["machine"])
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_every_file_column_and_key_of_results_is_in_the_reference(tmp_path):
    out = write_benchmark(tmp_path / "out", ["plain", "better"], seeds=[0, 1])
    for model, images in (("plain", [0.5, 0.6]), ("better", [0.7, 0.9])):
        for seed in (0, 1):
            write_cell(out, "toys", model, seed, [value + seed / 100 for value in images])
    write_timing(out, "toys", ["plain", "better"])
    segzoo.benchmarking.result_files.tabulate(out)
    names = {path.name for path in out.iterdir() if path.is_file()}
    for table in out.glob("*.csv"):
        columns = table.read_text().splitlines()[0].split(",")
        names |= {re.sub("^(iou|dice)_(ring|sky)$", r"\1_CLASS", column) for column in columns}
    results = json.loads((out / "results.json").read_text())
    (row,) = [row for row in results["rows"] if row["model"] == "better"]
    names |= {*results, *results["timings"], *row, *row["comparison"], *row["scores"]["mean_iou"], *results["cells"][0]}
    names |= set(json.loads((out / "cells" / "toys" / "plain" / "seed-0" / "cell.json").read_text()))
    page = PAGES["docs/reference/results.md"]
    names = {re.sub("^(iou|dice)_(ring|sky)$", r"\1_CLASS", name) for name in names}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_the_package_of_the_page_is_listed(packages, command, monkeypatch):
    monkeypatch.syspath_prepend(packages[PLUGIN_PAGE])
    listed = json.loads(command("list", "--json").out)
    mine = {(row["kind"], row["name"]): row["problem"] for row in listed if row["distribution"] == "segzoo-tinynet"}
    assert mine == {
        ("model", "tinynet"): "",
        ("encoder", "pyramid"): "",
        ("loss", "edge"): "",
        ("dataset", "photos"): "",
        ("dataset", "leaves"): "",
        ("augmentation", "turns"): "",
        ("tracker", "diary"): "",
        ("trainer", "loop"): "",
    }


def test_the_loss_and_the_dataset_of_the_page_train(packages, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(packages[PLUGIN_PAGE])
    for folder, shape in {"images": (18, 21, 3), "masks": (18, 21)}.items():
        (tmp_path / folder).mkdir()
        for i in range(10):
            pixels = np.random.default_rng(i).integers(0, 2, shape, np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{i}.png")
    settings = {"dataset.root": str(tmp_path), "model.filters": 2}
    result = segzoo.run(
        "tinynet", "photos", loss="edge", settings=settings, epochs=1, image_size=(17, 16), out=tmp_path / "run"
    )
    assert (result.metrics["split"], result.metrics["images"]) == ("test", 1)
    assert np.sum(result.metrics["confusion"]) == 18 * 21
    assert 0 <= result.metrics["dataset_scores"]["cover_error"] <= 1


def test_the_encoder_of_the_page_begins_with_its_weights(packages, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(packages[PLUGIN_PAGE])
    random = registry.create(plugin.Encoder, "pyramid", {"filters": 2})
    np.savez(tmp_path / "weights.npz", *random.build((None, None, 3)).get_weights())
    encoder = registry.create(plugin.Encoder, "pyramid", {"filters": 2, "weights": tmp_path / "weights.npz"})
    results = {check.name: check.outcome(encoder) for check in checks_for(encoder) if "starting" in check.name}
    assert {outcome.result for outcome in results.values()} == {"passed"}, results


@pytest.mark.slow
def test_the_dataset_of_the_page_is_checked_where_its_data_are_not(packages, tmp_path):
    write_files("docs/how-to/check-a-plugin.md", tmp_path)
    paths = [str(packages[PLUGIN_PAGE]), os.environ.get("PYTHONPATH", "")]
    environment = {name: value for name, value in os.environ.items() if name != "PHOTOS"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_photos.py", "test_real_photos.py"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d\d passed, 1 skipped", done.stdout, re.MULTILINE), done.stdout


def test_the_trainer_of_the_page_trains_and_goes_on(packages, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(packages[PLUGIN_PAGE])
    options = {"settings": SMALL | {"trainer.batch_size": 4}, "trainer": "loop", "out": tmp_path / "run"}
    for _ in range(2):
        result = segzoo.run("unet", "shapes", steps=3, resume=True, **options)
        result.files.manifest.unlink()
    assert [row["epoch"] for row in result.history] == [1, 2]
    assert [row["images"] for row in result.timings] == [8, 4]
    line = f"nothing is saved in {tmp_path / 'run'}: beginning at the beginning\n"
    assert capsys.readouterr().err.count(line) == 2


def test_the_dataset_of_the_page_that_downloads_does_so_once(packages, tmp_path, cache, monkeypatch):
    monkeypatch.syspath_prepend(packages[PLUGIN_PAGE])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for folder, shape in {"images": (4, 5, 3), "masks": (4, 5)}.items():
        (tmp_path / "leaves-1.0" / folder).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "leaves-1.0" / folder / f"{i}.png")
    archive = Path(shutil.make_archive(str(tmp_path / "leaves"), "zip", tmp_path, "leaves-1.0")).read_bytes()
    leaves = registry.create(plugin.Dataset, "leaves", {})
    module = sys.modules["segzoo_leaves"]
    monkeypatch.setattr(module, "SHA256", hashlib.sha256(archive).hexdigest())
    monkeypatch.setattr(module, "SIZE", len(archive))
    with Server(archive, plain, name="leaves-1.0.zip") as server:
        monkeypatch.setattr(module, "URLS", (server.url,))
        for _ in range(2):
            leaves.prepare(cache)
    assert server.ranges == [None]
    assert [len(leaves.open(cache, split)) for split in ("train", "val", "test")] == [8, 1, 1]
    assert leaves.open(cache, "val")[0][0].shape == (4, 5, 3)


KERAS_PAGE = "docs/how-to/use-a-network-in-plain-keras.md"


def test_the_lines_for_plain_keras_need_no_segzoo_and_give_its_logits_to_the_bit(tmp_path):
    """Also of a network that has an offset and loses a margin, and at a size that it was not trained at."""
    settings = SMALL | {"model.depth": 3, "model.padding": "valid"}
    out = tmp_path / "runs" / "unet-shapes"
    run = segzoo.run("unet", "shapes", settings=settings, epochs=1, image_size=(20, 24), out=out)
    sizes = ((20, 24), (37, 50))
    image = np.random.default_rng(0).integers(0, 256, (61, 45, 3)).astype(np.uint8)
    np.save(tmp_path / "image.npy", image)
    code = "import sys; sys.modules['segzoo'] = None\n" + next(blocks_of(KERAS_PAGE)).text
    code += f"np.savez('logits', *(predict(np.load('image.npy'), size) for size in {sizes}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    assert min(run.frame.offset, run.frame.margin) > 0
    network = run.network()
    for size, logits in zip(sizes, np.load(tmp_path / "logits.npz").values(), strict=True):
        expected = predict(network, replace(run.frame, image_size=size), [image])[0]
        np.testing.assert_array_equal(logits, expected)


def test_the_network_of_the_readme_trains(packages, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(packages["README.md"])
    settings = {"model.filters": 2} | {key: size for key, size in SMALL.items() if key.startswith("dataset.")}
    result = segzoo.run("plainnet", "shapes", settings=settings, epochs=1, out=tmp_path / "run")
    assert result.metrics["images"] == SMALL["dataset.test"]


@pytest.mark.parametrize("name", [name for kind, name in SHIPPED if kind is plugin.Model])
def test_every_network_has_a_page_with_its_diagram_paper_options_and_count(name):
    cls = registry.load(plugin.Model, name)
    page = PAGES[f"docs/reference/networks/{name}.md"]
    assert f"../../images/networks/{name}.svg" in page
    assert cls.paper.rpartition(" ")[2].removeprefix("arXiv:") in page
    assert f"{cls.parameters.trainable:,}" in page
    for option in facts.option_table(cls()):
        assert f"| `{option['name']}` |" in page, option["name"]


@pytest.mark.parametrize("name", [name for kind, name in SHIPPED if kind is plugin.Model])
def test_the_diagram_of_every_network_is_the_one_that_is_drawn_today(name):
    drawn = facts.draw(name, {})
    assert drawn == (ROOT / "docs" / "images" / "networks" / f"{name}.svg").read_text("utf-8")
