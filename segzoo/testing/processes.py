"""Running code in another process, where nothing is imported yet."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Any

START = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
values = pickle.load(sys.stdin.buffer)
"""


def elsewhere(code: str, *values: Any) -> bytes:
    """What the code writes to standard output in a new interpreter, where `values` hold a copy of these.

    The code finds modules where this process does, but is no fork of it.

    Raises:
        AssertionError: if it fails, with the last line of what it says.
    """
    done = subprocess.run(
        [sys.executable, "-c", START + code],
        input=pickle.dumps(sys.path) + pickle.dumps(values),
        env=os.environ | {"PYTHONHASHSEED": "random"},  # no two processes order a set alike
        capture_output=True,
    )
    said = done.stderr.decode(errors="replace").strip().splitlines() or ["it ended without a word"]
    assert done.returncode == 0, f"in another process: {said[-1]}"
    return done.stdout
