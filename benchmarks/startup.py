"""How long `segzoo list` takes, beside a Python that only imports TensorFlow.

    python benchmarks/startup.py [rounds]

Whole processes, interleaved, the first round left out; prints a Markdown table.
"""

import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version

import psutil

COMMANDS = {
    "`python -c pass`": ["-c", "pass"],
    "`segzoo list`": ["-m", "segzoo", "list"],
    "`python -c 'import tensorflow'`": ["-c", "import tensorflow"],
}


def seconds(arguments: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            taken = seconds(arguments)
            if number:
                times[name].append(taken)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.platform()}, {psutil.cpu_count()} processors, ", end="")
    print(f"Python {platform.python_version()}, TensorFlow {version('tensorflow')}, {rounds} rounds\n")
    print("| command | median s | min | max |\n|---|---|---|---|")
    for name, taken in times.items():
        print(f"| {name} | {statistics.median(taken):.3f} | {min(taken):.3f} | {max(taken):.3f} |")


if __name__ == "__main__":
    main()
