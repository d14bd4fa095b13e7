"""Benchmarks of the plugins in `plugins/segzoo_test_lab.py`, here and in processes that are ended from outside."""

import json
import os
import subprocess
import sys
import time

import psutil

DATA = '{name = "shapes", size = 16, train = 4, val = 2, test = 2}'
HASTY = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from segzoo.benchmarking import timing
timing.SECONDS = 0.1
from segzoo.cli import main
main()
"""
"""A program that does not spend long on timing networks."""
RESULTS = ("config.toml", "history.csv", "metrics.json", "images.csv")
"""Files of a run that are the same wherever and whenever it is made."""


def define(folder, models='"net"', seeds="[0, 1]", more="", trainer="quick", datasets=DATA, epochs=2):
    path = folder / "lab.toml"
    lines = [f"models = [{models}]", f"datasets = [{datasets}]", f"seeds = {seeds}", f"epochs = {epochs}"]
    path.write_text("\n".join([*lines, f'trainer = "{trainer}"', more]) + "\n")
    return path


def net(what):
    return f'{{name = "net", label = "{what}", what = "{what}"}}'


def record(out, model="net", seed=0):
    return json.loads((out / "cells" / "shapes" / model / f"seed-{seed}" / "cell.json").read_text())


def files(out):
    """The content and the time of every file of the cells."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.glob("cells/**/*") if path.is_file()}


def start(file, out, *more):
    words = [sys.executable, "-c", HASTY, "benchmark", str(file), "--out", str(out), *more]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def once_it_hangs(process, out, seed=0):
    """The id of the process of the cell that hangs, as soon as it does."""
    path = out / f"cells/shapes/hang/seed-{seed}/hanging"
    while not (path.exists() and path.read_text()):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    return int(path.read_text())


def gone(pid):
    """Waits until a process is gone."""
    try:
        psutil.Process(pid).wait(120)
    except psutil.NoSuchProcess:
        return True
    return not psutil.pid_exists(pid)
