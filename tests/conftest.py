"""What the tests share: real data where it lies, a cache of their own, plugins of a moment, the command line."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, settings

from segzoo.cli import main
from segzoo.plugin import Model

ROOT = Path(__file__).parent.parent

# No test has a limit of time, so that none fails on a busy machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

QUICK_CHECKS = ("check_output_has_the_promised_shape", "check_output_is_float32")
"""Checks of the conformance kit that every registered network runs by default; the others are slow tests."""


@pytest.hookimpl(tryfirst=True)  # before slow tests are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark most checks of registered networks as slow."""
    for item in items:
        if item.path.name == "test_conformance.py" and isinstance(item, pytest.Function):
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            if isinstance(parameters.get("plugin"), Model) and parameters["check"].name not in QUICK_CHECKS:
                item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real photos and slices; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("SEGZOO_TEST_DATA", ROOT / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set SEGZOO_TEST_DATA")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for each test, so that none depends on what the user has downloaded."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("SEGZOO_CACHE", str(cache))
    return cache


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Installs a distribution for one test, `install("segzoo-foo", {"segzoo.models": "foo = segzoo_foo:Foo"}, "")`."""

    def installer(
        distribution: str, entry_points: dict[str, str], code: str | None = "", requires: tuple[str, ...] = ()
    ) -> Path:
        site = tmp_path / f"site-{distribution}"
        module = distribution.replace("-", "_")
        info = site / f"{module}-1.2.dist-info"
        info.mkdir(parents=True)
        needs = "".join(f"Requires-Dist: {name}\n" for name in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n{needs}")
        (info / "entry_points.txt").write_text("".join(f"[{g}]\n{line}\n" for g, line in entry_points.items()))
        if code is not None:
            (site / f"{module}.py").write_text(dedent(code))
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, module, raising=False)
        return site / f"{module}.py"

    yield installer
    for name in [name for name in sys.modules if name.startswith("segzoo_test_")]:
        del sys.modules[name]


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
