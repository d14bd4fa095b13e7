"""Plugins with a fault, what to type to meet it, and the page that tells what is told then."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from textwrap import fill
from typing import Any

from segzoo.errors import with_article

WIDTH = 116
PLANTED = {
    "segzoo-test-planted": {
        "segzoo.models": "planted = segzoo_test_planted:Net",
        "segzoo.datasets": "planted = segzoo_test_planted:Data",
        "segzoo.augmentations": "planted = segzoo_test_planted:Noise",
        "segzoo.losses": "planted = segzoo_test_planted:Sum",
        "segzoo.trainers": "planted = segzoo_test_planted:Fit",
        "segzoo.trackers": "planted = segzoo_test_planted:Follow",
    },
    "segzoo-test-faulty-net": {"segzoo.models": "faulty = segzoo_test_faulty_net:Faulty"},
    "segzoo-test-not-finite": {
        "segzoo.models": "not_finite = segzoo_test_not_finite:Net",
        "segzoo.losses": "mean = segzoo_test_not_finite:Mean",
    },
    "segzoo-test-untyped": {
        "segzoo.datasets": "untyped = segzoo_test_untyped:Data",
        "segzoo.trainers": "untyped = segzoo_test_untyped:Fit",
    },
    "segzoo-test-flawed": {
        "segzoo.datasets": "flawed = segzoo_test_flawed:Flawed",
        "segzoo.trainers": "scripted = segzoo_test_flawed:Scripted",
    },
}
"""The distributions that are installed for the page, with their entry points."""
WRITTEN = {
    "segzoo-test-helpless": ("Net", "import segzoo_helpers\n\n\nclass Net:\n    pass\n"),
    "segzoo-test-licensed": ("Net", "import sys\n\nsys.exit('no licence')\n\n\nclass Net:\n    pass\n"),
    "segzoo-test-incomplete": ("Net", "from segzoo.plugin import Model\n\n\nclass Net(Model):\n    pass\n"),
    "segzoo-test-function": ("net", "def net():\n    pass\n"),
}
"""Distributions with a network, `helpless` and so on: the name in its module, and the module."""
BROKEN = {
    "segzoo-gone": ({"segzoo.models": "gone = segzoo_gone:Net"}, ()),
    "segzoo-other-class": ({"segzoo.models": "other_class = segzoo_test_planted:Network"}, ()),
    "segzoo-words": ({"segzoo.models": "words = a network"}, ()),
    "segzoo-needy": ({"segzoo.models": "needy = segzoo_test_planted:Net"}, ("no-such-distribution",)),
    "segzoo-unclear": ({"segzoo.models": "unclear = segzoo_test_planted:Net"}, ("numpy >== 1.0",)),
    "segzoo-misspelt": ({"segzoo.model": "misspelt = segzoo_test_planted:Net"}, ()),
}
"""Distributions whose metadata are wrong: entry points, and what they require."""


@dataclass(frozen=True)
class Case:
    """A fault, and commands that meet it."""

    fault: str
    commands: tuple[str, ...]
    broken: str = ""
    """The distribution with that fault, of those in BROKEN, whose row is shown."""


@dataclass
class Section:
    """Faults of a kind."""

    title: str
    text: str
    cases: list[Case] = field(default_factory=list)


def raising(kind: str, method: str, *others: str) -> Case:
    """A method that raises an exception."""
    choice = "" if kind in ("model", "dataset") else f"--{kind} planted "
    titles = {"call": "The network that `build` returned", "__getitem__": "A sample of a dataset"}
    words = f"segzoo run planted planted {choice}--set {kind}.fails={method}"
    return Case(f"{titles.get(method, f'`{method}` of {with_article(kind)}')} raises an exception", (words, *others))


def untracked(method: str, what: str) -> Case:
    """A tracker that raises an exception in a run that ends well."""
    return Case(
        what,
        (
            "segzoo run planted planted --trainer planted --tracker planted "
            f"--set tracker.planted.fails={method} --set trainer.tells=true",
        ),
    )


def net(fault: str, what: str, *others: str) -> Case:
    """A network that breaks a promise."""
    return Case(what, (f"segzoo run faulty planted --set {shlex.quote(f'model.fault={fault}')}", *others))


def mean(gives: str, what: str, more: str = "") -> Case:
    """A loss that breaks a promise."""
    return Case(what, (f"segzoo run planted planted --loss mean --set {shlex.quote(f'loss.gives={gives}')}{more}",))


def untyped(setting: str, what: str, *others: str) -> Case:
    """A method that returns what it should not; other commands find it too."""
    run = f"segzoo run planted untyped --trainer untyped --set {setting}"
    return Case(what, (run, *(f"{command} --set {setting}" for command in others)))


def flawed(fault: str, what: str, *splits: str) -> Case:
    """A dataset that is wrong as a whole."""
    settings = f'--set "dataset.fault={fault}"'
    if splits:
        settings += f" --set 'dataset.faulty={json.dumps(splits)}'"
    run = f"segzoo run planted flawed --trainer scripted {settings}"
    return Case(what, (run, f"segzoo data verify flawed {settings}"))


def warned(what: str, settings: str) -> Case:
    """A run that ends with a warning."""
    return Case(what, (f"segzoo run planted flawed --trainer scripted --epochs 3 {settings}",))


VERIFY, CHECK = "segzoo data verify untyped", "segzoo check datasets/untyped"
SECTIONS = [
    Section(
        "Exceptions",
        "An exception in a plugin's method is that plugin's, and its traceback is in the log.",
        [
            raising("model", "stride"),
            raising("model", "build", "segzoo check models/planted --set model.fails=build"),
            raising("model", "call"),
            raising("dataset", "prepare", "segzoo data verify planted --set dataset.fails=prepare"),
            raising("dataset", "describe"),
            raising("dataset", "open", "segzoo data verify planted --set dataset.fails=open"),
            raising(
                "dataset",
                "__getitem__",
                "segzoo data verify planted --set dataset.fails=__getitem__",
                "segzoo check datasets/planted --set dataset.fails=__getitem__",
            ),
            raising("augmentation", "augment", "segzoo check augmentations/planted --set augmentation.fails=augment"),
            raising("loss", "__call__", "segzoo check losses/planted --set loss.fails=__call__"),
            raising("loss", "weight_map"),
            raising("trainer", "fit"),
        ],
    ),
    Section(
        "Networks and losses that are not what they promise",
        "They are looked at before the first training step, but for what only training or validation can show.",
        [
            net("nothing", "`build` has no `return`"),
            net("tensor", "`build` returns no network"),
            net("half", "A network makes another size than promised"),
            net("thirds", "A network does not take a size that it declares legal"),
            net(
                "stride of 0", "The stride is no positive number", "segzoo show faulty --set 'model.fault=stride of 0'"
            ),
            net("large offset", "The offset is not less than the stride"),
            net("negative margin", "The margin is negative"),
            net("list", "A network makes a list"),
            net("integers", "The logits are integers"),
            net("no weights", "A network has no trainable weights"),
            net("no gradient", "No gradient reaches the weights"),
            net("half in training", "A network makes another size in training"),
            # The precision is said, since the processor decides it otherwise, and the advice goes by it.
            Case(
                "The logits are not finite",
                ("segzoo run not_finite planted --set trainer.precision=mixed_bfloat16",),
            ),
            Case("The loss is not finite", ("segzoo run planted planted --loss mean",)),
            mean("gradient", "The loss has no finite gradient"),
            mean("weights", "`weight_map` has another shape"),
            mean("scalar", "The loss is one number"),
            mean("NumPy", "The loss is no tensor"),
            mean("NumPy inside", "The loss wants values where a graph has none"),
            # By their masks, which should not be changed.
            mean("late nan", "The loss is not finite for images of the validation", " --augmentation none"),
            mean("negative weights", "`weight_map` gives a negative weight"),
        ],
    ),
    Section(
        "Results of another type or value",
        "What a method returns is compared with the interface, and what a trainer returns with each prediction.",
        [
            untyped("dataset.fault=dict", "`describe` returns no `Info`"),
            untyped("dataset.fault='same class'", "Two classes have the same name"),
            untyped("dataset.fault=epochs", "The suggested number of epochs cannot be"),
            untyped("dataset.fault='no val'", "There is no split to validate on", VERIFY),
            untyped("dataset.fault=list", "`open` returns no `Samples`", VERIFY),
            untyped("dataset.fault='numbers as ids'", "`ids` are no texts", VERIFY, CHECK),
            untyped("dataset.fault='texts as files'", "`files` are texts, not paths", VERIFY),
            untyped("dataset.fault='few files'", "There are files for some of the samples", VERIFY),
            untyped("dataset.fault=warnings", "`warnings` returns a text"),
            untyped("dataset.fault=metric", "`metric` returns no `Metric`"),
            untyped("dataset.fault=definition", "A metric defines what is no `Score`"),
            untyped("dataset.fault=count", "`count` of a metric raises an exception"),
            Case(
                "`augment` returns labels that the mask does not have",
                ("segzoo run planted planted --augmentation planted --set augmentation.fails=labels",),
            ),
            untyped("trainer.returns=list", "`fit` returns no network"),
            untyped("trainer.returns='other size'", "The trained network makes another size"),
            untyped("trainer.returns='not finite'", "The trained network gives logits that are not finite"),
            untyped("trainer.images=0.5", "`images_done` is told of no number of images"),
            untyped("trainer.figures={epoch=7}", "`epoch_ended` is given the number of an epoch"),
            untyped("trainer.folder=removed", "`fit` removes the run's folder"),
        ],
    ),
    Section(
        "Data that make a score meaningless",
        "A run refuses them before it trains, and `segzoo data verify` finds them.",
        [
            flawed("shared ids", "Two splits share an id", "train", "val"),
            flawed("repeated id", "An id is there twice in a split"),
            flawed("few ids", "There are more samples than ids"),
            flawed("ignored", "Every pixel of a split is left out", "val"),
            flawed("single value", "The training masks have a single value"),
            flawed("foreground 255", "All foreground of two classes has the label 255"),
            flawed("None", "A sample is None"),
            flawed("triple", "A sample is no pair"),
            flawed("lists", "A sample is no pair of arrays"),
            flawed("no pixels", "An image has no pixels"),
            flawed("two types", "Some images are uint8, others uint16"),
        ],
    ),
    Section(
        "Splits that differ",
        "`segzoo data verify` warns of them; see [check your data](../how-to/check-your-data.md#splits-that-differ).",
        [
            Case("The images of a split are darker", (flawed("dark", "", "val").commands[1],)),
            Case("A split has other shares of the classes", (flawed("crowded", "", "val").commands[1],)),
        ],
    ),
    Section(
        "Scores that may mean less than they seem to",
        "The run ends with exit code 0, and the sentences are in its `metrics.json` too.",
        [
            warned("A class is in no training mask", '--set "dataset.fault=absent class"'),
            warned("A sample is not the same when it is read again", "--set dataset.fault=random"),
            warned("The trainer reports nothing", "--set trainer.val_losses=[]"),
            warned("Nothing is learned from the images", "--set trainer.val_losses=[1.5,1.3,1.4]"),
            warned("One class is predicted everywhere", "--set trainer.sees=nothing"),
            warned("The best epoch is the last one", "--set trainer.val_losses=[0.3,0.2,0.1]"),
        ],
    ),
    Section(
        "Trackers",
        "What fails in a tracker is a warning, with the traceback in the log: the run goes on without it.",
        [
            untracked("subscriber", "`subscriber` of a tracker raises an exception"),
            untracked("epoch_ended", "A tracker raises an exception when it is told of an epoch"),
        ],
    ),
    Section(
        "Modules and classes",
        "They are imported when a plugin is used.",
        [
            Case("A module imports what is not there", ("segzoo run helpless planted",)),
            Case("A module ends the process", ("segzoo run licensed planted",)),
            Case("A class lacks a method", ("segzoo run incomplete planted",)),
            Case("An entry point names no class", ("segzoo run function planted",)),
        ],
    ),
    Section(
        "Metadata",
        "What is wrong with a distribution's metadata is a row of `segzoo list`, and no other plugin suffers from it.",
        [
            Case("There is no such module", ("segzoo list",), "segzoo-gone"),
            Case("There is no such class", ("segzoo list",), "segzoo-other-class"),
            Case("An entry point is not `module:Class`", ("segzoo list",), "segzoo-words"),
            Case("A requirement is not installed", ("segzoo list",), "segzoo-needy"),
            Case("A requirement cannot be read", ("segzoo list",), "segzoo-unclear"),
            Case("A group of entry points is misspelt", ("segzoo list",), "segzoo-misspelt"),
        ],
    ),
]
HEAD = """# Faults

What is told for which fault of a plugin. Each sentence below was printed: a test plants the fault in a small plugin,
types the command, and holds this page to what it prints. `LINE` stands for the number of a line, and `…` for what
differs from run to run. Of the checks that fail only the first is shown. The plugins are in `tests/plugins`: `planted`
is `segzoo_test_planted.py`, and so on. What the exit codes mean is told with the [commands](command-line.md).
"""
CHECKS = """## What `segzoo check` finds

Each of these plugins is wrong in one way. `segzoo check` fails with the checks named, which a test holds it to; the
plugins are in `tests/wrong_plugins`, and the checks are [explained](../how-to/check-a-plugin.md#the-checks).

| Fault | Checks that fail |
|---|---|
"""


def page(typed: Callable[[Case, str], tuple[int, str]], found: dict[Any, set[str]]) -> str:
    """The page, from what gives exit code and output of a command, and from the checks that find a wrong plugin."""
    parts = [HEAD]
    for section in SECTIONS:
        parts += [f"## {section.title}\n", f"{section.text}\n"]
        for case in section.cases:
            parts.append(f"### {case.fault}\n")
            for command in case.commands:
                code, output = typed(case, command)
                lines = [fill(line, WIDTH, **INDENT) for line in told(case, output)]
                text = "\n".join([f"`{command}` ends with exit code {code}:", "", "```text", *lines, "```", ""])
                parts.append(text)
    rows = [f"| {cls.__doc__ or 'Has no docstring.'} | {checks(names)} |\n" for cls, names in found.items()]
    return "\n".join([*parts, CHECKS + "".join(rows)])


INDENT = {"subsequent_indent": "    ", "break_long_words": False, "break_on_hyphens": False}


def checks(names: set[str]) -> str:
    """Names of checks, as a cell of a table."""
    return ", ".join(f"`{name}`" for name in sorted(names))


VARYING = {
    r"(\w+\.py):\d+": r"\1:LINE",
    r"(Exception encountered when calling [\w.]+\(\)\.).*?(?= \(segzoo_test|$)": r"\1 …",
    r"/\S+/(runs/\S+ is gone)": r"…/\1",
    r"but '[\w-]+' of the split '\w+' uint8": "but '…' of the split '…' uint8",  # threads read in any order
}
"""What differs from machine to machine, and from run to run."""


def told(case: Case, output: str) -> Iterator[str]:
    """The lines of an output that tell of the fault."""
    for pattern, text in VARYING.items():
        output = re.sub(pattern, text, output, flags=re.MULTILINE)
    lines = output.splitlines()
    if case.broken:
        yield from (re.sub(r"\s{2,}", "  ", line.strip()) for line in lines if f" {case.broken} " in line)
    elif failed := [line for line in lines if line.startswith("failed ")]:
        yield failed[0]
    else:
        group = ""
        for line in lines:
            group = group if line[:1] == " " else line
            if re.match(r"segzoo: |warning: |(error|warning), (?!one class)", group):
                yield line
