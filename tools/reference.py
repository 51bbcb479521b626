"""Writes docs/reference/repositories/ from the docstrings of the Protocols and models. With --check, only compares."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference" / "repositories"
_HIDDEN = {"spec", "identity", "from_record", "changed", "record"}
"""Members that only the library itself uses."""
_PLUMBING = {"from_partition_key", "partition_key", "convert", "aclose"}
"""Members of `Store`, `Scope` and `Page` that no application needs."""
_TITLES = {"oauth_connections": "OAuth connections", "api_keys": "API keys"}


def pages() -> dict[str, str]:
    """Return every page by file name."""
    package = griffe.load("bifrost_store", search_paths=[str(ROOT / "src")], docstring_parser="google")
    found = {}
    for name, module in sorted(package["repository_protocols"].modules.items()):
        title = _TITLES.get(name, name.replace("_", " ").capitalize())
        found[f"{name}.md"] = "\n".join([f"# {title}\n", *_text(module), *_classes(module)])
    owned = {
        str(one.annotation): name
        for owner in ("repositories.assembly.Repositories", "store.Store")
        for name, one in package[owner].attributes.items()
        if one.annotation
    }
    attributes = {
        f"{name}.md": f"store.{owned[kind]}"
        for name, module in package["repository_protocols"].modules.items()
        for kind in module.classes
        if kind in owned
    }
    found["index.md"] = "\n".join(["# The repositories\n", *_text(package["protocols"]), *_links(found, attributes)])
    found["store.md"] = "\n".join(["# Store, scopes and pages\n", *_entrance(package)])
    kinds = [module for name, module in sorted(package["documents"].modules.items()) if name != "base"]
    models = [part for module in kinds for part in _classes(module)]
    found["models.md"] = "\n".join(["# Models\n", *_text(package["documents.base.Document"]), *models])
    return {name: re.sub(r"\n{3,}", "\n\n", text).strip() + "\n" for name, text in found.items()}


def _links(found: dict[str, str], attributes: dict[str, str]) -> Iterator[str]:
    yield "## Pages\n"
    yield "* [Store, scopes and pages](store.md): how to open a store, whose data a call is about, and what lists return."
    for name, text in found.items():
        yield f"* [{text.splitlines()[0].removeprefix('# ')}]({name}): `{attributes[name]}`"
    yield "* [Models](models.md): what they return."


def _entrance(package: griffe.Object | griffe.Alias) -> Iterator[str]:
    """Yield what every application uses before it calls a repository."""
    opener = package["opening.store.open_store"]
    signature = _signature(opener, mark="async with ").replace("AsyncIterator[Store]", "Store")
    yield f"## open_store\n\n```text\n{signature}\n```\n"
    yield from _text(opener)
    for name in ("store.Store", "core.scope.Scope", "core.page.Page"):
        one = package[name]
        yield f"\n## {one.name}\n"
        yield from _text(one)
        if one.name != "Store":  # the attributes of a store are its repositories, which the index lists
            yield from _values(one, hidden=_PLUMBING)
        yield from _methods(one, hidden=_PLUMBING)


def _classes(module: griffe.Module) -> Iterator[str]:
    for name, one in module.classes.items():
        if name.startswith("_") or one.is_alias:
            continue
        yield f"\n## {name}\n"
        yield from _text(one)
        yield from _values(one)
        yield from _methods(one)


def _methods(one: griffe.Class, *, hidden: Collection[str] = _HIDDEN) -> Iterator[str]:
    for method in one.functions.values():
        if not method.is_alias and not method.name.startswith("_") and method.name not in hidden:
            yield f"\n### {method.name}\n"
            owner = f"{one.name}." if "classmethod" in method.labels else ""
            yield f"```text\n{_signature(method, owner)}\n```\n"
            yield from _text(method)


def _values(one: griffe.Class, *, hidden: Collection[str] = _HIDDEN) -> Iterator[str]:
    """Yield the fields of a model or the members of an enumeration."""
    fields = [a for a in one.attributes.values() if not a.is_alias and not a.name.startswith("_") and a.name not in hidden]
    if not fields:
        return
    yield "```text"
    for field in fields:
        annotation = f": {field.annotation}" if field.annotation else ""
        yield f"{field.name}{annotation}" + (f" = {field.value}" if field.value is not None else "")
    yield "```\n"


def _signature(method: griffe.Function, owner: str = "", *, mark: str | None = None) -> str:
    parts, is_keyword_only = [], False
    for parameter in method.parameters:
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is griffe.ParameterKind.keyword_only and not is_keyword_only:
            is_keyword_only = True
            parts.append("*")
        default = f" = {parameter.default}" if parameter.default is not None else ""
        parts.append(f"{parameter.name}: {parameter.annotation}{default}")
    mark = ("async " if "async" in method.labels else "") + owner if mark is None else mark
    ends = f") -> {method.returns}"
    line = f"{mark}{method.name}({', '.join(parts)}{ends}"
    return line if len(line) <= 100 else "\n".join([f"{mark}{method.name}(", *(f"    {part}," for part in parts), ends])


def _text(one: griffe.Object) -> Iterator[str]:
    for section in one.docstring.parsed if one.docstring else []:
        match section.kind:
            case griffe.DocstringSectionKind.text:
                yield _plain(section.value) + "\n"
            case griffe.DocstringSectionKind.raises:
                yield "Raises:\n"
                yield from (_item(str(item.annotation), item.description) for item in section.value)
            case _:
                yield from (_item(_names(one, item.name), item.description) for item in section.value)
        yield ""


def _names(one: griffe.Object, name: str) -> str:
    """Return the name of an item; where several share a line, all of them, which the parser does not tell apart."""
    line = re.search(rf"^ *({re.escape(name)}[^:]*):", one.docstring.value if one.docstring else "", re.MULTILINE)
    return ", ".join(part.strip() for part in line[1].split(",")) if name.endswith(",") and line else name


def _item(name: str, text: str) -> str:
    return f"* `{name}`: " + _plain(text).replace("\n", "\n  ")


def _plain(text: str) -> str:
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def main() -> int:
    """Write the pages, or say which are out of date."""
    wanted = pages()
    stored = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.md")}
    stale = sorted(name for name in wanted.keys() | stored.keys() if wanted.get(name) != stored.get(name))
    if "--check" in sys.argv:
        sys.stdout.write("".join(f"{name} is out of date; run `nox -s reference`\n" for name in stale))
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], "utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
