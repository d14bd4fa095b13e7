"""The entries of the reference of interfaces, in Markdown, made of the signatures and docstrings in the source."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from textwrap import indent
from typing import Any

SPECIAL = ("__call__", "__getitem__", "__len__")
"""Methods that are part of an interface in spite of their names."""
LINE = 100
"""Characters of a signature that stands in a line."""
ENTRY = re.compile(r"^### `(segzoo[\w.]+)`$", re.MULTILINE)
SECTION = re.compile(r"^## .*$", re.MULTILINE)
PARTS = re.compile(r"^(Args|Returns|Raises):$", re.MULTILINE)
Definition = ast.ClassDef | ast.FunctionDef


def page_of(text: str) -> str:
    """The page with all its entries made anew; the text before the first entry of each section stays as it is."""
    starts = [match.start() for match in SECTION.finditer(text)]
    ends = [*starts, len(text)]
    parts = [text[: ends[0]], *(section(text[start:end]) for start, end in zip(starts, ends[1:], strict=True))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def section(text: str) -> str:
    """A section with its entries made anew."""
    names = ENTRY.findall(text)
    written = re.split(r"^(?:<a id=|### `segzoo)", text, maxsplit=1, flags=re.MULTILINE)[0].strip()
    return "\n\n".join([written, *map(entry, names)])


def entry(name: str) -> str:
    """What the reference says of a name: where it is imported from, its signature, its docstring and its members."""
    module, found = definition(name)
    source = inspect.getsource(module)
    anchor = f'<a id="{name}"></a>'
    if isinstance(found, ast.AnnAssign | ast.Assign):
        parts = [f"`{flat(variable(found, source))}`", docstring_after(module, found)]
    else:
        decorators = "".join(f"@{ast.get_source_segment(source, item)}\n" for item in found.decorator_list)
        parts = [f"```text\n{decorators}{signature(found, source)}\n```", paragraphs(ast.get_docstring(found) or "")]
        parts += ["\n".join(members(found, source))] if isinstance(found, ast.ClassDef) else []
    return "\n\n".join(part for part in [anchor, f"### `{name}`", *parts] if part)


def definition(name: str) -> tuple[Any, ast.AST]:
    """The module in which something is defined, and the node of its source."""
    place, _, short = name.rpartition(".")
    thing = getattr(import_module(place), short)
    module = sys.modules[thing.__module__ if inspect.isclass(thing) or inspect.isfunction(thing) else place]
    for node in ast.parse(inspect.getsource(module)).body:
        if short in names_of(node):
            return module, node
    raise LookupError(f"{name} is not defined in {module.__name__}")


def names_of(node: ast.AST) -> list[str]:
    """What a statement defines."""
    if isinstance(node, Definition):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def docstring_after(body: Any, statement: ast.AST) -> str:
    """The docstring of an attribute: the text in the statement after it."""
    nodes = ast.parse(inspect.getsource(body)).body if inspect.ismodule(body) else body.body
    for node, after in pairwise(nodes):
        if node.lineno == statement.lineno and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            return paragraphs(inspect.cleandoc(after.value.value))
    return ""


def variable(node: ast.AnnAssign | ast.Assign, source: str) -> str:
    """A variable with its type and value, as they are written."""
    (name,) = names_of(node)
    kind = f": {ast.get_source_segment(source, node.annotation)}" if isinstance(node, ast.AnnAssign) else ""
    value = f" = {ast.get_source_segment(source, node.value)}" if node.value else ""
    return f"{name}{kind}{value}"


def signature(node: Definition, source: str, *, method: bool = False) -> str:
    """What is typed to call a function, or to make an object of a class."""
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.get_source_segment(source, base) for base in node.bases)
        made = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
        head = f"class {node.name}({bases})" if bases else f"class {node.name}"
        return "\n".join([head, *(call(node.name, item, source, method=True) for item in made)])
    return call(node.name, node, source, method=method)


def call(name: str, node: ast.FunctionDef, source: str, *, method: bool) -> str:
    """A name with the parameters of a function and its result, each in a line if they are many."""
    parameters = list(parameters_of(node.args, source))[1 if method else 0 :]
    result = f" -> {ast.get_source_segment(source, node.returns)}" if node.returns and node.name != "__init__" else ""
    text = f"{name}({', '.join(parameters)}){result}"
    if len(text) <= LINE:
        return text
    lines = "".join(f"    {parameter},\n" for parameter in parameters)
    return f"{name}(\n{lines}){result}"


def parameters_of(arguments: ast.arguments, source: str) -> Iterator[str]:
    """The parameters of a function, with the signs between them."""

    def written(argument: ast.arg, default: ast.expr | None) -> str:
        kind = f": {flat(ast.get_source_segment(source, argument.annotation))}" if argument.annotation else ""
        sign = " = " if kind else "="
        return f"{argument.arg}{kind}{f'{sign}{flat(ast.get_source_segment(source, default))}' if default else ''}"

    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    for number, (argument, default) in enumerate(zip(positional, defaults, strict=True), start=1):
        yield written(argument, default)
        if number == len(arguments.posonlyargs) and number > 1:
            yield "/"
    if arguments.vararg or arguments.kwonlyargs:
        yield f"*{written(arguments.vararg, None) if arguments.vararg else ''}"
    yield from map(written, arguments.kwonlyargs, arguments.kw_defaults)
    if arguments.kwarg:
        yield f"**{written(arguments.kwarg, None)}"


def members(node: ast.ClassDef, source: str) -> Iterator[str]:
    """The attributes, properties and methods of a class that its users need, as items of a list."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            decorators = [ast.unparse(decorator) for decorator in item.decorator_list]
            if (item.name[0] == "_" and item.name not in SPECIAL) or "overload" in decorators:
                continue
            if "property" in decorators:
                head = f"{item.name}: {ast.get_source_segment(source, item.returns)}"
            else:
                head = flat(call(item.name, item, source, method="staticmethod" not in decorators))
            marks = [mark for mark in ("abstractmethod", "classmethod", "property") if mark in decorators]
            text = paragraphs(ast.get_docstring(item) or "")
        elif isinstance(item, ast.AnnAssign) and names_of(item)[0][0] != "_":
            head, marks, text = flat(variable(item, source)), [], docstring_after(node, item)
        else:
            continue
        notes = f" ({', '.join(marks)})".replace("abstractmethod", "to be implemented") if marks else ""
        yield f"- `{head}`{notes}" + (f": {indent(text, '    ').strip()}" if text else "")


def flat(text: str) -> str:
    """Source in a line."""
    return re.sub(r"([(\[{]) | ?,? (?=[)\]}])", r"\1", re.sub(r"\s+", " ", text))


def paragraphs(docstring: str) -> str:
    """A docstring in Markdown: its sections become lists."""
    text, *sections = PARTS.split(docstring)
    lines = [text.strip()]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        items = re.sub(r"\n {8,}", " ", body).strip("\n").splitlines()
        named = [re.sub(r"^\s*([\w.]+): ", r"- `\1`: ", item) for item in items if item.strip()]
        lines.append(f"{title}:\n\n" + "\n".join(named))
    return "\n\n".join(lines)
