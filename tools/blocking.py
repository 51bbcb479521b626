"""Writes src/bifrost_store/blocking/protocols/ from the Protocols of the repositories: the same calls, without await."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "bifrost_store"
SOURCE = PACKAGE / "repository_protocols"
FOLDER = PACKAGE / "blocking" / "protocols"
_RENAMED = {"AsyncIterator": "Iterator", "AbstractAsyncContextManager": "AbstractContextManager"}


def modules() -> dict[str, ast.Module]:
    """Return every module by its name, with what each of its Protocols becomes; and the package's own, which exports them."""
    found = {}
    exported: dict[str, list[str]] = {}
    for path in sorted(SOURCE.glob("[a-z]*.py")):
        source = ast.parse(path.read_text("utf-8"))
        protocols = [node for node in source.body if isinstance(node, ast.ClassDef) and _is_protocol(node)]
        names = {node.name: f"Blocking{node.name}" for node in protocols} | _RENAMED
        classes: list[ast.stmt] = [_Blocking(names).visit(node) for node in protocols]
        text = (ast.get_docstring(source) or "").splitlines()[0].rstrip(".")
        title = ast.parse(f'"""{text}. Without await; written by tools/blocking.py."""').body
        found[path.stem] = ast.Module([*title, *_imports(source, classes, path.stem), *classes], [])
        exported[path.stem] = [node.name for node in protocols]  # renamed by now
    lines = ['"""The repositories as code that does not await calls them. Written by tools/blocking.py."""']
    lines += [f"from bifrost_store.blocking.protocols.{name} import {', '.join(names)}" for name, names in exported.items()]
    lines += [f"__all__ = {sorted(name for names in exported.values() for name in names)}"]
    found["__init__"] = ast.parse("\n".join(lines))
    return found


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)


class _Blocking(ast.NodeTransformer):
    """Takes the waiting out of a class: what it awaited, it now returns."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.name = self._names.get(node.name, node.name)
        self.generic_visit(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.FunctionDef:
        made = ast.FunctionDef(**{field: getattr(node, field) for field in ast.FunctionDef._fields if hasattr(node, field)})
        return self.visit_FunctionDef(ast.copy_location(made, node))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.body = [*(node.body[:1] if ast.get_docstring(node) else []), ast.Expr(ast.Constant(...))]
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._names.get(node.id, node.id)
        return node


def _imports(source: ast.Module, classes: list[ast.stmt], name: str) -> Iterator[ast.stmt]:
    """Yield the imports that *classes* need: those of *source*, and of *source* itself what it defines."""
    used = {node.id for one in classes for node in ast.walk(one) if isinstance(node, ast.Name)}
    yield from ast.parse("from __future__ import annotations").body
    for node in source.body:
        if isinstance(node, ast.Import) and node.names[0].name in used:
            yield node
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            given = [alias for alias in node.names if _RENAMED.get(alias.name, alias.name) in used]
            names = sorted({_RENAMED.get(alias.name, alias.name) for alias in given})
            if names:
                yield ast.ImportFrom(node.module, [ast.alias(one) for one in names], 0)
    targets = [target for node in source.body if isinstance(node, ast.Assign) for target in node.targets]
    own = {target.id for target in targets if isinstance(target, ast.Name)}
    own |= {node.name for node in source.body if isinstance(node, ast.ClassDef)} - {
        one.name for one in classes if isinstance(one, ast.ClassDef)
    }
    if own & used:
        yield ast.ImportFrom(f"bifrost_store.repository_protocols.{name}", [ast.alias(one) for one in sorted(own & used)], 0)


def main() -> int:
    """Write the modules."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.py"):
        path.unlink()
    for name, module in modules().items():
        (FOLDER / f"{name}.py").write_text(ast.unparse(ast.fix_missing_locations(module)) + "\n", "utf-8")
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        subprocess.run(["ruff", *command, str(FOLDER)], check=True)  # noqa: S603, S607 - of the environment
    return 0


if __name__ == "__main__":
    sys.exit(main())
