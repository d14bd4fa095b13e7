"""What the source text of a plugin's module tells of its class, without importing it."""

from __future__ import annotations

import ast
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import decode_source
from pathlib import Path

from segzoo.errors import PluginError


def first_line(module: str, attribute: str) -> str:
    """First docstring line of a class, read from its source text; empty if the class is only re-exported there.

    Raises:
        PluginError: if there is no such module or class, or its text cannot be read.
    """
    spec = _find_spec(module)
    if spec is None:
        raise PluginError(f"there is no module '{module}'")
    if not spec.origin or not spec.origin.endswith(".py"):
        return ""
    tree = _parsed(module, Path(spec.origin))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == attribute:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    if attribute.partition(".")[0] not in _bound_names(tree):
        raise PluginError(f"module '{module}' has no class '{attribute}'")
    return ""


def _parsed(module: str, file: Path) -> ast.Module:
    try:
        return ast.parse(decode_source(file.read_bytes()))
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise PluginError(f"syntax error in {module}{line}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:  # not UTF-8, null bytes, or nested too deep to be parsed
        raise PluginError(f"syntax error in {module}: {str(error) or 'it is nested too deep'}") from error
    except OSError as error:
        raise PluginError(f"cannot read {file}: {error.strerror}") from error


def _find_spec(module: str) -> ModuleSpec | None:
    """Like `importlib.util.find_spec`, but without importing the parent packages."""
    path, spec = None, None
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:end]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return spec


def _bound_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
    return names
