"""What the benchmarks share: taking turns, medians with their spread, and the machine beside every table."""

from __future__ import annotations

import math
import platform
import re
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from segzoo.errors import DISTRIBUTION
from segzoo.runs.config import read_table
from segzoo.runs.manifest import environment

ARTICLE = Path(__file__).parent / "recipes" / "article.toml"
"""The recipe that segzoo is measured with, where nothing is said of its defaults."""

Figure = TypeVar("Figure")


def article_settings(*sections: str) -> dict[str, object]:
    """Settings of these sections of the article's recipe, such as `trainer.name` and `trainer.ema`."""
    recipe = read_table(ARTICLE)
    return {f"{section}.{key}": value for section in sections for key, value in recipe[section].items()}


def interleaved(competitors: Mapping[str, Callable[[], Figure]], rounds: int) -> dict[str, list[Figure]]:
    """What each competitor returns in each round, all of them by turns: a machine that slows down hits all alike."""
    figures: dict[str, list[Figure]] = {name: [] for name in competitors}
    for _ in range(rounds):
        for name, compete in competitors.items():
            figures[name].append(compete())
    return figures


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def spread(values: Sequence[float], digits: int = 3) -> str:
    """`median (least - most)`, to as many significant digits."""
    middle, least, most = (rounded(value, digits) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({least} - {most})"


def ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Round by round, so that both halves of a ratio saw the same machine."""
    return [value / other for value, other in zip(values, others, strict=True)]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are numbers."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def without_folders(word: str) -> str:
    """A word of the command line, or the value in `KEY=VALUE`, with `...` for the folders of an absolute path."""
    key, equals, value = word.rpartition("=")
    return f"{key}{equals}.../{Path(value).name}" if Path(value).is_absolute() else word


def origin(packages: Sequence[str], *more: str) -> str:
    """Command, commit, date, machine and versions: what must stand beside every number."""
    facts = environment()
    machine, versions = facts["machine"], facts["versions"]
    words = map(without_folders, sys.argv[1:])
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])
    parts = [
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"{machine['processor']}{_bfloat16()}",
        f"{machine['threads']} threads",
        f"{machine['memory_bytes'] / 2**30:.0f} GiB",
        f"{platform.system()} {platform.release().partition('-')[0]}",
        f"Python {facts['python']}",
        *(f"{package} {versions[package]}" for package in packages),
        *more,
    ]
    commit = re.sub(r"(?<=[0-9a-f]{7})[0-9a-f]+", "", facts["commit"] or f"none, segzoo {versions[DISTRIBUTION]}")
    return f"`{command}`, at commit {commit}.\n\n{', '.join(parts)}"


def rounded(value: float, digits: int) -> str:
    """`0.0123`, `1.23`, `12.3`, `1,234`: never an exponent."""
    leading = math.floor(math.log10(abs(value))) + 1 if value else digits
    return f"{value:,.{max(0, digits - leading)}f}"


def _bfloat16() -> str:
    """Whether the processor multiplies bfloat16, on which the speed of mixed precision hangs."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text("utf-8").split()) if info.exists() else set()
    found = sorted(flags & {"avx512_bf16", "amx_bf16"})
    return f" with {' and '.join(found)}" if found else " without bfloat16" if flags else ""
