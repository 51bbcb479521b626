"""Rules that a query breaks or keeps whatever the data: names, functions, aggregates, limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bifrost_store.emulator.sql.aggregates import AGGREGATES, as_aggregate, has_aggregate
from bifrost_store.emulator.sql.errors import SqlError, UnsupportedError
from bifrost_store.emulator.sql.functions import FUNCTIONS, UNSUPPORTED
from bifrost_store.emulator.sql.functions.registry import MANY
from bifrost_store.emulator.sql.printing import print_node
from bifrost_store.emulator.sql.syntax import (
    Call,
    Collection,
    Index,
    Literal,
    Name,
    Node,
    Parameter,
    Path,
    Query,
    SelectList,
    SelectStar,
    Source,
    Span,
    Subquery,
    walk,
)

MAX_DEPTH = 100
"""Levels of the syntax tree, so that walking it stays within Python's stack."""

MAX_JOINS = 10
"""``maxJoinsPerSqlQuery`` of the service's account document."""

MAX_COUNT = 2**32 - 1
"""The largest number that TOP, OFFSET and LIMIT take. Clients send less: LINQ and EF Core skip by ``OFFSET n LIMIT 2147483647``, of
which a plan asks each range for the first ``n`` + 2147483647 rows (query plan tests of azure-cosmos-dotnet-v3)."""


def check(query: Query) -> None:
    """Raise `SqlError` for the first rule that *query* breaks."""
    joins = 0
    for node, depth in walk(query):
        if depth > MAX_DEPTH:
            raise SqlError("SC3002", f"The query is nested more than {MAX_DEPTH} levels deep.")
        if isinstance(node, Query):
            joins += max(len(node.sources) - 1, 0)
    if joins > MAX_JOINS:
        raise SqlError(
            "SC3003",
            f"The query exceeded the maximum number of joins that can be used per query. The allowed limit is {MAX_JOINS}.",
        )
    _check_query(query, frozenset(), is_outermost=True)


def _check_query(query: Query, outer: frozenset[str], *, is_outermost: bool) -> None:
    scope = _check_sources(query, outer, is_outermost=is_outermost)
    for clause, nodes in _clauses(query):
        for node in nodes:
            _check_expression(node, scope, clause, is_outermost=is_outermost)
    _check_selection(query)
    _check_groups(query)
    for clause, count in (("TOP", query.top), ("OFFSET", query.offset), ("LIMIT", query.limit)):
        if isinstance(count, Literal):
            check_count(clause, count.value, count.span)


def _check_subquery(query: Query, scope: frozenset[str], *, is_root: bool = False) -> None:
    """Check a query within another one; *is_root* says that it reads the container."""
    for clause, code, is_there in (
        ("'ORDER BY' is", "SC2202", query.order_by),
        ("'TOP' is", "SC2203", query.top),
        ("'OFFSET LIMIT' clause is", "SC2204", query.offset),
    ):
        if is_there:
            raise SqlError(code, f"{clause} not supported in subqueries.")
    _check_query(query, scope, is_outermost=is_root)


def _clauses(query: Query) -> Iterator[tuple[str, tuple[Node, ...]]]:
    yield "SELECT", (query.selection,)
    yield "WHERE", () if query.where is None else (query.where,)
    yield "GROUP BY", query.group_by
    yield "ORDER BY", query.order_by


def _check_sources(query: Query, outer: frozenset[str], *, is_outermost: bool) -> frozenset[str]:
    """Check the FROM clause and return the names that the rest of the query sees."""
    scope, own = outer, set[str]()
    for position, source in enumerate(query.sources):
        collection = source.collection
        if isinstance(collection, Query):
            _check_subquery(collection, scope, is_root=is_outermost and position == 0)
        elif not (is_outermost and position == 0):
            _resolve(collection, scope)
        if source.alias is not None:
            if source.alias in own:
                raise SqlError("SC2011", f"The input alias '{source.alias}' is specified more than once.", *_source_span(source))
            own.add(source.alias)
            scope |= {source.alias}
    return scope


def _source_span(source: Source) -> tuple[int, int] | tuple[()]:
    return source.collection.span if isinstance(source.collection, Collection) else ()


def _resolve(node: Name | Collection, scope: frozenset[str]) -> None:
    if node.name not in scope:
        raise SqlError("SC2001", f"Identifier '{node.name}' could not be resolved.", *node.span)


def _check_selection(query: Query) -> None:
    selection = query.selection
    if isinstance(selection, SelectStar):
        if not query.sources:
            raise SqlError("SC2039", "'SELECT *' is not valid if FROM clause is omitted.", *selection.span)
        if len(query.sources) > 1:
            raise SqlError("SC2040", "'SELECT *' is only valid with a single input set.", *selection.span)
        if query.group_by:
            raise SqlError("SC2041", "'SELECT *' is not allowed with GROUP BY.", *selection.span)
    if isinstance(selection, SelectList):
        name, count = Counter(selection.names()).most_common(1)[0]
        if count > 1:
            item = selection.items[len(selection.items) - 1 - selection.names()[::-1].index(name)]
            raise SqlError("SC2022", f"The property name '{name}' is specified more than once in the select list.", *item.span)
    if query.group_by or has_aggregate(selection):
        if query.order_by and query.group_by:
            raise SqlError("SC2104", "'ORDER BY' is not allowed with GROUP BY.")
        own = frozenset(source.alias for source in query.sources if source.alias is not None)
        _check_grouped(selection, query.group_by, own)


def _check_groups(query: Query) -> None:
    """Hold GROUP BY to what its reference page says: any expression that names a property, without subqueries.

    ("GROUP BY clause", Microsoft.)
    """
    for key in query.group_by:
        parts = [part for part, _ in walk(key)]
        if any(isinstance(part, Subquery) for part in parts):
            raise SqlError("SC2105", "A subquery is not allowed in the GROUP BY clause.")
        if not any(isinstance(part, Name) for part in parts):
            raise SqlError("SC2106", "Each expression of the GROUP BY clause must contain at least one property reference.")


def _check_grouped(node: Node, groups: tuple[Node, ...], own: frozenset[str]) -> None:
    """Refuse references to what differs within a group: to the query's *own* inputs, except by the group's keys."""
    if node in groups or isinstance(node, Subquery) or as_aggregate(node):
        return
    if isinstance(node, Path):
        if any((Path(node.base, node.steps[:count]) if count else node.base) in groups for count in range(len(node.steps))):
            return
        if isinstance(node.base, Name) and node.base.name in own:
            raise _not_grouped(node)
    if isinstance(node, Name) and node.name in own:
        raise _not_grouped(node)
    for child in node.children():
        _check_grouped(child, groups, own)


def _not_grouped(node: Name | Path) -> SqlError:
    return SqlError(
        "SC2102",
        f"Property reference '{print_node(node)}' is invalid in the select list because it is not contained in either an "
        "aggregate function or the GROUP BY clause.",
        *node.span,
    )


def _check_expression(node: Node, scope: frozenset[str], clause: str, *, is_outermost: bool) -> None:
    if isinstance(node, Name):
        _resolve(node, scope)
    elif isinstance(node, Query):
        _check_subquery(node, scope)
        return
    elif isinstance(node, Index) and not isinstance(node.expression, Literal | Parameter):
        raise SqlError("SC2990", "The specified query includes 'member indexer' which is currently not supported.", *node.span)
    elif isinstance(node, Call):
        _check_call(node, clause, is_outermost=is_outermost)
    for child in node.children():
        _check_expression(child, scope, clause, is_outermost=is_outermost)


def _is_too_much_to_aggregate(call: Call, *, is_outermost: bool) -> bool:
    """Tell whether an aggregate is of another one or of a subquery, which only those within subqueries may be: EF Core sums so."""
    below = (part for argument in call.arguments for part, _ in walk(argument))
    return any(map(has_aggregate, call.arguments)) or (is_outermost and any(isinstance(part, Subquery) for part in below))


def _check_call(call: Call, clause: str, *, is_outermost: bool) -> None:
    """Check a function's name, its place and the number of its arguments."""
    name = call.name.upper()
    if name.startswith("UDF."):
        raise UnsupportedError(f"the user-defined function {call.name}", *call.span)
    if name in UNSUPPORTED:
        raise UnsupportedError(f"the function {call.name}", *call.span)
    if name in AGGREGATES:
        if _is_too_much_to_aggregate(call, is_outermost=is_outermost):
            raise SqlError(
                "SC2101", "Cannot perform an aggregate function on an expression containing an aggregate or a subquery.", *call.span
            )
        if clause != "SELECT":
            raise SqlError("SC2103", f"The aggregate function {name} is not allowed in the {clause} clause.", *call.span)
        least, most = 1, 1
    elif name in FUNCTIONS:
        least, most = FUNCTIONS[name].least, FUNCTIONS[name].most
    else:
        raise SqlError(
            "SC2005", f"'{call.name}' is not a recognized built-in function name.", call.span[0], call.span[0] + len(call.name)
        )
    if not least <= len(call.arguments) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}" if most < MANY else f"at least {least}"
        raise SqlError("SC2050", f"The {name} function requires {wanted} argument(s).", *call.span)


def check_count(clause: str, value: object, span: Span | tuple[()] = ()) -> int:
    """Return the number of TOP, OFFSET or LIMIT; raise `SqlError` if it is none."""
    code = {"TOP": "SC2060", "OFFSET": "SC2062", "LIMIT": "SC2061"}[clause]
    if type(value) is not int or value < 0 or (value > MAX_COUNT and clause == "TOP"):
        raise SqlError(code, f"The count value provided for a {clause} clause must be an integer.", *span)
    if value > MAX_COUNT:
        raise SqlError(code, f"The {clause} count value exceeds the maximum allowed value.", *span)
    return value
