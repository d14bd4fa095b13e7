"""Work in other processes: every item once, and an end to all of them, however it comes about."""

import math
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from itertools import count

import psutil
import pytest

from segzoo.errors import PluginError, SegzooError
from segzoo.processes.pool import in_processes


@pytest.mark.parametrize("processes", [1, 2])
def test_every_item_comes_back_once_with_its_value(processes):
    results = list(in_processes(math.factorial, range(40), processes))
    assert sorted(results) == [(n, math.factorial(n)) for n in range(40)]
    assert list(in_processes(math.factorial, [], processes)) == []


def test_items_are_taken_as_they_are_needed_and_closing_ends_the_processes():
    items = count()
    with closing(in_processes(math.sqrt, items, 2)) as results:
        next(results)
        assert len(psutil.Process().children()) == 2
    assert next(items) <= 6  # two in hand for each process, and one more
    assert psutil.Process().children() == []


def test_an_error_in_another_process_comes_with_its_traceback():
    with pytest.raises(RuntimeError, match=r"over five:\n(?s:.*)ValueError: invalid literal"):
        list(in_processes(int, ["1", "x"], 2, {"1": "one", "x": "five"}.get))
    assert psutil.Process().children() == []


@pytest.mark.parametrize(
    ("function", "item", "reason"),
    [(os._exit, 3, "exit code 3"), (signal.raise_signal, int(signal.SIGTERM), "SIGTERM")],
)
def test_a_process_that_ends_over_an_item_is_an_error_that_names_it(function, item, reason):
    with pytest.raises(SegzooError, match=rf"the process that read item {item} has ended \({reason}\)"):
        list(in_processes(function, [item] * 4, 2, lambda item: f"item {item}"))
    assert psutil.Process().children() == []


def test_a_function_that_cannot_be_sent_is_an_error():
    with pytest.raises(PluginError, match="cannot be sent to another process: "):
        list(in_processes(lambda item: item, [1], 2))


def test_it_works_in_a_thread():
    results = []
    thread = threading.Thread(target=lambda: results.extend(in_processes(math.sqrt, [4, 9], 2)))
    thread.start()
    thread.join()
    assert sorted(results) == [(4, 2.0), (9, 3.0)]


def test_a_script_without_a_guard_is_run_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from math import sqrt\n"
        "from segzoo.processes.pool import in_processes\n"
        "print('begun')\n"
        "print(sorted(in_processes(sqrt, [4, 9], 2)))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["begun", "[(4, 2.0), (9, 3.0)]"]
    assert done.stderr == ""


def test_processes_end_with_their_parent_over_whatever_they_are():
    script = (
        "from time import sleep\n"
        "import psutil\n"
        "from segzoo.processes.pool import in_processes\n"
        "def items():\n"
        "    print(*[child.pid for child in psutil.Process().children()], flush=True)\n"
        "    yield from [9999] * 4\n"
        "list(in_processes(sleep, items(), 2))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with parent:
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(children) == 2
    gone, _ = psutil.wait_procs(children, timeout=120)
    assert len(gone) == 2
