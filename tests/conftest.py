"""What the tests share: real data where it lies, an empty cache, plugins installed for a test, the command line."""

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import segzoo
from segzoo.benchmarking.definition import Definition, read_definition
from segzoo.cli import main
from segzoo.plugin import Encoder, Model

ROOT = Path(__file__).parent.parent
PLUGINS = Path(__file__).parent / "plugins"
"""Modules that tests install as plugins."""

# No test has a limit of time, so that none fails on a busy machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

QUICK_CHECKS = ("check_output_has_the_promised_shape", "check_output_is_float32", "check_strides_rise")
"""Checks of the conformance kit that every registered network or encoder runs by default; the others are slow tests."""


@pytest.hookimpl(tryfirst=True)  # before slow tests are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark most checks of registered networks and encoders as slow."""
    for item in items:
        if item.path.name == "test_conformance.py" and isinstance(item, pytest.Function):
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            if isinstance(parameters.get("plugin"), Model | Encoder) and parameters["check"].name not in QUICK_CHECKS:
                item.add_marker(pytest.mark.slow)


def pytest_configure() -> None:
    """Refuse an installation from before this source tree named some of its plugins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {(group, *entry) for group, entries in project["entry-points"].items() for entry in entries.items()}
    missing = named - {(point.group, point.name, point.value) for point in distribution(project["name"]).entry_points}
    if missing:
        raise pytest.UsageError(f"plugin '{min(missing)[1]}' is not installed: type `pip install -e '.[test]'` again")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real photos and slices; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("SEGZOO_TEST_DATA", ROOT / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set SEGZOO_TEST_DATA")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for each test, so that none depends on what the user has downloaded."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("SEGZOO_CACHE", str(cache))
    return cache


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> segzoo.Run:
    """A finished run of a tiny network on shapes, which no test changes."""
    settings = {"model.filters": 4, "model.depth": 2, "dataset.size": 16, "dataset.test": 5}
    settings |= {"dataset.train": 32, "dataset.val": 4}
    out = tmp_path_factory.mktemp("trained") / "unet-shapes"
    return segzoo.run("unet", "shapes", settings=settings, epochs=3, image_size=(20, 24), seed=5, out=out)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Installs a distribution for a test: `install("segzoo-test-sum", {"segzoo.losses": "sum = segzoo_test_sum:Sum"})`.

    The modules that its entry points name are copied from `tests/plugins`, if they are there. Where the source itself
    is what is wrong, the test gives it as `code`, for the module that is called like the distribution. Returns the
    folder that was put before all others on the path.
    """

    def installer(
        distribution: str, entry_points: dict[str, str], code: str | None = None, requires: tuple[str, ...] = ()
    ) -> Path:
        site = tmp_path / f"site-{distribution}"
        name = distribution.replace("-", "_")
        info = site / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n{needs}")
        (info / "entry_points.txt").write_text("".join(f"[{g}]\n{line}\n" for g, line in entry_points.items()))
        targets = re.findall(r"= (\w+)", "\n".join(entry_points.values()))
        for source in {PLUGINS / f"{module}.py" for module in targets}:
            if source.exists():
                shutil.copy(source, site)
        if code is not None:
            (site / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(site)
        return site

    yield installer
    for name in [name for name in sys.modules if name.startswith("segzoo_test_")]:
        del sys.modules[name]


@pytest.fixture
def definition(tmp_path: Path) -> Callable[[str], Definition]:
    """Reads the definition of a benchmark from text."""

    def read(text: str) -> Definition:
        path = tmp_path / "benchmark.toml"
        path.write_text(text)
        return read_definition(path)

    return read


@pytest.fixture
def lab(install: Callable[..., Path]) -> None:
    """A network and trainers that train nothing, here and in the processes of cells."""
    trainers = "quick = segzoo_test_lab:Quick\nwary = segzoo_test_lab:Wary"
    install("segzoo-test-lab", {"segzoo.models": "net = segzoo_test_lab:Net", "segzoo.trainers": trainers})


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks without the phase that times networks: those of `lab` cannot be built."""
    monkeypatch.setattr("segzoo.benchmarking.benchmark._time", lambda plan, out: None)


@dataclass
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs a command line in this process: `command("list", "--json")`."""

    def runner(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), output.out, output.err)

    return runner
