"""Queries that span partitions: which of them the gateway refuses, and the plan by which the SDK runs them instead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from bifrost_store.emulator.sql.aggregates import as_aggregate, has_aggregate
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.execute import count_of
from bifrost_store.emulator.sql.printing import print_node
from bifrost_store.emulator.sql.syntax import (
    ArrayLiteral,
    Call,
    Literal,
    Logical,
    Member,
    Name,
    Node,
    ObjectLiteral,
    Path,
    Query,
    SelectItem,
    SelectList,
    SelectStar,
    SelectValue,
)
from bifrost_store.emulator.sql.values import Value

FILTER_PLACEHOLDER = "{documentdb-formattableorderbyquery-filter}"
"""What clients put a condition of their own for, to go on where they stopped; the Python SDK puts ``true``."""

_PLAN_AGGREGATES = {"AVG": "Average", "COUNT": "Count", "COUNTIF": "CountIf", "MAX": "Max", "MIN": "Min", "SUM": "Sum"}


class Service(Enum):
    """How the gateway answers a query that spans partitions. One with a partition key or range id is always direct."""

    DIRECT = "direct"
    """From all ranges, one after the other; a query without FROM just once."""

    PLAN = "plan"
    """400/1004: the client fetches the plan and asks each range itself. So it is with one physical range too."""

    REFUSED = "refused"
    """400: GROUP BY, aggregates without VALUE, aggregates within other expressions. No plan helps."""


def classify(query: Query) -> Service:
    """Tell how *query* is answered when it spans partitions."""
    has_aggregates = has_aggregate(query.selection)
    if query.group_by or (has_aggregates and _value_aggregate(query) is None):
        return Service.REFUSED
    if not query.sources:
        return Service.DIRECT
    needs_plan = query.order_by or query.is_distinct or query.top or query.offset or has_aggregates
    return Service.PLAN if needs_plan else Service.DIRECT


def unsupported_features(query: Query, supported: Collection[str] = ()) -> list[str]:
    """Return the features that *query* needs of a client, less the *supported* ones, as named in request headers."""
    aggregate = _value_aggregate(query)
    wanted = {
        "Aggregate": aggregate is not None,
        "CountIf": aggregate is not None and as_aggregate(aggregate) == "COUNTIF",
        "Distinct": query.is_distinct,
        "GroupBy": bool(query.group_by),
        "MultipleOrderBy": len(query.order_by) > 1,
        "NonValueAggregate": aggregate is None and has_aggregate(query.selection),
        "OffsetAndLimit": query.offset is not None,
        "OrderBy": bool(query.order_by),
        "Top": query.top is not None,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted and name not in supported]


def query_plan(query: Query, parameters: Mapping[str, Value] | None = None) -> dict[str, Any]:
    """Return the plan of *query* as the gateway sends it, over the whole range of partitions.

    Args:
        parameters: For TOP, OFFSET and LIMIT.

    Raises:
        SqlError: There is no plan (`Service.REFUSED`), or TOP, OFFSET or LIMIT is no number.
    """
    if classify(query) is Service.REFUSED:
        raise SqlError("SC9003", "Cross partition query only supports 'VALUE <AggregateFunc>' for aggregates.")
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": _query_info(query, parameters or {}),
        "queryRanges": [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}],
        "hybridSearchQueryInfo": None,
    }


def _query_info(query: Query, parameters: Mapping[str, Value]) -> dict[str, Any]:
    aggregate = _value_aggregate(query)
    order_by = () if aggregate else query.order_by
    counts = {
        clause: None if node is None else count_of(clause, node, parameters)
        for clause, node in (("TOP", query.top), ("OFFSET", query.offset), ("LIMIT", query.limit))
    }
    return {
        "distinctType": _distinct_type(query),
        "top": counts["TOP"],
        "offset": counts["OFFSET"],
        "limit": counts["LIMIT"],
        "orderBy": ["Descending" if item.is_descending else "Ascending" for item in order_by],
        "orderByExpressions": [print_node(item.expression) for item in order_by],
        "groupByExpressions": [],
        "groupByAliases": [],
        "aggregates": [_PLAN_AGGREGATES[aggregate.name.upper()]] if aggregate else [],
        "groupByAliasToAggregateType": {},
        "rewrittenQuery": _rewritten(query, (counts["OFFSET"] or 0) + (counts["LIMIT"] or 0)),
        "hasSelectValue": isinstance(query.selection, SelectValue),
        "dCountInfo": None,
        "hasNonStreamingOrderBy": False,
    }


def _value_aggregate(query: Query) -> Call | None:
    expression = query.selection.expression if isinstance(query.selection, SelectValue) else None
    return expression if isinstance(expression, Call) and as_aggregate(expression) else None


def _distinct_type(query: Query) -> str:
    """Return Ordered if equal rows come one after the other: ORDER BY begins with just what is selected."""
    if not query.is_distinct:
        return "None"
    selection = query.selection
    selected = [selection.expression] if isinstance(selection, SelectValue) else []
    if isinstance(selection, SelectList):
        selected = [item.expression for item in selection.items]
    first = [item.expression for item in query.order_by[: len(selected)]]
    is_ordered = len(first) == len(selected) > 0 and all(expression in first for expression in selected)
    return "Ordered" if is_ordered else "Unordered"


def _rewritten(query: Query, needed: int) -> str:
    """Return what the client asks each range; empty for the query as it is.

    Args:
        needed: The rows of each range that OFFSET and LIMIT may leave in the end.
    """
    aggregate = _value_aggregate(query)
    if aggregate is not None:
        return print_node(_unbounded(replace(query, selection=_partial_aggregate(aggregate), is_distinct=False)))
    # The client makes rows distinct before it counts them, so ranges must not count.
    counted = _unbounded(query) if query.is_distinct else query
    if counted.offset is not None:
        counted = replace(counted, offset=Literal(0), limit=Literal(needed))
    if query.order_by:
        return _with_order_items(counted)
    return "" if counted == query and query.offset is None else print_node(counted)


def _unbounded(query: Query) -> Query:
    return replace(query, top=None, offset=None, limit=None)


def _partial_aggregate(aggregate: Call) -> SelectValue:
    item: Node = aggregate
    if as_aggregate(aggregate) == "AVG":
        item = ObjectLiteral((("sum", Call("SUM", aggregate.arguments)), ("count", Call("COUNT", aggregate.arguments))))
    return SelectValue(ArrayLiteral((ObjectLiteral((("item", item),)),)))


def _with_order_items(query: Query) -> str:
    """Return a query whose rows carry what they are sorted by: ``_rid``, ``orderByItems`` and the row as ``payload``."""
    keys = ArrayLiteral(tuple(ObjectLiteral((("item", item.expression),)) for item in query.order_by))
    payload = _payload(query)
    items = [SelectItem(keys, "orderByItems"), SelectItem(payload, "payload")]
    if query.sources and query.sources[0].alias:
        items.insert(0, SelectItem(Path(Name(query.sources[0].alias), (Member("_rid"),)), None))
    condition: Node = Name(f"({FILTER_PLACEHOLDER})")
    if query.where is not None:
        condition = Logical("AND", (query.where, condition))
    if isinstance(query.selection, SelectValue):
        condition = Logical("AND", (condition, Call("IS_DEFINED", (payload,))))
    return print_node(replace(query, selection=SelectList(tuple(items)), is_distinct=False, where=condition))


def _payload(query: Query) -> Node:
    """Return the whole row as one expression."""
    selection = query.selection
    if isinstance(selection, SelectStar):
        return Name(query.sources[0].alias or "")
    if isinstance(selection, SelectValue):
        return selection.expression
    expressions = (item.expression for item in selection.items)
    return ObjectLiteral(tuple(zip(selection.names(), expressions, strict=True)))
