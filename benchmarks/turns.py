"""Trainings in processes of their own that work only when it is their turn: TensorFlow and PyTorch never share one.

`Competitor` is the side that says whose turn it is, `Pace` the side that trains. A round is one epoch. This module
needs the standard library alone, so that it also runs in an environment that has PyTorch and nothing else of ours.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FIRST_STEPS = 2
"""Steps at the begin of an epoch that are not timed: while others had their turns, work may have come due, such as a
checkpoint by the clock."""
BATCH_SIZE = 8
"""Images in a training step, as in the article."""
CONVOLUTION = "convolution"
"""The kind of operation that convolutions and their gradients are."""


@dataclass(frozen=True)
class Training:
    """What is to be trained."""

    worker: str
    """The script that trains: `article`, `segzoo`, `torch`, `convolutions` or `stand_ins`."""
    filters: int
    """Of the first stage of the article's U-Net; without a meaning for other networks."""
    image_size: int
    """Height and width that images are resized to."""
    steps: int
    """Training steps of an epoch that are timed, after the first ones."""
    epochs: int
    root: str = ""
    """A folder in the layout of the Oxford-IIIT Pet dataset."""
    val_size: int = BATCH_SIZE
    model: str = "unet"
    """What `segzoo` and `torch` train: the article's `unet`, or `encoder_unet` with random weights."""
    whole: bool = False
    """Whether loader, validation and checkpoints are wanted, or only steps on images that are in memory."""
    trace: bool = False
    """Whether operations are recorded, which makes them slower."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else the worker wants to know."""

    @property
    def batches(self) -> int:
        """Batches to train on in an epoch."""
        return FIRST_STEPS + self.steps


@dataclass(frozen=True)
class Round:
    """One epoch."""

    epoch: float
    """Seconds from the turn's begin to the epoch's end."""
    steps: float
    """Seconds of the timed steps."""
    images: int
    """Images of the timed steps."""
    peak: int
    """The largest memory that the process ever had, in bytes."""
    trace: Mapping[str, float] = field(default_factory=dict)
    """Seconds of all operations of a kind in the timed steps, if they were recorded."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the training itself says of the epoch, and in which precision it computes."""


class Competitor(AbstractContextManager["Competitor"]):
    """A training in a process of its own, which stands still until it is asked for a round."""

    def __init__(self, training: Training, threads: int, python: str = sys.executable) -> None:
        self._script = Path(__file__).parent / f"{training.worker}_worker.py"
        settings = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, str(self._script), json.dumps(asdict(training))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | dict.fromkeys(settings, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        assert self._process.stdin
        assert self._process.stdout
        self._ask, self._answer = self._process.stdin, self._process.stdout
        self._read()  # it is up: nobody starts while another has its turn

    def __exit__(self, *error: object) -> None:
        if any(error):
            self._process.kill()
        self._ask.close()  # whoever waits for a turn takes it as the end
        self._process.wait()
        self._answer.close()
        self._log.close()

    def round(self) -> Round:
        """Let it train for an epoch. After the last one: let it do what remains to be done, and end."""
        with suppress(BrokenPipeError):  # it is dead, so there will be no answer either
            print("round", file=self._ask, flush=True)
        return Round(**self._read())

    def _read(self) -> dict[str, Any]:
        answer = self._answer.readline()
        if not answer:
            self._log.seek(0)
            raise SystemExit(f"{self._script.name} failed:\n{self._log.read()[-3000:]}")
        found: dict[str, Any] = json.loads(answer)
        return found


class Pace:
    """Times a training from within, and holds it up until it is its turn."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._trace: Mapping[str, float] = {}
        self._answer = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what others print must not be taken for an answer
        self._say({})
        self._wait()

    def step(self, images: int) -> None:
        """To be told at the end of each training step."""
        self._done += 1
        if self._done == FIRST_STEPS:
            if self._training.trace:
                operations().start()
            self._first = self._last = time.perf_counter()
        elif FIRST_STEPS < self._done <= FIRST_STEPS + self._training.steps:
            self._images += images
            self._last = time.perf_counter()
            if self._training.trace and self._done == FIRST_STEPS + self._training.steps:
                self._trace = operations().stop()

    def epoch(self, told: Mapping[str, Any] = {}) -> None:
        """To be told at the end of each epoch; returns when the next one may begin."""
        now = time.perf_counter()
        found = Round(now - self._begin, self._last - self._first, self._images, peak_memory(), self._trace, told)
        self._say(asdict(found))
        self._wait()

    def _say(self, answer: Mapping[str, Any]) -> None:
        print(json.dumps(answer), file=self._answer, flush=True)

    def _wait(self) -> None:
        if not sys.stdin.readline():
            raise SystemExit
        self._done = self._images = 0
        self._trace = {}
        self._begin = self._first = self._last = time.perf_counter()


def main(train: Callable[[Training, Pace], None]) -> None:
    """What the script of a worker does: train as it was told, turn by turn, and once more for what comes at the end."""
    training = Training(**json.loads(sys.argv[1]))
    pace = Pace(training)
    train(training, pace)
    pace.epoch()


def label(name: str, rounds: Sequence[Round]) -> str:
    """The name of a competitor, with the precision that it chose, if it says so."""
    precision = rounds[-1].told.get("precision", "")
    return name if precision in name else f"{name} ({precision})"


def peak_memory() -> int:
    """The largest resident memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def operations() -> Any:
    """What records operations; it needs TensorFlow, which PyTorch's process has not."""
    import operations

    return operations
