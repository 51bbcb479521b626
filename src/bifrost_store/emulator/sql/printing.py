"""The syntax tree as text again, in the form of the service's own rewritten queries: one clause a line, every operation in
brackets, strings as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from bifrost_store.emulator.sql.syntax import (
    ArrayLiteral,
    Between,
    Call,
    Chain,
    Coalesce,
    Collection,
    Conditional,
    In,
    Index,
    Like,
    Literal,
    Logical,
    Member,
    Name,
    Node,
    ObjectLiteral,
    OrderItem,
    Parameter,
    Path,
    Query,
    SelectItem,
    SelectList,
    SelectStar,
    SelectValue,
    Source,
    Subquery,
    Unary,
)
from bifrost_store.emulator.sql.values import UNDEFINED


def print_node(node: Node) -> str:
    """Return *node* as text that parses to the same tree."""
    return _PRINTERS[type(node)](node)


def _list(nodes: Iterable[Node]) -> str:
    return ", ".join(map(print_node, nodes))


def _literal(node: Literal) -> str:
    # The names of NaN and Infinity are the same in queries as here.
    return "undefined" if node.value is UNDEFINED else json.dumps(node.value)


def _path(node: Path) -> str:
    base = print_node(node.base)
    if isinstance(node.base, Literal):
        base = f"({base})"
    return base + "".join(map(print_node, node.steps))


def _unary(node: Unary) -> str:
    return f"({node.operator} {print_node(node.operand)})"


def _chain(node: Chain) -> str:
    # Long chains stay flat, so that nesting does not grow with them.
    rest = "".join(f" {operator} {print_node(operand)}" for operator, operand in node.rest)
    return f"({print_node(node.first)}{rest})"


def _logical(node: Logical) -> str:
    return f"({f' {node.operator} '.join(map(print_node, node.operands))})"


def _coalesce(node: Coalesce) -> str:
    return f"({' ?? '.join(map(print_node, node.operands))})"


def _conditional(node: Conditional) -> str:
    return f"({print_node(node.test)} ? {print_node(node.then)} : {print_node(node.otherwise)})"


def _between(node: Between) -> str:
    return f"({print_node(node.operand)}{_not(node)} BETWEEN {print_node(node.low)} AND {print_node(node.high)})"


def _in(node: In) -> str:
    return f"({print_node(node.operand)}{_not(node)} IN ({_list(node.items)}))"


def _like(node: Like) -> str:
    escape = "" if node.escape is None else f" ESCAPE {json.dumps(node.escape)}"
    return f"({print_node(node.operand)}{_not(node)} LIKE {print_node(node.pattern)}{escape})"


def _not(node: Between | In | Like) -> str:
    return " NOT" if node.is_negated else ""


def _object(node: ObjectLiteral) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {print_node(value)}" for name, value in node.properties) + "}"


def _subquery(node: Subquery) -> str:
    word = "" if node.kind == "SCALAR" else node.kind
    return f"{word}({print_node(node.query)})"


def _collection(node: Collection) -> str:
    return node.name + "".join(map(print_node, node.steps))


def _source(node: Source) -> str:
    collection = f"({print_node(node.collection)})" if isinstance(node.collection, Query) else print_node(node.collection)
    if node.is_iterated:
        return f"{node.alias} IN {collection}"
    if node.alias is None or node.alias == collection:
        return collection
    return f"{collection} AS {node.alias}"


def _select_item(node: SelectItem) -> str:
    return print_node(node.expression) + (f" AS {node.alias}" if node.alias else "")


def _order_item(node: OrderItem) -> str:
    return print_node(node.expression) + (f" {node.direction}" if node.direction else "")


def _query(node: Query) -> str:
    distinct = "DISTINCT " if node.is_distinct else ""
    top = f"TOP {print_node(node.top)} " if node.top else ""
    lines = [f"SELECT {distinct}{top}{print_node(node.selection)}"]
    if node.sources:
        lines.append("FROM " + "\nJOIN ".join(map(print_node, node.sources)))
    if node.where:
        lines.append(f"WHERE {print_node(node.where)}")
    if node.group_by:
        lines.append(f"GROUP BY {_list(node.group_by)}")
    if node.order_by:
        lines.append(f"ORDER BY {_list(node.order_by)}")
    if node.offset and node.limit:
        lines.append(f"OFFSET {print_node(node.offset)} LIMIT {print_node(node.limit)}")
    return "\n".join(lines)


_PRINTERS: dict[type[Node], Callable[[Any], str]] = {
    ArrayLiteral: lambda node: f"[{_list(node.items)}]",
    Between: _between,
    Call: lambda node: f"{node.name}({_list(node.arguments)})",
    Chain: _chain,
    Coalesce: _coalesce,
    Collection: _collection,
    Conditional: _conditional,
    In: _in,
    Index: lambda node: f"[{print_node(node.expression)}]",
    Like: _like,
    Literal: _literal,
    Logical: _logical,
    Member: lambda node: f".{node.name}",
    Name: lambda node: node.name,
    ObjectLiteral: _object,
    OrderItem: _order_item,
    Parameter: lambda node: node.name,
    Path: _path,
    Query: _query,
    SelectItem: _select_item,
    SelectList: lambda node: _list(node.items),
    SelectStar: lambda _: "*",
    SelectValue: lambda node: f"VALUE {print_node(node.expression)}",
    Source: _source,
    Subquery: _subquery,
    Unary: _unary,
}
