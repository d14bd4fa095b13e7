"""How long `segzoo list` takes, beside a Python that only imports TensorFlow.

    python benchmarks/startup.py --rounds 15

Whole processes by turns.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from measure import interleaved, origin, seconds, spread, table

COMMANDS = {
    "`python -c pass`": ["-c", "pass"],
    "`segzoo list`": ["-m", "segzoo", "list"],
    "`python -c 'import tensorflow'`": ["-c", "import tensorflow"],
}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="besides a first one, which is left out")
    rounds = parser.parse_args(words).rounds

    turns = {name: partial(seconds, partial(start, arguments)) for name, arguments in COMMANDS.items()}
    interleaved(turns, 1)
    times = interleaved(turns, rounds)
    print(f"Medians of {rounds} rounds (least - most).\n")
    print(table(["command", "seconds"], [[name, spread(taken)] for name, taken in times.items()]), end="\n\n")
    print(origin(["tensorflow"]))


def start(arguments: Sequence[str]) -> None:
    """One process, from its start to its end."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    main()
