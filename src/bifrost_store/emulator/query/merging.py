"""Groups and aggregates over items of which many agree in all that the query reads: those are evaluated once, with their number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bifrost_store.emulator.sql.aggregates import as_aggregate, has_aggregate
from bifrost_store.emulator.sql.computed import root_alias
from bifrost_store.emulator.sql.functions import FUNCTIONS
from bifrost_store.emulator.sql.indexes import item_path
from bifrost_store.emulator.sql.syntax import Call, Name, Node, Path, Query, SelectStar, Subquery
from bifrost_store.emulator.sql.values import Value
from bifrost_store.emulator.store.indexes import UNREADABLE, is_extracted
from bifrost_store.emulator.store.indexes import Path as ItemPath

_MAX_PATHS: Final = 32
_decode: Final = json.JSONDecoder().raw_decode


@dataclass(frozen=True)
class Merging:
    """A query over items that stand for several.

    Attributes:
        query: The query.
        paths: What it reads of an item, names alone; in order, so that what lies within another comes behind it.
    """

    query: Query
    paths: tuple[tuple[str, ...], ...]

    def document(self, texts: Sequence[str | None]) -> dict[str, Any]:
        """Return an item that has the JSON *texts* at `paths`, as far as they are not None, and no more."""
        document: dict[str, Any] = {}
        for (*above, name), text in zip(self.paths, texts, strict=True):
            if text is not None:
                parent = document
                for step in above:
                    parent = parent.setdefault(step, {})
                parent[name], _ = _decode(text)
        return document


def merging_of(query: Query, parameters: Mapping[str, Value], *, is_matched: bool) -> Merging | None:
    """Return how *query* may be run over items that stand for several; None if it may not, or would gain nothing.

    Args:
        query: The query.
        parameters: Their values.
        is_matched: It is given matching items only, so that its condition reads nothing.
    """
    if len(query.sources) != 1 or root_alias(query) is None or not (query.group_by or has_aggregate(query.selection)):
        return None
    query = replace(query, where=None) if is_matched else query
    parts = (query.selection, query.where, *query.group_by, *query.order_by)
    found = [path for part in parts if part is not None for path in _reads(part, query, parameters)]
    paths = sorted({path for path in found if path is not None})
    if None in found or len(paths) > _MAX_PATHS:
        return None
    return Merging(query, tuple(paths))


def _reads(node: Node, query: Query, parameters: Mapping[str, Value]) -> Iterator[tuple[str, ...] | None]:
    """Yield the paths that *node* reads of an item, as far as they are names; None if what it gives depends on more."""
    if isinstance(node, Path) and isinstance(node.base, Name):
        path = item_path(node, query, parameters)
        yield None if path is None or path[0] in UNREADABLE or path[0] == "_ts" else _names(path)
    elif isinstance(node, Name | Subquery | Query | SelectStar) or (isinstance(node, Call) and _is_random(node)):
        yield None
    else:
        for child in node.children():
            yield from _reads(child, query, parameters)


def _names(path: ItemPath) -> tuple[str, ...] | None:
    names: list[str] = []
    for step in path:
        if not isinstance(step, str) or not is_extracted((step,)):
            break
        names.append(step)
    return tuple(names) or None


def _is_random(call: Call) -> bool:
    return not as_aggregate(call) and FUNCTIONS[call.name.upper()].is_random
