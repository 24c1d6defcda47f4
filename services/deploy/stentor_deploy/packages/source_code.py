"""What can be told of Python code without running it."""

import ast
import sys
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from stentor_deploy.errors import BadPackage

LARGEST = 1024**2
MOST_FILES = 1000
LARGEST_ALL = 16 * LARGEST


def parsed(path: Path) -> ast.Module:
    """Raises BadPackage for what is no code of this Python or an older one."""
    if path.stat().st_size > LARGEST:
        raise BadPackage(f"{path.name} is larger than {LARGEST} bytes")
    try:
        with warnings.catch_warnings():
            # Of strangers' slips: an escape that means nothing, `is` with a number.
            warnings.simplefilter("ignore")
            return ast.parse(path.read_bytes(), path.name)
    except SyntaxError as error:
        raise BadPackage(f"{path.name}, line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError, SystemError) as error:
        raise BadPackage(f"{path.name} cannot be read as Python code") from error


def classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    """Those at the top of a module."""
    return (node for node in tree.body if isinstance(node, ast.ClassDef))


def defines(tree: ast.Module, name: str) -> bool:
    """Whether a module has something of that name, made, assigned or imported."""
    return name in set(_bound(tree.body))


def methods(node: ast.ClassDef) -> set[str]:
    return {each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


def derives(node: ast.ClassDef, name: str) -> bool:
    """Whether a class names that one among those it comes from, however it was imported."""
    ends = (base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases)
    return name in ends


def imported(root: Path) -> tuple[str, ...]:
    """Top-level modules that the code under a folder imports from elsewhere, sorted. Files that cannot be
    read say nothing: many are never used. Nothing at all of folders with too much code."""
    files = list(islice(root.rglob("*.py"), MOST_FILES + 1))
    if len(files) > MOST_FILES or sum(path.stat().st_size for path in files) > LARGEST_ALL:
        return ()
    own = {path.stem for path in files} | {path.parent.name for path in files}
    found = set(_imports(files))
    return tuple(sorted(found - own - set(sys.stdlib_module_names)))


def names_from(tree: ast.Module, module: str) -> set[str]:
    """What a module imports by name from another: `{"Image"}` of `from octoai.types import Image`."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == module)
    return {alias.name for node in found for alias in node.names}


def _imports(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        try:
            tree = parsed(path)
        except BadPackage:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.If | ast.Try):
            yield from _bound([*node.body, *node.orelse])
            for handler in getattr(node, "handlers", []):
                yield from _bound(handler.body)
