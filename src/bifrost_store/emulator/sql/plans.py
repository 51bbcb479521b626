"""Plans: how a client asks each physical partition, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from bifrost_store.emulator.sql.aggregates import as_aggregate
from bifrost_store.emulator.sql.analysis import (
    FILTER_PLACEHOLDER,
    aggregates_of,
    check_plannable,
    counts_distinct,
    inner_queries,
    value_aggregate,
)
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

_PLAN_AGGREGATES = {
    "AVG": "Average",
    "COUNT": "Count",
    "COUNTIF": "CountIf",
    "MAKELIST": "MakeList",
    "MAKESET": "MakeSet",
    "MAX": "Max",
    "MIN": "Min",
    "SUM": "Sum",
}


class KeyRange(NamedTuple):
    """Effective partition keys, from one to another one; with *is_point* just the one."""

    low: str
    high: str
    is_point: bool = False


WHOLE = KeyRange("", "FF")


def query_plan(
    query: Query, parameters: Mapping[str, Value] | None = None, ranges: tuple[KeyRange, ...] = (WHOLE,)
) -> dict[str, Any]:
    """Return the plan of *query* as the gateway sends it.

    Args:
        parameters: For TOP, OFFSET and LIMIT.
        ranges: Where its items can be.

    Raises:
        SqlError: There is no plan, or TOP, OFFSET or LIMIT is no number.
    """
    check_plannable(query)
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": _query_info(query, parameters or {}),
        "queryRanges": [
            {"min": one.low, "max": one.high, "isMinInclusive": True, "isMaxInclusive": one.is_point} for one in ranges
        ],
        "hybridSearchQueryInfo": None,
    }


def _query_info(query: Query, parameters: Mapping[str, Value]) -> dict[str, Any]:
    count_name = counts_distinct(query)
    has_select_value = isinstance(query.selection, SelectValue)
    if count_name is not None:
        query = next(inner_queries(query))
    aggregate = value_aggregate(query)
    order_by = () if aggregate else query.order_by
    counts = {
        clause: None if node is None else count_of(clause, node, parameters)
        for clause, node in (("TOP", query.top), ("OFFSET", query.offset), ("LIMIT", query.limit))
    }
    types = _types_by_alias(query) if count_name is None else {}
    return {
        "distinctType": _distinct_type(query),
        "top": counts["TOP"],
        "offset": counts["OFFSET"],
        "limit": counts["LIMIT"],
        "orderBy": ["Descending" if item.is_descending else "Ascending" for item in order_by],
        "orderByExpressions": [print_node(item.expression) for item in order_by],
        "groupByExpressions": [print_node(key) for key in query.group_by],
        "groupByAliases": list(types),
        "aggregates": [_plan_name(aggregate)] if aggregate else [],
        "groupByAliasToAggregateType": types,
        "rewrittenQuery": _rewritten(query, (counts["OFFSET"] or 0) + (counts["LIMIT"] or 0), is_inner=count_name is not None),
        "hasSelectValue": has_select_value,
        "dCountInfo": None if count_name is None else {"dCountAlias": count_name},
        "hasNonStreamingOrderBy": False,
    }


def _plan_name(aggregate: Call) -> str:
    return _PLAN_AGGREGATES[aggregate.name.upper()]


def _types_by_alias(query: Query) -> dict[str, str | None]:
    """Return what each alias of a grouped selection is put together by; None is the group's own value."""
    selection = query.selection
    if not isinstance(selection, SelectList) or not (query.group_by or aggregates_of(selection)):
        return {}
    found: dict[str, str | None] = {}
    for name, item in zip(selection.names(), selection.items, strict=True):
        call = item.expression
        found[name] = _plan_name(call) if isinstance(call, Call) and as_aggregate(call) else None
    return found


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


def _rewritten(query: Query, needed: int, *, is_inner: bool) -> str:
    """Return what the client asks each range; empty for the query as it is.

    Args:
        needed: The rows of each range that OFFSET and LIMIT may leave in the end.
        is_inner: The query is only a part of the one that was asked, and has to be written in any case.
    """
    if query.group_by or aggregates_of(query.selection):
        return print_node(_unbounded(replace(query, selection=_partial_selection(query), is_distinct=False)))
    # The client makes rows distinct before it counts them, so ranges must not count.
    counted = _unbounded(query) if query.is_distinct else query
    if counted.offset is not None:
        counted = replace(counted, offset=Literal(0), limit=Literal(needed))
    if query.order_by:
        return _with_order_items(counted)
    return "" if counted == query and query.offset is None and not is_inner else print_node(counted)


def _unbounded(query: Query) -> Query:
    return replace(query, top=None, offset=None, limit=None)


def _partial_selection(query: Query) -> SelectValue | SelectList:
    """Return the selection of one range's share: the groups' keys and, as payload, aggregates that can be put together."""
    selection = query.selection
    if isinstance(selection, SelectList):
        pairs = zip(selection.names(), selection.items, strict=True)
        payload: Node = ObjectLiteral(tuple((name, _partial(item.expression)) for name, item in pairs))
    else:
        assert isinstance(selection, SelectValue)
        aggregate = value_aggregate(query)
        payload = selection.expression if aggregate is None else ArrayLiteral((_partial(aggregate),))
    if not query.group_by:
        return SelectValue(payload) if isinstance(selection, SelectValue) else SelectList((SelectItem(payload, "payload"),))
    keys = ArrayLiteral(tuple(ObjectLiteral((("item", key),)) for key in query.group_by))
    return SelectList((SelectItem(keys, "groupByItems"), SelectItem(payload, "payload")))


def _partial(node: Node) -> Node:
    """Return what a range says of an aggregate, with what more the others' shares need; anything else as it is."""
    name = as_aggregate(node)
    if name is None or not isinstance(node, Call):
        return node
    count = ("count", Call("COUNT", node.arguments))
    if name == "AVG":
        return ObjectLiteral((("item", ObjectLiteral((("sum", Call("SUM", node.arguments)), count))),))
    if name in ("MIN", "MAX"):
        return ObjectLiteral((("item", node), ("item2", ObjectLiteral(((name.lower(), node), count)))))
    return ObjectLiteral((("item", node),))


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
