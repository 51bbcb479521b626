"""Queries that span partitions: what the gateway makes of them, and what their plans need of a client."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from enum import Enum

from bifrost_store.emulator.sql.aggregates import as_aggregate, has_aggregate
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.syntax import Call, Literal, Name, Node, Query, SelectList, SelectStar, SelectValue
from bifrost_store.emulator.sql.values import UNDEFINED

FILTER_PLACEHOLDER = "{documentdb-formattableorderbyquery-filter}"
"""What clients put a condition of their own for, to go on where they stopped; the Python SDK puts ``true``."""


class Service(Enum):
    """How the gateway answers a query that spans partitions. One with a partition key or range id is always direct."""

    DIRECT = "direct"
    """From all ranges, one after the other; a query that reads no item just once."""

    PLAN = "plan"
    """400/1004: the client fetches the plan and asks each range itself. So it is with one physical range too."""

    REFUSED = "refused"
    """400: GROUP BY and aggregates without VALUE, which clients that know how ask a plan for, and what has no plan."""


def inner_queries(query: Query) -> Iterator[Query]:
    """Yield the queries that *query* reads its items through: the one in its first source, the one in that one's, and so on."""
    while query.sources and isinstance(query.sources[0].collection, Query):
        query = query.sources[0].collection
        yield query


def reads_items(query: Query) -> bool:
    """Tell whether *query* reads the container; ``SELECT 1`` does not, nor does ``FROM x IN (SELECT VALUE [1])``."""
    return bool([query, *inner_queries(query)][-1].sources)


def is_rowwise(query: Query) -> bool:
    """Tell whether each row of *query* itself comes of one item or row that it reads, in whatever order."""
    return not (query.is_distinct or query.group_by or query.top or query.offset or has_aggregate(query.selection))


def classify(query: Query) -> Service:
    """Tell how *query* is answered when it spans partitions."""
    if not reads_items(query):
        return Service.DIRECT
    if counts_distinct(query) is not None:
        return Service.PLAN
    has_aggregates = has_aggregate(query.selection)
    if query.group_by or (has_aggregates and value_aggregate(query) is None) or not all(map(is_rowwise, inner_queries(query))):
        return Service.REFUSED
    needs_plan = query.order_by or query.is_distinct or query.top or query.offset or has_aggregates
    return Service.PLAN if needs_plan else Service.DIRECT


def check_plannable(query: Query) -> None:
    """Raise `SqlError` for what clients cannot put together from several partitions, whatever they support."""
    if counts_distinct(query) is not None:
        return
    if not all(map(is_rowwise, inner_queries(query))):
        raise SqlError(
            "SC9004",
            "A query across partitions cannot read a subquery that has DISTINCT, GROUP BY, TOP, OFFSET LIMIT or an aggregate.",
        )
    if not _stand_alone(query.selection):
        raise SqlError("SC9003", "Compositions of aggregates and other expressions are not allowed.")


def unsupported_features(query: Query, supported: Collection[str] = ()) -> list[str]:
    """Return the features that *query* needs of a client, less the *supported* ones, as named in request headers."""
    is_counted = counts_distinct(query) is not None
    calls = [] if is_counted else aggregates_of(query.selection)
    is_value = isinstance(query.selection, SelectValue)
    wanted = {
        "Aggregate": bool(calls) and is_value and not query.group_by,
        "CountIf": any(as_aggregate(call) == "COUNTIF" for call in calls),
        "DCount": is_counted,
        "Distinct": query.is_distinct or is_counted,
        "GroupBy": bool(query.group_by),
        "ListAndSetAggregate": any(as_aggregate(call) in ("MAKELIST", "MAKESET") for call in calls),
        "MultipleAggregates": len(calls) > 1,
        "MultipleOrderBy": len(query.order_by) > 1,
        "NonValueAggregate": bool(calls) and not is_value and not query.group_by,
        "OffsetAndLimit": query.offset is not None,
        "OrderBy": bool(query.order_by),
        "Top": query.top is not None,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted and name not in supported]


def value_aggregate(query: Query) -> Call | None:
    """Return the aggregate of ``SELECT VALUE``, if it is just that."""
    expression = query.selection.expression if isinstance(query.selection, SelectValue) else None
    return expression if isinstance(expression, Call) and as_aggregate(expression) else None


def aggregates_of(node: Node) -> list[Call]:
    """Return the aggregates that *node* computes, leaving out those of subqueries."""
    if isinstance(node, Query):
        return []
    if isinstance(node, Call) and as_aggregate(node):
        return [node]
    return [call for child in node.children() for call in aggregates_of(child)]


def counts_distinct(query: Query) -> str | None:
    """Return the name of the count in ``SELECT COUNT(1) AS name FROM (SELECT DISTINCT …)``, "" with VALUE; else None."""
    selection, inner = query.selection, next(inner_queries(query), None)
    source = query.sources[0] if len(query.sources) == 1 else None
    if inner is None or source is None or not inner.is_distinct or source.is_iterated:
        return None
    is_plain = not (query.is_distinct or query.where or query.group_by or query.order_by or query.top or query.offset)
    if not is_plain or not all(map(is_rowwise, (replace(inner, is_distinct=False), *inner_queries(inner)))):
        return None
    if isinstance(selection, SelectValue):
        expression, name = selection.expression, ""
    elif isinstance(selection, SelectList) and len(selection.items) == 1:
        expression, name = selection.items[0].expression, selection.names()[0]
    else:
        return None
    return name if _counts_rows(expression, source.alias) else None


def _counts_rows(node: Node, alias: str | None) -> bool:
    if not isinstance(node, Call) or as_aggregate(node) != "COUNT":
        return False
    (argument,) = node.arguments
    return argument == Name(alias or "") or (isinstance(argument, Literal) and argument.value is not UNDEFINED)


def _stand_alone(node: Node) -> bool:
    """Tell whether every aggregate of a selection is an item of it, no part of an expression."""
    items = [item.expression for item in node.items] if isinstance(node, SelectList) else [node]
    if isinstance(node, SelectValue):
        items = [node.expression]
    if isinstance(node, SelectStar):
        items = []
    return all(as_aggregate(item) or not has_aggregate(item) for item in items)
