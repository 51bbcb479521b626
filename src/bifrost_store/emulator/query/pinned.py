"""Partition keys that a query's condition names, so that the gateway sends it to one physical partition by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.containers.hashing import KeyValue
from bifrost_store.emulator.containers.items import Key
from bifrost_store.emulator.requests.scope import Scope
from bifrost_store.emulator.sql.expressions import constant_of
from bifrost_store.emulator.sql.indexes import ItemPath, item_path
from bifrost_store.emulator.sql.syntax import Chain, Logical, Node, Query
from bifrost_store.emulator.sql.values import Value


def pinned_scope(container: Container, query: Query, parameters: Mapping[str, Value]) -> Scope | None:
    """Return the scope of the one partition key that a query's condition allows; None if it allows several."""
    if query.where is None:
        return None
    found: dict[ItemPath, KeyValue] = {}
    for condition in _conditions(query.where):
        pair = _equality(condition, query, parameters)
        if pair is not None:
            found.setdefault(*pair)
    partition_key = container.partition_key
    if not all(path in found for path in partition_key.paths):
        return None
    values = tuple(found[path] for path in partition_key.paths)
    key = Key(values, partition_key.epk(values))
    return Scope(partition_key.range_of(values), (container.range_of(key.epk),), key)


def _conditions(node: Node) -> Iterator[Node]:
    """Yield the conditions that all have to hold."""
    if isinstance(node, Logical) and node.operator == "AND":
        for operand in node.operands:
            yield from _conditions(operand)
    else:
        yield node


def _equality(node: Node, query: Query, parameters: Mapping[str, Value]) -> tuple[ItemPath, KeyValue] | None:
    if not isinstance(node, Chain) or len(node.rest) != 1 or node.rest[0][0] != "=":
        return None
    for one, other in ((node.first, node.rest[0][1]), (node.rest[0][1], node.first)):
        path, constant = item_path(one, query, parameters), constant_of(other, parameters)
        if path is not None and constant is not None and isinstance(constant.value, (str, int, float, type(None))):
            return path, constant.value
    return None
