"""Partition keys that a query's condition names, so that only the physical partitions that can hold its items are asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Final

from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.containers.hashing import UNDEFINED_KEY, KeyValue
from bifrost_store.emulator.containers.items import Key
from bifrost_store.emulator.requests.scope import Scope
from bifrost_store.emulator.sql.expressions import constant_of
from bifrost_store.emulator.sql.indexes import ItemPath, item_path
from bifrost_store.emulator.sql.plans import WHOLE, KeyRange
from bifrost_store.emulator.sql.syntax import Call, Chain, In, Logical, Node, Query
from bifrost_store.emulator.sql.values import UNDEFINED, Value

_MAX_KEYS: Final = 1000
"""Beyond this a plan names no keys."""

_Typed = tuple[type, KeyValue]
"""A key's value with its type, as True and 1 are equal in Python."""

_Values = dict[ItemPath, frozenset[_Typed]]
"""By path, the values that a condition allows; any where a path is missing."""


def pinned_scope(container: Container, query: Query, parameters: Mapping[str, Value]) -> Scope | None:
    """Return the scope of the one partition key that a query's condition allows; None if it allows several."""
    levels = _levels(container, query, parameters)
    if len(levels) < len(container.partition_key.paths) or any(len(values) != 1 for values in levels):
        return None
    values = tuple(value for ((_, value),) in levels)
    key = Key(values, container.partition_key.epk(values))
    return Scope(container.partition_key.range_of(values), (container.range_of(key.epk),), key)


def key_ranges(container: Container, query: Query, parameters: Mapping[str, Value]) -> tuple[KeyRange, ...]:
    """Return where the items can be that a query's condition allows."""
    levels = _levels(container, query, parameters)
    if not levels or math.prod(map(len, levels)) > _MAX_KEYS:
        return (WHOLE,)
    partition_key = container.partition_key
    found = set[KeyRange]()
    for typed in product(*levels):
        # What tells the keys of version 1 apart, behind a dot, is this server's own.
        epk = partition_key.epk([value for _, value in typed]).partition(".")[0]
        is_whole_key = len(typed) == len(partition_key.paths)
        found.add(KeyRange(epk, epk, is_point=True) if is_whole_key else KeyRange(epk, epk + "FF"))
    return tuple(sorted(found)) or (KeyRange("", "", is_point=True),)


def _levels(container: Container, query: Query, parameters: Mapping[str, Value]) -> list[frozenset[_Typed]]:
    """Return the values of the key's levels, as far as the condition limits them one after the other."""
    found = {} if query.where is None else _Reader(query, parameters).allowed(query.where)
    levels = []
    for path in container.partition_key.paths:
        if path not in found:
            break
        levels.append(found[path])
    return levels


class _Reader:
    """Reads the conditions of one query."""

    def __init__(self, query: Query, parameters: Mapping[str, Value]) -> None:
        self._query = query
        self._parameters = parameters

    def allowed(self, node: Node) -> _Values:
        """Return the values that paths have wherever *node* is true."""
        if isinstance(node, Logical):
            parts = [self.allowed(operand) for operand in node.operands]
            return _all_of(parts) if node.operator == "AND" else _any_of(parts)
        if isinstance(node, Chain) and len(node.rest) == 1 and node.rest[0][0] == "=":
            right = node.rest[0][1]
            return self._one_of(node.first, (right,)) or self._one_of(right, (node.first,))
        if isinstance(node, In) and not node.is_negated:
            return self._one_of(node.operand, node.items)
        if isinstance(node, Call):
            return self._of_call(node)
        return {}

    def _of_call(self, call: Call) -> _Values:
        """Return the values that ``ARRAY_CONTAINS([...], path)`` and ``IS_NULL(path)`` allow, as the service's plans do."""
        if call.name.upper() == "IS_NULL":
            return self._among(call.arguments[0], [None])
        if call.name.upper() != "ARRAY_CONTAINS" or len(call.arguments) != 2:
            return {}
        array = constant_of(call.arguments[0], self._parameters)
        return self._among(call.arguments[1], array.value) if array is not None and isinstance(array.value, list) else {}

    def _one_of(self, node: Node, items: tuple[Node, ...]) -> _Values:
        constants = [constant_of(item, self._parameters) for item in items]
        known = [constant.value for constant in constants if constant is not None]
        return self._among(node, known) if len(known) == len(constants) else {}

    def _among(self, node: Node, values: list[Value]) -> _Values:
        path = item_path(node, self._query, self._parameters)
        if path is None:
            return {}
        # What equals undefined or NaN is nothing; an array or object as the key counts as undefined.
        return {path: frozenset(_typed(value) for value in values if value is not UNDEFINED and value == value)}


def _typed(value: Value) -> _Typed:
    if isinstance(value, (list, dict)):
        return tuple, UNDEFINED_KEY
    return (float if type(value) is int else type(value)), value


def _all_of(parts: list[_Values]) -> _Values:
    found: _Values = {}
    for part in parts:
        for path, values in part.items():
            found[path] = found[path] & values if path in found else values
    return found


def _any_of(parts: list[_Values]) -> _Values:
    first, *others = parts
    common = set(first).intersection(*others)
    return {path: frozenset[_Typed]().union(*(part[path] for part in parts)) for path in common}
