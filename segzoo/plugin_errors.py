"""Exceptions that plugins raise, as errors that name the plugin, what was called and the line in the plugin's code.

Every method of a plugin that belongs to its interface is guarded when its class is made, so whoever calls it need not
think of it. The error keeps the original exception, for its traceback.
"""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from importlib.machinery import PathFinder
from numbers import Integral
from pathlib import Path
from reprlib import repr as abridged
from textwrap import shorten
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

from segzoo.errors import FULL_DISK, PluginError, PluginRaisedError, SegzooError

if TYPE_CHECKING:
    from types import TracebackType

    from segzoo.plugin import Plugin

OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError")
"""Python's, and TensorFlow's on a GPU."""
INTEGER_AND_TEXT: dict[str, type] = {"int": Integral, "str": str}
"""Types of Python that interfaces promise; NumPy's integers will do."""
GUARDED: WeakSet[type[Plugin]] = WeakSet()
"""All classes of plugins that have been imported."""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""Keras prints in bold."""


class Calling:
    """A block that runs code of a plugin: an exception in it becomes a PluginRaisedError.

    Errors of segzoo, Ctrl-C, a full disk and a lack of memory pass as they are. Where the code of another plugin
    raised the exception, the error names that plugin.
    """

    def __init__(self, plugin: type[Plugin], what: str) -> None:
        self.plugin = plugin
        self.what = what
        """The subject of the message, such as `build` or `reading sample 'cat_1'`."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, Exception | SystemExit) and not (isinstance(error, SegzooError) or outside(error)):
            raise PluginRaisedError(explanation(self.plugin, self.what, error), error) from error


def guard(plugin: type[Plugin], interfaces: Sequence[type[Plugin]]) -> None:
    """Guard the methods and properties of a class that its interfaces declare, by the interfaces' type hints."""
    GUARDED.add(plugin)
    for interface in interfaces:
        for name, declared in vars(interface).items():
            owner = next(base for base in plugin.__mro__ if name in vars(base))
            # What another plugin declares is guarded already; what a class declares that is no plugin is not.
            member = vars(owner)[name] if owner is plugin or not issubclass(owner, interfaces[-1]) else None
            if inspect.isfunction(member) and (name[0] != "_" or name == "__call__"):
                setattr(plugin, name, guarded(member, name, Promise.of(declared)))
            elif isinstance(member, property) and member.fget and isinstance(declared, property):
                guarded_getter = guarded(member.fget, name, Promise.of(declared.fget))
                setattr(plugin, name, property(guarded_getter, doc=member.__doc__))


class Promise(NamedTuple):
    """The type of a method's result, as its type hint says it."""

    hint: str
    type: type | None
    """None if it is not known here, as that of another library, or cannot be asked for, as a protocol."""
    members: tuple[str, ...] = ()
    """What a protocol consists of."""

    @classmethod
    def of(cls, method: Any) -> Promise:
        """That of a method of an interface."""
        hint: str = method.__annotations__["return"]
        name = hint.removesuffix(" | None").partition("[")[0]
        known = vars(sys.modules[method.__module__]).get("Plugin" if name == "Self" else name)
        known = known or INTEGER_AND_TEXT.get(name)
        if getattr(known, "_is_protocol", False):
            return cls(hint, None, tuple(_members(known)))
        return cls(hint, known if isinstance(known, type) and known is not Any else None)

    def broken_by(self, value: Any) -> str:
        """What is wrong with a result, in words; empty if nothing is."""
        if value is None:
            return "" if "None" in self.hint or self.hint == "Any" else "None; is there a `return` missing?"
        if self.type and (not isinstance(value, self.type) or (self.type is Sequence and isinstance(value, str))):
            return f"{_typed(value)}, which is no {self.hint}"
        if lacking := next((name for name in self.members if not _has(value, name)), ""):
            return f"an object of the type {type(value).__name__}, which is no {self.hint}: it lacks `{lacking}`"
        if self.hint == "Sequence[str]":
            for item in value:
                if not isinstance(item, str):
                    wrong = f"{shown(item)} is of the type {type(item).__name__}"
                    return f"{_typed(value)}, which is no {self.hint}: {wrong}"
        return ""


def _typed(value: Any) -> str:
    return f"{shown(value)} of the type {type(value).__name__}"


def _members(protocol: Any) -> Iterator[str]:
    """The names of the properties and methods that a protocol declares."""
    for name, member in vars(protocol).items():
        if isinstance(member, property) or getattr(member, "__module__", "") == protocol.__module__:
            yield name


def _has(value: Any, name: str) -> bool:
    """Whether a value has an attribute, without asking a property that may raise exceptions."""
    return inspect.getattr_static(value, name, None) is not None or hasattr(value, name)


def shown(value: Any) -> str:
    """A value of a plugin as Python would write it, abridged."""
    return f"{abridged(value):.60}"


def guarded(method: Callable[..., Any], name: str, promise: Promise) -> Callable[..., Any]:
    """The method, its exceptions turned into PluginRaisedErrors; so is a result that is not what it must be."""

    @wraps(method)
    def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
        with Calling(type(self), f"`{name}`"):
            value = method(self, *arguments, **keywords)
            problem = promise.broken_by(value)
        if problem:
            raise PluginError(f"{title(type(self))}: `{name}` returned {problem}")
        return value

    return call


def outside(error: BaseException) -> bool:
    """Whether the machine is the cause of an error: its disk is full, or its memory used up."""
    return lack_of_memory(error) is not None or any(
        isinstance(cause, OSError) and cause.errno in FULL_DISK for cause in _causes(error)
    )


def lack_of_memory(error: BaseException) -> BaseException | None:
    """The error, or that from which it was raised, which says that memory is used up; None if it is another one."""
    return next((cause for cause in _causes(error) if type(cause).__name__ in OUT_OF_MEMORY), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, that from which it was raised, and so on."""
    while error:
        yield error
        error = error.__cause__


def explanation(plugin: type[Plugin], what: str, error: BaseException) -> str:
    """A sentence: whose code raised the error, in which call, and where."""
    owner, line = next(_plugin_lines(error, plugin), (plugin, ""))
    if owner is not plugin:
        what = f"called by {title(plugin)}, it"
    raised = f"raised {summary(error)}"
    if isinstance(error, SystemExit):
        raised = f"ended the process, with sys.exit({error.code!r})"
    return f"{title(owner)}: {what} {raised}{f' ({line})' if line else ''}"


def summary(error: BaseException) -> str:
    """The type of an exception and its text, in a line."""
    # TensorFlow puts its stack before the text of an exception in code that it has translated, and keeps the text.
    translated = getattr(error, "ag_error_metadata", None)
    text = translated.cause_message if translated else f"{type(error).__name__}: {error}"
    return shorten(COLOURS.sub("", text).removesuffix(": "), 500, placeholder=" …")


def title(plugin: type[Plugin]) -> str:
    """What to call a plugin in a message: its kind, and its registered name and distribution, or else its class."""
    return plugin.registered or f"{plugin.kind} {plugin.__name__}"


def with_line(error: BaseException) -> str:
    """A summary of an exception, with the last line in the code of any plugin that it passed."""
    line = next((line for _, line in _plugin_lines(error)), "")
    return f"{summary(error)}{f' ({line})' if line else ''}"


def line_in(package: str, error: BaseException) -> str:
    """The last line of a package that an exception passed, as `segzoo_mynet/net.py:31`; empty if it passed none."""
    return line_among(package, _lines(error))


def line_among(package: str, lines: Iterable[tuple[str, int]]) -> str:
    """The first of the lines, file and number, that is a package's, as `segzoo_mynet/net.py:31`; empty if none is."""
    return next((f"{_shown(file, package)}:{line}" for file, line in lines if _lies_in(file, package)), "")


def _plugin_lines(error: BaseException, likely: type[Plugin] | None = None) -> Iterator[tuple[type[Plugin], str]]:
    """The lines in the code of plugins that an exception passed, the innermost first, each with its plugin.

    In a package of several plugins it is the likely one, or else that whose module the line is in.
    """
    for file, line in _lines(error):
        owners = sorted((plugin for plugin in GUARDED if _lies_in(file, _package(plugin))), key=title)
        if owners:
            at_home = [
                plugin for plugin in owners if getattr(sys.modules.get(plugin.__module__), "__file__", "") == file
            ]
            owner = likely if likely and likely in owners else (at_home or owners)[0]
            yield owner, f"{_shown(file, _package(owner))}:{line}"


def _lines(error: BaseException) -> Iterator[tuple[str, int]]:
    """Files and line numbers that an exception passed, the innermost first."""
    if isinstance(error, SyntaxError) and error.filename:
        yield error.filename, error.lineno or 0
    # TensorFlow runs a translation of Python code, and keeps the lines of the original.
    translated = getattr(getattr(error, "ag_error_metadata", None), "translated_stack", ())
    yield from ((frame.filename, frame.lineno) for frame in translated)
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    yield from reversed(frames)


def _package(plugin: type[Plugin]) -> str:
    return plugin.__module__.partition(".")[0]


def _lies_in(file: str, package: str) -> bool:
    module = sys.modules.get(package)
    spec = None if module else PathFinder.find_spec(package)  # a module is removed again when its import fails
    origin = spec.origin if spec else getattr(module, "__file__", None)
    if origin is None:
        return False
    return file == origin or (Path(origin).name == "__init__.py" and Path(origin).parent in Path(file).parents)


def _shown(file: str, package: str) -> str:
    """The path of a file from its package on."""
    parts = Path(file).parts
    return str(Path(*parts[parts.index(package) :])) if package in parts else Path(file).name
