"""Where, when and with what a run was made, so that its numbers can be judged and repeated."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import psutil

from segzoo.processes.processors import processor, threads


def manifest(seed: int, fingerprints: Mapping[str, str]) -> dict[str, Any]:
    """Command, time, seed, dataset fingerprints by split, machine, versions and commit, ready for JSON."""
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "dataset_fingerprint": dict(fingerprints),
        "machine": _machine(),
        "python": platform.python_version(),
        "versions": {dist.name: dist.version for dist in sorted(distributions(), key=lambda d: d.name.lower())},
        "commit": _commit(),
    }


def _machine() -> dict[str, Any]:
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cores": psutil.cpu_count(logical=False),
        "threads": threads(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def _commit() -> str | None:
    """The commit of segzoo's own source tree; None where it is installed from a wheel, or changed since the commit."""
    if "site-packages" in Path(__file__).parts:  # a repository around it is the user's
        return None
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
