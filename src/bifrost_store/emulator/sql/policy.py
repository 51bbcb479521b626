"""What the indexing policy has to say about ORDER BY. The service refuses a sort that no index serves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.indexes import ItemPath, item_path
from bifrost_store.emulator.sql.syntax import Name, Node, Path, Query
from bifrost_store.emulator.sql.values import Value

_SEGMENT: TypeAlias = str
_SEGMENTS = re.compile(r'/(?:"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|([^/]*))')
_ALWAYS_INDEXED = (("id",), ("_ts",))
_ANY_ELEMENT = "[]"


def check_order_by(query: Query, policy: Mapping[str, Any], parameters: Mapping[str, Value] | None = None) -> None:
    """Raise `SqlError` if ORDER BY of *query* is none that the service serves under the indexing *policy*.

    It takes paths of the item only. One path must be indexed; several need a composite index of just these paths with
    just these directions, or all of them inverted ("Indexing policies", Microsoft).
    """
    paths = [_order_path(item.expression, query, parameters) for item in query.order_by]
    if len(paths) == 1 and not is_indexed(paths[0], policy):
        raise SqlError("SC9005", "The index path corresponding to the specified order-by item is excluded.")
    if len(paths) > 1:
        wanted = [(path, item.is_descending) for path, item in zip(paths, query.order_by, strict=True)]
        inverted = [(path, not is_descending) for path, is_descending in wanted]
        if not any(_composite(entries) in (wanted, inverted) for entries in policy.get("compositeIndexes") or ()):
            raise SqlError("SC9006", "The order by query does not have a corresponding composite index that it can be served from.")


def _order_path(node: Node, query: Query, parameters: Mapping[str, Value] | None) -> tuple[_SEGMENT, ...]:
    path = item_path(node, query, parameters)
    if path is not None:
        return _segments(path)
    base = node.base if isinstance(node, Path) else node
    others = {source.alias for source in query.sources[1:]} | {source.alias for source in query.sources if source.is_iterated}
    if isinstance(base, Name) and base.name in others:
        raise SqlError("SC9007", "Order-by over correlated collections is not supported.", *base.span)
    raise SqlError("2206", "Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path.")


def _segments(path: ItemPath) -> tuple[_SEGMENT, ...]:
    return tuple(step if isinstance(step, str) else _ANY_ELEMENT for step in path)


def _composite(entries: list[Mapping[str, Any]]) -> list[tuple[tuple[_SEGMENT, ...], bool]]:
    return [(read_path(entry["path"]), entry.get("order", "ascending") == "descending") for entry in entries]


def read_path(text: str) -> tuple[_SEGMENT, ...]:
    """Return the segments of a path as policies write it: ``/a/"odd name"/[]/?`` without the closing ``?``."""
    segments = []
    for found in _SEGMENTS.finditer(text):
        quoted = found[1] if found[1] is not None else found[2]
        segments.append(found[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    if segments and segments[-1] in ("?", ""):
        segments.pop()
    return tuple(segments)


def is_indexed(path: tuple[_SEGMENT, ...], policy: Mapping[str, Any]) -> bool:
    """Tell whether the scalar at *path* is indexed: the most precise of the paths that cover it decides."""
    if str(policy.get("indexingMode", "consistent")).lower() == "none":
        return False
    if path in _ALWAYS_INDEXED:
        return True
    included = _precision(path, policy.get("includedPaths") or ())
    return included > _precision(path, policy.get("excludedPaths") or ())


def _precision(path: tuple[_SEGMENT, ...], entries: Any) -> int:
    """Return how precisely one of *entries* covers *path*: -1 not at all; an exact path counts more than ``*`` at its place."""
    best = -1
    for entry in entries:
        segments = read_path(entry["path"])
        if segments[-1:] == ("*",):
            above = segments[:-1]
            if path[: len(above)] == above:
                best = max(best, 2 * len(above))
        elif segments == path:
            best = max(best, 2 * len(segments) + 1)
    return best
